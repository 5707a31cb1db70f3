"""Images that are kept, and grids of slices."""

import gc

import numpy as np
import SimpleITK as sitk
from hypothesis import given
from hypothesis.extra.numpy import array_shapes, arrays

from radfuse.arrays import bounding_box, grid_of_box, grid_of_slice, kept_per_image


def volume(value: float = 0.0) -> sitk.Image:
    image = sitk.Image([3, 4, 5], sitk.sitkFloat32) + value
    image.SetSpacing((0.7, 0.8, 1.9))
    image.SetOrigin((-3.0, 20.0, 7.0))
    image.SetDirection((0.0, 1.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0))
    return image


def test_a_value_is_computed_once_for_each_image_and_argument() -> None:
    calls: list[float] = []

    @kept_per_image
    def shifted(image: sitk.Image, by: float) -> sitk.Image:
        calls.append(by)
        return image + by

    one, other = volume(1.0), volume(2.0)
    found = [shifted(image, by)[0, 0, 0] for image in (one, other, one) for by in (0.5, 0.25, 0.5)]
    assert found == [1.5, 1.25, 1.5, 2.5, 2.25, 2.5, 1.5, 1.25, 1.5]
    assert len(calls) == 4


def test_a_kept_value_is_not_shared() -> None:
    same = kept_per_image(lambda image: image + 1)
    image = volume()
    same(image)[0, 0, 0] = 9.0
    assert same(image)[0, 0, 0] == 1.0


def test_nothing_is_kept_of_an_image_that_is_gone() -> None:
    values = iter(range(1000))
    counted = kept_per_image(lambda image: image + next(values))
    for number in range(50):  # a new image may get the address of a former one
        image = volume()
        assert counted(image)[0, 0, 0] == number
        del image
        gc.collect()


def test_the_grid_of_a_slice_is_that_of_the_extracted_slice() -> None:
    image = volume()
    for index in range(5):
        grid, extracted = grid_of_slice(image, index), image[:, :, index : index + 1]
        for attribute in ("GetSize", "GetOrigin", "GetSpacing", "GetDirection"):
            found, expected = getattr(grid, attribute)(), getattr(extracted, attribute)()
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_the_grid_of_a_box_is_that_of_the_extracted_box() -> None:
    image = volume()
    found = grid_of_box(image, (slice(2, 5), slice(1, 3), slice(1, 2)))
    wanted = image[1:2, 1:3, 2:5]
    assert found.GetSize() == wanted.GetSize()
    np.testing.assert_allclose(found.GetOrigin(), wanted.GetOrigin(), rtol=0, atol=1e-12)
    assert found.GetSpacing() == wanted.GetSpacing()
    assert found.GetDirection() == wanted.GetDirection()


@given(arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=6)))
def test_a_bounding_box_is_the_smallest_around_a_mask(mask: np.ndarray) -> None:
    box = bounding_box(mask)
    outside = mask.copy()
    outside[box] = False
    assert not outside.any()
    inside = mask[box]
    assert inside.size == 0 or all(
        edge.any() for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1])
    )
