"""Volumes of whole numbers in half of the memory: the values, and what is computed from them."""

from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from radfuse.arrays import VolumeOfSlices
from radfuse.datasets import phantom
from radfuse.intensity import shrunk, window_named
from radfuse.methods.loading import load_method
from radfuse.modality import CT, MR
from radfuse.pipeline.read import read
from radfuse.pipeline.volume import fuse_volumes


@pytest.mark.parametrize(
    ("last", "pixel"),
    [
        (-32768.0, sitk.sitkInt16),
        (32767.0, sitk.sitkInt16),
        (32768.0, sitk.sitkFloat32),
        (0.5, sitk.sitkFloat32),
        (np.nan, sitk.sitkFloat32),
        (np.inf, sitk.sitkFloat32),
    ],
)
def test_values_are_kept_and_whole_ones_in_16_bits(last: float, pixel: int) -> None:
    values = np.arange(24, dtype=np.float32).reshape(4, 2, 3)
    values[3, 1, 2] = last
    volume = VolumeOfSlices((3, 2, 4), in_16_bits=True)
    for index, plane in enumerate(values):
        volume.store(index, plane)
    assert volume.image.GetPixelID() == pixel
    np.testing.assert_array_equal(sitk.GetArrayFromImage(volume.image), values)


@pytest.mark.parametrize("size", [(33, 20, 41), (64, 64, 7), (9, 8, 2)])
@pytest.mark.parametrize("spacing", [(0.5, 0.5, 0.5), (0.7, 0.9, 3.0), (5.0, 5.0, 5.0)])
def test_means_of_whole_numbers_are_those_of_the_same_in_float(
    size: tuple[int, int, int], spacing: tuple[float, float, float]
) -> None:
    values = np.random.default_rng(7).integers(-1024, 3071, size[::-1]).astype(np.int16)
    image = sitk.GetImageFromArray(values)
    image.SetSpacing(spacing)
    image.SetOrigin((-3.0, 12.0, 40.5))
    image.SetDirection((0, 1, 0, 1, 0, 0, 0, 0, -1))
    for wanted_mm in (1.0, 2.0, 4.0, 8.0):
        found, wanted = (
            shrunk(image, wanted_mm),
            shrunk(sitk.Cast(image, sitk.sitkFloat32), wanted_mm),
        )
        assert found.GetPixelID() == sitk.sitkFloat32
        np.testing.assert_array_equal(sitk.GetArrayFromImage(found), sitk.GetArrayFromImage(wanted))
        assert found.GetSize() == wanted.GetSize()
        for of in ("GetOrigin", "GetSpacing", "GetDirection"):
            np.testing.assert_allclose(getattr(found, of)(), getattr(wanted, of)(), atol=1e-12)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32"])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_ct_of_whole_hu_is_read_in_16_bits_and_an_mr_is_not(
    tmp_path: Path, dtype: str, suffix: str
) -> None:
    values = np.random.default_rng(3).integers(0, 200, (6, 7, 8)).astype(dtype)
    path = tmp_path / f"volume{suffix}"
    nibabel.Nifti1Image(values, np.eye(4)).to_filename(path)
    ct, mr = read(path, CT, check_units=False), read(path, MR, check_units=False)
    assert (ct.image.GetPixelID(), mr.image.GetPixelID()) == (sitk.sitkInt16, sitk.sitkFloat32)
    np.testing.assert_array_equal(ct.array, mr.array)
    assert ct.array.dtype == np.float32


@pytest.mark.parametrize("method", ["signed_detail", "bone_blend"])
def test_a_ct_in_16_bits_is_fused_as_in_float(method: str) -> None:
    head = phantom(spacing_mm=4.0)
    whole = sitk.Cast(sitk.Round(head.ct.image), sitk.sitkFloat32)
    cts = [
        replace(head.ct, image=sitk.Cast(whole, kind))
        for kind in (sitk.sitkInt16, sitk.sitkFloat32)
    ]
    window = window_named("fusion")
    fused = [
        fuse_volumes(ct, head.mr, head.mr_from_ct, window, load_method(method, {}, window=window))[
            0
        ]
        for ct in cts
    ]
    np.testing.assert_array_equal(*map(sitk.GetArrayFromImage, fused))
