"""The page in a real browser: open, fuse, judge, align by hand, sign off, draw, save, reload.

The screenshots of each step lie in `build/screenshots`; those of the how-to are among them.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from browser_kit import Page
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from service_kit import Site, running

from ladder_kit import run_tool
from radfuse.dicom.rtstruct.read import read_structure_set
from radfuse.phantom.head import Phantom
from radfuse.pipeline.read import read
from radfuse.record import NOTICE
from radfuse.service.jobs.job_queue import CANCELLED
from radfuse.service.stores.view_volumes import oriented_like

SHOTS = Path(__file__).parents[2] / "build/screenshots"
SAME_DICE = 0.98


@pytest.fixture
def page(browser: Chrome, site: Site) -> Page:
    SHOTS.mkdir(parents=True, exist_ok=True)
    opened = Page(browser, SHOTS)
    opened.open(site.access.url)
    return opened


def opens_runs_and_cancels(page: Page, asked: dict[str, Any]) -> None:
    page.at("new").click()
    page.at("ct-path").send_keys(asked["ct"])
    page.at("mr-path").send_keys(asked["mr"])
    page.at("look").click()
    page.until(lambda: "MR" in page.at("found").text)
    page.at("study-name").send_keys("Browser")
    page.picture("01-opening")
    page.at("make").click()
    page.until(lambda: not page.at("opening").is_displayed())
    page.until(lambda: page.fact("pictured"))
    assert page.picture("02-before-a-fusion").std() > 20
    page.at("start").click()
    page.until(lambda: page.at("stage").text.startswith("registering"))
    page.picture("03-running")
    page.at("cancel").click()
    page.until(lambda: page.at("failure").text == CANCELLED)


def fuses(page: Page, method: str) -> None:
    page.choose("method", method)
    assert page.at("keep").is_selected()
    page.until(lambda: page.fact("previewed") == method)
    page.picture("04-preview-of-a-method")
    page.at("start").click()
    page.shows(method)
    assert page.at("quality").text.startswith("registration QA passed")


def looks(page: Page) -> None:
    """Cursor, blend, wipe, squares, colours and layouts change what is seen."""
    assert page.picture("05-fused").std() > 20
    assert "HU" in page.at("hu").text
    place = page.at("place").text
    page.press(Keys.PAGE_UP)
    page.until(lambda: page.at("place").text != place)
    fused = page.picture("06-cursor")
    page.press("[" * 10)
    ct = page.picture("07-ct")
    assert page.at("blended").text == "0 %"
    assert np.abs(fused - ct).mean() > 3
    page.press("]" * 10 + "3")
    hot = page.picture("08-mr-hot")
    for name, key in (("09-wipe", "c"), ("10-checkerboard", "c")):
        page.press(key)
        shot = page.picture(name)
        assert np.abs(shot - hot).mean() > 1
        assert np.abs(shot - ct).mean() > 1
    page.press("c4")
    colours = page.picture("11-magenta-green")
    assert np.abs(colours[..., 0] - colours[..., 1]).mean() > 3
    page.press("1")
    page.choose("layout", "side")
    page.picture("12-side-by-side")
    page.choose("layout", "rendering")
    page.until(lambda: page.fact("rendered"))
    page.until(lambda: page.picture("13-rendering")[-150:, -400:].std() > 5)
    page.choose("layout", "planes")
    measures(page)
    page.press("?")
    page.until(lambda: page.at("helping").is_displayed())
    page.picture("15-help")
    page.at("helping").find_element(By.TAG_NAME, "button").click()


def measures(page: Page) -> None:
    page.at("measure").click()
    x, y, z = cursor(page)
    page.drag([x - 10, y, z], [x, y, z], [x + 10, y, z])
    page.picture("14-measuring")
    mm = page.browser.execute_script("return radfuse.panels.looks.ruler.mm")
    spacing = page.browser.execute_script("return radfuse.viewer.ct.spacing[0]")
    assert abs(mm - 20 * spacing) < spacing  # a pixel of the screen at either end
    page.at("measure").click()


def cursor(page: Page) -> list[float]:
    return list(page.browser.execute_script("return radfuse.viewer.cursor"))


def test_a_physicist_opens_fuses_looks_and_signs_off(
    page: Page, browser: Chrome, asked: dict[str, Any], done: str
) -> None:
    assert "token" not in browser.current_url
    assert browser.find_element(By.TAG_NAME, "footer").text == NOTICE
    opens_runs_and_cancels(page, asked)
    page.choose("studies", done)
    page.until(lambda: page.fact("shown"))
    fuses(page, "bone_blend")
    looks(page)
    page.at("name").send_keys("A. Physicist")
    page.at("accepting").click()
    page.until(lambda: "accepted by A. Physicist" in page.at("signed").text)
    page.picture("16-signed")
    browser.refresh()
    page.shows("bone_blend")
    assert "accepted by A. Physicist" in page.at("signed").text
    assert page.picture("17-reloaded").std() > 20
    complaints = [entry["message"] for entry in browser.get_log("browser")]
    assert not [one for one in complaints if "Content Security" in one or "Uncaught" in one]


def test_pairs_of_landmarks_bring_the_mr_onto_the_ct(
    page: Page, site: Site, phantom: Phantom, asked: dict[str, Any]
) -> None:
    """Before any registration: four clicks in the CT, four in the MR."""
    away = {**asked, "recipe": {"method": "average", "outputs": ["fused"]}, "name": "By hand"}
    identifier = site.make(**away)
    page.open(f"{site.access.url}")
    page.choose("studies", identifier)
    page.until(lambda: page.fact("pictured") == identifier)
    page.at("tab-align").click()
    ct_voxel, mr_voxel = voxels_of(page, phantom)
    for shift in ((0, 0, 0), (40, 0, 0), (0, 45, 0), (0, 0, 30), (-30, -30, 15)):
        point = np.add(phantom_centre(phantom), shift)
        page.browser.execute_script(
            "radfuse.viewer.setCursor(arguments[0]); radfuse.viewer.setCursor(arguments[1], true)",
            ct_voxel(point),
            mr_voxel(point),
        )
        page.at("pair").click()
    page.picture("18-landmarks")
    page.at("fit").click()
    page.until(lambda: "Root mean square" in page.at("fitted").text)
    page.picture("19-aligned-by-landmarks")
    cells = page.at("pairs").find_elements(By.CSS_SELECTOR, "td:nth-child(2)")
    errors = [float(cell.text) for cell in cells]
    assert len(errors) == 5
    assert max(errors) < 4  # the cursor stands on whole voxels of 3 mm
    found = np.array(page.browser.execute_script("return radfuse.viewer.mrFromCt"))
    truth = phantom.mr_from_ct.TransformPoint(phantom_centre(phantom).tolist())
    assert np.linalg.norm((found @ [*phantom_centre(phantom), 1])[:3] - truth) < 3
    page.at("as-it-stands").click()
    page.until(lambda: page.at("failure").text.startswith("registration QA failed"))
    page.picture("20-not-to-be-trusted")
    page.at("to-accept").click()
    page.shows("average")
    outcome = site.study(identifier)["outcome"]
    assert (outcome["alignment"], outcome["trusted"]) == ("manual", False)


def phantom_centre(phantom: Phantom) -> np.ndarray:
    size = phantom.ct.image.GetSize()
    return np.array(phantom.ct.image.TransformContinuousIndexToPhysicalPoint([s / 2 for s in size]))


Finder = Callable[[np.ndarray], list[float]]


def voxels_of(page: Page, phantom: Phantom) -> tuple[Finder, Finder]:
    """Where a person sees a point of the CT in the CT, and the same place in the MR's viewports."""
    view = page.browser.execute_script(
        "const { ct, mrFromCt } = radfuse.viewer; return [ct.voxelFromMm, mrFromCt]"
    )
    voxel_from_mm, mr_from_ct = map(np.array, view)

    def in_ct(point: np.ndarray) -> list[float]:
        return list((voxel_from_mm @ [*point, 1])[:3])

    def in_mr(point: np.ndarray) -> list[float]:
        seen = phantom.mr_from_ct.TransformPoint(point.tolist())
        return in_ct((np.linalg.inv(mr_from_ct) @ [*seen, 1])[:3])

    return in_ct, in_mr


