"""Sums over windows of two images: those of their statistics, computed one by one."""

import numpy as np
import pytest

from radfuse.metrics.local_statistics import LINES, WindowShape, local_statistics
from radfuse.metrics.window_pairs import paired, pairs_in_strips

WINDOWS: list[WindowShape] = [*LINES, "global"]


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("divisor", [1, 3])
def test_pairs_have_the_sums_of_their_statistics(window: WindowShape, divisor: int) -> None:
    images = np.random.default_rng(1).integers(0, 256, (3, 19, 23)) / divisor
    first, *others = local_statistics(window, *images)
    (found,) = pairs_in_strips(window, *images)
    for pair, other in zip(found, others, strict=True):
        expected = paired(first, other)
        for name in ("of_means", "mean_squares", "covariance", "variances"):
            np.testing.assert_allclose(getattr(pair, name), getattr(expected, name), atol=1e-9)


def test_strips_of_pairs_make_up_a_whole_image() -> None:
    images = np.random.default_rng(2).integers(0, 256, (2, 700, 190)).astype(np.uint8)
    strips = [pair.covariance for (pair,) in pairs_in_strips("gaussian7", *images)]
    first, second = local_statistics("gaussian7", *images)
    assert len(strips) > 1
    np.testing.assert_allclose(np.concatenate(strips), first.covariance(second), atol=1e-9)
