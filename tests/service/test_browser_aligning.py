"""Manual registration in a real browser: what is dragged, typed and displayed is what is stored."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from axe_kit import grave_violations
from browser_kit import ViewerDriver
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from service_kit import Site

from radfuse.phantom.head import Phantom
from radfuse.pipeline.read import read
from radfuse.registration.transforms import matrix_of, read_transform, rigid_from_matrix

SHOTS = Path(__file__).parents[2] / "build/screenshots"
OUTSIDE = -32768
LONG_S = 240.0
DRAG = """
const [plane, start, ends, event] = arguments, { viewer, panels } = radfuse;
const { tool } = panels.registration.align;
const viewport = viewer.viewports.find((one) => one.plane === plane);
tool.down(viewport, start, event ?? {});
for (const end of ends) tool.move(viewport, end);
tool.up();
return viewer.mrFromCt;
"""
"""A drag of the tool between voxels that are not whole, in the viewport of a plane."""


@pytest.fixture(scope="module")
def viewer(
    browser: Chrome, site: Site, prepared: str, tmp_path_factory: pytest.TempPathFactory
) -> ViewerDriver:
    SHOTS.mkdir(parents=True, exist_ok=True)
    browser.set_script_timeout(30)
    opened = ViewerDriver(browser, SHOTS)
    opened.open(site.access.url)
    opened.select("studies", prepared)
    opened.wait_until(lambda: opened.body_data("loaded") == prepared)
    opened.element("tab-registration").click()
    opened.element("align").click()
    opened.browser.execute_script("radfuse.viewer.draw()")
    return opened


def click(viewer: ViewerDriver, name: str) -> None:
    """Click an element wherever the panel is scrolled to."""
    viewer.browser.execute_script("arguments[0].click()", viewer.element(name))


def alignment(viewer: ViewerDriver) -> np.ndarray:
    """Maps CT points to MR points, LPS mm."""
    return np.array(viewer.browser.execute_script("return radfuse.viewer.mrFromCt"))


def motion_since(viewer: ViewerDriver, start: np.ndarray) -> np.ndarray:
    """How the MR was moved in the CT's coordinates since an alignment."""
    return np.asarray(np.linalg.inv(alignment(viewer)) @ start)


def grid(viewer: ViewerDriver) -> tuple[list[float], list[float], np.ndarray]:
    """Crosshair, spacing in mm, and the map from voxels to mm of the CT."""
    code = (
        "const { ct, crosshair } = radfuse.viewer; return [crosshair, ct.spacing, ct.mmFromVoxel]"
    )
    crosshair, spacing, mm_from_voxel = viewer.browser.execute_script(code)
    return crosshair, spacing, np.array(mm_from_voxel)


def shifted(mm: tuple[float, float, float]) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, 3] = mm
    return matrix


def rotated(rotation: Rotation, centre: np.ndarray) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = rotation.as_matrix()
    matrix[:3, 3] = centre - rotation.apply(centre)
    return matrix


@pytest.mark.parametrize(
    ("plane", "mm"),
    [
        ("axial", (10.0, 0.0, 0.0)),
        ("axial", (-3.3, 4.7, 0.0)),
        ("coronal", (2.0, 0.0, 12.5)),
        ("sagittal", (0.0, -6.0, -0.4)),
    ],
)
def test_a_drag_moves_the_mr_by_exactly_its_length(
    viewer: ViewerDriver, plane: str, mm: tuple[float, float, float]
) -> None:
    start = alignment(viewer)
    at, spacing, _ = grid(viewer)
    end = (np.array(at) + np.divide(mm, spacing)).tolist()
    viewer.browser.execute_script(DRAG, plane, at, [at, end])
    assert_allclose(motion_since(viewer, start), shifted(mm), atol=1e-9)
    assert_allclose(alignment(viewer), start @ shifted(tuple(-value for value in mm)), atol=1e-9)


