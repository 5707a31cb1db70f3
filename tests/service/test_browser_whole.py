"""A medical physicist's way through the viewer, from two folders to objects in a PACS.

Each window size keeps its screenshots in `build/screenshots`.
"""

import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browser_kit import ViewerDriver
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from service_kit import Site
from test_browser_aligning import alignment, box, click, draw_box, mark
from test_browser_drawing import adds, choose, count, crosshair, opens, script
from test_browser_open import roles
from test_browser_results import downloaded

from dicom_kit import change_all, put
from orthanc_kit import Orthanc
from radfuse.phantom.head import Phantom
from radfuse.registration.transforms import matrix_of

pytestmark = pytest.mark.slow
SHOTS = Path(__file__).parents[2] / "build/screenshots"
SIZES = {"laptop": (1366, 768), "desktop": (1920, 1080), "4k": (3840, 2160)}
REASON = "ID changed after a correction of the register"
METHOD = "signed_detail"
LONG_S = 240.0
MAX_ERROR_MM = 1.0


@pytest.fixture
def folder(phantom_folders: tuple[Path, Path], tmp_path: Path) -> Path:
    """CT and MR of a head, under two patient IDs."""
    for source in phantom_folders:
        shutil.copytree(source, tmp_path / "head" / source.name)
    change_all(tmp_path / "head" / phantom_folders[1].name, put("PatientID", "PHANTOM-8"))
    return tmp_path / "head"


@pytest.fixture(params=SIZES)
def viewer(request: pytest.FixtureRequest, browser: Chrome, site: Site) -> Iterator[ViewerDriver]:
    """The viewer in a window of some size."""
    shots = SHOTS / f"whole-{request.param}"
    shots.mkdir(parents=True, exist_ok=True)
    browser.set_window_size(*SIZES[request.param])
    opened = ViewerDriver(browser, shots)
    opened.open(site.access.url)
    yield opened
    browser.set_window_size(*SIZES["laptop"])


def test_two_folders_become_signed_objects_in_a_pacs(
    viewer: ViewerDriver, folder: Path, phantom: Phantom, site: Site, pacs: Orthanc
) -> None:
    study = opens_by_the_table(viewer, folder)
    accepts_two_patients(viewer)
    fuses(viewer)
    looks(viewer)
    before = site.study(study)["current"]
    aligns(viewer, phantom)
    viewer.wait_until(lambda: site.study(study)["current"] != before, LONG_S)
    viewer.wait_for_result(METHOD, LONG_S)
    viewer.screenshot("15-refined")
    assert error_mm(site, study, phantom) <= MAX_ERROR_MM
    draws(viewer)
    signs(viewer)
    leaves(viewer, site, study, pacs)
    viewer.browser.refresh()
    viewer.wait_for_result(METHOD)
    viewer.element("tab-results").click()
    assert "confirmed by B. Oncologist" in viewer.element("signoff-status").text
    viewer.screenshot("20-reloaded")
    errors = [entry["message"] for entry in viewer.browser.get_log("browser")]
    assert not [one for one in errors if "Content Security" in one or "Uncaught" in one]


def opens_by_the_table(viewer: ViewerDriver, folder: Path) -> str:
    before = viewer.body_data("loaded")
    viewer.element("open-study").click()
    viewer.element("study-path").send_keys(str(folder))
    viewer.element("inspect").click()
    viewer.wait_until(lambda: len(roles(viewer)) == 2)
    viewer.wait_until(lambda: script(viewer, "return radfuse.panels.open.table.isLoaded"))
    viewer.screenshot("01-series")
    for description, role in roles(viewer).items():
        role.select_by_value("ct" if description.startswith("CT") else "mr")
    viewer.element("create-study").click()
    viewer.wait_until(lambda: viewer.body_data("loaded") not in {None, before}, LONG_S)
    viewer.screenshot("02-two-patients")
    return str(viewer.body_data("loaded"))


def accepts_two_patients(viewer: ViewerDriver) -> None:
    """Until then nothing is fused."""
    if not viewer.element("patients-dialog").is_displayed():
        viewer.element("compare-patients").click()
    table = viewer.element("patients-table").text
    assert "PHANTOM-7" in table
    assert "PHANTOM-8" in table
    assert not viewer.element("accept-patients").is_enabled()
    viewer.element("patients-reason").send_keys(REASON)
    viewer.screenshot("03-patients")
    viewer.element("accept-patients").click()
    viewer.wait_until(lambda: not viewer.element("patients-dialog").is_displayed())


def fuses(viewer: ViewerDriver) -> None:
    viewer.element("tab-fusion").click()
    viewer.select("method", METHOD)
    viewer.element("start-fusion").click()
    viewer.wait_for_result(METHOD, LONG_S)
    viewer.screenshot("04-fused")


def looks(viewer: ViewerDriver) -> None:
    """Each window, layer and layout changes what is displayed."""
    shown = [viewer.screenshot("05-planes")]
    for number, key in enumerate("342c", 6):
        viewer.press(key)
        shown.append(viewer.screenshot(f"{number:02}-key-{key}"))
    viewer.press("1")
    viewer.select("overlay-mode", "blend")
    viewer.select("window-preset", "bone")
    for layout in ("side", "axial", "planes"):
        viewer.select("layout", layout)
        shown.append(viewer.screenshot(f"11-{layout}"))
    assert all(one.std() > 10 for one in shown)


