"""Patches of images, and images of patches."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radfuse.errors import InputError
from radfuse.methods.sparse_coding.patches import averaged, check_size, patches_of


@given(st.integers(1, 5), st.integers(0, 9), st.integers(0, 9), st.integers(1, 4))
def test_patches_of_an_image_average_to_it(size: int, rows: int, columns: int, stride: int) -> None:
    images = np.random.default_rng(0).random((2, size + rows, size + columns))
    fused = averaged(patches_of(images, size, stride), stride, images + 1)
    uncovered = fused == images + 1
    np.testing.assert_allclose(np.where(uncovered, images, fused), images, rtol=1e-12)
    assert uncovered[:, :size, :size].sum() == 0
    if stride == 1:
        assert not uncovered.any()


def test_patches_begin_a_stride_apart() -> None:
    image = np.arange(42.0).reshape(1, 6, 7)
    patches = patches_of(image, 3, 2)
    assert patches.shape == (1, 2, 3, 3, 3)
    np.testing.assert_array_equal(patches[0, 1, 2], image[0, 2:5, 4:7])


def test_pixels_of_two_patches_are_their_mean() -> None:
    patches = np.stack([np.zeros((2, 2)), np.ones((2, 2))])[None, None]
    fused = averaged(patches, 1, np.full((1, 3, 3), 9.0))
    np.testing.assert_array_equal(fused[0], [[0, 0.5, 1], [0, 0.5, 1], [9, 9, 9]])


@pytest.mark.parametrize("shape", [(7, 30), (30, 7), (1, 1)])
def test_images_smaller_than_a_patch_are_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(InputError, match=f"images of {shape[0]} x {shape[1]} pixels .* 8 x 8"):
        check_size(shape, 8)
    check_size((8, 8), 8)
