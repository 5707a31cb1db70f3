"""The dominant orientation of patches."""

import numpy as np
import pytest

from radfuse.methods.sparse_coding.orientation import dominant_orientation

ROWS, COLUMNS = np.mgrid[:8, :8] - 3.5


def ramp(degrees: float) -> np.ndarray:
    """A narrow edge across whose line grey levels rise in that direction."""
    angle = np.radians(degrees)
    across = COLUMNS * np.cos(angle) + ROWS * np.sin(angle)
    return np.exp(-(across**2))[None]


@pytest.mark.parametrize("bin_", range(1, 7))
def test_line_has_the_bin_of_its_normal(bin_: int) -> None:
    degrees = 30 * bin_ - 15
    for turned in (degrees, degrees + 180):
        assert dominant_orientation(ramp(turned)) == bin_


def test_patches_without_gradients_have_none() -> None:
    assert dominant_orientation(np.zeros((3, 8, 8))).tolist() == [0, 0, 0]


def test_a_dominant_bin_has_more_than_a_quarter() -> None:
    """A round blob has all orientations alike."""
    blob = np.exp(-(ROWS**2 + COLUMNS**2) / 8)[None]
    assert dominant_orientation(blob) == 0
    assert dominant_orientation(blob + 3 * ramp(45)) == 2


def test_gradients_at_0_degrees_do_not_count() -> None:
    rows = np.zeros((1, 8, 8))
    rows[:, :, 4:] = 1
    found = dominant_orientation(rows)
    np.testing.assert_array_equal(found, dominant_orientation(5 * rows))
    assert found != 6
