"""The group report of a batch: outliers first, self-contained, without names of files."""

import csv
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from job_kit import job

from radfuse.errors import InputError, OutputError
from radfuse.jobs.batch import TABLE, report_again
from radfuse.jobs.group.charts import HEIGHT, WIDTH, Bar, histogram, share_bar
from radfuse.jobs.group.report import COLUMNS, REPORT, REPORT_TABLE, group_csv, group_html
from radfuse.jobs.group.rows import GRADES, CaseRow, case_rows, incomplete_cases
from radfuse.jobs.job import Derivative, JobState
from radfuse.jobs.store import StoredJob
from radfuse.registration.qa.quality import Quality

FAILED_QA = Quality(
    error_mm=5.2, low_mm=4.1, high_mm=6.3, threshold_mm=1.9, grade="refuse", passed=False,
    not_judged="", displacement_mm=3.0, reregistration_mm=0.2, within_tolerance=0.5, overlap=1.0,
    patches=90, bone_fraction=0.9, dilution=2.0, mirror_fit=0.4, residuals={}, stretch_mm=0.0,
)  # fmt: skip

ERRORS = st.floats(0, 20)
ROWS = st.builds(
    CaseRow,
    case=st.from_regex("sub-[a-z0-9]{1,4}", fullmatch=True),
    state=st.sampled_from(JobState),
    grade=st.sampled_from([*GRADES, None]),
    error_mm=st.none() | ERRORS,
)


def stored(state: JobState, reason: str, raw: Path | None = None) -> StoredJob:
    derivative = Derivative(root=Path("out"), raw=raw) if raw else None
    one = job(1, Path("Meier_Anna")).model_copy(update={"derivative": derivative})
    return StoredJob(one, state, 1, reason, 2.5)


def note(state: JobState, reason: str, raw: Path | None = None) -> str:
    (row,) = case_rows(Path("none"), [stored(state, reason, raw)], {})
    return row.note


@given(rows=st.lists(ROWS, max_size=8))
def test_those_that_need_a_person_come_first(rows: list[CaseRow]) -> None:
    ordered = sorted(rows, key=lambda row: row.rank)
    states = [row.state for row in ordered if row.state in ("failed", "refused", "done")]
    assert states == sorted(states, key=["failed", "refused", "done"].index)
    done = [row for row in ordered if row.state == "done" and row.grade and row.error_mm]
    assert [row.grade for row in done] == sorted((row.grade for row in done), key=GRADES.index)
    passed = [row.error_mm for row in done if row.grade == "pass"]
    assert passed == sorted(passed, reverse=True)


@given(rows=st.lists(ROWS, max_size=8))
def test_any_cases_make_a_report(rows: list[CaseRow]) -> None:
    document = group_html(rows)
    assert document.count("<article") == len(rows)
    assert len(group_csv(rows).splitlines()) == len(rows) + 1
    assert len(re.findall(r"\$[a-z]", document)) == 0


@given(counts=st.lists(st.integers(0, 9), min_size=1, max_size=4))
def test_the_parts_of_a_bar_are_the_shares(counts: list[int]) -> None:
    drawn = share_bar([Bar("none", "label", count) for count in counts])
    widths = [float(width) for width in re.findall(r' width="([\d.]+)"', drawn)]
    assert sum(widths) == pytest.approx(WIDTH if sum(counts) else 0, abs=0.2)


@given(errors=st.lists(ERRORS, min_size=1, max_size=20))
def test_the_heights_of_a_histogram_are_the_counts(errors: list[float]) -> None:
    drawn = histogram({"pass": errors[::2], "refuse": errors[1::2]})
    heights = [float(height) for height in re.findall(r' height="([\d.]+)"', drawn)]
    highest = int(re.search(r'class="count" x="-6" y="4">(\d+)', drawn)[1])
    assert sum(heights) * highest / HEIGHT == pytest.approx(len(errors), abs=0.1)


def test_a_reason_that_may_name_a_file_is_left_out() -> None:
    for state in (JobState.REFUSED, JobState.FAILED):
        assert "Meier" not in note(state, "Meier_Anna/ct1.nii: not a CT")
        assert "cases.csv" in note(state, "Meier_Anna/ct1.nii: not a CT")
    assert note(JobState.REFUSED, "raw/sub-1_ct.nii: not a CT", Path("raw")).endswith("not a CT")


@pytest.mark.parametrize("not_judged", ["", "too little of the head is in both images"])
def test_a_failed_registration_is_counted(not_judged: str) -> None:
    quality = replace(FAILED_QA, not_judged=not_judged)
    for label in ("", "T2: "):
        reason = f"{label}{quality.sentence()}; check the QA sheet"
        (row,) = case_rows(Path("none"), [stored(JobState.REFUSED, reason)], {})
        assert row.grade == "refuse"
        assert row.error_mm == (None if not_judged else 5.2)
        assert row.note == reason


def test_a_report_of_a_batch_shows_each_case(derivative: Path) -> None:
    document = (derivative / REPORT).read_text(encoding="utf-8")
    assert document.count("data:image/jpeg;base64,") == 2
    assert document.index("sub-8") < document.index("sub-7")
    assert "2 cases: 1 done, 1 refused" in document
    assert "Meier" not in document
    for target in re.findall('(?:href|src)="([^"]+)"', document):
        assert target.startswith("data:image/jpeg") or (derivative / target).is_file()
    for outside in ("<script", "http:", "https:", "@import", "url("):
        assert outside not in document


def test_the_table_has_the_numbers_of_the_records(derivative: Path) -> None:
    with (derivative / REPORT_TABLE).open(newline="") as stream:
        refused, done = csv.DictReader(stream)
    assert tuple(done) == COLUMNS
    assert (refused["case"], refused["state"]) == ("sub-8_ses-1", "refused")
    record = json.loads(next(derivative.rglob("*_fused.json")).read_text())
    assert done["method"] == "average"
    assert done["radfuse"] == record["versions"]["radfuse"]
    assert float(done["registering_s"]) == record["seconds"]["registering"]
    assert done["verdict"] in {"passed", "inspect", "failed"}


def test_a_report_is_made_again_where_it_was_moved_to(derivative: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(derivative, tmp_path / "moved")
    before = (moved / REPORT_TABLE).read_text()
    for name in (REPORT, REPORT_TABLE):
        (moved / name).unlink()
    assert report_again(moved) == moved / REPORT
    assert (moved / REPORT_TABLE).read_text() == before
    assert (moved / REPORT).read_text().count("data:image/jpeg") == 2
    sheet = moved / "sub-7_ses-1.html"
    sheet.write_text(
        sheet.read_text().replace('alt="axial, fused" src="data:image/png;base64,', "")
    )
    report_again(moved)
    assert (moved / REPORT).read_text().count("data:image/jpeg") == 1
    sheet.write_text(sheet.read_text().replace("data:image/png;base64,", "data:image/png;base64,A"))
    report_again(moved)
    assert "data:image" not in (moved / REPORT).read_text()
    next(moved.rglob("*_fused.json")).write_text("{}")
    report_again(moved)
    assert "run the case again" in (moved / REPORT).read_text()


def test_a_report_without_a_batch_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no batch"):
        report_again(tmp_path)
    (tmp_path / TABLE).write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="not the table of a batch"):
        incomplete_cases(tmp_path / TABLE)


def test_text_is_escaped() -> None:
    row = CaseRow("sub-1", JobState.REFUSED, "<b>&", method="<i>")
    assert "<p>&lt;b&gt;&amp;</p>" in group_html([row])
