"""The guided filter keeps what its guide has; the fusion shows the sharper image."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from radfuse.methods.classical.guided_filter import GuidedFilter, guided


def random(shape: tuple[int, ...], seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).random(shape)


def test_image_that_guides_itself_is_kept_but_for_epsilon() -> None:
    image = random((2, 20, 30))
    np.testing.assert_allclose(guided(image, image, 3, 1e-9), image, atol=1e-6)


def test_flat_guide_leaves_a_mean_of_means() -> None:
    image = random((1, 12, 15))
    flat = np.full_like(image, 0.4)
    means = [
        [window[max(r - 2, 0) : r + 3, max(c - 2, 0) : c + 3].mean() for c in range(15)]
        for window in (image[0],)
        for r in range(12)
    ]
    mean = np.array(means)
    twice = [
        [mean[max(r - 2, 0) : r + 3, max(c - 2, 0) : c + 3].mean() for c in range(15)]
        for r in range(12)
    ]
    np.testing.assert_allclose(guided(image, flat, 2, 0.1)[0], twice)


@pytest.mark.parametrize("epsilon", [1e-6, 0.3])
def test_output_is_linear_in_the_image(epsilon: float) -> None:
    one, other, guide = (random((1, 16, 18), seed) for seed in (1, 2, 3))
    both = guided(2 * one - other, guide, 4, epsilon)
    separate = 2 * guided(one, guide, 4, epsilon) - guided(other, guide, 4, epsilon)
    np.testing.assert_allclose(both, separate, atol=1e-9)


def test_sharper_of_two_images_is_shown() -> None:
    sharp = random((1, 64, 64)).astype(np.float32)
    blurred = gaussian_filter(sharp, (0, 3, 3))
    fused = GuidedFilter()(sharp, blurred)
    assert np.abs(fused - sharp).mean() < 0.1 * np.abs(blurred - sharp).mean()


def test_options_change_the_weights_of_their_layer() -> None:
    first, second = (random((1, 40, 40), seed).astype(np.float32) for seed in (1, 2))
    plain = GuidedFilter()(first, second)
    for method in (GuidedFilter(base_radius=3), GuidedFilter(detail_epsilon=1)):
        assert np.abs(method(first, second) - plain).max() > 0.01
