"""Structures in a real browser: three planes, suggestions, operations, values and lines."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_kit import ViewerDriver
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from service_kit import Site
from study_kit import StudyClient

pytestmark = pytest.mark.slow
SHOTS = Path(__file__).parents[2] / "build/screenshots"
FIND = "const one = radfuse.panels.structures.store.list.find((it) => it.name === arguments[0]);"


@pytest.fixture
def viewer(browser: Chrome, site: Site, done: str) -> ViewerDriver:
    SHOTS.mkdir(parents=True, exist_ok=True)
    opened = ViewerDriver(browser, SHOTS)
    opened.open(site.access.url)
    opened.select("studies", done)
    opened.wait_until(lambda: opened.body_data("loaded") == done)
    opened.wait_until(lambda: opened.body_data("shown"))
    opened.element("tab-structures").click()
    return opened


def script(viewer: ViewerDriver, code: str, *given: Any) -> Any:
    return viewer.browser.execute_script(code, *given)


def voxels(viewer: ViewerDriver, name: str) -> np.ndarray:
    """Indices (n, 3) of the voxels of a structure: slice, row, column."""
    code = f"{FIND} return [one.volume.size, one.runs()];"
    size, runs = script(viewer, code, name)
    volume = np.zeros((size[2], size[1] * size[0]), bool)
    for index, of in runs.items():
        for start, length in zip(of[::2], of[1::2], strict=True):
            volume[int(index), start : start + length] = True
    return np.argwhere(volume.reshape(size[::-1]))


def count(viewer: ViewerDriver, name: str) -> int:
    return len(voxels(viewer, name))


def adds(viewer: ViewerDriver, name: str) -> None:
    viewer.element("structure-name").send_keys(name)
    viewer.element("add-structure").find_element(By.CSS_SELECTOR, "button").click()
    viewer.wait_until(lambda: name in viewer.element("structures").text)


def crosshair(viewer: ViewerDriver, *at: float) -> list[int]:
    if at:
        script(viewer, "radfuse.viewer.setCrosshair([...arguments])", *at)
    return list(script(viewer, "return radfuse.viewer.crosshair"))


def opens(viewer: ViewerDriver, name: str) -> None:
    script(viewer, "document.getElementById(arguments[0]).open = true", name)


def shows(viewer: ViewerDriver, name: str) -> None:
    """Scroll a control into the visible part of the panel."""
    script(viewer, "document.getElementById(arguments[0]).scrollIntoView({block:'end'})", name)


def test_structures_are_drawn_in_three_planes_and_combined(viewer: ViewerDriver) -> None:
    x, y, z = crosshair(viewer)
    adds(viewer, "Planes")
    draws_in_planes(viewer, x, y, z)
    suggests_slices(viewer, x, y, z)
    draws_in_range(viewer, x, y, z)
    operates(viewer)
    shows_values_and_lines(viewer)
    copies_a_slice(viewer)


def draws_in_planes(viewer: ViewerDriver, x: int, y: int, z: int) -> None:
    """A stroke in a plane changes this plane only, and undo takes it back."""
    viewer.press("b")
    strokes = {
        "axial": ([x - 5, y, z], [x + 5, y, z]),
        "coronal": ([x - 5, y, z], [x - 5, y, z + 5]),
        "sagittal": ([x, y - 5, z], [x, y - 5, z + 5]),
    }
    counts = [0]
    for axis, (plane, path) in zip((0, 1, 2), strokes.items(), strict=True):
        before = set(map(tuple, voxels(viewer, "Planes")))
        viewer.drag(*path, plane=plane)
        new = np.array(sorted(set(map(tuple, voxels(viewer, "Planes"))) - before))
        assert len(new) > 4
        assert len(np.unique(new[:, axis])) == 1
        counts.append(count(viewer, "Planes"))
    viewer.screenshot("40-drawn-in-three-planes")
    for number in reversed(counts[:-1]):
        viewer.press(Keys.CONTROL + "z")
        assert count(viewer, "Planes") == number
    for number in counts[1:]:
        viewer.press(Keys.CONTROL + "y")
        assert count(viewer, "Planes") == number


def suggests_slices(viewer: ViewerDriver, x: int, y: int, z: int) -> None:
    """Coronal planes are suggested, displayed, discarded and accepted."""
    adds(viewer, "GTVp")
    viewer.press("h")
    for at in (y - 4, y, y + 4):
        crosshair(viewer, x, at, z)
        around = [[-6, -4], [6, -4], [6, 4], [-6, 4]]
        viewer.drag(*[[x + dx, at, z + dz] for dx, dz in around], plane="coronal")
    crosshair(viewer, x, y + 2, z)
    few = count(viewer, "GTVp")
    viewer.press("i")
    viewer.wait_until(lambda: viewer.element("suggestion").is_displayed())
    assert "Coronal planes of GTVp" in viewer.element("suggestion-text").text
    shows(viewer, "suggestion")
    viewer.screenshot("41-suggested-coronal-planes")
    viewer.press(Keys.ESCAPE)
    assert not viewer.element("suggestion").is_displayed()
    assert count(viewer, "GTVp") == few
    viewer.press("i")
    viewer.wait_until(lambda: viewer.element("suggestion").is_displayed())
    viewer.press(Keys.ENTER)
    viewer.wait_until(lambda: count(viewer, "GTVp") > 2 * few)
    assert len(np.unique(voxels(viewer, "GTVp")[:, 1])) == 9
    viewer.screenshot("42-accepted")


def draws_in_range(viewer: ViewerDriver, x: int, y: int, z: int) -> None:
    """The brush with a range of values draws bone only."""
    adds(viewer, "Bone")
    viewer.element("limit-values").click()
    for name, value in (("value-low", "300"), ("value-high", "3000")):
        viewer.element(name).clear()
        viewer.element(name).send_keys(value)
    crosshair(viewer, x, y, z)
    script(viewer, "radfuse.panels.structures.setBrush(20)")
    size = script(viewer, "return radfuse.viewer.ct.size")
    viewer.press("b")
    viewer.drag([x, y, z], [size[0] * 0.8, y, z], [size[0] - 2, y, z])
    found = voxels(viewer, "Bone")
    assert len(found) > 3
    code = """
      const { ct } = radfuse.viewer;
      return arguments[0].map(([slice, row, column]) => ct.valueAt([column, row, slice]));
    """
    values = np.array(script(viewer, code, found.tolist()))
    assert ((values >= 300) & (values <= 3000)).all()
    viewer.screenshot("43-drawn-in-a-range")
    viewer.element("limit-values").click()
    script(viewer, "radfuse.panels.structures.setBrush(6)")


def operates(viewer: ViewerDriver) -> None:
    """A margin becomes a new structure; a difference replaces one and can be undone."""
    choose(viewer, "GTVp")
    opens(viewer, "operations")
    viewer.element("apply-operation").click()
    viewer.wait_until(lambda: "GTVp_margin" in viewer.element("structures").text)
    inner = set(map(tuple, voxels(viewer, "GTVp")))
    outer = set(map(tuple, voxels(viewer, "GTVp_margin")))
    assert inner < outer
    shows(viewer, "operations")
    viewer.screenshot("44-margin")
    viewer.select("operation", "combine")
    viewer.select("operation-combination", "difference")
    code = f"{FIND} return one.id;"
    viewer.select("operation-other", script(viewer, code, "GTVp"))
    viewer.select("operation-result", "replace")
    viewer.element("apply-operation").click()
    viewer.wait_until(lambda: count(viewer, "GTVp_margin") == len(outer - inner))
    shows(viewer, "operations")
    viewer.screenshot("45-difference")
    viewer.press(Keys.CONTROL + "z")
    assert count(viewer, "GTVp_margin") == len(outer)
    viewer.wait_until(lambda: viewer.body_data("saved") == "yes")
    steps = script(viewer, f"{FIND} return one.steps;", "GTVp_margin")
    assert steps == ["freehand", "interpolation", "margin", "boolean"]


def choose(viewer: ViewerDriver, name: str) -> None:
    script(viewer, f"{FIND} radfuse.panels.structures.choose(one);", name)


def shows_values_and_lines(viewer: ViewerDriver) -> None:
    choose(viewer, "GTVp")
    opens(viewer, "statistics")
    viewer.wait_until(lambda: "HU" in viewer.element("statistics-values").text)
    assert "36.0" in viewer.element("statistics-values").text  # nine coronal planes of 4 mm
    line, width = viewer.browser.find_elements(By.CSS_SELECTOR, ".line-style select")
    line.find_element(By.CSS_SELECTOR, "option[value=dashed]").click()
    viewer.wait_until(lambda: script(viewer, f"{FIND} return one.line;", "GTVp") == "dashed")
    width = viewer.browser.find_elements(By.CSS_SELECTOR, ".line-style select")[1]
    width.find_element(By.CSS_SELECTOR, "option[value='3']").click()
    viewer.wait_until(lambda: script(viewer, f"{FIND} return one.lineWidth;", "GTVp") == 3)
    shows(viewer, "statistics")
    viewer.screenshot("46-values-and-lines")


def copies_a_slice(viewer: ViewerDriver) -> None:
    found = voxels(viewer, "GTVp")
    last = int(found[:, 1].max())
    x, _, z = crosshair(viewer)
    crosshair(viewer, x, last, z)
    viewer.press("n")
    assert crosshair(viewer)[1] == last + 1
    copied = voxels(viewer, "GTVp")
    on_both = [found[found[:, 1] == last], copied[copied[:, 1] == last + 1]]
    np.testing.assert_array_equal(on_both[0][:, ::2], on_both[1][:, ::2])


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_contours_are_at_the_edges_of_voxels_when_zoomed(viewer: ViewerDriver, plane: str) -> None:
    name = f"Edge {plane}"
    adds(viewer, name)
    viewer.select("layout", plane)
    code = f"""
      {FIND}
      const {{ store }} = radfuse.panels.structures;
      const [x, y, z] = radfuse.viewer.crosshair, [columns] = one.volume.size;
      const box = new Map();
      for (let slice = z - 2; slice <= z + 1; slice++) {{
        const mask = new Uint8Array(one.sliceSize);
        for (let row = y - 2; row <= y + 1; row++) {{
          const at = row * columns + x;
          mask.fill(1, at - 2, at + 2);
        }}
        box.set(slice, mask);
      }}
      store.edit(one, box, 'brush');
      store.list.forEach((it) => (it.isVisible = it === one));
      radfuse.viewer.hasMarks = false;
      for (let i = 0; i < 6; i++) radfuse.viewer.zoomBy(1.25);
      radfuse.panels.structures.setSmooth(false);
    """
    script(viewer, code, name)
    colour = str(script(viewer, f"{FIND} return one.colour;", name))
    rgb = np.array([*bytes.fromhex(colour[1:])])
    shot = viewer.screenshot(f"47-edges-{plane}")
    code = """
      const [viewport] = radfuse.viewer.viewports, [x, y, z] = radfuse.viewer.crosshair;
      return [-2.5, 1.5].map((by) => viewport.toScreen([x + by, y + by, z + by]));
    """
    edges = script(viewer, code)
    is_line = np.linalg.norm(shot - rgb, axis=-1) < 40
    rows, columns = np.nonzero(is_line)
    lows, highs = np.min(edges, axis=0), np.max(edges, axis=0)
    found = [columns.min(), columns.max() + 1, rows.min(), rows.max() + 1]
    np.testing.assert_allclose(
        found, [lows[0] - 1, highs[0] + 1, lows[1] - 1, highs[1] + 1], atol=2
    )
    script(viewer, "radfuse.panels.structures.setSmooth(true)")
    viewer.screenshot(f"48-smooth-{plane}")
    script(viewer, "radfuse.viewer.hasMarks = true")


def server(viewer: ViewerDriver, site: Site, done: str) -> StudyClient:
    """The study on the server, once everything is saved."""
    viewer.wait_until(lambda: viewer.body_data("saved") == "yes")
    return StudyClient(site, done)


def listed(viewer: ViewerDriver) -> list[str]:
    code = "return radfuse.panels.structures.store.list.map((one) => one.name)"
    return list(script(viewer, code))


def draws_box(viewer: ViewerDriver, name: str) -> None:
    """A box of 4 x 4 x 3 voxels about the crosshair, as one step."""
    code = f"""
      {FIND}
      const [x, y, z] = radfuse.viewer.crosshair, [columns] = one.volume.size, box = new Map();
      for (let slice = z - 1; slice <= z + 1; slice++) {{
        const mask = new Uint8Array(one.sliceSize);
        for (let row = y - 2; row < y + 2; row++)
          mask.fill(1, row * columns + x - 2, row * columns + x + 2);
        box.set(slice, mask);
      }}
      radfuse.panels.structures.store.edit(one, box, 'brush');
    """
    script(viewer, code, name)


def presses(viewer: ViewerDriver, label: str) -> None:
    """Press a button by its label."""
    button = viewer.browser.find_element(By.CSS_SELECTOR, f"[aria-label='{label}']")
    script(viewer, "arguments[0].scrollIntoView({ block: 'center' })", button)
    button.click()


def undoes(viewer: ViewerDriver, condition: Callable[[], Any], key: str = "z") -> None:
    viewer.press(Keys.CONTROL + key)
    viewer.wait_until(condition)


def test_every_destructive_operation_can_be_undone(
    viewer: ViewerDriver, site: Site, done: str
) -> None:
    StudyClient(site, done).clear()
    viewer.browser.refresh()
    viewer.wait_until(lambda: viewer.body_data("shown"))
    viewer.element("tab-structures").click()
    adds(viewer, "Other")
    viewer.element("structure-name").send_keys("gtvp" + Keys.ENTER)
    viewer.wait_until(lambda: listed(viewer) == ["Other", "GTVp"])  # as in the list of TG-263
    draws_box(viewer, "GTVp")
    renames_and_undoes(viewer)
    deletes_and_undoes(viewer, site, done)
    clears_and_undoes(viewer)
    removes_added_structures(viewer)
    restores_after_a_reload(viewer, site, done)


def renames_and_undoes(viewer: ViewerDriver) -> None:
    name = viewer.browser.find_element(By.CSS_SELECTOR, ".line-style input")
    name.send_keys(Keys.CONTROL + "a")
    name.send_keys("Other" + Keys.ENTER)
    viewer.wait_until(lambda: "already" in viewer.element("structures-error").text)
    assert listed(viewer) == ["Other", "GTVp"]
    name = viewer.browser.find_element(By.CSS_SELECTOR, ".line-style input")
    assert name.get_attribute("value") == "GTVp"
    name.send_keys(Keys.CONTROL + "a")
    name.send_keys("CTVp" + Keys.ENTER)
    viewer.wait_until(lambda: listed(viewer) == ["Other", "CTVp"])
    undoes(viewer, lambda: listed(viewer) == ["Other", "GTVp"])
    undoes(viewer, lambda: listed(viewer) == ["Other", "CTVp"], "y")
    undoes(viewer, lambda: listed(viewer) == ["Other", "GTVp"])


def deletes_and_undoes(viewer: ViewerDriver, site: Site, done: str) -> None:
    """Undo restores name, colour, line, voxels and order, on the server too."""
    line = viewer.browser.find_elements(By.CSS_SELECTOR, ".line-style select")[0]
    line.find_element(By.CSS_SELECTOR, "option[value=dotted]").click()
    viewer.wait_until(lambda: script(viewer, f"{FIND} return one.line;", "GTVp") == "dotted")
    client = server(viewer, site, done)
    before = {
        one["name"]: client.get(one["id"]) for one in client.call("GET", "/structures").json()
    }
    drawn = voxels(viewer, "GTVp")
    presses(viewer, "Delete GTVp")
    viewer.wait_until(lambda: listed(viewer) == ["Other"])
    assert "GTVp is deleted; Undo restores it." in viewer.element("save-status").text
    assert client.names() == ["Other"]
    viewer.screenshot("50-deleted")
    undoes(viewer, lambda: listed(viewer) == ["Other", "GTVp"])
    np.testing.assert_array_equal(voxels(viewer, "GTVp"), drawn)
    after = client.get(before["GTVp"]["id"])
    changed = {key for key in after if after[key] != before["GTVp"][key]}
    assert changed == {"revision"}
    undoes(viewer, lambda: listed(viewer) == ["Other"], "y")
    undoes(viewer, lambda: listed(viewer) == ["Other", "GTVp"])
    undoes(viewer, lambda: script(viewer, f"{FIND} return one.line;", "GTVp") == "solid")
    undoes(viewer, lambda: count(viewer, "GTVp") == 0)
    undoes(viewer, lambda: count(viewer, "GTVp") == len(drawn), "y")


def clears_and_undoes(viewer: ViewerDriver) -> None:
    whole = count(viewer, "GTVp")
    viewer.press(Keys.DELETE)
    viewer.wait_until(lambda: count(viewer, "GTVp") == whole * 2 / 3)
    viewer.press(Keys.DELETE)
    viewer.wait_until(
        lambda: "Nothing of this structure" in viewer.element("structures-error").text
    )
    undoes(viewer, lambda: count(viewer, "GTVp") == whole)
    viewer.element("clear-structure").click()
    viewer.wait_until(lambda: count(viewer, "GTVp") == 0)
    undoes(viewer, lambda: count(viewer, "GTVp") == whole)
    x, y, z = crosshair(viewer)
    viewer.element("copy-count").clear()
    viewer.element("copy-count").send_keys("3")
    crosshair(viewer, x, y, z + 1)
    viewer.element("copy-next").click()
    viewer.wait_until(lambda: count(viewer, "GTVp") == whole * 2)
    assert crosshair(viewer) == [x, y, z + 4]
    viewer.screenshot("51-copied-to-three-slices")
    undoes(viewer, lambda: count(viewer, "GTVp") == whole)
    crosshair(viewer, x, y, z)


def removes_added_structures(viewer: ViewerDriver) -> None:
    """A structure that an operation made is removed by undo, and made again by redo."""
    opens(viewer, "operations")
    viewer.select("operation", "margin")
    viewer.select("operation-result", "new")
    viewer.element("apply-operation").click()
    viewer.wait_until(lambda: "GTVp_margin" in listed(viewer))
    larger = count(viewer, "GTVp_margin")
    undoes(viewer, lambda: listed(viewer) == ["Other", "GTVp"])
    undoes(viewer, lambda: listed(viewer) == ["Other", "GTVp", "GTVp_margin"], "y")
    assert count(viewer, "GTVp_margin") == larger
    for operation in ("smooth", "fill", "largest", "combine", "crop"):
        viewer.select("operation", operation)
        viewer.select("operation-result", "replace")
        if operation in {"combine", "crop"}:
            viewer.select("operation-other", script(viewer, f"{FIND} return one.id;", "GTVp"))
        if operation == "combine":
            viewer.select("operation-combination", "difference")
        before = steps(viewer)
        viewer.element("apply-operation").click()
        viewer.wait_until(lambda: viewer.element("apply-operation").is_enabled())
        if steps(viewer) > before:  # else nothing was changed
            undoes(viewer, partial(has_steps, viewer, before))
        assert count(viewer, "GTVp_margin") == larger, operation
    script(viewer, "document.getElementById('operations').open = false")


def steps(viewer: ViewerDriver) -> int:
    return int(script(viewer, "return radfuse.panels.structures.store.done.length"))


def has_steps(viewer: ViewerDriver, wanted: int) -> bool:
    return steps(viewer) == wanted


def restores_after_a_reload(viewer: ViewerDriver, site: Site, done: str) -> None:
    choose(viewer, "GTVp")
    drawn = voxels(viewer, "GTVp")
    presses(viewer, "Delete GTVp")
    viewer.wait_until(lambda: "GTVp" not in listed(viewer))
    server(viewer, site, done)
    viewer.browser.refresh()
    viewer.wait_until(lambda: viewer.body_data("shown"))
    viewer.element("tab-structures").click()
    viewer.wait_until(lambda: listed(viewer) == ["Other", "GTVp_margin"])
    viewer.browser.find_element(By.CSS_SELECTOR, "#deleted-structures summary").click()
    viewer.wait_until(lambda: "GTVp" in viewer.element("deleted-list").text)
    shows(viewer, "deleted-structures")
    viewer.screenshot("52-deleted-structures")
    presses(viewer, "Restore GTVp")
    viewer.wait_until(lambda: "GTVp" in listed(viewer))
    np.testing.assert_array_equal(voxels(viewer, "GTVp"), drawn)
    undoes(viewer, lambda: "GTVp" not in listed(viewer))
    undoes(viewer, lambda: "GTVp" in listed(viewer), "y")


def test_undo_waits_for_a_server_that_is_away(viewer: ViewerDriver, site: Site, done: str) -> None:
    adds(viewer, "Away")
    draws_box(viewer, "Away")
    server(viewer, site, done)
    drawn = count(viewer, "Away")
    offline(viewer, is_offline=True)
    presses(viewer, "Delete Away")
    viewer.wait_until(lambda: viewer.element("structures-error").text)
    assert "Away" in listed(viewer)
    offline(viewer, is_offline=False)
    presses(viewer, "Delete Away")
    viewer.wait_until(lambda: "Away" not in listed(viewer))
    offline(viewer, is_offline=True)
    viewer.press(Keys.CONTROL + "z")
    viewer.wait_until(lambda: viewer.element("structures-error").text)
    assert "Away" not in listed(viewer)
    offline(viewer, is_offline=False)
    undoes(viewer, lambda: "Away" in listed(viewer))
    assert count(viewer, "Away") == drawn


def offline(viewer: ViewerDriver, *, is_offline: bool) -> None:
    code = """
      globalThis.answering ??= fetch;
      globalThis.fetch = arguments[0] ? () => Promise.reject(new TypeError('away')) : answering;
    """
    script(viewer, code, is_offline)


def test_structures_are_displayed_in_planes_of_the_mr(viewer: ViewerDriver) -> None:
    name = "In MR planes"
    adds(viewer, name)
    draws_box(viewer, name)
    code = "it.isVisible = it.name === arguments[0]"
    script(viewer, f"radfuse.panels.structures.store.list.forEach((it) => ({code}))", name)
    script(viewer, "radfuse.viewer.hasMarks = false; radfuse.viewer.set({ frame: 'mr' })")
    viewer.screenshot("53-planes-of-the-mr")
    script(viewer, "for (let i = 0; i < 5; i++) radfuse.viewer.zoomBy(1.25)")
    colour = str(script(viewer, f"{FIND} return one.colour;", name))
    rgb = np.array([*bytes.fromhex(colour[1:])])
    shot = viewer.screenshot("53-planes-of-the-mr-zoomed")
    code = """
      const [x, y, z] = radfuse.viewer.crosshair;
      const corners = [0, 1, 2, 3, 4, 5, 6, 7].map((i) =>
        [x + (i & 1 ? 1.5 : -2.5), y + (i & 2 ? 1.5 : -2.5), z + (i & 4 ? 1.5 : -1.5)]);
      return radfuse.viewer.viewports.map((viewport) =>
        [viewport.left, viewport.top, viewport.width, viewport.height, viewport.scale,
         corners.map((one) => viewport.toScreen(one))]);
    """
    for left, top, width, height, scale, corners in script(viewer, code):
        part = shot[int(top) : int(top + height), int(left) : int(left + width)]
        rows, columns = np.nonzero(np.linalg.norm(part - rgb, axis=-1) < 40)
        low, high = np.min(corners, axis=0), np.max(corners, axis=0)
        assert len(rows) > 20
        for at, start, axis in ((columns, left, 0), (rows, top, 1)):
            margin = scale[axis] / 4 + 3  # a half of the pixels of the mask, and the line
            assert at.min() + start >= low[axis] - margin
            assert at.max() + start <= high[axis] + margin
            assert np.ptp(at) > (high[axis] - low[axis]) * 0.5
    before = count(viewer, name)
    viewer.press("b")
    assert "planes of the CT" in viewer.element("tool-hint").text
    canvas = viewer.element("canvas")
    ActionChains(viewer.browser).move_to_element(canvas).click().perform()
    assert "planes of the CT" in viewer.element("structures-error").text
    viewer.press("n")
    assert "planes of the CT" in viewer.element("structures-error").text
    assert count(viewer, name) == before
    script(viewer, "radfuse.viewer.hasMarks = true; radfuse.viewer.set({ frame: 'ct' })")
    assert "planes of the CT" not in viewer.element("structures-error").text


def test_structure_set_is_saved_on_the_slices_of_the_mr(viewer: ViewerDriver) -> None:
    adds(viewer, "On MR")
    draws_box(viewer, "On MR")
    viewer.select("rtstruct-image", "mr")
    viewer.element("export-rtstruct").click()
    viewer.wait_until(lambda: "_RTSTRUCT_MR.dcm" in viewer.element("files-status").text)
    shows(viewer, "files-status")
    viewer.screenshot("54-structure-set-on-the-mr")
    viewer.select("rtstruct-image", "ct")
