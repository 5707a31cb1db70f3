"""The QA sheet: self-contained, escaped, and in radiological orientation."""

import base64
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from html import unescape
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image
from scipy.spatial.transform import Rotation

from radfuse.pipeline.qa.content import mask_centre
from radfuse.pipeline.qa.form import CHECKS, FUNCTIONAL_CHECKS, sign_sheet
from radfuse.pipeline.qa.sheet import (
    CROSSHAIR,
    CROSSHAIR_GAP_PX,
    IMAGES,
    OUTLINE,
    PANEL_HEIGHT_PX,
    Plane,
    WorstPoint,
    anatomical_plane,
    write_qa_sheet,
)
from radfuse.record import NOTICE, Signature, Signoff

SIDE_MM = 60.0
BOX = "&#9744;"
CROSSED = "&#9746;"
AXES = {"left": 0, "posterior": 1, "superior": 2}


def flat(rows: int = 40, columns: int = 60, name: str = "axial") -> Plane:
    ramp = np.linspace(0, 1, rows * columns, dtype=np.float32).reshape(rows, columns)
    view = np.zeros((rows, columns), np.bool_)
    view[10:30, 15:45] = True
    return Plane(name, ("R", "L", "A", "P"), ramp, ramp[::-1], ramp / 2, view)


def document(
    tmp_path: Path, planes: list[Plane], facts: dict[str, str], warning: str = "", verdict: str = ""
) -> str:
    sections = {"Facts": facts}
    write_qa_sheet(tmp_path / "qa.html", planes, sections, warning=warning, verdict=verdict)
    return (tmp_path / "qa.html").read_text(encoding="utf-8")


def images(html: str) -> dict[str, np.ndarray]:
    """The decoded images by name."""
    found = re.findall(r'<img alt="([^"]+)" src="data:image/png;base64,([^"]+)"', html)
    return {
        unescape(name): np.asarray(Image.open(BytesIO(base64.b64decode(data))))
        for name, data in found
    }