def draws(page: Page, name: str, *slices: int) -> None:
    """A brush stroke around the cursor in some slices."""
    page.at("structure-name").send_keys(name)
    page.at("adding").find_element(By.CSS_SELECTOR, "button").click()
    page.until(lambda: name in page.at("structures").text)
    x, y, z = cursor(page)
    for slice_index in slices:
        page.browser.execute_script(
            "radfuse.viewer.setCursor(arguments[0])", [x, y, z + slice_index]
        )
        page.drag([x - 4, y, z], [x, y + 3, z], [x + 4, y, z])
    page.browser.execute_script("radfuse.viewer.setCursor(arguments[0])", [x, y, z])


def cm3(page: Page, name: str) -> float:
    code = "return radfuse.panels.draw.structures.list.find((one) => one.name === arguments[0]).cm3"
    return float(page.browser.execute_script(code, name))


def mask(page: Page, name: str) -> np.ndarray:
    """A structure as the page has it, (slices, rows, columns)."""
    code = """
      const { viewer, panels } = radfuse;
      const one = panels.draw.structures.list.find((it) => it.name === arguments[0]);
      return [viewer.ct.size, one.runs()];
    """
    size, runs = page.browser.execute_script(code, name)
    volume = np.zeros((size[2], size[1] * size[0]), np.uint8)
    for index, of in runs.items():
        for start, length in zip(of[::2], of[1::2], strict=True):
            volume[int(index), start : start + length] = 1
    return volume.reshape(size[::-1])


