"""The viewer in a real browser: open, fuse, review, register, sign off, draw, save, reload.

Screenshots of each step are written to `build/screenshots`; the how-to shows some of them.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from browser_kit import SET_BOTH_CROSSHAIRS, ViewerDriver
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select
from service_kit import Site, running
from study_kit import prepare

from ladder_kit import run_tool
from radfuse.dicom.rtstruct.read import read_structure_set
from radfuse.phantom.dicom import write_phantom
from radfuse.phantom.head import Phantom, make_phantom
from radfuse.pipeline.read import read
from radfuse.record import NOTICE
from radfuse.service.jobs.job_queue import CANCELLED
from radfuse.service.stores.view_volumes import to_axes_of

SHOTS = Path(__file__).parents[2] / "build/screenshots"
SAME_DICE = 0.98


@pytest.fixture
def viewer(browser: Chrome, site: Site) -> ViewerDriver:
    SHOTS.mkdir(parents=True, exist_ok=True)
    opened = ViewerDriver(browser, SHOTS)
    opened.open(site.access.url)
    return opened


def opens_runs_and_cancels(viewer: ViewerDriver, asked: dict[str, Any]) -> None:
    viewer.element("open-study").click()
    viewer.element("ct-path").send_keys(asked["ct"])
    viewer.element("mr-path").send_keys(asked["mr"])
    viewer.element("inspect").click()
    viewer.wait_until(lambda: "MR" in viewer.element("inspection").text)
    viewer.element("study-name").send_keys("Browser")
    viewer.screenshot("01-open-dialog")
    viewer.element("create-study").click()
    viewer.wait_until(lambda: not viewer.element("open-dialog").is_displayed())
    viewer.wait_until(lambda: viewer.body_data("loaded"))
    assert viewer.screenshot("02-before-a-fusion").std() > 20
    viewer.element("start-fusion").click()
    viewer.wait_until(lambda: viewer.element("stage").text.startswith("registering"))
    viewer.screenshot("03-running")
    viewer.element("cancel").click()
    viewer.wait_until(lambda: viewer.element("error").text == CANCELLED)


def fuses(viewer: ViewerDriver, method: str) -> None:
    viewer.select("method", method)
    assert viewer.element("keep-registration").is_selected()
    viewer.wait_until(lambda: viewer.body_data("previewed") == method)
    viewer.screenshot("04-preview-of-a-method")
    viewer.element("start-fusion").click()
    viewer.wait_for_result(method)
    assert viewer.element("quality").text.startswith("registration QA passed")


def changes_display(viewer: ViewerDriver) -> None:
    """Crosshair, opacity, wipe, checkerboard, colours and layouts change the displayed images."""
    assert viewer.screenshot("05-fused").std() > 20
    assert "HU" in viewer.element("ct-value").text
    position = viewer.element("position").text
    viewer.press(Keys.PAGE_UP)
    viewer.wait_until(lambda: viewer.element("position").text != position)
    fused = viewer.screenshot("06-crosshair")
    viewer.press("o")
    viewer.wait_until(lambda: viewer.element("fov-border").get_attribute("aria-pressed") == "false")
    assert (is_blue(viewer.screenshot("06-without-border")) < is_blue(fused) - 200).all()
    viewer.press("o")
    viewer.press("[" * 10)
    ct = viewer.screenshot("07-ct")
    assert viewer.element("opacity-value").text == "0 %"
    assert np.abs(fused - ct).mean() > 3
    viewer.press("]" * 10 + "3")
    hot = viewer.screenshot("08-mr-hot")
    for name, key in (("09-wipe", "c"), ("10-checkerboard", "c")):
        viewer.press(key)
        shot = viewer.screenshot(name)
        assert np.abs(shot - hot).mean() > 1
        assert np.abs(shot - ct).mean() > 1
    viewer.press("cc4")
    colours = viewer.screenshot("11-magenta-green")
    assert np.abs(colours[..., 0] - colours[..., 1]).mean() > 3
    viewer.press("1")
    viewer.select("layout", "side")
    viewer.screenshot("12-side-by-side")
    viewer.select("layout", "rendering")
    viewer.wait_until(lambda: viewer.body_data("rendered"))
    viewer.wait_until(lambda: viewer.screenshot("13-rendering")[-150:, -400:].std() > 5)
    viewer.select("layout", "planes")
    measures(viewer)
    viewer.press("?")
    viewer.wait_until(lambda: viewer.element("help").is_displayed())
    viewer.screenshot("15-help")
    viewer.element("help").find_element(By.TAG_NAME, "button").click()


def is_blue(shot: np.ndarray) -> np.ndarray:
    """Numbers of pixels of the colour of the border of the field of view: left and right part."""
    blue = (shot[..., 2] > 180) & (shot[..., 1] > 120) & (shot[..., 0] < 60)
    return np.array([half.sum() for half in np.array_split(blue, 2, axis=1)])


def measures(viewer: ViewerDriver) -> None:
    viewer.element("measure").click()
    x, y, z = crosshair(viewer)
    viewer.drag([x - 10, y, z], [x, y, z], [x + 10, y, z])
    viewer.screenshot("14-measuring")
    mm = viewer.browser.execute_script("return radfuse.panels.toolbar.ruler.mm")
    spacing = viewer.browser.execute_script("return radfuse.viewer.ct.spacing[0]")
    assert abs(mm - 20 * spacing) < spacing  # a pixel of the screen at either end
    viewer.element("measure").click()


def crosshair(viewer: ViewerDriver) -> list[float]:
    return list(viewer.browser.execute_script("return radfuse.viewer.crosshair"))


def test_user_opens_fuses_reviews_and_signs_off(
    viewer: ViewerDriver, browser: Chrome, asked: dict[str, Any], done: str
) -> None:
    assert "token" not in browser.current_url
    assert browser.find_element(By.TAG_NAME, "footer").text == NOTICE
    opens_runs_and_cancels(viewer, asked)
    viewer.select("studies", done)
    viewer.wait_until(lambda: viewer.body_data("shown"))
    fuses(viewer, "bone_blend")
    viewer.sign_off("A. Physicist")
    viewer.wait_until(lambda: "accepted by A. Physicist" in viewer.element("signoff-status").text)
    viewer.screenshot("16-signed")
    browser.refresh()
    viewer.wait_for_result("bone_blend")
    viewer.element("tab-results").click()
    assert "accepted by A. Physicist" in viewer.element("signoff-status").text
    assert viewer.screenshot("17-reloaded").std() > 20
    errors = [entry["message"] for entry in browser.get_log("browser")]
    assert not [one for one in errors if "Content Security" in one or "Uncaught" in one]


@pytest.mark.slow
def test_each_control_changes_the_display(viewer: ViewerDriver, done: str) -> None:
    viewer.select("studies", done)
    viewer.wait_until(lambda: viewer.body_data("loaded") == done and viewer.body_data("shown"))
    changes_display(viewer)


@pytest.mark.slow
def test_further_images_are_overlays_of_the_ct(
    viewer: ViewerDriver, site: Site, several: str
) -> None:
    opens_further_images(viewer, site, several)
    viewer.open(site.access.url)
    viewer.select("studies", several)
    viewer.wait_for_result("average")
    assert [one.text for one in Select(viewer.element("overlay")).options][4:] == ["T2", "PT"]
    verdicts = viewer.element("further").find_elements(By.TAG_NAME, "li")
    assert [one.text.split(":")[0] for one in verdicts] == ["T2", "PT"]
    assert all("registration QA" in one.text for one in verdicts)
    fused = viewer.screenshot("26-several-fused")
    viewer.press("5")
    t2 = viewer.screenshot("27-t2-on-ct")
    assert np.abs(t2 - fused).mean() > 1
    assert viewer.element("opacity-value").text == "100 %"
    viewer.press("6")
    viewer.browser.execute_script("document.getElementById('controls').scrollTo(0, 480)")
    pet = viewer.screenshot("28-pet-on-ct")
    assert has_colour_bar(pet)
    assert not has_colour_bar(t2)
    assert viewer.element("opacity-value").text == "50 %"
    assert np.abs(pet[..., 0] - pet[..., 2]).mean() > np.abs(t2[..., 0] - t2[..., 2]).mean() + 3
    shown = viewer.element("readout").text
    expected = value_at_crosshair(viewer, site.view(several)["further"][1])
    assert shown.endswith(f"PT\n{float(f'{expected:.4g}'):.0f} Bq/ml"), (shown, expected)
    viewer.press("1")
    assert viewer.element("opacity-value").text == "100 %"


def opens_further_images(viewer: ViewerDriver, site: Site, several: str) -> None:
    """Open the same files in the dialog."""
    stored = json.loads((site.folder / "studies" / several / "study.json").read_text())
    before = viewer.body_data("loaded")
    viewer.element("open-study").click()
    viewer.element("ct-path").send_keys(stored["ct"])
    viewer.element("mr-path").send_keys(stored["mr"])
    viewer.element("further-images").find_element(By.TAG_NAME, "summary").click()
    viewer.element("further-mr-paths").send_keys(stored["further"]["mrs"][0])
    viewer.element("pet-path").send_keys(stored["further"]["pet"])
    viewer.element("inspect").click()
    viewer.wait_until(lambda: "PT" in viewer.element("inspection").text)
    viewer.screenshot("29-open-further-images")
    viewer.element("create-study").click()
    viewer.wait_until(lambda: viewer.body_data("loaded") not in {several, before, None})
    opened = viewer.body_data("loaded")
    made = json.loads((site.folder / "studies" / opened / "study.json").read_text())
    for role in ("mrs", "pet"):
        assert made["further"][role] == stored["further"][role]


def has_colour_bar(shot: np.ndarray) -> bool:
    """Whether the lower left corner has the last colour of `lightness`, and others below it."""
    column = shot[-140:-14, 19]
    return bool(np.abs(column[0] - (252, 246, 190)).max() < 30 and np.ptp(column[:, 0]) > 200)


def value_at_crosshair(viewer: ViewerDriver, view: dict[str, Any]) -> float:
    """Of the nearest voxel of a further image."""
    lps = viewer.browser.execute_script("return radfuse.viewer.readout().lps")
    moved = np.array(view["image_from_ct"]) @ [*lps, 1]
    x, y, z = np.rint(np.linalg.solve(view["volume"]["mm_from_voxel"], moved))[:3].astype(int)
    values = viewer.browser.execute_script("return radfuse.viewer.further[1].volume.data")
    columns, rows, _ = view["volume"]["size"]
    return float(values[(z * rows + y) * columns + x] * view["volume"]["step"])


@pytest.mark.slow
def test_landmark_pairs_align_the_mr_with_the_ct(
    viewer: ViewerDriver, site: Site, asked: dict[str, Any], tmp_path: Path
) -> None:
    """Before any registration: five pairs of points in CT and MR of voxels of 3 mm."""
    phantom = make_phantom(7, spacing_mm=3.0)
    ct, mr = map(str, write_phantom(phantom, tmp_path))
    away = {
        **asked,
        "ct": ct,
        "mr": mr,
        "recipe": {"method": "average", "outputs": ["fused"]},
        "name": "Manual",
    }
    identifier = site.make(**away)
    viewer.open(f"{site.access.url}")
    viewer.select("studies", identifier)
    viewer.wait_until(lambda: viewer.body_data("loaded") == identifier)
    viewer.element("tab-registration").click()
    ct_voxel, mr_voxel = voxels_of(viewer, phantom)
    for shift in ((0, 0, 0), (40, 0, 0), (0, 45, 0), (0, 0, 30), (-30, -30, 15)):
        point = np.add(phantom_centre(phantom), shift)
        viewer.browser.execute_script(SET_BOTH_CROSSHAIRS, ct_voxel(point), mr_voxel(point))
        viewer.element("add-pair").click()
    viewer.screenshot("18-landmarks")
    viewer.element("fit-pairs").click()
    viewer.wait_until(lambda: "Root mean square" in viewer.element("fit-result").text)
    viewer.screenshot("19-aligned-by-landmarks")
    cells = viewer.element("pairs").find_elements(By.CSS_SELECTOR, "td.error")
    errors = [float(cell.text) for cell in cells]
    assert len(errors) == 5
    assert max(errors) < 0.1  # the crosshairs are between voxels, which are of 3 mm
    found = np.array(viewer.browser.execute_script("return radfuse.viewer.mrFromCt"))
    truth = phantom.mr_from_ct.TransformPoint(phantom_centre(phantom).tolist())
    assert np.linalg.norm((found @ [*phantom_centre(phantom), 1])[:3] - truth) < 0.1
    viewer.element("translation-left-value").send_keys(Keys.CONTROL + "a")
    viewer.element("translation-left-value").send_keys("25", Keys.ENTER)
    viewer.element("use-unrefined").click()
    viewer.wait_until(lambda: viewer.element("error").text.startswith("registration QA FAILED"))
    viewer.screenshot("20-registration-qa-failed")
    viewer.element("accept-and-fuse").click()
    viewer.wait_for_result("average")
    outcome = site.study(identifier)["outcome"]
    assert (outcome["alignment"], outcome["qa_passed"]) == ("manual", False)


def phantom_centre(phantom: Phantom) -> np.ndarray:
    size = phantom.ct.image.GetSize()
    return np.array(phantom.ct.image.TransformContinuousIndexToPhysicalPoint([s / 2 for s in size]))


Finder = Callable[[np.ndarray], list[float]]


def voxels_of(viewer: ViewerDriver, phantom: Phantom) -> tuple[Finder, Finder]:
    """Functions from a CT point to its voxel in the CT's viewports, and in the MR's viewports."""
    view = viewer.browser.execute_script(
        "const { ct, mrFromCt } = radfuse.viewer; return [ct.voxelFromMm, mrFromCt]"
    )
    voxel_from_mm, mr_from_ct = map(np.array, view)

    def in_ct(point: np.ndarray) -> list[float]:
        return list((voxel_from_mm @ [*point, 1])[:3])

    def in_mr(point: np.ndarray) -> list[float]:
        mr_point = phantom.mr_from_ct.TransformPoint(point.tolist())
        return in_ct((np.linalg.inv(mr_from_ct) @ [*mr_point, 1])[:3])

    return in_ct, in_mr


def draws(viewer: ViewerDriver, name: str, *slices: int) -> None:
    """A brush stroke around the crosshair in some slices."""
    viewer.element("structure-name").send_keys(name)
    viewer.element("add-structure").find_element(By.CSS_SELECTOR, "button").click()
    viewer.wait_until(lambda: name in viewer.element("structures").text)
    x, y, z = crosshair(viewer)
    for slice_index in slices:
        viewer.browser.execute_script(
            "radfuse.viewer.setCrosshair(arguments[0])", [x, y, z + slice_index]
        )
        viewer.drag([x - 4, y, z], [x, y + 3, z], [x + 4, y, z])
    viewer.browser.execute_script("radfuse.viewer.setCrosshair(arguments[0])", [x, y, z])


def cm3(viewer: ViewerDriver, name: str) -> float:
    code = (
        "return radfuse.panels.structures.store.list.find((one) => one.name === arguments[0]).cm3"
    )
    return float(viewer.browser.execute_script(code, name))


def mask(viewer: ViewerDriver, name: str) -> np.ndarray:
    """A structure in the viewer, (slices, rows, columns)."""
    code = """
      const { viewer, panels } = radfuse;
      const one = panels.structures.store.list.find((it) => it.name === arguments[0]);
      return [viewer.ct.size, one.runs()];
    """
    size, runs = viewer.browser.execute_script(code, name)
    volume = np.zeros((size[2], size[1] * size[0]), np.uint8)
    for index, of in runs.items():
        for start, length in zip(of[::2], of[1::2], strict=True):
            volume[int(index), start : start + length] = 1
    return volume.reshape(size[::-1])


def saved(viewer: ViewerDriver) -> None:
    viewer.wait_until(lambda: viewer.body_data("saved") == "yes")


def downloaded(viewer: ViewerDriver, browser: Chrome, button: str) -> Path:
    viewer.element(button).click()
    viewer.wait_until(lambda: viewer.element("files-status").text.startswith("Saved: "))
    name = viewer.element("files-status").find_element(By.TAG_NAME, "a").text
    folder = Path(browser.capabilities["chrome"]["userDataDir"]).parent
    viewer.wait_until(lambda: (folder / name).is_file() and (folder / name).stat().st_size)
    return folder / name


def test_drawn_target_is_saved_exported_and_loaded_again(
    viewer: ViewerDriver, browser: Chrome, done: str, phantom_folders: tuple[Path, Path]
) -> None:
    viewer.select("studies", done)
    viewer.wait_until(lambda: viewer.body_data("shown"))
    viewer.element("tab-structures").click()
    draws(viewer, "GTVp", -4, 0, 4)
    few = cm3(viewer, "GTVp")
    viewer.press("i")
    viewer.wait_until(lambda: viewer.element("suggestion").is_displayed())
    assert cm3(viewer, "GTVp") == few
    viewer.press(Keys.ENTER)
    viewer.wait_until(lambda: cm3(viewer, "GTVp") > 2 * few)
    viewer.screenshot("21-drawn-and-interpolated")
    viewer.press(Keys.CONTROL + "z")
    viewer.wait_until(lambda: cm3(viewer, "GTVp") == few)
    viewer.press(Keys.CONTROL + "y")
    x, y, z = crosshair(viewer)
    viewer.press("h")
    viewer.drag([x + 8, y + 8, z], [x + 14, y + 8, z], [x + 14, y + 14, z], [x + 8, y + 14, z])
    viewer.press("g")
    for corner in ([x - 14, y + 8, z], [x - 8, y + 8, z], [x - 11, y + 14, z]):
        viewer.click(corner)
    viewer.screenshot("22-a-polygon")
    viewer.press(Keys.ENTER)
    viewer.press("v")
    saved(viewer)
    draws_more(viewer)
    whole = mask(viewer, "GTVp")
    path = downloaded(viewer, browser, "export-rtstruct")
    viewer.screenshot("24-saved-as-rtstruct")
    assert "Error" not in run_tool("dciodvfy", "-new", path)
    assert dice(whole, exported(path, phantom_folders[0], "GTVp")) >= SAME_DICE
    browser.refresh()
    viewer.wait_until(lambda: viewer.body_data("shown"))
    viewer.element("tab-structures").click()
    viewer.wait_until(lambda: "GTVp" in viewer.element("structures").text)
    np.testing.assert_array_equal(mask(viewer, "GTVp"), whole)
    comes_back(viewer, path, whole)


def draws_more(viewer: ViewerDriver) -> None:
    """Another structure, grown from a click in the MR."""
    viewer.element("structure-name").send_keys("Brain, grown")
    viewer.element("add-structure").find_element(By.CSS_SELECTOR, "button").click()
    viewer.wait_until(lambda: "Brain, grown" in viewer.element("structures").text)
    viewer.select("grow-image", "mr")
    viewer.press("r")
    viewer.click(crosshair(viewer))
    viewer.wait_until(lambda: cm3(viewer, "Brain, grown") > 1)
    saved(viewer)
    viewer.press("v")
    viewer.screenshot("23-grown-from-a-click")


def comes_back(viewer: ViewerDriver, path: Path, whole: np.ndarray) -> None:
    """The exported structure is imported again, and both agree."""
    viewer.element("import-files").send_keys(str(path))
    viewer.wait_until(lambda: "GTVp (2)" in viewer.element("structures").text)
    assert dice(whole, mask(viewer, "GTVp (2)")) >= SAME_DICE
    names = viewer.browser.execute_script(
        "const { list } = radfuse.panels.structures.store;"
        "return Object.fromEntries(list.map((one) => [one.name, one.id]))"
    )
    viewer.select("compared", names["GTVp"])
    viewer.select("reference", names["GTVp (2)"])
    viewer.element("comparison").find_element(By.CSS_SELECTOR, "button").click()
    viewer.wait_until(lambda: "Dice" in viewer.element("agreement").text)
    viewer.screenshot("25-compared")
    assert viewer.element("agreement").find_elements(By.TAG_NAME, "dd")[0].text == "1.000"


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return float(2 * np.sum((first > 0) & (second > 0)) / (np.sum(first > 0) + np.sum(second > 0)))


def exported(path: Path, ct_folder: Path, name: str) -> np.ndarray:
    """A structure of a file on the viewer's grid."""
    ct = read(ct_folder, "CT")
    found = {one.name: one.mask for one in read_structure_set(path, ct).structures()}
    viewer_grid = sitk.DICOMOrient(found[name], "LPS")
    assert to_axes_of(viewer_grid, ct.image).GetDirection() == ct.image.GetDirection()
    return np.asarray(sitk.GetArrayFromImage(viewer_grid))


