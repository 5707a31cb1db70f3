"""A CT that is not in HU is refused with the scale and offset that make it HU; heads never are."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import Dataset

from dicom_kit import change_all, write
from radfuse.errors import InputError
from radfuse.io.volumes import write_volume
from radfuse.phantom.head import Phantom, make_phantom
from radfuse.pipeline.read import read

PADDED = "of the CT's voxels are padding: constant regions above -500 HU"


def like(values: np.ndarray, image: sitk.Image) -> sitk.Image:
    made = sitk.GetImageFromArray(np.ascontiguousarray(values, dtype=np.float32))
    made.CopyInformation(image)
    return made


def outside(shape: tuple[int, ...], radius: float = 0.5) -> np.ndarray:
    """Outside the circle that a scanner reconstructs; the radius in parts of the slice."""
    y, x = np.ogrid[-0.5 : 0.5 : shape[1] * 1j, -0.5 : 0.5 : shape[2] * 1j]
    return np.broadcast_to(x**2 + y**2 > radius**2, shape)


WRONG = {
    "stored values": (lambda hu: hu + 1024, 1, -1024),
    "stored values, padding -2000": (lambda hu: padded(hu + 1024, -2000), 1, -1024),
    "stored values, padding -1000": (lambda hu: padded(hu + 1024, -1000), 1, -1024),
    "intercept twice": (lambda hu: hu - 1024, 1, 1024),
    "thousandths": (lambda hu: hu / 1000, 1000, 0),
    "thousandths, padding -1000": (lambda hu: padded(hu / 1000, -1000), 1000, 0),
    "sixteenfold": (lambda hu: hu * 16, 1 / 16, 0),
    "left-justified": (lambda hu: np.maximum(hu + 1024, 0) * 16 - 1024, 1 / 16, -960),
}
"""Values, and the scale and offset that make them HU."""

RIGHT = {
    "whole": lambda hu: hu,
    "upper half": lambda hu: hu[len(hu) // 2 :],
    "upper third": lambda hu: hu[2 * len(hu) // 3 :],
    "lower half": lambda hu: hu[: len(hu) // 2],
    "truncated field of view": lambda hu: np.where(outside(hu.shape, 0.3), -3024, hu),
    "padding -2000": lambda hu: padded(hu, -2000),
    "defaced": lambda hu: np.where(np.arange(hu.shape[1])[:, None] < 25, -1000, hu),
    "skull-stripped": lambda hu: np.where((hu > 0) & (hu < 100), hu, -1000),
}
"""Heads and parts of heads in HU."""


def padded(values: np.ndarray, padding: float) -> np.ndarray:
    return np.where(outside(values.shape), padding, values)


def ct_file(folder: Path, values: np.ndarray) -> Path:
    path = folder / "ct.nii.gz"
    image = sitk.GetImageFromArray(np.ascontiguousarray(values, dtype=np.float32))
    image.SetSpacing((3.0, 3.0, 3.0))
    write_volume(path, image)
    return path


@pytest.fixture(scope="module")
def hu(phantom: Phantom) -> np.ndarray:
    """Every second slice of a head."""
    return sitk.GetArrayFromImage(phantom.ct.image)[::2]


@pytest.mark.parametrize("kind", WRONG)
def test_ct_in_other_units_is_refused_with_a_remedy(
    tmp_path: Path, hu: np.ndarray, kind: str
) -> None:
    change, scale, offset = WRONG[kind]
    path = ct_file(tmp_path, change(hu))
    with pytest.raises(InputError, match="the values are not HU") as caught:
        read(path, "CT")
    assert f"pass --ct-scale {scale:g} --ct-offset {offset:g} (or" in str(caught.value)
    found = read(path, "CT", ct_scale=scale, ct_offset=offset)
    inside = ~outside(hu.shape)
    corrected = sitk.GetArrayFromImage(found.image)[inside]
    np.testing.assert_allclose(corrected, np.maximum(hu, -1024)[inside], atol=0.01)
    assert f"CT values were scaled by {scale:g}, and {offset:g} was added" in found.notes


@pytest.mark.parametrize("margin", [8, 32])
def test_stored_values_with_much_air_are_refused(
    tmp_path: Path, hu: np.ndarray, margin: int
) -> None:
    """In a large field of view stored air, 24, is most of the body, and padding the air."""
    wide = np.pad(hu, [(0, 0), (margin, margin), (margin, margin)], constant_values=-1000)
    kind = "stored values, padding -1000"
    test_ct_in_other_units_is_refused_with_a_remedy(tmp_path, wide, kind)
    test_heads_in_hu_are_read_unchanged(tmp_path, wide, "padding -2000")


@pytest.mark.parametrize("kind", RIGHT)
def test_heads_in_hu_are_read_unchanged(tmp_path: Path, hu: np.ndarray, kind: str) -> None:
    values = RIGHT[kind](hu)
    found = read(ct_file(tmp_path, values), "CT")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found.image), values)
    assert found.notes == ()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_all_kinds_with_heads_of_other_patients(tmp_path: Path, seed: int) -> None:
    hu = sitk.GetArrayFromImage(make_phantom(seed, spacing_mm=3.0).ct.image)
    for kind in RIGHT:
        test_heads_in_hu_are_read_unchanged(tmp_path, hu, kind)
    for kind in WRONG:
        test_ct_in_other_units_is_refused_with_a_remedy(tmp_path, hu, kind)


def test_ct_padded_with_0_is_noted_and_not_water(tmp_path: Path, hu: np.ndarray) -> None:
    found = read(ct_file(tmp_path, padded(hu, 0)), "CT")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found.image), padded(hu, -1000))
    assert [PADDED in note for note in found.notes] == [True]


@pytest.mark.parametrize("offset", [None, 0.0])
def test_values_that_show_no_head_are_noted_or_accepted(
    tmp_path: Path, offset: float | None
) -> None:
    noise = np.random.default_rng(2).uniform(-1000, 3000, (30, 30, 30))
    found = read(ct_file(tmp_path, noise), "CT", ct_offset=offset)
    expected = "check its values" if offset is None else "0 was added"
    assert [expected in note for note in found.notes] == [True]


@pytest.mark.parametrize("padding", [0, -3339])
def test_padding_of_signed_hu_leaves_tissue_alone(
    tmp_path: Path, hu: np.ndarray, padding: int
) -> None:
    """Water is 0 HU, and lossy compression changes -3339."""
    noise = np.random.default_rng(4).integers(-9, 10, hu.shape) * (padding != 0)
    values = np.where(outside(hu.shape), padding + noise, np.round(hu))
    folder = write(tmp_path / "in", like(values + 4096, sitk.GetImageFromArray(hu)))

    def signed(header: Dataset) -> None:
        stored = header.pixel_array.astype(np.int32) - 4096 - 1024
        header.PixelRepresentation, header.RescaleIntercept = 1, "0"
        header.PixelData = stored.astype("<i2").tobytes()
        header.add_new("PixelPaddingValue", "SS", padding)

    change_all(folder, signed)
    found = read(folder, "CT")
    wanted = np.where(outside(hu.shape), -1000, np.round(hu))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found.image), wanted)


@pytest.mark.parametrize("lowest", [-501.0, -2000.0, -3142.0, -19595.0])
def test_mr_with_negative_values_is_read(tmp_path: Path, phantom: Phantom, lowest: float) -> None:
    """By B-spline interpolation, or a real-valued inversion recovery."""
    mr = phantom.mr.image[:, :, ::4]
    values = sitk.GetArrayFromImage(mr)
    shifted = values / values.max() * 2 * abs(lowest) + lowest
    path = ct_file(tmp_path, shifted)
    assert read(path, "MR").notes == ()
    folder = write(tmp_path / "in", like(values, mr), "MR")
    change_all(folder, lambda header: setattr(header, "RescaleIntercept", f"{lowest:g}"))
    change_all(folder, lambda header: setattr(header, "RescaleSlope", "1"))
    found = sitk.GetArrayFromImage(read(folder, "MR").image)
    np.testing.assert_allclose(found, np.round(values) + lowest, atol=0.6)


def test_ct_is_refused_as_mr(tmp_path: Path, hu: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"not MR: the lowest value is .*swapped"):
        read(ct_file(tmp_path, hu), "MR")
