"""The pulse-coupled network: equal to its equations, and what it does where they have no value."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import convolve, gaussian_filter

from radfuse.methods.classical.papcnn import firing_counts, more_firing, otsu, parameters

KERNEL = np.array([[0.5, 1, 0.5], [1, 0, 1], [0.5, 1, 0.5]])


def band(shape: tuple[int, ...], seed: int = 1) -> NDArray[np.float64]:
    """Smooth noise with the range of the details of an image in [0, 1]."""
    return gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 1) * 0.2


def counts_by_equations(stimulus: NDArray[np.float64]) -> NDArray[np.float64]:
    """The network as its equations are printed, in double precision."""
    deviation, threshold = stimulus.std(ddof=1), otsu(stimulus)
    ratio = stimulus.max() / threshold
    alpha_f = np.log10(1 / deviation)
    linking, amplitude = (ratio - 1) / 6, np.exp(-alpha_f) + ratio
    m = (1 - np.exp(-3 * alpha_f)) / (1 - np.exp(-alpha_f)) + (ratio - 1) * np.exp(-alpha_f)
    alpha_e = np.log(amplitude / (threshold * m))
    activity, fired, counts = (np.zeros_like(stimulus) for _ in range(3))
    level = np.ones_like(stimulus)
    for _ in range(110):
        neighbours = convolve(fired, KERNEL, mode="constant")
        activity = np.exp(-alpha_f) * activity + stimulus * (1 + linking * neighbours)
        fired = (activity > level).astype(float)
        level = np.exp(-alpha_e) * level + amplitude * fired
        counts += fired
    return counts


@given(seed=st.integers(0, 2**32), rows=st.integers(2, 40), columns=st.integers(2, 40))
def test_counts_are_those_of_the_equations(seed: int, rows: int, columns: int) -> None:
    stimulus = np.abs(band((rows, columns), seed))
    differing = firing_counts(stimulus) != counts_by_equations(stimulus)
    assert differing.mean() <= 0.01  # single precision at equal activity and threshold


def test_bands_are_networks_of_their_own_whatever_their_sign() -> None:
    bands = band((2, 3, 24, 31))
    counts = firing_counts(bands)
    assert counts.shape == bands.shape
    np.testing.assert_array_equal(counts[1, 2], firing_counts(bands[1, 2]))
    np.testing.assert_array_equal(counts, firing_counts(-bands))
    assert counts.max() > 10


def test_larger_coefficient_fires_more_often() -> None:
    stimulus = np.full((33, 33), 0.02)
    stimulus[16, 16] = 0.5
    counts = firing_counts(stimulus)
    assert counts.argmax() == 16 * 33 + 16
    assert counts[16, 16] > 1.5 * counts[2, 2]


@pytest.mark.parametrize("level", [0.0, 1e-4, 0.3])
def test_a_band_of_one_level_does_not_fire(level: float) -> None:
    assert firing_counts(np.full((9, 8), level)).max() == 0
    assert firing_counts(np.full((1, 1), level)).max() == 0


def test_a_tie_gives_the_first() -> None:
    first, second = np.full((1, 9, 9), 1e-4), np.full((1, 9, 9), 2e-4)
    np.testing.assert_array_equal(more_firing(first, second), first)
    active = band((1, 9, 9))
    np.testing.assert_array_equal(
        more_firing(first, active), np.where(firing_counts(active) == 0, first, active)
    )


def test_otsu_separates_two_levels() -> None:
    image = np.where(np.arange(100).reshape(10, 10) < 30, 20, 200) / 255
    assert 20 / 255 <= otsu(image) <= 200 / 255
    assert otsu(np.minimum(image * 10, 10)) == otsu(np.clip(image * 10, 0, 1))
    assert otsu(np.zeros((3, 3))) == 0


def test_parameters_are_those_of_the_paper() -> None:
    stimulus = np.array([[0.1, 0.2], [0.3, 0.4]])
    chosen = parameters(stimulus, 0.2)
    deviation = np.std([0.1, 0.2, 0.3, 0.4], ddof=1)
    decay = np.exp(-np.log10(1 / deviation))
    np.testing.assert_allclose(chosen.decay, decay)
    np.testing.assert_allclose(chosen.linking, 1 / 6)
    np.testing.assert_allclose(chosen.amplitude, decay + 2)
    np.testing.assert_allclose(
        chosen.threshold_decay, 0.2 * ((1 - decay**3) / (1 - decay) + decay) / (decay + 2)
    )