@pytest.mark.slow
def test_two_windows_on_one_structure_lose_nothing(
    viewer: ViewerDriver, browser: Chrome, done: str
) -> None:
    first = browser.current_window_handle
    viewer.select("studies", done)
    viewer.wait_until(lambda: viewer.body_data("shown"))
    viewer.element("tab-structures").click()
    draws(viewer, "Contested", 0)
    saved(viewer)
    address = browser.current_url
    browser.switch_to.new_window("tab")
    browser.get(address)
    viewer.wait_until(lambda: viewer.body_data("shown"))
    viewer.element("tab-structures").click()
    viewer.wait_until(lambda: "Contested" in viewer.element("structures").text)
    pick(viewer, "Contested")
    viewer.press("b")
    x, y, z = crosshair(viewer)
    viewer.drag([x - 9, y - 9, z], [x - 6, y - 9, z])
    saved(viewer)
    browser.switch_to.window(first)
    viewer.press("b")
    viewer.drag([x + 9, y + 9, z], [x + 6, y + 9, z])
    viewer.wait_until(lambda: "another window" in viewer.element("save-status").text)
    viewer.screenshot("26-two-windows")
    names = [
        item.text for item in viewer.element("structures").find_elements(By.CSS_SELECTOR, ".name")
    ]
    assert "Contested" in names
    assert any(name.startswith("Contested (copy") for name in names)
    browser.switch_to.window(browser.window_handles[-1])
    browser.close()
    browser.switch_to.window(first)


