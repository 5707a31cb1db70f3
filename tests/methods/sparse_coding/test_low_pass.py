"""The smooth part of images by Tikhonov regularisation."""

import numpy as np
import pytest

from radfuse.methods.sparse_coding.low_pass import low_pass


def random_images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).random(shape).astype(np.float32)


@pytest.mark.parametrize("weight", [5.0, 60.0])
def test_constant_images_are_smooth(weight: float) -> None:
    images = np.full((2, 9, 20), 0.7, np.float32)
    np.testing.assert_allclose(low_pass(images, weight), images, rtol=1e-5)


def test_smooth_part_is_the_least_of_its_cost() -> None:
    """Inside, `x - image = weight * Laplacian of x`."""
    images, weight = random_images(1, 40, 33), 5.0
    smooth = low_pass(images, weight)[0].astype(np.float64)
    around = smooth[:-2, 1:-1] + smooth[2:, 1:-1] + smooth[1:-1, :-2] + smooth[1:-1, 2:]
    laplacian = around - 4 * smooth[1:-1, 1:-1]
    difference = (smooth - images[0])[1:-1, 1:-1]
    np.testing.assert_allclose(difference, weight * laplacian, atol=1e-5)


def test_a_larger_weight_is_smoother() -> None:
    images = random_images(1, 30, 30)
    deviations = [low_pass(images, weight).std() for weight in (0.0, 1.0, 5.0, 60.0)]
    assert deviations == sorted(deviations, reverse=True)
    np.testing.assert_allclose(low_pass(images, 0.0), images, atol=1e-6)


def test_slices_are_smoothed_by_themselves() -> None:
    images = random_images(3, 17, 24)
    alone = np.concatenate([low_pass(image[None], 5.0) for image in images])
    np.testing.assert_allclose(low_pass(images, 5.0), alone, atol=1e-6)
