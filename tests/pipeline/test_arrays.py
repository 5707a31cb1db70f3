"""A series from an array."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from PIL import Image

import radfuse
from radfuse.errors import InputError
from radfuse.phantom.head import Phantom
from radfuse.pipeline.arrays import series_of

GREY = np.arange(96, dtype=np.float32).reshape(8, 12)
VOLUME = np.arange(120.0).reshape(4, 5, 6)
SHEARED = np.array(((1, 0.2, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)))


def test_a_2d_array_is_scaled_by_its_range() -> None:
    series = series_of(GREY, "MR", value_range=(0, 190))
    assert not series.is_volume
    assert np.allclose(sitk.GetArrayFromImage(series.image), GREY / 190)


def test_an_array_is_copied() -> None:
    values = GREY.copy()
    series = series_of(values, "MR", value_range=(0, 100))
    values[:] = 0
    assert sitk.GetArrayFromImage(series.image).max() > 0.9


def test_a_volume_keeps_its_values_and_has_a_geometry() -> None:
    values = np.arange(24 * 5, dtype=np.int16).reshape(4, 5, 6) - 1000
    series = series_of(values, "CT", spacing_mm=(0.5, 0.6, 3.0))
    assert series.image.GetSpacing() == (0.5, 0.6, 3.0)
    assert np.array_equal(sitk.GetArrayFromImage(series.image), values)


def test_a_pet_may_have_colours() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (8, 12, 3))
    series = series_of(rgb, "PT", value_range=(0, 255))
    assert np.allclose(sitk.GetArrayFromImage(series.image), rgb / 255, atol=1e-6)


def test_arrays_are_fused_in_colour() -> None:
    y, x = np.mgrid[:64, :64]
    head = np.hypot(y - 32, x - 32) < 28
    mr = series_of(np.where(head, 100 + 20 * (x % 8 > 3), 0), "MR", value_range=(0, 255))
    uptake = np.where(np.hypot(y - 30, x - 36) < 10, 800.0, 0.0)
    pet = series_of(uptake, "PT", value_range=(0, 1000))
    result = radfuse.fuse(mr, pet)
    assert isinstance(result, radfuse.ColourResult)
    assert np.ptp(result.image[30, 36]) > 0.3
    assert np.ptp(result.image[32, 8]) < 0.02
    assert result.record.inputs[1].source == "image without files"


@pytest.mark.parametrize(
    ("values", "modality", "options", "message"),
    [
        (GREY, "MR", {}, "give value_range"),
        (GREY, "MR", {"value_range": (0, 1, 2)}, "give value_range"),
        (GREY, "MR", {"value_range": (0, None)}, "give value_range"),
        (GREY, "MR", {"value_range": (0, np.inf)}, "give value_range"),
        (GREY, "MR", {"value_range": "ab"}, "give value_range"),
        ([["a", "b"]], "MR", {"value_range": (0, 1)}, "give real numbers"),
        ([[1, 2], [3]], "MR", {"value_range": (0, 1)}, "rows of one length"),
        (GREY + 1j, "MR", {"value_range": (0, 200)}, "of complex ones the magnitude"),
        (np.ones((0, 4)), "MR", {"value_range": (0, 1)}, "at least one"),
        (np.full((4, 4), 1e300), "MR", {"value_range": (0, 1)}, "NaN or infinite"),
        (np.ones((4, 4, 4)), "MR", {"spacing_mm": 1.0}, "give the distance of columns"),
        (np.ones((4, 4, 4)), "MR", {"spacing_mm": "abc"}, "give the distance of columns"),
        (GREY, "MR", {"value_range": (0, 50)}, "give a range that contains them"),
        (GREY, "MR", {"value_range": (5, 5)}, "give a range that contains them"),
        (np.full((4, 4), np.nan), "MR", {"value_range": (0, 1)}, "NaN or infinite"),
        (np.ones((4, 4, 3)), "MR", {"value_range": (0, 1)}, "give .rows, columns., or"),
        (np.ones((4, 4, 4)), "MR", {}, "give the distance of columns"),
        (np.ones((4, 4, 4)), "MR", {"spacing_mm": (1, 1)}, "give the distance of columns"),
        (np.ones((4, 4, 4)), "MR", {"spacing_mm": (1, 1, 0)}, "give the distance of columns"),
        (np.ones(4), "PT", {}, "or RGB"),
        (GREY, "US", {"value_range": (0, 100)}, "no modality 'US'"),
    ],
)
def test_an_array_that_does_not_fit_is_refused(
    values: np.ndarray, modality: str, options: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        series_of(values, modality, **options)  # type: ignore[arg-type]


def test_grey_in_three_channels_is_grey() -> None:
    rgb = np.repeat(GREY[..., None], 3, axis=-1)
    found, wanted = (series_of(one, "PT", value_range=(0, 190)) for one in (rgb, GREY))
    np.testing.assert_array_equal(
        sitk.GetArrayFromImage(found.image), sitk.GetArrayFromImage(wanted.image)
    )


def test_a_tiny_image_in_colour_is_fused() -> None:
    pet = series_of([[[1, 0, 0], [0, 1, 0]]] * 2, "PT", value_range=(0, 1))
    mr = series_of(np.eye(2), "MR", value_range=(0, 1))
    result = radfuse.fuse(mr, pet)
    assert isinstance(result, radfuse.ColourResult)
    assert result.image.shape == (2, 2, 3)
    (warning,) = result.record.warnings
    assert warning.startswith("the PT is in no known colour map")


def test_a_simpleitk_volume_keeps_its_geometry() -> None:
    image = sitk.GetImageFromArray(np.arange(120, dtype=np.int16).reshape(4, 5, 6))
    image.SetSpacing((0.5, 0.6, 3.0))
    image.SetOrigin((-10.0, 20.0, 5.0))
    series = series_of(image, "MR")
    assert series.image.GetPixelID() == sitk.sitkFloat32
    assert (series.image.GetSpacing(), series.image.GetOrigin()) == (
        image.GetSpacing(), image.GetOrigin(),
    )  # fmt: skip
    image[0, 0, 0] = 99
    assert series.array[0, 0, 0] == 0


@given(
    angles=st.tuples(*[st.floats(-0.7, 0.7)] * 3),
    spacing_mm=st.tuples(*[st.floats(0.3, 5.0)] * 3),
    origin_mm=st.tuples(*[st.floats(-200, 200)] * 3),
)
def test_an_affine_keeps_the_position_of_each_voxel(
    angles: tuple[float, ...], spacing_mm: tuple[float, ...], origin_mm: tuple[float, ...]
) -> None:
    rotation = np.reshape(sitk.Euler3DTransform((0, 0, 0), *angles).GetMatrix(), (3, 3))
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = rotation * spacing_mm, origin_mm
    series = series_of(np.arange(120.0).reshape(4, 5, 6), "MR", affine=affine)
    assert series.affine is not None
    assert_allclose(series.affine, affine, atol=1e-9)
    right, front, up = (affine @ (5, 3, 2, 1))[:3]
    lps = series.image.TransformIndexToPhysicalPoint((5, 3, 2))
    assert_allclose(lps, (-right, -front, up), atol=1e-9)


def test_a_left_handed_affine_keeps_the_position_of_each_voxel() -> None:
    values = np.arange(120.0).reshape(4, 5, 6)
    series = series_of(values, "MR", affine=np.diag((-1.0, 1.0, 2.0, 1.0)))
    index = series.image.TransformPhysicalPointToIndex((5.0, -3.0, 4.0))
    assert series.image[index] == values[2, 3, 5]


def test_the_affine_is_that_of_nibabel(tmp_path: Path) -> None:
    image = sitk.GetImageFromArray(np.arange(120, dtype=np.float32).reshape(4, 5, 6))
    image.SetOrigin((-10.0, 20.0, 5.0))
    image.SetSpacing((0.5, 0.6, 3.0))
    sitk.WriteImage(image, tmp_path / "mr.nii")
    read = nibabel.load(tmp_path / "mr.nii")
    series = series_of(read.get_fdata().T, "MR", affine=read.affine)
    assert_allclose(series.affine, read.affine, atol=1e-6)
    assert np.array_equal(series.array, sitk.GetArrayFromImage(image))


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (VOLUME, {"affine": np.zeros((4, 4))}, "give a regular matrix"),
        (VOLUME, {"affine": np.eye(3)}, "give a regular matrix"),
        (VOLUME, {"affine": np.full((4, 4), np.nan)}, "give a regular matrix"),
        (VOLUME, {"affine": "abc"}, "give a regular matrix"),
        (VOLUME, {"affine": SHEARED}, "not perpendicular"),
        (VOLUME, {"affine": np.eye(4), "spacing_mm": (1, 1, 1)}, "not both"),
        (sitk.GetImageFromArray(VOLUME), {"spacing_mm": (1, 1, 1)}, "its own geometry"),
        (sitk.GetImageFromArray(VOLUME), {"affine": np.eye(4)}, "its own geometry"),
        (sitk.GetImageFromArray(np.ones((4, 4, 4, 3)), isVector=True), {}, "one real number"),
        (sitk.GetImageFromArray(VOLUME + 1j), {}, "one real number"),
        (sitk.Image((4, 4, 4, 4), sitk.sitkFloat32), {}, "of 4 dimensions"),
        (sitk.Image((4, 4), sitk.sitkFloat32), {}, "give value_range"),
    ],
)
def test_a_geometry_that_does_not_fit_is_refused(
    values: object, options: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        series_of(values, "MR", **options)


def test_arrays_are_fused_as_their_files(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    ct, mr = rng.integers(0, 256, (2, 48, 48), np.uint8)
    for name, levels in (("ct", ct), ("mr", mr)):
        Image.fromarray(levels).save(tmp_path / f"{name}.png")
    recipe = radfuse.Recipe(method="laplacian")
    of_files = radfuse.fuse(tmp_path / "ct.png", tmp_path / "mr.png", recipe=recipe)
    of_levels = radfuse.fuse(ct, mr, recipe=recipe)
    of_images = radfuse.fuse(*map(sitk.GetImageFromArray, (ct, mr)), recipe=recipe)
    of_reals = radfuse.fuse(ct / np.float32(255), mr / np.float32(255), recipe=recipe)
    for other in (of_levels, of_images, of_reals):
        assert np.array_equal(sitk.GetArrayFromImage(other.image),
                              sitk.GetArrayFromImage(of_files.image))  # fmt: skip


@pytest.mark.parametrize(
    ("ct", "mr", "message"),
    [
        (VOLUME, VOLUME, "give radfuse.series_of.ARRAY, 'CT', spacing_mm"),
        (GREY.astype(np.int64), GREY.astype(np.int64), "give value_range"),
        (GREY, GREY, "give a range that contains them"),
        (series_of(GREY, "MR", value_range=(0, 99)), GREY, "series_of.ARRAY, 'PT'."),
    ],
)
def test_arrays_of_unknown_meaning_are_not_fused(ct: object, mr: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        radfuse.fuse(ct, mr)


def test_a_ct_image_that_is_not_in_hu_is_refused(coarse_phantom: Phantom) -> None:
    with pytest.raises(InputError, match="HU"):
        radfuse.fuse(coarse_phantom.ct.image / 1000.0 + 5.0, coarse_phantom.mr.image)


def test_a_series_is_one_line(coarse_phantom: Phantom) -> None:
    assert repr(coarse_phantom.ct) == (
        "<Series: CT, 35 x 41 x 29 voxels of 6 x 6 x 6.6 mm, no DICOM headers>"
    )
