"""A medical physicist's way through the viewer, from a folder of series to objects in a PACS.

With the phantom in windows of three sizes, and with real images: a head, and templates of two MR
sequences. Each has its screenshots in `build/screenshots`.
"""

import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
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
from radfuse.phantom.dicom import write_phantom, write_sequence
from radfuse.phantom.head import Phantom
from radfuse.pipeline.read import read
from radfuse.registration.transforms import matrix_of
from radfuse.series import Series

pytestmark = pytest.mark.slow
SHOTS = Path(__file__).parents[2] / "build/screenshots"
REASON = "ID changed after a correction of the register"
LONG_S = 600.0
MAX_ERROR_MM = 1.0
VISIBLE_HUMAN_MM = 3.0
"""At 50 mm from the middle; the scalp was deformed between CT and MR."""

TEMPLATES_MM = 20.0
"""Heads of different people, in one standard space."""


@dataclass(frozen=True)
class Head:
    """Images of a head, and what its registration must reach."""

    images: Phantom
    """CT, MR, and where they are known to be."""

    t2: Series | None
    """Another MR sequence, in the frame of reference of the MR."""

    max_error_mm: float = MAX_ERROR_MM
    method: str = "signed_detail"
    is_one_person: bool = True
    """Else registration QA fails, and the registration is accepted."""


def phantom_head(phantom: Phantom, _: Path) -> Head:
    """The phantom, and the square roots of its MR's values."""
    values = sitk.Sqrt(sitk.Cast(phantom.mr.image, sitk.sitkFloat32)) * 30
    return Head(phantom, replace(phantom.mr, image=values))


def visible_human(phantom: Phantom, real: Path) -> Head:
    """512 x 512 x 234 voxels of a CT, and an MR of 9 degrees and 40 mm away."""
    folder = real / "3d_vhf"
    silver = sitk.ReadTransform(str(folder / "mr_to_ct_silver.tfm"))
    images = replace(
        phantom,
        ct=read(folder / "vhf_head_ct_8bit_hu.nii.gz", "CT"),
        mr=read(folder / "vhf_head_mr_t1_8bit.nii.gz", "MR"),
        mr_from_ct=silver.GetInverse(),
    )
    return Head(images, None, VISIBLE_HUMAN_MM, "average")


def templates(phantom: Phantom, real: Path) -> Head:
    """T1 and T2 of one standard head, and the CT of another."""
    folder = real / "3d_templates"
    images = replace(
        phantom,
        ct=replace(phantom.ct, image=hounsfield(folder / "scct_cormack_2mm.nii")),
        mr=scaled(read(folder / "spm_T1_2mm.nii.gz", "MR")),
        mr_from_ct=sitk.Euler3DTransform(),
    )
    t2 = scaled(read(folder / "spm_T2_2mm.nii.gz", "MR"))
    return Head(images, t2, max_error_mm=TEMPLATES_MM, is_one_person=False)


def hounsfield(path: Path) -> sitk.Image:
    """A CT of the Clinical Toolbox, which stretches -100 to 100 HU tenfold and begins at 0."""
    image = sitk.DICOMOrient(sitk.ReadImage(str(path)), "LPS")
    stored = sitk.GetArrayFromImage(image)
    from_air = np.where(
        stored < 900, stored, np.where(stored < 2900, (stored + 8100) / 10, stored - 1800)
    )
    found = sitk.GetImageFromArray((from_air - 1000).astype(np.float32))
    found.CopyInformation(image)
    return found


def scaled(mr: Series) -> Series:
    """With values up to 1000, as whole numbers in DICOM."""
    image = sitk.DICOMOrient(sitk.Cast(mr.image, sitk.sitkFloat32), "LPS")
    return replace(mr, image=image * (1000.0 / float(sitk.GetArrayViewFromImage(image).max())))


@dataclass(frozen=True)
class Case:
    """Images and a size of the window."""

    make: Callable[[Phantom, Path], Head]
    size: tuple[int, int]


