"""The report's folder: whole or not at all, needing nothing else, safe to open."""

import base64
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from report_kit import METHODS, METRICS, REFERENCE, SIDE, SyntheticResults, head, hostile

from radfuse.arrays import UInt8Array
from radfuse.benchmark.report.gallery import (
    BRIGHTER,
    DARKER,
    DIFFERENCE_RANGE,
    MAX_SIDE_PX,
    Zoom,
    case_gallery,
    data_url,
    difference_map,
    reduced,
    strongest_structure,
)
from radfuse.benchmark.report.write import HTML_FILE, write_report
from radfuse.errors import InputError, OutputError
from radfuse.record import NOTICE

CASE = "p1-0"
"""`broken` failed on it."""


@pytest.fixture(scope="module")
def folder(results: SyntheticResults, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("benchmark") / "report"
    page = write_report(results, target, reference=REFERENCE, shown_cases=[CASE, "p2-3"])
    assert page == target / HTML_FILE
    return target


@pytest.fixture(scope="module")
def html(folder: Path) -> str:
    return (folder / HTML_FILE).read_text(encoding="utf-8")


@pytest.fixture
def small(results: SyntheticResults) -> SyntheticResults:
    """One metric, no speed: quickly reported."""
    return replace(results, metrics=METRICS[:1], speed=results.speed[:0])


class Page(HTMLParser):
    """Tags, texts, and everything that could fetch or run something."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.identifiers: list[str] = []
        self.handlers: list[str] = []
        self.texts: list[str] = []
        self.alternatives: list[str | None] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.tags.append(tag)
        self.links += [named[key] or "" for key in ("src", "href", "action") if key in named]
        self.handlers += [key for key in named if key.startswith("on")]
        self.identifiers += [named["id"] or ""] if "id" in named else []
        self.alternatives += [named.get("alt")] if tag == "img" else []

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_folder_has_page_texts_drawings_and_numbers(folder: Path) -> None:
    names = set(contents(folder))
    assert {HTML_FILE, "report.md", "tables.tex", "tables/summary.csv", "tables/speed.csv"} <= names
    linked = re.findall(r"\]\((figures/.*?\.svg)\)", (folder / "report.md").read_text())
    assert set(linked) == {name for name in names if name.startswith("figures/")}
    assert list(folder.parent.iterdir()) == [folder]


def test_the_page_needs_nothing_else(html: str) -> None:
    page = Page(html)
    inner = [link for link in page.links if link.startswith("#")]
    assert {link[1:] for link in inner} == set(page.identifiers)
    others = [link for link in page.links if not link.startswith("#")]
    assert all(link.startswith("data:image/") for link in others)
    assert not {"script", "link", "iframe", "object", "form"} & set(page.tags)
    assert "default-src 'none'" in html
    assert "@import" not in html
    assert "url(" not in html


def test_every_picture_and_drawing_has_words_in_its_place(html: str) -> None:
    alternatives = Page(html).alternatives
    assert all(alternatives)
    assert "Box plots of MI, SF" in alternatives


def test_the_notice_stands_on_every_text(folder: Path) -> None:
    for name in (HTML_FILE, "report.md", "tables.tex"):
        assert NOTICE in (folder / name).read_text(encoding="utf-8"), name


def test_the_page_names_no_winner_and_says_why(html: str) -> None:
    text = " ".join(Page(html).texts)
    assert "names no winner" in text
    assert "5 methods on 24 cases of 4 patients; 3 failures. Comparisons are with network." in text


def test_tables_and_figures_are_counted_through(html: str) -> None:
    for kind in ("Table", "Figure"):
        numbers = [int(number) for number in re.findall(rf"<b>{kind} (\d+)\.</b>", html)]
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) > 9


def test_the_same_results_give_the_same_bytes(small: SyntheticResults, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_report(small, tmp_path / name, reference=REFERENCE, shown_cases=[CASE])
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_the_seed_decides_the_intervals_alone(small: SyntheticResults, tmp_path: Path) -> None:
    many_patients = replace(small, rows=small.rows.assign(patient=small.rows["case"]))
    for seed in (1, 2):
        write_report(many_patients, tmp_path / str(seed), reference=REFERENCE, seed=seed)
    first, second = (pd.read_csv(tmp_path / name / "tables/summary.csv") for name in ("1", "2"))
    same = [name for name in first.columns if name not in {"low", "high"}]
    pd.testing.assert_frame_equal(first[same], second[same])
    assert not first.equals(second)


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    results = hostile()
    page = Page(
        write_report(results, tmp_path / "report", reference=REFERENCE, shown_cases=["p2-0"])
        .read_text(encoding="utf-8")
    )  # fmt: skip
    assert not {"script", "b0", "k"} & set(page.tags)
    assert page.handlers == []
    assert page.tags.count("img") == len(page.alternatives)
    shown = "".join(page.texts)
    for text in (results.title, results.methods[0].name, "<img src=x", "<b>/home/_x_|y"):
        assert text in shown
    for path in (tmp_path / "report" / "figures").iterdir():
        assert b"<script" not in path.read_bytes()


def test_report_omits_sections_without_content(small: SyntheticResults, tmp_path: Path) -> None:
    smooth = replace(small, failures=small.failures[:0])
    page = Page(write_report(smooth, tmp_path / "r", reference=REFERENCE).read_text("utf-8"))
    assert "Every method fused every case." in page.texts
    assert not {"5. Images", "4. Speed"} & set(page.texts)
    assert not (tmp_path / "r" / "tables" / "speed.csv").exists()


def test_one_method_and_one_case_make_a_report(small: SyntheticResults, tmp_path: Path) -> None:
    rows = small.rows[(small.rows["method"] == REFERENCE) & (small.rows["case"] == "p2-0")]
    alone = replace(small, rows=rows, methods=small.methods[2:3])
    page = Page(write_report(alone, tmp_path / "r", reference=REFERENCE).read_text("utf-8"))
    assert any("over 1 case of 1 patient" in text for text in page.texts)
    assert r"\pm" not in (tmp_path / "r/tables.tex").read_text().split(r"\midrule")[1]


def test_a_report_replaces_an_older_one_as_a_whole(small: SyntheticResults, tmp_path: Path) -> None:
    target = tmp_path / "report"
    target.mkdir()
    (target / HTML_FILE).write_text("old")
    (target / "stale.svg").write_text("old")
    write_report(small, target, reference=REFERENCE)
    assert not (target / "stale.svg").exists()
    assert "synthetic heads" in (target / HTML_FILE).read_text()


def test_a_folder_with_something_else_is_left_alone(
    small: SyntheticResults, tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_text("precious")
    with pytest.raises(OutputError) as caught:
        write_report(small, tmp_path, reference=REFERENCE)
    assert str(caught.value) == (
        f"{tmp_path}: contains other files than a report; choose another folder"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


def test_a_file_in_the_place_of_the_folder_is_left_alone(
    small: SyntheticResults, tmp_path: Path
) -> None:
    (tmp_path / "report").write_text("precious")
    with pytest.raises(OutputError, match="Not a directory; nothing was changed"):
        write_report(small, tmp_path / "report", reference=REFERENCE)
    assert contents(tmp_path) == {"report": b"precious"}


def test_a_full_disk_leaves_the_old_report(
    small: SyntheticResults,
    tmp_path: Path,
    full_disk: Callable[[int], AbstractContextManager[None]],
) -> None:
    target = tmp_path / "report"
    target.mkdir()
    (target / HTML_FILE).write_text("old")
    with full_disk(1000), pytest.raises(OutputError, match="File too large; nothing was changed"):
        write_report(small, target, reference=REFERENCE)
    assert contents(tmp_path) == {f"report/{HTML_FILE}": b"old"}


def test_a_picture_that_cannot_be_read_leaves_nothing(
    small: SyntheticResults, tmp_path: Path
) -> None:
    @dataclass(frozen=True)
    class Damaged(SyntheticResults):
        def middle_slice(self, case: str, name: str) -> UInt8Array:
            raise InputError(f"{case} of {name} is damaged")

    damaged = Damaged(**vars(small))
    with pytest.raises(InputError, match="p1-0 of ct is damaged"):
        write_report(damaged, tmp_path / "r", reference=REFERENCE, shown_cases=[CASE])
    assert list(tmp_path.iterdir()) == []


def test_a_case_that_is_none_cannot_be_pictured(small: SyntheticResults, tmp_path: Path) -> None:
    few = replace(small, rows=small.rows[small.rows["patient"] == "p1"])
    with pytest.raises(InputError) as caught:
        write_report(few, tmp_path / "r", reference=REFERENCE, shown_cases=["x"])
    assert str(caught.value) == (
        "'x' is no case with values and cannot be shown; choose among p1-0, p1-1, p1-2, p1-3, "
        "p1-4, p1-5"
    )


def one_patient(results: SyntheticResults) -> SyntheticResults:
    """The patient that some methods were developed on."""
    kept = [one[one["case"].str.startswith("p4")] for one in (results.rows, results.speed)]
    failures = results.failures[:0]
    return replace(results, rows=kept[0], speed=kept[1], failures=failures)


def test_a_report_of_one_patient_has_no_interval_test_or_rank(
    results: SyntheticResults, tmp_path: Path
) -> None:
    several, one = tmp_path / "several", tmp_path / "one"
    write_report(results, several, reference=REFERENCE)
    write_report(one_patient(results), one, reference=REFERENCE)
    inferred = (
        "interval of the mean", "differences to", "mean rank", "Friedman", "Comparisons are with",
        "The statistics account",
    )  # fmt: skip
    for name in ("report.md", "report.html"):
        texts = [(folder / name).read_text() for folder in (several, one)]
        assert [part for part in inferred if part in texts[0]] == list(inferred)
        assert [part for part in inferred if part in texts[1]] == []
        assert "of 1 patient" in texts[1]
        assert texts[1].count("All cases are of one patient. They are not independent") == 2
    tables = (one / "tables.tex").read_text()
    assert "$p$" in (several / "tables.tex").read_text()
    assert "$p$" not in tables
    assert "p=" not in tables
    lost = {path.name for path in several.rglob("*.*")} - {path.name for path in one.rglob("*.*")}
    assert {"comparisons_by_case.csv", "comparisons_by_patient.csv", "ranks.csv"} <= lost
    assert all("ranks" in name or "lines" in name or "comparisons" in name for name in lost)


def decoded(url: str) -> np.ndarray:
    data = url.removeprefix("data:image/png;base64,")
    return np.asarray(Image.open(BytesIO(base64.b64decode(data))))


def test_pictures_on_the_page_are_those_of_the_results(results: SyntheticResults) -> None:
    gallery = case_gallery(results, CASE)
    assert [tile.name for tile in gallery.tiles] == ["CT", "MR", *METHODS[:-1]]
    assert (gallery.patient, gallery.missing) == ("p1", ("broken",))
    ct, mr = head(CASE)
    np.testing.assert_array_equal(decoded(gallery.tiles[0].image), ct)
    fused = results.middle_slice(CASE, "network")
    zoom = strongest_structure(ct, mr)
    tile = gallery.tiles[4]
    np.testing.assert_array_equal(decoded(tile.image), fused)
    np.testing.assert_array_equal(decoded(tile.zoom), zoom.crop(fused))
    np.testing.assert_array_equal(decoded(tile.difference), difference_map(fused, ct, mr))
    assert gallery.frame[2] == pytest.approx(100 * zoom.side / SIDE, abs=0.01)


def test_the_zoom_finds_where_both_sources_have_structure() -> None:
    rng = np.random.default_rng(0)
    ct, mr = np.full((2, 80, 120), 50, np.uint8)
    ct[60:76, 10:26] = rng.integers(0, 255, (16, 16))  # structure of one source alone
    ct[20:40, 70:90] = rng.integers(0, 255, (20, 20))
    mr[20:40, 70:90] = rng.integers(0, 255, (20, 20))
    zoom = strongest_structure(ct, mr)
    assert zoom.side == 20
    assert abs(zoom.top - 20) <= 2
    assert abs(zoom.left - 70) <= 2
    assert zoom.crop(ct).shape == (20, 20)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (64, 40), (41, 41)])
def test_the_zoom_of_a_flat_picture_lies_within_it(shape: tuple[int, int]) -> None:
    flat = np.full(shape, 7, np.uint8)
    zoom = strongest_structure(flat, flat)
    assert zoom == Zoom(0, 0, max(1, round(min(shape) / 4)))


def test_difference_map_is_to_ct_in_bone_and_mr_elsewhere() -> None:
    ct = np.array([[250, 250, 90, 210]], np.uint8)
    mr = np.array([[30, 255, 120, 30]], np.uint8)
    np.testing.assert_array_equal(
        difference_map(np.array([[250, 255, 120, 210]], np.uint8), ct, mr), np.full((1, 4, 3), 255)
    )
    extremes = np.array([[250 - DIFFERENCE_RANGE, 255, 120 + DIFFERENCE_RANGE, 0]], np.uint8)
    colours = difference_map(extremes, ct, mr)
    np.testing.assert_array_equal(colours[0, 0], DARKER)
    np.testing.assert_array_equal(colours[0, 2], BRIGHTER)
    np.testing.assert_array_equal(colours[0, 3], DARKER)


def test_half_a_difference_is_half_a_colour() -> None:
    mr = np.full((1, 2), 100, np.uint8)
    fused = np.array([[100 - DIFFERENCE_RANGE // 2, 100 + DIFFERENCE_RANGE // 2]], np.uint8)
    colours = difference_map(fused, np.zeros_like(mr), mr)
    np.testing.assert_allclose(colours[0], [(255 + DARKER) / 2, (255 + BRIGHTER) / 2], atol=0.5)


def test_large_pictures_are_reduced_in_proportion() -> None:
    assert reduced(np.zeros((1000, 500), np.uint8)).shape == (MAX_SIDE_PX, MAX_SIDE_PX // 2)
    assert reduced(np.zeros((4000, 1, 3), np.uint8)).shape == (MAX_SIDE_PX, 1, 3)
    small = np.arange(12, dtype=np.uint8).reshape(3, 4)
    np.testing.assert_array_equal(reduced(small), small)


def test_a_picture_within_a_url_is_a_png() -> None:
    picture = np.arange(12, dtype=np.uint8).reshape(3, 4)
    np.testing.assert_array_equal(decoded(data_url(picture)), picture)
