"""Zero learning: the bank of derivatives, the saliency, and what both methods owe to edges."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from radfuse.methods.classical import adaptive_zero_learning
from radfuse.methods.classical.adaptive_zero_learning import AdaptiveZeroLearning
from radfuse.methods.classical.zero_learning import ZeroLearning, saliency
from radfuse.methods.transforms.derivative_bank import activity, layer

METHODS = [ZeroLearning(), AdaptiveZeroLearning()]
each = pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)


def random(shape: tuple[int, ...], seed: int = 1) -> NDArray[np.float64]:
    return np.random.default_rng(seed).random(shape)


def test_a_flat_image_has_no_activity() -> None:
    for pooling in (1, 2, 4, 8):
        np.testing.assert_allclose(layer(np.full((2, 9, 13), 0.4), pooling), 0, atol=1e-12)


def test_activity_of_a_ramp_is_its_slope_in_four_directions() -> None:
    ramp = np.broadcast_to(0.1 * np.arange(20.0), (1, 20, 20))
    # |cos| of 0, 45, 90 and 135 degrees
    np.testing.assert_allclose(activity(ramp)[0, 5:-5, 5:-5], 0.1 * (1 + np.sqrt(2)), rtol=1e-9)


def test_activity_of_a_parabola_is_its_bend_in_four_directions() -> None:
    at = np.arange(21.0) - 10
    parabola = np.broadcast_to(0.01 * at**2, (1, 21, 21))
    # second derivative 0.02, by the squared cosines 1, 1/2, 0, 1/2; no slope in the middle
    np.testing.assert_allclose(activity(parabola)[0, 8:-8, 10], 0.02 * 2, rtol=1e-9)


@pytest.mark.parametrize("pooling", [1, 2])
def test_activity_turns_with_the_image(pooling: int) -> None:
    image = random((2, 16, 24))
    turned = np.rot90(image, axes=(1, 2))
    np.testing.assert_allclose(activity(turned), np.rot90(activity(image), axes=(1, 2)), atol=1e-12)
    mirrored = layer(image.transpose(0, 2, 1), pooling)
    np.testing.assert_allclose(mirrored, layer(image, pooling).transpose(0, 2, 1), atol=1e-12)


def test_activity_is_proportional_to_contrast() -> None:
    image = random((1, 13, 18))
    np.testing.assert_allclose(layer(3 * image + 1, 4), 3 * layer(image, 4), rtol=1e-9)


def test_saliency_is_the_mean_difference_to_all_pixels() -> None:
    image = np.rint(255 * random((2, 6, 7))) / 255
    expected = [np.abs(one[..., None, None] - one).mean(axis=(2, 3)) for one in image]
    np.testing.assert_allclose(saliency(image), expected, rtol=1e-9)


@each
def test_the_order_of_the_images_does_not_matter(method: ZeroLearning) -> None:
    first, second = (random((1, 40, 33), seed).astype(np.float32) for seed in (1, 2))
    np.testing.assert_allclose(method(first, second), method(second, first), atol=1e-6)


@each
def test_an_image_with_structure_prevails_over_a_flat_one(method: ZeroLearning) -> None:
    image = gaussian_filter(random((1, 64, 64)), (0, 1, 1)).astype(np.float32)
    fused = method(image, np.full_like(image, image.mean()))
    assert np.corrcoef(fused.ravel(), image.ravel())[0, 1] > 0.9


def test_gain_moves_details_from_the_mean_to_the_more_active() -> None:
    sharp = random((1, 64, 64)).astype(np.float32)
    blurred = gaussian_filter(sharp, (0, 3, 3))
    errors = [np.abs(ZeroLearning(gain=gain)(sharp, blurred) - sharp).mean() for gain in (0, 1, 10)]
    assert errors[0] > errors[1] > errors[2]


def test_details_of_adaptive_zero_learning_are_added() -> None:
    image = random((1, 64, 64))
    base = adaptive_zero_learning.base(image)
    fused = AdaptiveZeroLearning()(image.astype(np.float32), image.astype(np.float32))
    np.testing.assert_allclose(fused, np.clip(2 * image - base, 0, 1), atol=1e-6)


def test_flat_images_keep_their_grey_in_either_method() -> None:
    flat = np.full((1, 5, 9), 0.25, np.float32)
    for method in METHODS:
        np.testing.assert_allclose(method(flat, flat), flat, atol=1e-6)
