"""Colours of structures differ, also for readers without red or green cones."""

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from radfuse.arrays import Float64Array
from radfuse.structures.label_maps import PALETTE

MIN_DIFFERENCE = 18.0
"""CIEDE2000: about as far apart as the grey levels 90 and 140."""

CONES = {
    "all": np.eye(3),
    "no red (protanopia)": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "no green (deuteranopia)": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
}
"""Linear RGB as distinguished, from linear RGB: Machado et al. 2009, severity 1."""


def distinguished(colours: Float64Array, cones: str) -> Float64Array:
    """CIELAB of sRGB colours (n, 3) in [0, 1] as a reader distinguishes them."""
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ CONES[cones].T, 0, 1)
    encoded = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(rgb2lab(encoded[None])[0])


@pytest.mark.parametrize("cones", CONES)
def test_colours_differ_for_every_reader(cones: str) -> None:
    lab = distinguished(np.array(PALETTE) / 255, cones)
    differences = deltaE_ciede2000(lab[:, None], lab[None])
    np.fill_diagonal(differences, np.inf)
    assert differences.min() >= MIN_DIFFERENCE


def test_red_and_green_of_equal_lightness_would_fail() -> None:
    pair = np.array([[200, 90, 60], [120, 130, 60]]) / 255
    apart = [deltaE_ciede2000(*distinguished(pair, cones)) for cones in CONES]
    assert apart[0] > 2 * MIN_DIFFERENCE
    assert min(apart) < MIN_DIFFERENCE


@pytest.mark.parametrize("cones", CONES)
def test_colours_are_lighter_than_a_dark_image(cones: str) -> None:
    assert distinguished(np.array(PALETTE) / 255, cones)[:, 0].min() > 35