def pick(viewer: ViewerDriver, name: str) -> None:
    buttons = viewer.element("structures").find_elements(By.CSS_SELECTOR, ".name")
    next(button for button in buttons if button.text == name).click()


DELAYED = """
const real = window.fetch, part = arguments[0];
window.held = [];
window.fetch = async (url, ...more) => {
  const response = await real(url, ...more);
  if (String(url).includes(part)) await new Promise((release) => window.held.push(release));
  return response;
};
"""
"""Hold back the responses from some URL until the functions in `held` are called."""


def release(viewer: ViewerDriver) -> None:
    viewer.wait_until(lambda: viewer.browser.execute_script("return held.length"))
    viewer.browser.execute_script("held.splice(0).forEach((release) => release())")


def test_late_response_of_one_study_never_changes_another(
    viewer: ViewerDriver, browser: Chrome, site: Site, done: str, asked: dict[str, Any]
) -> None:
    other = site.make(**{**asked, "name": "Other"})
    site.prepare(other)
    viewer.open(site.access.url)
    viewer.select("studies", done)
    viewer.wait_until(lambda: viewer.body_data("loaded") == done and viewer.body_data("shown"))
    viewer.element("tab-structures").click()
    draws(viewer, "Grown late", 0)
    saved(viewer)
    before = cm3(viewer, "Grown late")
    browser.execute_script(DELAYED, "/grow-region")
    viewer.press("r")
    viewer.click(crosshair(viewer))
    viewer.wait_until(lambda: browser.execute_script("return held.length"))
    viewer.select("studies", other)
    viewer.wait_until(lambda: viewer.body_data("loaded") == other)
    release(viewer)
    viewer.wait_until(lambda: viewer.body_data("saved") == "yes")
    assert "Grown late" not in viewer.element("structures").text
    assert site.client.get(f"/api/v1/studies/{other}/structures").json() == []
    viewer.select("studies", done)
    viewer.wait_until(lambda: "Grown late" in viewer.element("structures").text)
    assert cm3(viewer, "Grown late") == before


