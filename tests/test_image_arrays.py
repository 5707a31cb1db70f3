"""Images that are kept, and grids of slices."""

import gc

import numpy as np
import SimpleITK as sitk

from radfuse.arrays import grid_of_slice, kept_per_image


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