def saved(page: Page) -> None:
    page.until(lambda: page.fact("saved") == "yes")


def downloaded(page: Page, browser: Chrome, button: str) -> Path:
    page.at(button).click()
    page.until(lambda: page.at("exported").text.startswith("Saved: "))
    name = page.at("exported").find_element(By.TAG_NAME, "a").text
    folder = Path(browser.capabilities["chrome"]["userDataDir"]).parent
    page.until(lambda: (folder / name).is_file() and (folder / name).stat().st_size)
    return folder / name


def test_a_drawn_target_is_saved_exported_and_found_again(
    page: Page, browser: Chrome, done: str, phantom_folders: tuple[Path, Path]
) -> None:
    page.choose("studies", done)
    page.until(lambda: page.fact("shown"))
    page.at("tab-draw").click()
    draws(page, "GTVp", -4, 0, 4)
    few = cm3(page, "GTVp")
    page.press("i")
    page.until(lambda: cm3(page, "GTVp") > 2 * few)
    page.picture("21-drawn-and-filled-between")
    page.press(Keys.CONTROL + "z")
    page.until(lambda: cm3(page, "GTVp") == few)
    page.press(Keys.CONTROL + "y")
    x, y, z = cursor(page)
    page.press("h")
    page.drag([x + 8, y + 8, z], [x + 14, y + 8, z], [x + 14, y + 14, z], [x + 8, y + 14, z])
    page.press("g")
    for corner in ([x - 14, y + 8, z], [x - 8, y + 8, z], [x - 11, y + 14, z]):
        page.click(corner)
    page.picture("22-a-polygon")
    page.press(Keys.ENTER)
    page.press("v")
    saved(page)
    draws_more(page)
    whole = mask(page, "GTVp")
    path = downloaded(page, browser, "export-rtstruct")
    page.picture("24-saved-as-rtstruct")
    assert "Error" not in run_tool("dciodvfy", "-new", path)
    assert dice(whole, exported(path, phantom_folders[0], "GTVp")) >= SAME_DICE
    browser.refresh()
    page.until(lambda: page.fact("shown"))
    page.at("tab-draw").click()
    page.until(lambda: "GTVp" in page.at("structures").text)
    np.testing.assert_array_equal(mask(page, "GTVp"), whole)
    comes_back(page, path, whole)