def test_only_the_displayed_result_can_be_signed(
    viewer: ViewerDriver, done: str, site: Site
) -> None:
    viewer.select("studies", done)
    viewer.wait_until(lambda: viewer.body_data("loaded") == done and viewer.body_data("shown"))
    viewer.wait_until(lambda: viewer.element("accept").is_enabled())
    before = site.study(done)["signoff"]
    viewer.element("tab-results").click()
    viewer.element("signer").send_keys("A. Nybody", Keys.ENTER)
    viewer.browser.execute_script("document.getElementById('translation-left').value = 20")
    viewer.browser.execute_script(
        "document.getElementById('translation-left').dispatchEvent(new Event('input'))"
    )
    assert not viewer.element("accept").is_enabled()
    assert "moved manually" in viewer.element("signoff-blocked").text
    viewer.element("tab-registration").click()
    viewer.element("reset-registration").click()
    viewer.element("tab-results").click()
    assert viewer.element("accept").is_enabled()
    assert site.study(done)["signoff"] == before


@pytest.mark.slow
def test_another_windows_result_is_signed_only_once_displayed(
    viewer: ViewerDriver, browser: Chrome, done: str, site: Site
) -> None:
    viewer.select("studies", done)
    viewer.wait_until(lambda: viewer.body_data("loaded") == done and viewer.body_data("shown"))
    viewer.wait_until(lambda: viewer.element("accept").is_enabled())
    recipe = {**site.study(done)["recipe"], "window": "bone"}
    assert site.fuse(done, recipe=recipe, keep_registration=True)[-1][0] == "done"
    browser.execute_script(DELAYED, "/view")
    viewer.sign_off("A. Nybody")
    viewer.wait_until(lambda: browser.execute_script("return held.length"))
    assert not viewer.element("accept").is_enabled()
    assert "not displayed yet" in viewer.element("signoff-blocked").text
    assert site.study(done)["signoff"] is None
    release(viewer)
    viewer.wait_until(lambda: viewer.element("accept").is_enabled())
    assert "another result now" in viewer.element("signoff-error").text
    assert site.study(done)["signoff"] is None