CASES = {
    "laptop": Case(phantom_head, (1366, 768)),
    "desktop": Case(phantom_head, (1920, 1080)),
    "4k": Case(phantom_head, (3840, 2160)),
    "visible-human": Case(visible_human, (1366, 768)),
    "templates": Case(templates, (1366, 768)),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def head(case: str, phantom: Phantom, request: pytest.FixtureRequest) -> Head:
    make, real = CASES[case].make, Path()
    if make is not phantom_head:
        real = Path(request.getfixturevalue("shared")) / "data/real"
        if not real.is_dir():
            pytest.skip(f"real data is missing: {real}")
    return make(phantom, real)


@pytest.fixture
def folder(head: Head, tmp_path: Path) -> Path:
    """CT and MR of a head, under two patient IDs."""
    _, mr = write_phantom(head.images, tmp_path / "head")
    change_all(mr, put("PatientID", "PHANTOM-8"))
    if head.t2 is not None:
        write_sequence(head.images, head.t2, tmp_path / "head", "T2")
    return tmp_path / "head"


@pytest.fixture
def viewer(case: str, browser: Chrome, site: Site) -> Iterator[ViewerDriver]:
    """The viewer in a window of some size."""
    shots = SHOTS / f"whole-{case}"
    shots.mkdir(parents=True, exist_ok=True)
    browser.set_window_size(*CASES[case].size)
    opened = ViewerDriver(browser, shots)
    opened.open(site.access.url)
    yield opened
    browser.set_window_size(*CASES["laptop"].size)


def test_series_become_signed_objects_in_a_pacs(
    viewer: ViewerDriver, folder: Path, head: Head, site: Site, pacs: Orthanc
) -> None:
    study = opens_by_the_table(viewer, folder, head)
    accepts_two_patients(viewer)
    fuses(viewer, head)
    looks(viewer, head)
    before = site.study(study)["current"]
    aligns(viewer, head.images)
    viewer.wait_until(lambda: site.study(study)["current"] != before, LONG_S)
    viewer.wait_for_result(head.method, LONG_S)
    viewer.screenshot("15-refined")
    assert error_mm(site, study, head.images) <= head.max_error_mm
    draws(viewer)
    signs(viewer)
    leaves(viewer, site, study, pacs)
    viewer.browser.refresh()
    viewer.wait_for_result(head.method)
    viewer.element("tab-results").click()
    assert "confirmed by B. Oncologist" in viewer.element("signoff-status").text
    viewer.screenshot("20-reloaded")
    errors = [entry["message"] for entry in viewer.browser.get_log("browser")]
    assert not [one for one in errors if "Content Security" in one or "Uncaught" in one]
    site.client.delete(f"/api/v1/studies/{study}")


def opens_by_the_table(viewer: ViewerDriver, folder: Path, head: Head) -> str:
    """The first MR is fused, the T2 is a further image."""
    before = viewer.body_data("loaded")
    viewer.element("open-study").click()
    viewer.element("study-path").send_keys(str(folder))
    viewer.element("inspect").click()
    viewer.wait_until(lambda: script(viewer, "return radfuse.panels.open.table.isLoaded"), LONG_S)
    assert len(roles(viewer)) == (2 if head.t2 is None else 3)
    viewer.screenshot("01-series")
    for description, role in roles(viewer).items():
        kinds = {"CT": "ct", "T2": "further"}
        role.select_by_value(kinds.get(description[:2], "mr"))
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


def fuses(viewer: ViewerDriver, head: Head) -> None:
    viewer.element("tab-fusion").click()
    viewer.select("method", head.method)
    if not head.is_one_person:
        viewer.element("accept-registration").click()
    viewer.element("start-fusion").click()
    viewer.wait_for_result(head.method, LONG_S)
    viewer.screenshot("04-fused")


def looks(viewer: ViewerDriver, head: Head) -> None:
    """Each window, layer and layout changes what is displayed."""
    shown = [viewer.screenshot("05-planes")]
    for number, key in enumerate("342c" if head.t2 is None else "3425c", 6):
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
    ten_mm = 10 / script(viewer, "return radfuse.viewer.ct.spacing[0]")
    viewer.drag([x, y, z], [x + ten_mm / 2, y, z], [x + ten_mm, y, z])
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
    """Largest distance from the known alignment, up to 50 mm from the middle of the CT."""
    found, ct = np.array(site.view(study)["mr_from_ct"]), phantom.ct.image
    middle = ct.TransformContinuousIndexToPhysicalPoint([size / 2 for size in ct.GetSize()])
    points = [np.add(middle, shift) for shift in (np.zeros(3), *(50 * np.eye(3)))]
    errors = [
        np.linalg.norm((found @ [*at, 1])[:3] - phantom.mr_from_ct.TransformPoint(at.tolist()))
        for at in points
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
