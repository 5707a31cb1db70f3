"""Opening images in a real browser: the table of series, folders, uploads."""

import io
import shutil
import zipfile
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from browser_kit import ViewerDriver
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select
from service_kit import Site

from dicom_kit import change_all, put
from radfuse.dicom.uids import derive_uid

SHOTS = Path(__file__).parents[2] / "build/screenshots"


@pytest.fixture
def viewer(browser: Chrome, site: Site) -> ViewerDriver:
    SHOTS.mkdir(parents=True, exist_ok=True)
    opened = ViewerDriver(browser, SHOTS)
    opened.open(site.access.url)
    return opened


@pytest.fixture(scope="module")
def folder(phantom_folders: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CT, an enhanced T1 and a T2 of a patient, and a series of another one."""
    made = tmp_path_factory.mktemp("open")
    for name, source, values in (
        ("ct", phantom_folders[0], {}),
        ("t1", phantom_folders[1], {}),
        ("t2", phantom_folders[1], {"SeriesDescription": "T2 axial", "ContrastBolusAgent": ""}),
        ("other", phantom_folders[1], {"PatientID": "another"}),
    ):
        shutil.copytree(source, made / name)
        if values:
            change_all(made / name, put("SeriesInstanceUID", derive_uid("test", name)))
        for keyword, value in values.items():
            change_all(made / name, put(keyword, value))
    return made


def roles(viewer: ViewerDriver) -> dict[str, Any]:
    """The select of each series by its description."""
    rows = viewer.element("series-table").find_elements(By.CSS_SELECTOR, "tbody tr")
    cells = [row.find_elements(By.TAG_NAME, "td") for row in rows]
    return {row[3].text: Select(row[0].find_element(By.TAG_NAME, "select")) for row in cells}


@pytest.mark.slow
def test_user_chooses_series_from_the_table(viewer: ViewerDriver, folder: Path) -> None:
    viewer.element("open-study").click()
    viewer.element("study-path").send_keys(str(folder))
    viewer.element("inspect").click()
    viewer.wait_until(lambda: "different patients" in viewer.element("series-status").text)
    found = roles(viewer)
    chosen = {name: one.first_selected_option.get_attribute("value") for name, one in found.items()}
    assert sorted(chosen.values()) == ["ct", "mr", "unused", "unused"]
    assert "patient 1 of this table" in next(name for name, role in chosen.items() if role == "ct")
    viewer.screenshot("open-table")
    t2 = next(name for name in found if name.startswith("T2"))
    found[t2].select_by_value("mr")
    chosen = {name: one.first_selected_option.get_attribute("value") for name, one in found.items()}
    assert sorted(chosen.values()) == ["ct", "mr", "unused", "unused"]
    viewer.element("create-study").click()
    viewer.wait_until(lambda: not viewer.element("open-dialog").is_displayed())
    viewer.wait_until(lambda: viewer.body_data("loaded"))
    viewer.wait_until(lambda: "T2 axial" in viewer.element("series").text)


@pytest.mark.slow
def test_user_browses_the_folders_of_the_server(viewer: ViewerDriver, folder: Path) -> None:
    viewer.element("open-study").click()
    viewer.element("study-path").send_keys(str(folder.parent))
    viewer.browser.find_element(By.CSS_SELECTOR, "[data-browse=study-path]").click()
    viewer.wait_until(lambda: viewer.element("folder-path").text == str(folder.parent))
    listed(viewer, f"{folder.name}/").click()
    viewer.wait_until(lambda: viewer.element("folder-path").text == str(folder))
    viewer.wait_until(lambda: "42 DICOM files" in listed(viewer, "ct/").text)
    viewer.screenshot("open-folders")
    listed(viewer, "ct/").click()
    viewer.wait_until(lambda: "42 DICOM files" in viewer.element("folder-counts").text)
    viewer.element("folder-up").click()
    viewer.wait_until(lambda: viewer.element("folder-path").text == str(folder))
    viewer.element("folder-choose").click()
    viewer.wait_until(lambda: not viewer.element("folder-dialog").is_displayed())
    assert viewer.element("study-path").get_attribute("value") == str(folder)


@pytest.mark.slow
def test_dropped_files_are_uploaded_and_listed(viewer: ViewerDriver, folder: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as made:
        for path in sorted([*(folder / "ct").iterdir(), *(folder / "t1").iterdir()]):
            made.write(path, f"{path.parent.name}/{path.name}")
    content = b64encode(packed.getvalue()).decode()
    viewer.browser.execute_script(DRAG, content, "dragenter")
    assert viewer.element("drop-hint").is_displayed()
    viewer.screenshot("open-drop")
    viewer.browser.execute_script(DRAG, content, "drop")
    viewer.wait_until(lambda: "Uploaded: 1 files" in viewer.element("upload-status").text)
    viewer.wait_until(lambda: len(roles(viewer)) == 2)
    assert not viewer.element("drop-hint").is_displayed()
    viewer.screenshot("open-dropped")
    viewer.wait_until(
        lambda: viewer.browser.execute_script("return radfuse.panels.open.table.isLoaded")
    )
    viewer.element("create-study").click()
    viewer.wait_until(lambda: not viewer.element("open-dialog").is_displayed())
    viewer.wait_until(lambda: viewer.body_data("loaded"))


DRAG = """
const bytes = Uint8Array.from(atob(arguments[0]), (one) => one.charCodeAt(0));
const dataTransfer = new DataTransfer();
dataTransfer.items.add(new File([bytes], "both.zip"));
const options = { dataTransfer, bubbles: true, cancelable: true };
document.body.dispatchEvent(new DragEvent(arguments[1], options));
"""
"""An event of dragging an archive."""


def listed(viewer: ViewerDriver, name: str) -> WebElement:
    buttons = viewer.element("folder-list").find_elements(By.TAG_NAME, "button")
    return next(one for one in buttons if one.text.splitlines()[0] == name)