def test_drawing_while_server_is_away_is_saved_on_return(
    browser: Chrome, asked: dict[str, Any], tmp_path: Path
) -> None:
    viewer = ViewerDriver(browser, SHOTS)
    with running(tmp_path) as first:
        identifier = first.make(**asked)
        viewer.open(first.access.url)
        viewer.wait_until(lambda: viewer.body_data("loaded") == identifier)
        viewer.element("tab-structures").click()
        draws(viewer, "Kept", 0)
        saved(viewer)
    x, y, z = crosshair(viewer)
    viewer.drag([x - 9, y - 9, z], [x - 6, y - 9, z])
    viewer.wait_until(lambda: "does not respond" in viewer.element("save-status").text)
    viewer.screenshot("27-server-away")
    drawn = mask(viewer, "Kept")
    with running(tmp_path, port=first.access.port):
        saved(viewer)
        viewer.open(first.access.url)
        viewer.wait_until(lambda: viewer.body_data("loaded") == identifier)
        viewer.element("tab-structures").click()
        viewer.wait_until(lambda: "Kept" in viewer.element("structures").text)
        np.testing.assert_array_equal(mask(viewer, "Kept"), drawn)


def test_damaged_first_study_is_named_and_the_viewer_opens(
    viewer: ViewerDriver, site: Site, phantom: Phantom, phantom_folders: tuple[Path, Path]
) -> None:
    client = prepare(site, phantom_folders, phantom.ct.image, name="Damaged")
    os.truncate(client.folder / "view/ct.nii", 100)
    viewer.open(f"{site.access.url}#{client.study}")
    assert "ct.nii is damaged; prepare the study again" in viewer.element("error").text
    assert viewer.element("method").get_attribute("value")


def test_dialog_shows_error_of_a_wrong_path(viewer: ViewerDriver) -> None:
    viewer.element("open-study").click()
    viewer.element("study-path").send_keys("/nowhere")
    viewer.element("create-study").click()
    viewer.wait_until(
        lambda: viewer.element("open-error").text == "/nowhere: no such file or folder"
    )
