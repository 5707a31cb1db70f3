"""What is left of uptake: nothing is lost in a copy, and everything in grey."""

import numpy as np
import pytest

from radfuse.arrays import Float32Array
from radfuse.colour.maps import COLOUR_MAPS
from radfuse.colour.spaces import SPACES
from radfuse.errors import InputError
from radfuse.metrics.functional_kept import functional_kept

PET = COLOUR_MAPS["atlas-pet"]


def uptake() -> Float32Array:
    """A hot lesion in a gradient, without uptake around it."""
    y, x = np.mgrid[:48, :48].astype(np.float32)
    values = np.where(np.hypot(y - 24, x - 24) < 18, 0.3 + x / 100, 0)
    values[20:26, 20:26] = 0.95
    return values.astype(np.float32)


def test_a_copy_keeps_all() -> None:
    rgb = PET.colours(uptake())
    kept = functional_kept(rgb, rgb, PET)
    assert kept.correlation == pytest.approx(1)
    assert kept.error == 0
    assert kept.colour_difference == 0


def test_grey_keeps_nothing() -> None:
    rgb = PET.colours(uptake())
    grey = np.repeat(SPACES["lab"].luminance(rgb)[..., None], 3, axis=-1)
    kept = functional_kept(grey, rgb, PET)
    assert kept.correlation < 0.5
    assert kept.error > 0.9
    assert kept.colour_difference > 20


def test_half_of_the_uptake_is_an_error_of_a_half() -> None:
    values = np.full((8, 8), 0.8, np.float32)
    kept = functional_kept(PET.colours(np.full_like(values, 0.4)), PET.colours(values), PET)
    assert kept.error == pytest.approx(0.5, abs=0.01)


def test_white_luminance_makes_red_pale() -> None:
    values = uptake()
    rgb, white = PET.colours(values), np.ones((48, 48), np.float32)
    brightest = SPACES["ycbcr"].with_luminance(rgb, white)
    assert functional_kept(brightest, rgb, PET).colour_difference > 10


def test_without_uptake_nothing_is_measured() -> None:
    black = np.zeros((8, 8, 3), np.float32)
    assert np.isnan(functional_kept(black, black, PET).correlation)


def test_two_sizes_are_refused() -> None:
    with pytest.raises(InputError, match="two images"):
        functional_kept(np.zeros((8, 8, 3), np.float32), np.zeros((8, 9, 3), np.float32), PET)