def test_the_pointer_moves_the_mr_to_the_left_on_screen_right(viewer: ViewerDriver) -> None:
    start, pixels = alignment(viewer), 60
    before = viewer.screenshot("30-align-tool")
    at = np.array(viewer.positions()[0][1:])
    rect = viewer.element("canvas").rect
    middle = np.array([rect["x"] + rect["width"] / 2, rect["y"] + rect["height"] / 2])
    chain = ActionChains(viewer.browser, duration=20)
    offset = [round(value) for value in at - middle]
    chain.move_to_element_with_offset(viewer.element("canvas"), *offset).click_and_hold()
    chain.move_by_offset(pixels // 2, 0).move_by_offset(pixels // 2, 0).perform()
    shown = viewer.screenshot("31-align-drag")
    ActionChains(viewer.browser).release().perform()
    scale = viewer.browser.execute_script("return radfuse.viewer.viewports[0].pixelsPerMm")
    assert_allclose(motion_since(viewer, start), shifted((pixels / scale, 0, 0)), atol=1e-6)
    assert np.abs(shown - before).mean() > 1


@pytest.mark.parametrize(
    ("plane", "axis", "offset"),
    [("axial", 2, (20, 0, 0)), ("coronal", 1, (0, 0, 20)), ("sagittal", 0, (0, 20, 0))],
)
def test_rotation_by_dragging_is_right_handed_about_lps(
    viewer: ViewerDriver, plane: str, axis: int, offset: tuple[float, float, float]
) -> None:
    """From L to P in an axial plane, from S to L in a coronal one, from P to S in a sagittal."""
    start = alignment(viewer)
    at, spacing, mm_from_voxel = grid(viewer)
    rotation = Rotation.from_rotvec(7.5 * np.eye(3)[axis], degrees=True)
    around = (offset, rotation.apply(offset))
    ends = [(np.array(at) + np.divide(one, spacing)).tolist() for one in around]
    viewer.browser.execute_script(DRAG, plane, ends[0], ends, {"ctrlKey": True})
    centre = (mm_from_voxel @ [*at, 1])[:3]
    assert_allclose(motion_since(viewer, start), rotated(rotation, centre), atol=1e-9)


def test_a_drag_outside_the_ring_rotates_about_the_crosshair(viewer: ViewerDriver) -> None:
    start = alignment(viewer)
    at, _, mm_from_voxel = grid(viewer)
    code = """
      const { viewer, panels } = radfuse, [axial] = viewer.viewports;
      const radius = panels.registration.align.tool.radius(axial) + 5;
      const [x, y] = axial.toScreen(viewer.crosshair);
      return [[x + radius, y], [x, y + radius]].map((at) => axial.toVoxel(...at, viewer.crosshair));
    """
    ends = viewer.browser.execute_script(code)
    viewer.browser.execute_script(DRAG, "axial", ends[0], ends)
    wanted = rotated(Rotation.from_euler("z", 90, degrees=True), (mm_from_voxel @ [*at, 1])[:3])
    assert_allclose(motion_since(viewer, start), wanted, atol=1e-9)
    viewer.press(Keys.CONTROL + "z")
    assert_allclose(alignment(viewer), start, atol=0)


@pytest.mark.parametrize(
    ("key", "mm"),
    [
        (Keys.ARROW_RIGHT, (1, 0, 0)),
        (Keys.ARROW_UP, (0, -1, 0)),
        (Keys.PAGE_UP, (0, 0, 1)),
        (Keys.SHIFT + Keys.ARROW_LEFT, (-0.1, 0, 0)),
        (Keys.SHIFT + Keys.PAGE_DOWN, (0, 0, -0.1)),
    ],
)
def test_arrow_keys_move_the_mr_by_1_or_a_tenth_mm(
    viewer: ViewerDriver, key: str, mm: tuple[float, float, float]
) -> None:
    start = alignment(viewer)
    at, *_ = grid(viewer)
    viewer.press(key)
    assert_allclose(motion_since(viewer, start), shifted(mm), atol=1e-9)
    assert grid(viewer)[0] == at


@pytest.mark.parametrize(
    ("key", "vector"),
    [
        (Keys.ARROW_RIGHT, (0, 0, 1)),
        (Keys.ARROW_UP, (-1, 0, 0)),
        (Keys.SHIFT + Keys.PAGE_DOWN, (0, 0.1, 0)),
    ],
)
def test_keys_rotate_the_mr_about_the_crosshair(
    viewer: ViewerDriver, key: str, vector: tuple[float, float, float]
) -> None:
    start = alignment(viewer)
    at, _, mm_from_voxel = grid(viewer)
    viewer.press("r")
    viewer.press(key)
    viewer.press("r")
    rotation = Rotation.from_rotvec(vector, degrees=True)
    wanted = rotated(rotation, (mm_from_voxel @ [*at, 1])[:3])
    assert_allclose(motion_since(viewer, start), wanted, atol=1e-9)


FIELDS = [f"translation-{name}" for name in ("left", "posterior", "superior")]
FIELDS += [f"rotation-about-{name}" for name in ("left", "posterior", "superior")]


def type_values(viewer: ViewerDriver, values: dict[str, float]) -> None:
    for name, value in values.items():
        field = viewer.element(f"{name}-value")
        field.send_keys(Keys.CONTROL + "a")
        field.send_keys(str(value), Keys.ENTER)


def test_typed_values_follow_the_stated_convention(viewer: ViewerDriver) -> None:
    click(viewer, "reset-registration")
    start, values = alignment(viewer), (4.25, -3.0, 12.5, 5.0, -2.5, 30.0)
    type_values(viewer, dict(zip(FIELDS, values, strict=True)))
    size, mm_from_voxel = viewer.browser.execute_script(
        "const { ct } = radfuse.viewer; return [ct.size, ct.mmFromVoxel]"
    )
    centre = (np.array(mm_from_voxel) @ [*((n - 1) / 2 for n in size), 1])[:3]
    rotation = Rotation.from_euler("xyz", values[3:], degrees=True)
    wanted = shifted(values[:3]) @ rotated(rotation, centre)
    assert_allclose(motion_since(viewer, start), wanted, atol=1e-9)
    shown = [viewer.element(f"{name}-value").get_attribute("value") for name in FIELDS]
    assert_allclose(np.array(shown, float), values, atol=1e-9)
    viewer.screenshot("32-six-values")


def test_every_change_is_undone_and_done_again(viewer: ViewerDriver) -> None:
    click(viewer, "reset-registration")
    states = [alignment(viewer)]
    at, *_ = grid(viewer)
    viewer.browser.execute_script(DRAG, "axial", at, [[at[0] + 5, at[1], at[2]]])
    states.append(alignment(viewer))
    type_values(viewer, {FIELDS[4]: 3.5})
    states.append(alignment(viewer))
    viewer.press(Keys.PAGE_UP)
    states.append(alignment(viewer))
    for state in states[-2::-1]:
        click(viewer, "undo-alignment")
        assert_allclose(alignment(viewer), state, atol=0)
    for state in states[1:]:
        viewer.press(Keys.CONTROL + "y")
        assert_allclose(alignment(viewer), state, atol=0)
    assert not viewer.element("redo-alignment").is_enabled()


PLANE = """
const [plane, index] = arguments, { viewer } = radfuse;
const viewport = viewer.viewports.find((one) => one.plane === plane);
return [...viewer.plane("mr", viewport, index)];
"""
"""Stored values of the MR in a plane, row by row from the top of the screen."""


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_displayed_mr_is_that_which_the_server_resamples(
    viewer: ViewerDriver, site: Site, prepared: str, plane: str
) -> None:
    click(viewer, "reset-registration")
    type_values(viewer, dict(zip(FIELDS, (7.3, -4.1, 3.6, 3.0, -6.5, 11.0), strict=True)))
    folder = site.folder / "studies" / prepared / "view"
    ct, mr = (sitk.ReadImage(str(folder / f"{name}.nii")) for name in ("ct", "mr"))
    mr_from_ct = rigid_from_matrix(alignment(viewer), name="displayed")
    server = sitk.GetArrayFromImage(
        sitk.Resample(mr, ct, mr_from_ct, sitk.sitkLinear, OUTSIDE, sitk.sitkFloat64)
    )
    at, *_ = grid(viewer)
    across = {"sagittal": 0, "coronal": 1, "axial": 2}[plane]
    displayed = viewer.browser.execute_script(PLANE, plane, at[across])
    expected = server.take(at[across], 2 - across)
    expected = expected if plane == "axial" else expected[::-1]
    difference = np.abs(np.reshape(displayed, expected.shape) - expected)
    in_both = (np.reshape(displayed, expected.shape) != OUTSIDE) & (expected != OUTSIDE)
    assert in_both.mean() > 0.2
    assert difference[in_both].max() <= 0.51
    assert np.mean((difference > 0.51) & ~in_both) < 0.002  # rounding at the border


ADD_PAIR = """
const { viewer, panels } = radfuse;
viewer.setCrosshair(arguments[0]);
viewer.setCrosshair(arguments[1], true);
panels.registration.landmarks.add();
"""
OFFSETS_MM = ((0, -85, 10), (65, 0, 0), (-65, 5, 5), (0, 80, 10), (0, 5, 70))


def mark(viewer: ViewerDriver, phantom: Phantom) -> None:
    """Five pairs, the fourth 15 mm off."""
    code = "const { ct } = radfuse.viewer; return [ct.voxelFromMm, ct.mmFromVoxel, ct.size]"
    voxel_from_mm, mm_from_voxel, size = map(np.array, viewer.browser.execute_script(code))
    middle = (mm_from_voxel @ [*((size - 1) / 2), 1])[:3]
    viewer.browser.execute_script("radfuse.viewer.set({ layout: 'landmarks' })")
    for number, offset in enumerate(OFFSETS_MM):
        ct = middle + offset
        mr = np.add(phantom.mr_from_ct.TransformPoint(ct.tolist()), (0, 15.0 * (number == 3), 0))
        on_ct = np.linalg.inv(alignment(viewer)) @ [*mr, 1]
        voxels = [(voxel_from_mm @ at)[:3].tolist() for at in ([*ct, 1], on_ct)]
        viewer.browser.execute_script(ADD_PAIR, *voxels)


def cells(viewer: ViewerDriver, name: str) -> list[str]:
    found = viewer.element("pairs").find_elements(By.CSS_SELECTOR, f"td.{name}")
    return [cell.text for cell in found]


def saves(viewer: ViewerDriver) -> None:
    viewer.wait_until(lambda: viewer.body_data("landmarksSaved") == "yes")


def test_tool_is_left_where_a_click_marks_landmarks(viewer: ViewerDriver) -> None:
    viewer.browser.execute_script("radfuse.viewer.set({ layout: 'landmarks' })")
    assert viewer.element("align").get_attribute("aria-pressed") == "false"
    click(viewer, "align")
    assert viewer.browser.execute_script("return radfuse.viewer.layout") == "planes"


def test_landmark_pairs_are_judged_edited_saved_and_loaded(
    viewer: ViewerDriver, site: Site, prepared: str, phantom: Phantom
) -> None:
    click(viewer, "reset-registration")
    mark(viewer, phantom)
    viewer.wait_until(lambda: "Outlier" in viewer.element("landmark-errors").text)
    assert cells(viewer, "left-out")[3] == "15.0"
    rows = viewer.element("pairs").find_elements(By.CSS_SELECTOR, "tbody tr")
    assert [row.get_attribute("class") for row in rows] == ["", "", "", "warning", ""]
    viewer.browser.execute_script("arguments[0].scrollIntoView()", viewer.element("pairs"))
    canvas = viewer.element("canvas")
    ActionChains(viewer.browser).move_to_element_with_offset(canvas, 0, -100).perform()
    viewer.screenshot("33-landmarks")
    for name, value in (("name", "Vertex"), ("weight", "0.25")):
        field = viewer.element("pairs").find_elements(By.CSS_SELECTOR, f"td.{name} input")[4]
        field.send_keys(Keys.CONTROL + "a")
        field.send_keys(value, Keys.TAB)
    viewer.wait_until(lambda: cells(viewer, "left-out")[3] == "15.0")
    viewer.element("pairs").find_elements(By.CSS_SELECTOR, "tbody button")[6].click()  # 4th pair
    before = alignment(viewer)
    viewer.element("pairs").find_elements(By.CSS_SELECTOR, "tbody button")[7].click()  # remove
    viewer.wait_until(lambda: viewer.element("landmark-errors").text.startswith("Leave-one-out"))
    assert_allclose(np.array(cells(viewer, "error"), float), 0, atol=1e-9)
    assert_allclose(alignment(viewer), before, atol=0)
    click(viewer, "fit-pairs")
    viewer.wait_until(lambda: "Root mean square" in viewer.element("fit-result").text)
    assert_allclose(alignment(viewer), matrix_of(phantom.mr_from_ct), atol=1e-6)
    saves(viewer)
    stored = site.client.get(f"/api/v1/studies/{prepared}/landmarks").json()["pairs"]
    assert [(one["name"], one["weight"]) for one in stored] == [("", 1)] * 3 + [("Vertex", 0.25)]
    viewer.browser.refresh()
    viewer.wait_until(lambda: viewer.body_data("loaded") == prepared)
    viewer.wait_until(lambda: len(viewer.browser.execute_script(PAIRS)) == 4)
    viewer.element("tab-registration").click()
    assert viewer.element("landmarks-status").text == "Pairs saved."


PAIRS = "return radfuse.panels.registration.landmarks.pairs"


def test_pairs_of_another_window_are_shown_and_undo_brings_back(
    viewer: ViewerDriver, site: Site, prepared: str
) -> None:
    where = f"/api/v1/studies/{prepared}/landmarks"
    saves(viewer)
    mine = viewer.browser.execute_script(PAIRS)
    stored = site.client.get(where).json()
    other = [{"ct": [0, 0, 0], "image": [1, 2, 3], "name": "Other"}]
    site.client.put(where, json={"revision": stored["revision"], "pairs": other})
    viewer.browser.execute_script("radfuse.panels.registration.landmarks.add()")
    viewer.wait_until(lambda: "another window" in viewer.element("landmarks-status").text)
    assert [one["name"] for one in viewer.browser.execute_script(PAIRS)] == ["Other"]
    click(viewer, "undo-alignment")
    saves(viewer)
    assert len(site.client.get(where).json()["pairs"]) == len(mine) + 1


STORED = (
    "const { store } = radfuse.panels.registration.landmarks; return store.isLoaded && store.study"
)


def shows_pairs_of(viewer: ViewerDriver, study: str) -> None:
    viewer.select("studies", study)
    viewer.wait_until(lambda: viewer.body_data("loaded") == study)
    viewer.wait_until(lambda: viewer.browser.execute_script(STORED) == study)


def test_pairs_stay_with_their_study_when_another_is_opened(
    viewer: ViewerDriver, site: Site, prepared: str, done: str
) -> None:
    viewer.open(site.access.url)
    where = "/api/v1/studies/{}/landmarks"
    before, other = (site.client.get(where.format(one)).json() for one in (prepared, done))
    shows_pairs_of(viewer, prepared)
    viewer.browser.execute_script("radfuse.panels.registration.landmarks.add()")
    shows_pairs_of(viewer, done)  # at once, before the pair is saved
    saves(viewer)
    shows_pairs_of(viewer, prepared)
    after = site.client.get(where.format(prepared)).json()["pairs"]
    assert len(after) == len(before["pairs"]) + 1
    assert len(viewer.browser.execute_script(PAIRS)) == len(after)
    assert site.client.get(where.format(done)).json() == other
    viewer.element("tab-registration").click()


def draw_box(viewer: ViewerDriver, plane: str, first: list[float], last: list[float]) -> None:
    code = """
      const [plane, from, to] = arguments, { viewer, panels } = radfuse;
      const { tool } = panels.registration.region;
      const viewport = viewer.viewports.find((one) => one.plane === plane);
      tool.down(viewport, from);
      tool.move(viewport, to);
      tool.up();
    """
    viewer.browser.execute_script(code, plane, first, last)


def box(viewer: ViewerDriver, key: str = "metric_mask") -> Any:
    return viewer.browser.execute_script(f"return radfuse.panels.registration.masks.{key}")


def test_a_box_is_drawn_resized_moved_and_removed(viewer: ViewerDriver) -> None:
    click(viewer, "draw-box")
    assert viewer.browser.execute_script("return radfuse.viewer.layout") == "planes"
    middle = "radfuse.viewer.ct.size.map((size) => Math.floor(size / 2))"
    viewer.browser.execute_script(f"radfuse.viewer.setCrosshair({middle}); radfuse.viewer.draw()")
    x, y, z = grid(viewer)[0]
    draw_box(viewer, "axial", [x - 10, y - 8, z], [x + 10, y + 12, z])
    drawn = box(viewer)
    assert drawn["first"][:2] == [x - 10, y - 8]
    assert drawn["last"][:2] == [x + 10, y + 12]
    assert drawn["first"][2] < z < drawn["last"][2]
    draw_box(viewer, "coronal", [x, y, drawn["last"][2] + 0.5], [x, y, drawn["last"][2] + 3.5])
    assert box(viewer)["last"] == [x + 10, y + 12, drawn["last"][2] + 3]
    draw_box(viewer, "axial", [x, y, z], [x + 4, y - 2, z])  # inside: all of it
    assert box(viewer)["first"] == [x - 6, y - 10, drawn["first"][2]]
    viewer.browser.execute_script("arguments[0].scrollIntoView()", viewer.element("metric-mask"))
    viewer.screenshot("34-box")
    assert box(viewer, "roi") == ""
    click(viewer, "remove-box")
    assert box(viewer) == ""
    click(viewer, "box-at-crosshair")
    field = viewer.element("box-left")
    field.send_keys(Keys.CONTROL + "a")
    field.send_keys("40", Keys.ENTER)
    spacing = grid(viewer)[1][0]
    width = box(viewer)["last"][0] - box(viewer)["first"][0] + 1
    assert abs(width * spacing - 40) <= spacing
    click(viewer, "remove-box")


def saves_region(viewer: ViewerDriver) -> None:
    viewer.wait_until(lambda: viewer.body_data("regionSaved") == "yes")


def test_a_box_is_undone_and_there_after_a_reload(viewer: ViewerDriver, prepared: str) -> None:
    assert box(viewer) == ""
    click(viewer, "box-at-crosshair")
    drawn = box(viewer)
    click(viewer, "undo-alignment")
    assert box(viewer) == ""
    viewer.press(Keys.CONTROL + "y")
    assert box(viewer) == drawn
    viewer.select("roi", "box")
    click(viewer, "remove-box")
    assert (box(viewer), box(viewer, "roi")) == ("", "")
    click(viewer, "undo-alignment")
    assert box(viewer, "roi") == drawn
    viewer.select("metric-mask", "")
    saves_region(viewer)
    viewer.browser.refresh()
    viewer.wait_until(lambda: viewer.body_data("loaded") == prepared)
    saves_region(viewer)
    assert (box(viewer), box(viewer, "roi")) == ("", drawn)
    viewer.element("tab-registration").click()
    viewer.select("layout", "planes")
    viewer.browser.execute_script("arguments[0].scrollIntoView()", viewer.element("roi"))
    viewer.screenshot("34-box-after-a-reload")
    click(viewer, "remove-box")
    saves_region(viewer)


def test_alignments_are_saved_compared_and_loaded(
    viewer: ViewerDriver, site: Site, prepared: str
) -> None:
    click(viewer, "reset-registration")
    start = alignment(viewer)
    type_values(viewer, {FIELDS[0]: 10})
    viewer.element("alignment-name").send_keys("Ten to the left", Keys.ENTER)
    viewer.wait_until(lambda: "Ten to the left" in viewer.element("alignments").text)
    saved = alignment(viewer)
    type_values(viewer, {FIELDS[0]: 4})
    edited = alignment(viewer)
    identifier = viewer.element("alignments").get_attribute("value")
    viewer.select("side-b", identifier)
    viewer.press("b")
    viewer.wait_until(lambda: "differ by 6.0 mm" in viewer.element("alignments-difference").text)
    assert (
        "at most 6.0 mm in the head, and by 0.00°" in viewer.element("alignments-difference").text
    )
    assert_allclose(alignment(viewer), edited)
    assert not viewer.element("use-unrefined").is_enabled()
    viewer.press("b")
    assert_allclose(alignment(viewer), saved)
    heading = viewer.element("alignments-section")
    viewer.browser.execute_script("arguments[0].scrollIntoView()", heading)
    viewer.screenshot("35-alignments")
    viewer.press(Keys.ESCAPE)
    assert_allclose(alignment(viewer), edited)
    assert viewer.element("use-unrefined").is_enabled()
    click(viewer, "load-alignment")
    assert_allclose(alignment(viewer), saved)
    click(viewer, "undo-alignment")
    assert_allclose(alignment(viewer), edited)
    stored = site.client.get(f"/api/v1/studies/{prepared}/alignments").json()
    assert_allclose(stored[0]["image_from_ct"], start @ shifted((-10, 0, 0)), atol=1e-9)
    viewer.browser.execute_script("window.confirm = () => true")
    click(viewer, "delete-alignment")
    viewer.wait_until(lambda: not viewer.element("alignments").text)


@pytest.mark.slow
def test_german_tab_with_all_controls_is_accessible(
    viewer: ViewerDriver, site: Site, prepared: str, phantom: Phantom
) -> None:
    viewer.open(f"{site.base}/?lang=de")
    shows_pairs_of(viewer, prepared)
    viewer.element("tab-registration").click()
    viewer.browser.execute_script(REMOVE_PAIRS)
    mark(viewer, phantom)
    saves(viewer)
    viewer.wait_until(lambda: "Ausreißer" in viewer.element("landmark-errors").text)
    click(viewer, "box-at-crosshair")
    click(viewer, "align")
    for name in ("align-section", "pairs", "alignments-section", "metric-mask"):
        viewer.browser.execute_script("arguments[0].scrollIntoView()", viewer.element(name))
        viewer.screenshot(f"37-german-{name}")
    viewer.press("b")
    viewer.wait_until(lambda: "unterscheiden" in viewer.element("alignments-difference").text)
    wide = viewer.browser.execute_script(WIDE)
    assert wide == []
    assert grave_violations(viewer.browser) == []
    viewer.press(Keys.ESCAPE)
    viewer.browser.execute_script(REMOVE_PAIRS)
    saves(viewer)
    viewer.open(f"{site.base}/?lang=en")


REMOVE_PAIRS = "radfuse.panels.registration.landmarks.change([], 'pair-removed')"
"""Remove all pairs."""

WIDE = """
const panel = document.getElementById('panel-registration');
const right = panel.getBoundingClientRect().right + 1;
return [...panel.querySelectorAll('*')].filter((one) => one.getBoundingClientRect().right > right)
  .map((one) => one.id || one.outerHTML);
"""
"""What is wider than the panel."""


FURTHER = "return radfuse.viewer.further.map((one) => one.fromCt)"
SENT = """
const { registration } = radfuse.panels, { fuse } = registration;
registration.fuse = async (options) => { globalThis.sent = options; registration.fuse = fuse; };
"""


@pytest.mark.slow
def test_a_further_image_is_aligned_without_moving_the_mr(
    viewer: ViewerDriver, several: str, site: Site
) -> None:
    viewer.open(site.access.url)
    viewer.select("studies", several)
    viewer.wait_until(lambda: viewer.body_data("loaded") == several and viewer.body_data("shown"))
    viewer.element("tab-registration").click()
    viewer.select("align-image", "further-1")
    mr, (t2, pet) = alignment(viewer), map(np.array, viewer.browser.execute_script(FURTHER))
    type_values(viewer, {FIELDS[1]: 2.5})
    click(viewer, "align")
    viewer.screenshot("36-pet-is-aligned")
    found = list(map(np.array, viewer.browser.execute_script(FURTHER)))
    assert_allclose(np.linalg.inv(found[1]) @ pet, shifted((0, 2.5, 0)), atol=1e-9)
    assert_allclose(found[0], t2, atol=0)
    assert_allclose(alignment(viewer), mr, atol=0)
    viewer.browser.execute_script(SENT)
    click(viewer, "use-unrefined")
    sent = viewer.browser.execute_script("return globalThis.sent")
    assert sent["keep_registration"] is True
    (one,) = sent["further"]
    assert (one["label"], one["refine"]) == ("PT", False)
    assert_allclose(one["image_from_ct"], found[1], atol=0)
    viewer.select("align-image", "mr")
    click(viewer, "undo-alignment")  # there is nothing to undo for the MR
    assert_allclose(viewer.browser.execute_script(FURTHER)[1], found[1], atol=0)
    viewer.select("align-image", "further-1")
    click(viewer, "reset-registration")
    assert_allclose(viewer.browser.execute_script(FURTHER)[1], pet, atol=0)
    viewer.select("align-image", "mr")


OF_PET = """
const { viewer, panels } = radfuse, pet = viewer.furtherNamed("further-1");
const at = viewer.ctFromImage(arguments[1]);
viewer.setCrosshair(arguments[0]);
viewer.setCrosshair(at, true);
panels.registration.landmarks.add();
"""


@pytest.mark.slow
def test_landmarks_and_alignments_of_a_pet(
    viewer: ViewerDriver, several: str, site: Site, prepared: str
) -> None:
    viewer.open(site.access.url)
    viewer.select("studies", several)
    viewer.wait_until(lambda: viewer.body_data("loaded") == several and viewer.body_data("shown"))
    viewer.element("tab-registration").click()
    viewer.select("align-image", "further-1")
    mr, pet = alignment(viewer), np.array(viewer.browser.execute_script(FURTHER)[1])
    voxels = np.array([[20, 20, 20], [40, 22, 20], [22, 44, 24], [24, 20, 40], [36, 40, 30]])
    _, _, mm_from_voxel = grid(viewer)
    wanted = pet @ shifted((0, -4, 0))  # the PET 4 mm to posterior
    for at in voxels:
        image = (wanted @ mm_from_voxel @ [*at, 1])[:3].tolist()
        viewer.browser.execute_script(OF_PET, at.tolist(), image)
    viewer.screenshot("38-landmarks-of-a-pet")
    click(viewer, "fit-pairs")
    viewer.wait_until(lambda: "Root mean square" in viewer.element("fit-result").text)
    found = np.array(viewer.browser.execute_script(FURTHER)[1])
    assert_allclose(found, wanted, atol=1e-6)
    assert_allclose(alignment(viewer), mr, atol=0)
    viewer.element("alignment-name").send_keys("PET by pairs", Keys.ENTER)
    viewer.wait_until(lambda: "PET by pairs" in viewer.element("alignments").text)
    saves(viewer)
    viewer.select("align-image", "mr")
    assert viewer.browser.execute_script(PAIRS) == []
    assert viewer.element("alignments").text == ""
    viewer.select("align-image", "further-1")
    viewer.select("side-b", "start")
    viewer.press("b")
    viewer.wait_until(lambda: "differ by 4.0 mm" in viewer.element("alignments-difference").text)
    viewer.screenshot("39-alignments-of-a-pet")
    viewer.press(Keys.ESCAPE)
    viewer.browser.refresh()
    viewer.wait_until(lambda: viewer.body_data("loaded") == several and viewer.body_data("shown"))
    viewer.element("tab-registration").click()
    viewer.select("align-image", "further-1")
    viewer.wait_until(lambda: len(viewer.browser.execute_script(PAIRS)) == len(voxels))
    click(viewer, "load-alignment")
    assert_allclose(viewer.browser.execute_script(FURTHER)[1], wanted, atol=1e-6)
    viewer.browser.execute_script("window.confirm = () => true")
    click(viewer, "delete-alignment")
    viewer.browser.execute_script(REMOVE_PAIRS)
    viewer.wait_until(lambda: not viewer.element("alignments").text)
    saves(viewer)
    viewer.select("studies", prepared)  # without a result there is no image to choose
    viewer.wait_until(lambda: viewer.body_data("loaded") == prepared)
    viewer.wait_until(lambda: not viewer.element("align-image").is_displayed())


@pytest.mark.slow
def test_manual_registration_is_offered_after_a_reload(
    viewer: ViewerDriver, site: Site, asked: dict[str, Any], phantom: Phantom
) -> None:
    """Registration QA failed."""
    identifier = site.make(**{**asked, "name": "Far off"})
    off = matrix_of(phantom.mr_from_ct) @ shifted((25, 0, 0))
    site.fuse(identifier, mr_from_ct=off.tolist(), refine=False)
    viewer.open(f"{site.access.url}")
    viewer.select("studies", identifier)
    viewer.wait_until(lambda: viewer.body_data("loaded") == identifier)
    viewer.wait_until(lambda: viewer.element("register-manually").is_displayed())
    assert viewer.element("error").text.startswith("registration QA FAILED")
    assert viewer.element("accept-and-fuse").is_displayed()
    assert_allclose(alignment(viewer), off, atol=1e-5)
    viewer.screenshot("40-failed-before-a-reload")
    viewer.element("register-manually").click()
    assert viewer.element("panel-registration").is_displayed()
    assert not viewer.element("register-manually").is_displayed()
    viewer.browser.refresh()
    viewer.wait_until(lambda: viewer.body_data("loaded") == identifier)
    viewer.element("accept-and-fuse").click()
    viewer.wait_for_result("average", LONG_S)
    assert not viewer.element("register-manually").is_displayed()
    assert site.study(identifier)["outcome"]["qa_passed"] is False
    site.client.delete(f"/api/v1/studies/{identifier}")


@pytest.mark.slow
def test_fused_result_has_the_displayed_transform(
    viewer: ViewerDriver, site: Site, asked: dict[str, Any], phantom: Phantom
) -> None:
    recipe = {**asked["recipe"], "outputs": ["fused", "mr"]}
    identifier = site.make(**{**asked, "recipe": recipe})
    viewer.open(site.access.url)
    viewer.select("studies", identifier)
    viewer.wait_until(lambda: viewer.body_data("loaded") == identifier)
    viewer.element("tab-registration").click()
    viewer.browser.execute_script(
        "radfuse.panels.registration.setAlignment(arguments[0], 'true')",
        matrix_of(phantom.mr_from_ct).tolist(),
    )
    shown = float(viewer.element(f"{FIELDS[0]}-value").get_attribute("value"))
    type_values(viewer, {FIELDS[0]: shown + 0.3})
    displayed = alignment(viewer)
    click(viewer, "use-unrefined")
    viewer.wait_for_result("average")
    assert_allclose(site.view(identifier)["mr_from_ct"], displayed, atol=1e-6)
    stored = read_transform(site.run_of(identifier) / "registration.tfm")
    assert_allclose(matrix_of(stored), displayed, atol=1e-6)
    written = sitk.DICOMOrient(
        read(resampled_mr(site.run_of(identifier) / "result"), "MR").image, "LPS"
    )
    index = grid(viewer)[0][2]
    viewer.browser.execute_script("radfuse.viewer.set({ layout: 'planes' }); radfuse.viewer.draw()")
    shown = np.array(viewer.browser.execute_script(PLANE, "axial", index))
    expected = sitk.GetArrayFromImage(written)[index]
    inside = (np.reshape(shown, expected.shape) != OUTSIDE) & (expected > 0)
    step = site.view(identifier)["mr"]["step"]
    values = np.reshape(shown, expected.shape) * step
    assert inside.mean() > 0.1
    assert np.abs(values - expected)[inside].max() < 0.002 * expected.max()


def resampled_mr(result: Path) -> Path:
    """Folder of the MR on the CT's grid."""
    (folder,) = (path for path in result.iterdir() if path.is_dir() and "mr" in path.name.lower())
    return folder
