"""A series from an array."""

import numpy as np
import pytest
import SimpleITK as sitk

import radfuse
from radfuse.errors import InputError
from radfuse.pipeline.arrays import series_of

GREY = np.arange(96, dtype=np.float32).reshape(8, 12)


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