def draws_more(page: Page) -> None:
    """Another structure, grown from a click in the MR."""
    page.at("structure-name").send_keys("Brain, grown")
    page.at("adding").find_element(By.CSS_SELECTOR, "button").click()
    page.until(lambda: "Brain, grown" in page.at("structures").text)
    page.choose("grow-in", "mr")
    page.press("r")
    page.click(cursor(page))
    page.until(lambda: cm3(page, "Brain, grown") > 1)
    saved(page)
    page.press("v")
    page.picture("23-grown-from-a-click")


def comes_back(page: Page, path: Path, whole: np.ndarray) -> None:
    """What was exported is imported beside the first, and both agree."""
    page.at("import-files").send_keys(str(path))
    page.until(lambda: "GTVp (2)" in page.at("structures").text)
    assert dice(whole, mask(page, "GTVp (2)")) >= SAME_DICE
    names = page.browser.execute_script(
        "const { list } = radfuse.panels.draw.structures;"
        "return Object.fromEntries(list.map((one) => [one.name, one.id]))"
    )
    page.choose("first", names["GTVp"])
    page.choose("reference", names["GTVp (2)"])
    page.at("comparing").find_element(By.CSS_SELECTOR, "button").click()
    page.until(lambda: "Dice" in page.at("agreement").text)
    page.picture("25-compared")
    assert page.at("agreement").find_elements(By.TAG_NAME, "dd")[0].text == "1.000"


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return float(2 * np.sum((first > 0) & (second > 0)) / (np.sum(first > 0) + np.sum(second > 0)))


def exported(path: Path, ct_folder: Path, name: str) -> np.ndarray:
    """A structure of a file on the grid of the page."""
    ct = read(ct_folder, "CT")
    found = {one.name: one.mask for one in read_structure_set(path, ct).structures()}
    page_grid = sitk.DICOMOrient(found[name], "LPS")
    assert oriented_like(page_grid, ct.image).GetDirection() == ct.image.GetDirection()
    return np.asarray(sitk.GetArrayFromImage(page_grid))


def test_two_windows_on_one_structure_lose_nothing(page: Page, browser: Chrome, done: str) -> None:
    first = browser.current_window_handle
    page.choose("studies", done)
    page.until(lambda: page.fact("shown"))
    page.at("tab-draw").click()
    draws(page, "Contested", 0)
    saved(page)
    address = browser.current_url
    browser.switch_to.new_window("tab")
    browser.get(address)
    page.until(lambda: page.fact("shown"))
    page.at("tab-draw").click()
    page.until(lambda: "Contested" in page.at("structures").text)
    pick(page, "Contested")
    page.press("b")
    x, y, z = cursor(page)
    page.drag([x - 9, y - 9, z], [x - 6, y - 9, z])
    saved(page)
    browser.switch_to.window(first)
    page.press("b")
    page.drag([x + 9, y + 9, z], [x + 6, y + 9, z])
    page.until(lambda: "another window" in page.at("saving").text)
    page.picture("26-two-windows")
    names = [item.text for item in page.at("structures").find_elements(By.CSS_SELECTOR, ".name")]
    assert "Contested" in names
    assert any(name.startswith("Contested (copy") for name in names)
    browser.switch_to.window(browser.window_handles[-1])
    browser.close()
    browser.switch_to.window(first)


def pick(page: Page, name: str) -> None:
    buttons = page.at("structures").find_elements(By.CSS_SELECTOR, ".name")
    next(button for button in buttons if button.text == name).click()