def aligns(viewer: ViewerDriver, phantom: Phantom) -> None:
    """A drag by 10 mm is corrected by landmark pairs, and refined in a box."""
    viewer.element("tab-registration").click()
    click(viewer, "align")
    viewer.wait_until(lambda: viewer.element("align").get_attribute("aria-pressed") == "true")
    before = alignment(viewer)
    x, y, z = crosshair(viewer)
    viewer.drag([x, y, z], [x + 1, y, z], [x + 3, y, z])
    viewer.screenshot("12-dragged")
    moved = np.linalg.inv(alignment(viewer)) @ before
    assert np.linalg.norm(moved[:3, 3]) > 5
    mark(viewer, phantom)
    viewer.wait_until(lambda: "Outlier" in viewer.element("landmark-errors").text)
    viewer.element("pairs").find_elements(By.CSS_SELECTOR, "tbody button")[7].click()
    click(viewer, "fit-pairs")
    viewer.wait_until(lambda: "Root mean square" in viewer.element("fit-result").text)
    np.testing.assert_allclose(alignment(viewer), matrix_of(phantom.mr_from_ct), atol=1e-6)
    viewer.screenshot("13-landmarks")
    click(viewer, "draw-box")
    size = script(viewer, "return radfuse.viewer.ct.size")
    x, y, z = crosshair(viewer, *(value // 2 for value in size))
    script(viewer, "radfuse.viewer.draw()")
    edges = [value * 0.4 for value in size]
    draw_box(viewer, "axial", [x - edges[0], y - edges[1], z], [x + edges[0], y + edges[1], z])
    draw_box(viewer, "coronal", [x, y, box(viewer)["last"][2] + 0.5], [x, y, size[2] - 2])
    viewer.screenshot("14-box")
    click(viewer, "refine")


def error_mm(site: Site, study: str, phantom: Phantom) -> float:
    """Largest distance from the phantom's alignment in the middle of the head."""
    found = np.array(site.view(study)["mr_from_ct"])
    errors = [
        np.linalg.norm((found @ [*at, 1])[:3] - phantom.mr_from_ct.TransformPoint(at))
        for at in ([0.0, 0.0, 0.0], [50.0, 0.0, 0.0], [0.0, 50.0, 0.0], [0.0, 0.0, 50.0])
    ]
    return float(max(errors))


def draws(viewer: ViewerDriver) -> None:
    """A target in three planes, its margin, and the margin without the target."""
    viewer.element("tab-structures").click()
    size = script(viewer, "return radfuse.viewer.ct.size")
    x, y, z = crosshair(viewer, *(value // 2 for value in size))
    adds(viewer, "GTVp")
    viewer.press("b")
    viewer.drag([x - 3, y, z], [x + 3, y, z])
    viewer.drag([x, y, z - 2], [x, y, z + 2], plane="coronal")
    viewer.drag([x, y - 3, z], [x, y + 3, z], plane="sagittal")
    opens(viewer, "operations")
    viewer.element("apply-operation").click()
    viewer.wait_until(lambda: "GTVp_margin" in viewer.element("structures").text)
    inner, outer = count(viewer, "GTVp"), count(viewer, "GTVp_margin")
    choose(viewer, "GTVp_margin")
    viewer.select("operation", "combine")
    viewer.select("operation-combination", "difference")
    other = script(
        viewer, "return radfuse.panels.structures.store.list.find((it) => it.name === 'GTVp').id"
    )
    viewer.select("operation-other", other)
    viewer.select("operation-result", "replace")
    viewer.element("apply-operation").click()
    viewer.wait_until(lambda: count(viewer, "GTVp_margin") == outer - inner)
    viewer.wait_until(lambda: viewer.body_data("saved") == "yes")
    viewer.screenshot("16-drawn")


def signs(viewer: ViewerDriver) -> None:
    viewer.element("tab-results").click()
    for name in ("skull", "ventricles", "eyes"):
        answer = viewer.browser.find_element(By.CSS_SELECTOR, f"[name=check-{name}][value=yes]")
        script(viewer, "arguments[0].scrollIntoView({block: 'center'})", answer)
        answer.click()
    viewer.sign_off("A. Physicist", grade=1)
    status = viewer.element("signoff-status")
    viewer.wait_until(lambda: "accepted by A. Physicist" in status.text, LONG_S)
    viewer.element("second-signer").send_keys("B. Oncologist")
    viewer.wait_until(lambda: viewer.element("confirm").is_enabled())
    viewer.element("confirm").click()
    viewer.wait_until(lambda: "confirmed by B. Oncologist" in status.text, LONG_S)
    viewer.screenshot("17-signed")


def leaves(viewer: ViewerDriver, site: Site, study: str, pacs: Orthanc) -> None:
    """As PDF, as archive, and into the PACS with its structures; the reason is in the record."""
    sheet = downloaded(viewer, viewer.browser, "download-pdf")
    assert sheet.read_bytes().startswith(b"%PDF-")
    with zipfile.ZipFile(downloaded(viewer, viewer.browser, "download-dicom")) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
    viewer.element("send-result").click()
    viewer.wait_until(lambda: viewer.element("send-dialog").is_displayed())
    viewer.element("start-send").click()
    sent = "objects are stored at archive"
    viewer.wait_until(lambda: sent in viewer.element("send-status").text, LONG_S)
    viewer.screenshot("18-sent")
    assert pacs.count() == len(names) + 1  # the structures
    (path,) = (site.run_of(study) / "result").glob("*record.json")
    assert REASON in path.read_text()
    viewer.element("send-dialog").find_elements(By.TAG_NAME, "button")[-1].click()
