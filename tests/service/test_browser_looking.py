"""What the images show, in a real browser: windows, layers, slabs, planes of the MR, layouts.

Screenshots of each step are written to `build/screenshots`.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_kit import ViewerDriver
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select
from service_kit import Site

SHOTS = Path(__file__).parents[2] / "build/screenshots"
WAIT_FOR_FRAME = "requestAnimationFrame(() => requestAnimationFrame(arguments[0]))"

pytestmark = pytest.mark.slow


@pytest.fixture
def viewer(browser: Chrome, site: Site) -> ViewerDriver:
    SHOTS.mkdir(parents=True, exist_ok=True)
    opened = ViewerDriver(browser, SHOTS)
    opened.open(site.access.url)
    browser.set_script_timeout(20)
    return opened


def ask(viewer: ViewerDriver, expression: str) -> Any:
    return viewer.browser.execute_script(f"const viewer = radfuse.viewer; return {expression}")


def shot(viewer: ViewerDriver, name: str) -> np.ndarray:
    viewer.browser.execute_async_script(WAIT_FOR_FRAME)
    return viewer.screenshot(name)


def drag_right(viewer: ViewerDriver, number: int, dx: int, dy: int) -> None:
    """Drag with the right button from the crosshair of a viewport."""
    canvas = viewer.element("canvas")
    _, x, y = viewer.positions()[number]
    from_x, from_y = x - canvas.rect["x"], y - canvas.rect["y"]
    half = canvas.rect["width"] / 2, canvas.rect["height"] / 2
    chain = ActionChains(viewer.browser, duration=20)
    chain.move_to_element_with_offset(canvas, round(from_x - half[0]), round(from_y - half[1]))
    chain.w3c_actions.pointer_action.pointer_down(button=2)
    chain.w3c_actions.pointer_action.move_by(dx, dy)
    chain.w3c_actions.pointer_action.pointer_up(button=2)
    chain.perform()


def type_number(viewer: ViewerDriver, name: str, value: float) -> None:
    field = viewer.element(name)
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys(f"{value:g}", Keys.TAB)


def opens(viewer: ViewerDriver, study: str) -> None:
    viewer.select("studies", study)
    viewer.wait_until(lambda: viewer.body_data("shown"))


def test_windows_of_each_image_are_set(viewer: ViewerDriver, done: str) -> None:
    opens(viewer, done)
    fused = shot(viewer, "30-fused")
    drag_right(viewer, 0, -100, 0)
    low, high = ask(viewer, "viewer.rangeOf('fused')")
    assert [low, high] == pytest.approx([0.1, 0.9], abs=0.01)  # 100 pixels of 500
    assert Select(viewer.element("window-image")).first_selected_option.text == "fused"
    assert np.abs(shot(viewer, "31-fused-window") - fused).mean() > 0.5
    viewer.select("window-preset", "initial")
    assert ask(viewer, "viewer.rangeOf('fused')") == [0, 1]
    viewer.select("window-image", "ct")
    viewer.select("window-preset", "brain")
    assert ask(viewer, "viewer.window") == [80, 40]
    type_number(viewer, "window-width", 350)
    type_number(viewer, "window-level", 60)
    assert ask(viewer, "viewer.window") == [350, 60]
    assert Select(viewer.element("window-preset")).first_selected_option.text == "manual"
    viewer.press("1[")
    drag_right(viewer, 0, 10, -5)
    assert ask(viewer, "viewer.window") == pytest.approx([370, 55], abs=0.01)
    viewer.select("layout", "side")
    viewer.browser.execute_async_script(WAIT_FOR_FRAME)
    before = ask(viewer, "viewer.rangeOf('mr')")
    drag_right(viewer, 1, 50, 0)
    after = ask(viewer, "viewer.rangeOf('mr')")
    assert after[1] - after[0] == pytest.approx(1.1 * (before[1] - before[0]), rel=0.01)
    viewer.element("window-auto").click()
    assert ask(viewer, "viewer.rangeOf('mr')") != after
    shot(viewer, "32-windows-side-by-side")
    viewer.select("layout", "planes")


def test_window_of_the_fusion_is_previewed(viewer: ViewerDriver, done: str) -> None:
    opens(viewer, done)
    before = shot(viewer, "33-before-a-preview")
    viewer.select("fusion-window", "bone")
    viewer.wait_until(lambda: viewer.body_data("previewedWindow") == "2500,480")
    assert "preview: window bone" in viewer.element("preview-status").text
    preview = shot(viewer, "34-preview-of-a-window")
    width = preview.shape[1]
    assert np.abs(preview - before)[:, : width // 2].mean() > 0.5
    type_number(viewer, "fusion-width", 700)
    viewer.wait_until(lambda: viewer.body_data("previewedWindow") == "700,480")
    viewer.select("fusion-window", "fusion")
    viewer.wait_until(lambda: viewer.element("preview-status").text == "")
    assert ask(viewer, "viewer.preview") is None


def test_planes_and_what_is_on_them(viewer: ViewerDriver, done: str) -> None:
    opens(viewer, done)
    viewer.press("d")
    viewer.wait_until(lambda: viewer.element("display-panel").is_displayed())
    planes = shot(viewer, "35-display-panel")
    viewer.press("t")
    assert len(ask(viewer, "viewer.arrange()")) == 1
    shot(viewer, "36-maximised")
    viewer.press("t")
    canvas, crosshair = viewer.element("canvas"), ask(viewer, "viewer.crosshair")
    corner = round(canvas.rect["width"] / 2) - 60, round(canvas.rect["height"] / 2) - 40
    chain = ActionChains(viewer.browser, duration=20)
    chain.move_to_element_with_offset(canvas, *corner).double_click().perform()
    shot(viewer, "37-maximised-by-a-double-click")
    assert ask(viewer, "viewer.viewports.map((one) => one.plane)") == ["sagittal"]
    assert ask(viewer, "viewer.crosshair") == crosshair
    viewer.press("t")
    slab(viewer)
    viewer.select("frame", "mr")
    shot(viewer, "39-planes-of-the-mr")
    assert ask(viewer, "viewer.viewports.every((one) => one.isOblique)")
    step = "[viewer.scroll(viewer.viewports[0], 1), viewer.readout().lps][1]"
    moved = np.linalg.norm(np.subtract(ask(viewer, step), ask(viewer, step)))
    assert moved == pytest.approx(ask(viewer, "viewer.mr.spacing[2]"), rel=1e-3)
    viewer.select("frame", "ct")
    unlinks(viewer)
    for _ in range(3):
        viewer.press("c")
    shot(viewer, "41-spyglass")
    viewer.press("c")
    composites(viewer)
    residuals(viewer)
    viewer.press("d")
    viewer.press(Keys.HOME)
    assert np.abs(shot(viewer, "45-as-before")[40:100, 40:100] - planes[40:100, 40:100]).mean() < 1


def slab(viewer: ViewerDriver) -> None:
    thin = shot(viewer, "38-no-slab")
    viewer.select("slab", "max")
    type_number(viewer, "slab-mm", 30)
    assert np.abs(shot(viewer, "38-mip-of-30-mm") - thin).mean() > 0.5
    viewer.select("slab", "none")


def unlinks(viewer: ViewerDriver) -> None:
    link = viewer.browser.find_element(By.XPATH, "//label[contains(., 'Link the planes')]/input")
    link.click()
    viewer.browser.execute_async_script(WAIT_FOR_FRAME)
    indices = "viewer.viewports.map((one) => one.indexOf(viewer.crosshairOf(one)))"
    before = ask(viewer, indices)
    viewer.browser.execute_script("const v = radfuse.viewer; v.scroll(v.viewports[1], 3)")
    viewer.browser.execute_script("const v = radfuse.viewer; v.zoomBy(2, v.viewports[2])")
    assert np.subtract(ask(viewer, indices), before).tolist() == [0, 3, 0]
    shot(viewer, "40-not-linked")
    scales = ask(viewer, "viewer.arrange().map((one) => one.pixelsPerMm / one.fitted)")
    assert scales[2] == pytest.approx(2 * scales[1])
    viewer.press(Keys.HOME)
    fitted = ask(viewer, "viewer.arrange().map((one) => one.pixelsPerMm / one.fitted)")
    assert max(fitted) < 1.5
    assert not ask(viewer, "viewer.views.isLinked")
    link.click()


def composites(viewer: ViewerDriver) -> None:
    viewer.press("3")
    shots = {}
    for name in ("alpha", "add", "bone"):
        viewer.select("composite", name)
        shots[name] = shot(viewer, f"42-composite-{name}")
    assert np.abs(shots["bone"] - shots["alpha"]).mean() > 1
    assert np.abs(shots["add"] - shots["alpha"]).mean() > 1
    viewer.select("composite", "alpha")
    viewer.press("1")


def residuals(viewer: ViewerDriver) -> None:
    given = json.dumps({"left, upper": [2.0, 60], "right, upper": [-2.0, 60]})
    viewer.browser.execute_script(
        f"radfuse.panels.toolbar.display.setResiduals({given}, [0, 0, 0])"
    )
    box = viewer.browser.find_element(By.XPATH, "//label[contains(., 'Residuals')]/input")
    box.click()
    shot(viewer, "43-residuals-on-the-skull")
    box.click()


def test_layers_are_ordered_and_blended(viewer: ViewerDriver, several: str) -> None:
    opens(viewer, several)
    viewer.press("2d")
    viewer.wait_until(lambda: viewer.element("display-panel").is_displayed())
    rows = viewer.element("image-layers").find_elements(By.TAG_NAME, "li")
    assert [row.text.split("\n")[0] for row in rows] == ["PT", "T2", "MR", "fused"]
    mr = shot(viewer, "44-mr-alone")
    rows[0].find_element(By.CSS_SELECTOR, "input[type=checkbox]").click()
    both = shot(viewer, "44-pet-on-mr")
    assert np.abs(both - mr).mean() > 1
    chosen = Select(viewer.element("overlay")).first_selected_option
    assert chosen.text == "several layers"
    for _ in range(3):
        viewer.element("image-layers").find_elements(By.CSS_SELECTOR, "button")[1].click()
    assert ask(viewer, "viewer.imageLayers.list[3].name") != "further-1"
    viewer.press("d1")
