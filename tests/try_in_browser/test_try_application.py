"""The application in the browser: its transfer, its policy, its layout, its downloads."""

import time
from pathlib import Path

import nibabel
import numpy as np
import pytest
from axe_kit import grave_violations
from browser_kit import opened_browser
from static_server import ISOLATION, served
from try_driver import TryDriver

from radfuse.io.images import read_grey
from radfuse.io.volumes import read_volume
from try_in_browser import assemble

ROOT = Path(__file__).parents[2]

MAX_FIRST_LOAD_BYTES = 12e6

TRANSFERRED = """
return performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation'))
  .map(({ name, transferSize }) => [name, transferSize]);
"""

BLOCKED = """
const done = arguments[1];
fetch(arguments[0]).then(() => done('connected'), (error) => done(error.name));
"""

pytestmark = pytest.mark.slow


def test_first_load_stays_on_the_site_and_is_small(tmp_path: Path) -> None:
    application = assemble(
        tmp_path / "site/try", sample_mm=6.0, volume_mm=6.0, methods=(), volume_methods=()
    )
    with served(application.parent) as address, opened_browser(tmp_path) as browser:
        TryDriver(browser, tmp_path, address).open()
        rows = browser.execute_script(TRANSFERRED)
    assert all(name.startswith(address) for name, _ in rows), rows
    total = sum(size for _, size in rows)
    assert 4e6 < total <= MAX_FIRST_LOAD_BYTES


def test_the_policy_blocks_another_server(driver: TryDriver, tmp_path: Path) -> None:
    with served(tmp_path, isolated=False) as other:
        assert driver.browser.execute_async_script(BLOCKED, f"{other}/x") == "TypeError"
    log = [entry["message"] for entry in driver.browser.get_log("browser")]
    assert any("Content Security Policy" in message for message in log), log


def test_the_document_recommends_the_tested_headers() -> None:
    text = (ROOT / "docs/howto/try-in-browser.md").read_text()
    for name, value in ISOLATION.items():
        assert f"{name}: {value}" in text


def test_it_runs_on_one_thread_without_isolation(application: Path, tmp_path: Path) -> None:
    with served(application.parent, isolated=False) as address, opened_browser(tmp_path) as browser:
        driver = TryDriver(browser, tmp_path, address)
        driver.open("?method=res2fusion")
        driver.press("sample-images")
        assert "1 thread" in driver.text("used-engine")
        assert "equal within 1 grey level" in driver.text("compared")


@pytest.mark.parametrize("width", [1366, 390])
def test_it_fits_the_window_and_is_accessible(driver: TryDriver, width: int) -> None:
    browser = driver.browser
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    driver.press("sample-volumes")
    wide = browser.execute_script("return document.documentElement.scrollWidth")
    assert wide <= width
    assert grave_violations(browser) == []
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_downloads_are_read_by_radfuse(driver: TryDriver, application: Path) -> None:
    driver.choose(method="res2fusion")
    driver.press("sample-images")
    driver.press("download")
    image = read_grey(_downloaded(driver.folder / "fused-res2fusion.png"))
    np.testing.assert_array_equal(image.ravel(), driver.levels)
    driver.press("sample-volumes")
    driver.press("download")
    volume = read_volume(_downloaded(driver.folder / "fused-res2fusion.nii.gz"))
    ct = read_volume(application / "sample/ct.nii.gz")
    assert volume.GetSize() == ct.GetSize()
    np.testing.assert_allclose(volume.GetOrigin(), ct.GetOrigin(), atol=1e-4)
    np.testing.assert_allclose(volume.GetSpacing(), ct.GetSpacing(), rtol=1e-6)
    np.testing.assert_allclose(volume.GetDirection(), ct.GetDirection(), atol=1e-6)


def _downloaded(path: Path) -> Path:
    for _ in range(100):
        if path.is_file():
            return path
        time.sleep(0.1)
    raise AssertionError(f"{path.name} was not downloaded")


def test_volumes_on_other_grids_are_refused(
    driver: TryDriver, application: Path, tmp_path: Path
) -> None:
    mr = nibabel.load(application / "sample/mr.nii.gz")
    affine = mr.affine.copy()
    affine[0, 3] += 2
    nibabel.save(nibabel.Nifti1Image(np.asarray(mr.dataobj), affine), tmp_path / "moved.nii.gz")
    nibabel.save(nibabel.Nifti1Image(np.asarray(mr.dataobj)[1:], mr.affine), tmp_path / "cut.nii")
    for name, words in (
        ("moved.nii.gz", "grids differ by 2.0 mm"),
        ("cut.nii", "voxels and the MR"),
    ):
        driver.give("ct", application / "sample/ct.nii.gz")
        driver.give("mr", tmp_path / name)
        assert words in driver.error
        assert "registration needs radfuse itself" in driver.error


def test_swapped_volumes_are_refused(driver: TryDriver, application: Path) -> None:
    driver.give("ct", application / "sample/mr.nii.gz")
    driver.give("mr", application / "sample/ct.nii.gz")
    assert "The CT is not in HU" in driver.error


def test_files_that_cannot_be_fused_are_named(
    driver: TryDriver, application: Path, tmp_path: Path
) -> None:
    sample = application / "sample"
    png = (sample / "ct.png").read_bytes()
    packed = (sample / "ct.nii.gz").read_bytes()
    refused = {
        "cut.png": (png[:-5000], "damaged or truncated"),
        "empty.png": (b"", "give a PNG image or a NIfTI volume"),
        "scan.dcm": (bytes(128) + b"DICM", "radfuse itself reads DICOM"),
        "cut.nii.gz": (packed[:-5000], "damaged or truncated"),
        "other.nii": (bytes(400), "not a NIfTI-1 volume"),
    }
    for name, (content, words) in refused.items():
        (tmp_path / name).write_bytes(content)
        driver.give("ct", tmp_path / name)
        assert name in driver.error
        assert words in driver.error
    driver.give("ct", sample / "ct.png")
    driver.give("mr", sample / "mr.nii.gz")
    assert "One file is a 2-D image, the other a volume" in driver.error
