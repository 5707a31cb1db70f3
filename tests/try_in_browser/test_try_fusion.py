"""The browser fuses as radfuse does with OpenVINO, within a grey level of 255."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from axe_kit import grave_violations
from try_driver import TryDriver

from radfuse.intensity import grey_levels
from radfuse.io.images import read_grey, read_image, write_image
from radfuse.methods.loading import load_method
from radfuse.phantom.head import make_phantom
from try_in_browser import METHODS_OFFERED, fused_volume, phantom_slices, write_phantom_volumes

PAIRS = [(seed, height_mm) for seed in (1, 2, 3, 4, 5) for height_mm in (12.0, 36.0)]
"""Phantom, and position of a slice above the centre of its CT."""


def test_sample_is_fused_as_radfuse_fuses_it(driver: TryDriver, application: Path) -> None:
    driver.press("sample-images")
    assert driver.error == ""
    expected = read_grey(application / "sample/fused-res2fusion.png")
    np.testing.assert_allclose(driver.levels.reshape(expected.shape), expected, atol=1)
    assert "WebAssembly" in driver.text("used-engine")
    assert "equal within 1 grey level" in driver.text("compared")
    assert grave_violations(driver.browser) == []
    driver.press("sample-volumes")
    driver.choose(method="signed_detail")
    driver.press("fuse")
    image = sitk.ReadImage(application / "sample/fused-signed_detail.nii.gz")
    volume = sitk.GetArrayFromImage(image)
    np.testing.assert_allclose(driver.levels.reshape(volume.shape), volume, atol=2)
    assert "equal within 1 grey level" in driver.text("compared")


def test_volumes_can_be_chosen_after_images(driver: TryDriver, application: Path) -> None:
    sample = application / "sample"
    for role in ("ct", "mr"):
        driver.give(role, sample / f"{role}.png")
    driver.give("ct", sample / "ct.nii.gz")
    assert "One file is a 2-D image, the other a volume" in driver.error
    driver.choose(method="signed_detail")
    levels = driver.fuse(sample / "ct.nii.gz", sample / "mr.nii.gz")
    assert levels.size == sitk.GetArrayFromImage(sitk.ReadImage(sample / "ct.nii.gz")).size


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS_OFFERED)
def test_ten_pairs_are_fused_as_by_openvino(driver: TryDriver, tmp_path: Path, method: str) -> None:
    driver.choose(method=method)
    fuse = load_method(method)
    phantoms = {seed: make_phantom(seed, spacing_mm=3.0) for seed, _ in PAIRS}
    for seed, height_mm in PAIRS:
        paths = [tmp_path / f"{role}-{seed}-{height_mm:g}.png" for role in ("ct", "mr")]
        pair = phantom_slices(phantoms[seed], [height_mm])[0]
        for path, image in zip(paths, pair, strict=True):
            write_image(path, image)
        ct, mr = (read_image(path)[None] for path in paths)
        expected = grey_levels(fuse(ct, mr)).ravel()
        found = driver.fuse(*paths)
        np.testing.assert_allclose(found, expected, atol=1, err_msg=f"{seed}, {height_mm}")
    driver.choose(method="signed_detail")


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS_OFFERED)
@pytest.mark.parametrize("window", ["fusion", "soft-tissue"])
def test_a_volume_is_fused_as_by_radfuse(
    driver: TryDriver, tmp_path: Path, method: str, window: str
) -> None:
    write_phantom_volumes(make_phantom(3, spacing_mm=3.0), tmp_path)
    expected = sitk.GetArrayFromImage(fused_volume(tmp_path, method, window)).ravel()
    driver.choose(method=method, window=window)
    found = driver.fuse(tmp_path / "ct.nii.gz", tmp_path / "mr.nii.gz")
    np.testing.assert_allclose(found, expected, atol=4095 / 255)
    driver.choose(method="signed_detail", window="fusion")
