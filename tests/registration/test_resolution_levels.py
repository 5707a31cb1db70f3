"""Levels of the registration: how many voxels the metric samples."""

import pytest

from radfuse.registration.optimizer import APPROACH, FINE, MIDDLE, SEPARATING, ResolutionLevel


@pytest.mark.parametrize("count", [1, 5_000, 25_000, 90_000, 219_999, 300_000, 3_000_000])
def test_coarse_images_are_sampled_more_densely(count: int) -> None:
    level = FINE.for_voxels(count)
    assert count * level.sampling_fraction >= min(count, FINE.least_samples) * (1 - 1e-9)
    assert FINE.sampling_fraction <= level.sampling_fraction <= 1
    assert 1 / level.sampling_fraction == pytest.approx(round(1 / level.sampling_fraction))


@pytest.mark.parametrize("level", [APPROACH, MIDDLE, SEPARATING])
def test_other_levels_are_as_they_are(level: ResolutionLevel) -> None:
    assert level.for_voxels(1000) == level


@pytest.mark.parametrize("fraction", [0.02, 0.3, 0.7, 1.0, 5.0])
def test_a_fraction_of_every_nth_voxel_is_at_least_as_large(fraction: float) -> None:
    assert FINE.with_fraction(fraction).sampling_fraction >= min(fraction, 1.0)
    assert APPROACH.with_fraction(fraction).sampling_fraction == min(fraction, 1.0)
