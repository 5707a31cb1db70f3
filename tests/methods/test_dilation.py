"""Dilation by steps, compared with scipy's."""

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from radfuse.methods.dilation import dilated


@pytest.mark.parametrize("shape", [(1, 5, 7), (4, 3, 3), (6, 20, 30)])
@pytest.mark.parametrize("reach", [(0, 1, 1), (1, 2, 2), (3, 0, 4)])
def test_a_dilation_is_that_of_scipy(shape: tuple[int, ...], reach: tuple[int, ...]) -> None:
    rng = np.random.default_rng(3)
    mask = rng.random(shape) > 0.9
    element = rng.random([2 * most + 1 for most in reach]) > 0.5
    steps = [(int(z), int(y), int(x)) for z, y, x in np.argwhere(element) - reach]
    expected = binary_dilation(mask, element) | mask
    np.testing.assert_array_equal(dilated(mask, steps), expected)


def test_a_mask_is_left_as_it_was() -> None:
    mask = np.zeros((1, 3, 3), bool)
    mask[0, 1, 1] = True
    assert dilated(mask, [(0, 1, 0)]).sum() == 2
    assert mask.sum() == 1
