"""Colour spaces: luminance is replaced, colour is kept."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage import color

from radfuse.arrays import Float32Array
from radfuse.colour.difference import ciede2000
from radfuse.colour.maps import COLOUR_MAPS
from radfuse.colour.spaces import CLIPPED, SPACES, lab, rgb_of_lab

each = pytest.mark.parametrize("name", SPACES)


def random_colours(seed: int, count: int = 2000) -> Float32Array:
    return np.random.default_rng(seed).random((count, 3), dtype=np.float32)


def hue(rgb: Float32Array) -> Float32Array:
    """In degrees, of CIE Lab."""
    _, a, b = np.moveaxis(lab(rgb), -1, 0)
    return np.asarray(np.degrees(np.arctan2(b, a)))


@each
def test_its_own_luminance_changes_nothing(name: str) -> None:
    rgb, space = random_colours(1), SPACES[name]
    same = space.with_luminance(rgb, space.luminance(rgb))
    np.testing.assert_allclose(same, rgb, atol=2e-4)


@pytest.mark.parametrize("printed", COLOUR_MAPS)
def test_its_own_lightness_keeps_printed_colours(printed: str) -> None:
    colours = COLOUR_MAPS[printed].colours(np.linspace(0, 1, 200, dtype=np.float32))
    same = SPACES["lab"].with_luminance(colours, SPACES["lab"].luminance(colours))
    np.testing.assert_allclose(same, colours, atol=2e-4)


def test_rounding_is_far_below_what_is_clipped() -> None:
    rgb = random_colours(9, 20_000)
    at_the_border = np.where(random_colours(10, 20_000) < 0.5, np.rint(rgb), rgb)
    rounding = np.abs(rgb_of_lab(lab(at_the_border)) - at_the_border)
    assert rounding.max() < CLIPPED / 50


@pytest.mark.parametrize("outside", [0.9, -0.9])
def test_a_channel_within_the_tolerance_is_clipped(outside: float) -> None:
    rgb = np.array([[float(outside > 0) + outside * CLIPPED, 0.5, 0.2]], np.float32)
    same = SPACES["lab"].with_luminance(rgb, SPACES["lab"].luminance(rgb))
    np.testing.assert_allclose(same, np.clip(rgb, 0, 1), atol=2e-5)


@pytest.mark.parametrize("outside", [1.5, -1.5])
def test_a_channel_outside_the_tolerance_loses_chroma(outside: float) -> None:
    rgb = np.array([[float(outside > 0) + outside * CLIPPED, 0.5, 0.2]], np.float32)
    paler = SPACES["lab"].with_luminance(rgb, SPACES["lab"].luminance(rgb))
    chroma, full = (np.hypot(*lab(one)[0, 1:]) for one in (paler, rgb))
    assert full - 1 < chroma < full - 1e-3


def test_no_larger_chroma_is_shown() -> None:
    rgb = np.rint(random_colours(3, 300))
    lightness = np.random.default_rng(4).random(300, dtype=np.float32)
    found = lab(SPACES["lab"].with_luminance(rgb, lightness))
    full = lab(rgb)
    for share in np.linspace(1, 0, 100):
        tried = np.stack([found[:, 0], *(full[:, 1:].T * share)], axis=-1)
        shown = np.abs(rgb_of_lab(tried) - 0.5).max(axis=-1) <= 0.5
        missing = shown & (np.hypot(*tried[:, 1:].T) > np.hypot(*found[:, 1:].T) + 1)
        assert not missing.any()


@each
def test_black_with_luminance_is_grey(name: str) -> None:
    black, level = np.zeros((5, 3), np.float32), np.linspace(0, 1, 5, dtype=np.float32)
    grey = SPACES[name].with_luminance(black, level)
    assert np.ptp(grey, axis=-1).max() < 2e-3
    np.testing.assert_allclose(SPACES[name].luminance(grey), level, atol=2e-3)
    assert grey[0].max() == 0


@each
def test_results_are_colours(name: str) -> None:
    rgb, other = random_colours(2), random_colours(3)[:, 0]
    result = SPACES[name].with_luminance(rgb, other)
    assert result.dtype == np.float32
    assert result.min() >= 0
    assert result.max() <= 1


def test_lab_has_the_new_lightness_and_the_old_hue() -> None:
    rgb, lightness = random_colours(4), random_colours(5)[:, 1]
    result = SPACES["lab"].with_luminance(rgb, lightness)
    np.testing.assert_allclose(lab(result)[:, 0], 100 * lightness, atol=0.2)
    coloured = np.linalg.norm(lab(result)[:, 1:], axis=-1) > 5
    turned = (hue(result) - hue(rgb) + 180) % 360 - 180
    assert np.abs(turned[coloured]).max() < 2


def test_lab_is_that_of_scikit_image() -> None:
    rgb = random_colours(6)
    np.testing.assert_allclose(lab(rgb), color.rgb2lab(rgb), atol=0.01)
    np.testing.assert_allclose(rgb_of_lab(lab(rgb)), rgb, atol=1e-4)


SHARMA = [
    ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
    ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0000),
    ((50, 2.4900, -0.0010), (50, -2.4900, 0.0009), 7.1792),
    ((50, 2.5, 0), (73, 25, -18), 27.1492),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
]
"""Pairs and differences of Sharma, Wu and Dalal 2005, Table I, doi:10.1002/col.20070."""


@pytest.mark.parametrize(("first", "second", "difference"), SHARMA)
def test_ciede2000_is_as_published(
    first: tuple[float, ...], second: tuple[float, ...], difference: float
) -> None:
    assert ciede2000(np.array(first, np.float32), np.array(second, np.float32)) == pytest.approx(
        difference, abs=1e-4
    )


def test_ciede2000_is_that_of_scikit_image() -> None:
    first, second = lab(random_colours(7)), lab(random_colours(8))
    expected = color.deltaE_ciede2000(first, second)  # type: ignore[no-untyped-call]
    np.testing.assert_allclose(ciede2000(first, second), expected, atol=1e-3)


@given(st.tuples(*[st.floats(0, 1, width=32)] * 3))
def test_a_colour_differs_from_itself_by_nothing(rgb: tuple[float, float, float]) -> None:
    one = lab(np.array(rgb, np.float32))
    assert ciede2000(one, one) == 0