class Attributes(HTMLParser):
    """Everything in a document that could fetch something."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for key, value in attrs if key in {"src", "href", "action"}]


def test_the_sheet_is_self_contained(tmp_path: Path) -> None:
    html = document(tmp_path, [flat()], {"CT": "a"})
    parser = Attributes()
    parser.feed(html)
    assert parser.links
    assert all(link.startswith("data:image/png;base64,") for link in parser.links)
    assert not {"script", "link", "iframe", "object", "base"} & set(parser.tags)
    assert not re.search(r"https?://|url\(|@import|\$\{?\w", html)
    assert [path.name for path in tmp_path.iterdir()] == ["qa.html"]


def test_the_notice_is_on_the_sheet(tmp_path: Path) -> None:
    assert NOTICE in unescape(document(tmp_path, [flat()], {}))


def test_the_warning_is_a_banner_above_all_images(tmp_path: Path) -> None:
    html = document(tmp_path, [flat()], {}, warning="QA failed <here>")
    banner = html.index('<p class="warning" role="alert">QA failed &lt;here&gt;</p>')
    assert banner < html.index("<img")
    assert 'class="warning"' not in document(tmp_path, [flat()], {})


def test_the_verdict_is_above_all_images(tmp_path: Path) -> None:
    html = document(tmp_path, [flat()], {}, verdict="registration QA passed: < 1 mm")
    verdict = "<strong>registration QA passed</strong>: &lt; 1 mm</p>"
    assert html.index(verdict) < html.index("<img")
    assert 'class="verdict"' not in document(tmp_path, [flat()], {})


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "$notice", "a & b", '"quoted"', "Tête"]
)
def test_text_is_escaped(tmp_path: Path, text: str) -> None:
    html = document(tmp_path, [flat()], {text: text}, warning=text)
    assert "<script" not in html
    shown = re.search(r"<tr><th>(.*?)</th><td>(.*?)</td></tr>", html)
    assert shown
    assert [unescape(part) for part in shown.groups()] == [text, text]


def test_a_registration_has_checks_grades_and_signoff(tmp_path: Path) -> None:
    html = document(tmp_path, [flat()], {})
    checks, answers, grades = 11, 3, 5
    assert html.count(BOX) == checks * answers + grades + 2
    assert "<th>Skull base</th>" in html
    assert "0 whole scan aligned" in html
    write_qa_sheet(tmp_path / "qa.html", [flat()], {}, registered=False)
    assert BOX not in (tmp_path / "qa.html").read_text(encoding="utf-8")


def test_signoff_fills_its_lines_and_later_one_replaces_it(tmp_path: Path) -> None:
    html = document(tmp_path, [flat()], {})
    time = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    first = sign_sheet(html, Signoff(state="rejected", name="B", time=time))
    again = sign_sheet(first, Signoff(state="accepted", name="<i> \\1 $notice", time=time))
    assert "&#9746; rejected" in first
    assert "&#9746; accepted &#9744; rejected" in again
    assert "<span>&lt;i&gt; \\1 $notice</span>" in again
    assert "<span>2026-01-02 03:04 UTC</span>" in again
    assert again.split('id="verdict"')[0] == html.split('id="verdict"')[0]


def test_signed_form_has_answers_grade_and_both_names(tmp_path: Path) -> None:
    empty = document(tmp_path, [flat()], {})
    time = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    answers = dict.fromkeys(CHECKS, "yes") | {"Eyes": "not checked", "Target": "no"}
    signoff = Signoff(
        state="accepted", name="A", time=time, grade=1, checks=answers, region="<brain>",
        comment="\\1 mm at the target", second=Signature(name="B & C", time=time),
    )  # fmt: skip
    html = sign_sheet(empty, signoff)
    assert html.count(CROSSED) == len(CHECKS) + len(["grade", "state"])
    assert html.count(BOX) + html.count(CROSSED) == empty.count(BOX)
    row = re.search(r"<th>Target</th><td>[^<]*</td>(.*)</tr>", html)
    assert row
    assert row[1] == f"<td>{BOX}</td><td>{CROSSED}</td><td>{BOX}</td>"
    assert f"<td>{CROSSED}</td><th>1 locally aligned" in html
    for text in ("&lt;brain&gt;", "\\1 mm at the target", "B &amp; C"):
        assert f"<span>{text}</span>" in html
    rejected = Signoff(state="rejected", name="D", time=time)
    assert sign_sheet(html, rejected) == sign_sheet(empty, rejected)


def test_sheets_of_earlier_versions_are_signed(tmp_path: Path) -> None:
    current = document(tmp_path, [flat()], {})
    earlier = re.sub(r"\n<p class='line'>Comment .*?</p>", "", current)
    assert earlier != current
    signed = sign_sheet(
        earlier, Signoff(state="accepted", name="A", time=datetime.now(UTC), comment="C", grade=0)
    )
    assert f"<td>{CROSSED}</td><th>0 whole scan aligned" in signed
    assert "<span>C</span>" not in signed


def test_checks_of_an_uptake_are_others() -> None:
    assert set(FUNCTIONAL_CHECKS) & set(CHECKS) == {
        "Datasets", "Orientation", "Brain surface", "Ventricles", "Midline", "Target",
    }  # fmt: skip


def test_the_name_of_a_plane_is_escaped(tmp_path: Path) -> None:
    assert "<b>" not in document(tmp_path, [flat(name="<b>")], {})


def test_every_plane_has_every_image(tmp_path: Path) -> None:
    found = images(document(tmp_path, [flat(), flat(name="coronal")], {}))
    assert list(found) == [f"{plane}, {what}" for plane in ("axial", "coronal") for what in IMAGES]


def test_a_2d_image_has_neither_name_nor_letters(tmp_path: Path) -> None:
    plane = flat(name="")
    bare = Plane("", ("", "", "", ""), plane.ct, plane.mr, plane.fused, plane.fov_mask)
    html = document(tmp_path, [bare], {})
    assert list(images(html)) == list(IMAGES)
    assert '<span class="left">' not in html


@pytest.mark.parametrize(("pixel_mm", "width"), [((1, 1), 450), ((2, 1), 225), ((1, 2), 900)])
def test_pixels_are_shown_square(tmp_path: Path, pixel_mm: tuple[float, float], width: int) -> None:
    base = flat()
    plane = Plane("axial", base.sides, base.ct, base.mr, base.fused, base.fov_mask, pixel_mm)
    for image in images(document(tmp_path, [plane], {})).values():
        assert image.shape == (PANEL_HEIGHT_PX, width, 3)


def at_scale(rows: int) -> Plane:
    """A plane whose pixels are shown unscaled."""
    return flat(rows=PANEL_HEIGHT_PX, columns=rows)


def test_each_image_shows_its_caption(tmp_path: Path) -> None:
    plane = at_scale(280)
    found = images(document(tmp_path, [plane], {}))
    ct, mr, fused, board, colours = (found[f"axial, {what}"] for what in IMAGES)
    grey = [np.rint(values * 255).astype(np.uint8) for values in (plane.ct, plane.mr, plane.fused)]
    for channel in range(3):
        np.testing.assert_array_equal(ct[..., channel], grey[0])
        np.testing.assert_array_equal(mr[..., channel], grey[1])
    np.testing.assert_array_equal(colours, np.stack([grey[0], grey[1], grey[0]], -1))
    from_ct, from_mr = (board[..., 0] == grey[0]), (board[..., 0] == grey[1])
    assert (from_ct | from_mr).all()
    side = 280 // 8
    assert from_mr[:side, :side].all()
    assert from_ct[:side, side : 2 * side].all()
    outlined = (fused == OUTLINE).all(-1)
    np.testing.assert_array_equal(fused[~outlined][:, 0], grey[2][~outlined])


def test_the_border_of_the_mr_field_of_view_is_drawn(tmp_path: Path) -> None:
    fused = images(document(tmp_path, [at_scale(280)], {}))["axial, fused"]
    outlined = (fused == OUTLINE).all(-1)
    wanted = np.zeros_like(outlined)
    wanted[10:30, 15:45] = True
    wanted[11:29, 16:44] = False
    np.testing.assert_array_equal(outlined, wanted)


def test_the_edge_of_the_image_is_no_border(tmp_path: Path) -> None:
    plane = at_scale(280)
    full = Plane("axial", plane.sides, plane.ct, plane.mr, plane.fused, plane.ct > -1)
    fused = images(document(tmp_path, [full], {}))["axial, fused"]
    assert not (fused == OUTLINE).all(-1).any()


def test_a_tiny_image_is_drawn(tmp_path: Path) -> None:
    assert len(images(document(tmp_path, [flat(rows=31, columns=46), flat(31, 50)], {}))) == 5


@pytest.mark.parametrize("crosshair", [(0.0, 0.0), (299.0, 279.0), (120.0, 77.0)])
def test_a_crosshair_has_its_gap_at_its_pixel(
    tmp_path: Path, crosshair: tuple[float, float]
) -> None:
    plane = replace(at_scale(280), crosshair=crosshair)
    for image in images(document(tmp_path, [plane], {})).values():
        rows, columns = np.nonzero((image == CROSSHAIR).all(-1))
        assert {*rows[rows != crosshair[0]]} == {
            row for row in range(PANEL_HEIGHT_PX) if abs(row - crosshair[0]) >= CROSSHAIR_GAP_PX
        }
        assert {*columns[columns != crosshair[1]]} == {
            column for column in range(280) if abs(column - crosshair[1]) >= CROSSHAIR_GAP_PX
        }


def test_the_worst_point_is_above_the_other_planes(tmp_path: Path) -> None:
    worst = WorstPoint("2.0 mm <here>", [flat(name="axial, worst point")])
    write_qa_sheet(tmp_path / "qa.html", [flat(name="coronal")], {}, worst=worst)
    html = (tmp_path / "qa.html").read_text(encoding="utf-8")
    positions = [
        html.index(text)
        for text in ("<h2>Worst point", "2.0 mm &lt;here&gt;", "axial, worst", "coronal, CT")
    ]
    assert positions == sorted(positions)
    assert "Worst point" not in document(tmp_path, [flat()], {})


def head(rotation: np.ndarray, spacing: tuple[float, float, float], towards: str) -> sitk.Image:
    """A volume around 0 with a bright ball 20 mm towards one side of the patient."""
    size = [round(SIDE_MM / step) + 1 for step in spacing]
    image = sitk.Image(size, sitk.sitkFloat32)
    image.SetSpacing(spacing)
    image.SetDirection(rotation.ravel().tolist())
    middle = np.array(image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in size]))
    image.SetOrigin((-middle).tolist())
    position = np.zeros(3)
    position[AXES[towards]] = 20.0
    ball = np.zeros(size[::-1], np.float32)
    for index in np.ndindex(*size):
        point = image.TransformIndexToPhysicalPoint([int(part) for part in index])
        ball[index[::-1]] = np.linalg.norm(position - point) < 6
    values = sitk.GetImageFromArray(ball)
    values.CopyInformation(image)
    return values


PERMUTED = np.array([[0.0, 0, -1], [1, 0, 0], [0, -1, 0]])
GRIDS = [
    (np.eye(3), (2.0, 2.0, 2.0)),
    (np.diag([-1.0, -1.0, 1.0]), (2.0, 3.0, 4.0)),
    (PERMUTED, (2.0, 2.5, 4.0)),
    (Rotation.from_euler("xyz", [12, -8, 5], degrees=True).as_matrix(), (2.0, 2.0, 3.0)),
]


@pytest.mark.parametrize("grid", GRIDS, ids=["regular", "prone", "permuted", "oblique"])
@pytest.mark.parametrize(
    ("towards", "plane", "side"),
    [
        ("left", "axial", "right"),
        ("left", "coronal", "right"),
        ("posterior", "axial", "bottom"),
        ("posterior", "sagittal", "right"),
        ("superior", "coronal", "top"),
        ("superior", "sagittal", "top"),
    ],
)
def test_the_patients_left_is_on_the_right_and_the_vertex_above(
    tmp_path: Path,
    grid: tuple[np.ndarray, tuple[float, float, float]],
    towards: str,
    plane: str,
    side: str,
) -> None:
    image = head(*grid, towards)
    middle, position = [n // 2 for n in image.GetSize()], np.zeros(3)
    position[AXES[towards]] = 20.0
    planes = planes_through(image, middle)
    assert [each.name for each in planes] == ["axial", "coronal", "sagittal"]
    html = document(tmp_path, planes, {})
    bright = images(html)[f"{plane}, CT"][..., 0] > 100
    assert bright.any()
    row, column = (
        np.mean(where) / length
        for where, length in zip(np.nonzero(bright), bright.shape, strict=True)
    )
    shown = {"left": 1 - column, "right": column, "top": 1 - row, "bottom": row}
    assert shown[side] > 0.7
    marked = next(p for p in planes_through(image, middle, position) if p.name == plane)
    centre = np.add(marked.crosshair, 0.5) / marked.ct.shape
    np.testing.assert_allclose((row, column), centre, atol=0.02)  # of the ball
    other = {"left": "R", "posterior": "A", "superior": "I"}[towards]
    opposite = {"right": "left", "bottom": "top", "top": "bottom"}[side]
    section = html.split('<section class="plane">')[1 + [p.name for p in planes].index(plane)]
    letter = {"left": "L", "posterior": "P", "superior": "S"}[towards]
    assert f'<span class="{side}">{letter}</span>' in section
    assert f'<span class="{opposite}">{other}</span>' in section


def planes_through(
    image: sitk.Image, voxel: Sequence[int], position_mm: Sequence[float] | None = None
) -> list[Plane]:
    """The three planes of an image through a voxel (x, y, z); a position that they mark."""
    planes = []
    for axis, index in enumerate(voxel):
        thin = tuple(slice(index, index + 1) if k == axis else slice(None) for k in range(3))
        values = sitk.GetArrayFromImage(image[thin])
        everywhere = np.ones(values.shape, np.bool_)
        planes.append(
            anatomical_plane(image[thin], values, values, values, everywhere, position_mm)
        )
    return sorted(planes, key=lambda plane: plane.name)


def test_planes_have_their_own_pixels_and_spacing() -> None:
    z, y, x = np.meshgrid(*map(np.arange, (40, 30, 20)), indexing="ij")
    for values, plane, index in ((z, 0, 25), (y, 1, 6), (x, 2, 12)):
        image = sitk.GetImageFromArray(values.astype(np.float32))
        image.SetSpacing((1.0, 2.0, 3.0))
        planes = planes_through(image, (12, 6, 25))
        assert (planes[plane].ct == index).all()
        assert [each.pixel_mm for each in planes] == [(2, 1), (3, 1), (3, 2)]


def test_planes_pass_the_centre_of_the_mr_field_of_view() -> None:
    view = np.zeros((40, 30, 20), np.bool_)
    view[20:31, 4:9, 10:15] = True
    assert mask_centre(view) == (25, 6, 12)