DELAYED = """
const real = window.fetch, wanted = arguments[0];
window.held = [];
window.fetch = async (url, ...more) => {
  const answer = await real(url, ...more);
  if (String(url).includes(wanted)) await new Promise((go) => window.held.push(go));
  return answer;
};
"""
"""Hold back the page's answers from some address until `held` is called."""


def let_go(page: Page) -> None:
    page.until(lambda: page.browser.execute_script("return held.length"))
    page.browser.execute_script("held.splice(0).forEach((go) => go())")


def test_a_late_answer_about_one_study_never_reaches_another(
    page: Page, browser: Chrome, site: Site, done: str, asked: dict[str, Any]
) -> None:
    other = site.make(**{**asked, "name": "Other"})
    site.prepare(other)
    page.open(site.access.url)
    page.choose("studies", done)
    page.until(lambda: page.fact("pictured") == done and page.fact("shown"))
    page.at("tab-draw").click()
    draws(page, "Grown late", 0)
    saved(page)
    before = cm3(page, "Grown late")
    browser.execute_script(DELAYED, "/grow")
    page.press("r")
    page.click(cursor(page))
    page.until(lambda: browser.execute_script("return held.length"))
    page.choose("studies", other)
    page.until(lambda: page.fact("pictured") == other)
    let_go(page)
    page.until(lambda: page.fact("saved") == "yes")
    assert "Grown late" not in page.at("structures").text
    assert site.client.get(f"/api/v1/studies/{other}/structures").json() == []
    page.choose("studies", done)
    page.until(lambda: "Grown late" in page.at("structures").text)
    assert cm3(page, "Grown late") == before


def test_only_what_is_on_the_screen_can_be_signed(page: Page, done: str, site: Site) -> None:
    page.choose("studies", done)
    page.until(lambda: page.fact("pictured") == done and page.fact("shown"))
    page.until(lambda: page.at("accepting").is_enabled())
    before = site.study(done)["signoff"]
    page.at("name").send_keys("A. Nybody", Keys.ENTER)
    page.browser.execute_script("document.getElementById('shift-left').value = 20")
    page.browser.execute_script(
        "document.getElementById('shift-left').dispatchEvent(new Event('input'))"
    )
    assert not page.at("accepting").is_enabled()
    assert "moved by hand" in page.at("unseen").text
    page.at("tab-align").click()
    page.at("undo-alignment").click()
    page.at("tab-fuse").click()
    assert page.at("accepting").is_enabled()
    assert site.study(done)["signoff"] == before


def test_drawing_while_server_is_away_is_saved_on_return(
    browser: Chrome, asked: dict[str, Any], tmp_path: Path
) -> None:
    page = Page(browser, SHOTS)
    with running(tmp_path) as first:
        identifier = first.make(**asked)
        page.open(first.access.url)
        page.until(lambda: page.fact("pictured") == identifier)
        page.at("tab-draw").click()
        draws(page, "Kept", 0)
        saved(page)
    x, y, z = cursor(page)
    page.drag([x - 9, y - 9, z], [x - 6, y - 9, z])
    page.until(lambda: "does not answer" in page.at("saving").text)
    page.picture("27-server-away")
    drawn = mask(page, "Kept")
    with running(tmp_path, port=first.access.port):
        saved(page)
        page.open(first.access.url)
        page.until(lambda: page.fact("pictured") == identifier)
        page.at("tab-draw").click()
        page.until(lambda: "Kept" in page.at("structures").text)
        np.testing.assert_array_equal(mask(page, "Kept"), drawn)


def test_a_wrong_path_is_told_in_the_dialog(page: Page) -> None:
    page.at("new").click()
    page.at("both").send_keys("/nowhere")
    page.at("make").click()
    page.until(lambda: page.at("refused").text == "/nowhere: no such file or folder")
