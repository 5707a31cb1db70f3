"""The choice by vote, the toolbox's border, and the scale that the methods compute on."""

import numpy as np
import pytest

from radfuse.errors import InputError
from radfuse.methods.classical.rules import in_grey_levels, larger_by_vote, mean, vote_for_first
from radfuse.methods.transforms.borders import mirrored


def random(shape: tuple[int, ...], seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("shape", [(2, 9, 7), (1, 4, 5)])
@pytest.mark.parametrize("width", [1, 2])
def test_border_mirrors_without_edge_and_has_empty_corners(
    shape: tuple[int, ...], width: int
) -> None:
    images = random(shape)
    border = mirrored(images, width)
    np.testing.assert_array_equal(border[:, width:-width, width:-width], images)
    np.testing.assert_array_equal(border[:, width - 1, width:-width], images[:, 1])
    np.testing.assert_array_equal(border[:, width:-width, -width], images[..., -2])
    assert not border[:, :width, :width].any()
    assert not border[:, -width:, -width:].any()


def test_vote_is_that_of_a_plain_loop() -> None:
    first, second = random((1, 6, 8), 1), random((1, 6, 8), 2)
    activities = []
    for band in (first, second):
        border = np.pad(mirrored(np.abs(band), 1)[0], 1)
        activities.append(
            [[border[r : r + 3, c : c + 3].max() for c in range(10)] for r in range(8)]
        )
    larger = np.array(activities[0]) > np.array(activities[1])
    votes = [[larger[r : r + 3, c : c + 3].sum() > 4 for c in range(8)] for r in range(6)]
    np.testing.assert_array_equal(vote_for_first(first, second)[0], votes)


def test_each_coefficient_is_of_one_band_and_ties_of_second() -> None:
    first, second = random((2, 9, 9), 1), random((2, 9, 9), 2)
    chosen = larger_by_vote(first, second)
    assert ((chosen == first) | (chosen == second)).all()
    np.testing.assert_array_equal(larger_by_vote(-second, second), second)
    np.testing.assert_array_equal(larger_by_vote(3 * second, second), 3 * second)


def test_vote_sees_modulus_of_complex_coefficients() -> None:
    first, second = random((1, 8, 8), 1), random((1, 8, 8), 2)
    turned = vote_for_first(first * np.exp(0.7j), second * np.exp(-2j))
    assert (turned == vote_for_first(first, second)).mean() > 0.98  # a modulus is rounded


def test_grey_levels_of_8_bits_are_exact_integers() -> None:
    image = (np.arange(256) / 255).astype(np.float32).reshape(1, 16, 16)
    scales = []

    def keep(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        scales.append(first)
        return mean(first, second)

    np.testing.assert_array_equal(in_grey_levels(keep, image, image), image)
    np.testing.assert_array_equal(scales[0].ravel(), np.arange(256))


def test_slices_keep_their_order_and_results_are_clipped() -> None:
    images = random((7, 3, 4)).astype(np.float32)
    fused = in_grey_levels(lambda first, _: first, images, images)
    assert fused.dtype == np.float32
    np.testing.assert_allclose(fused, images.clip(0, 1), rtol=1e-6)


@pytest.mark.parametrize("shape", [(0, 4, 4), (2, 0, 4), (4, 4)])
def test_images_without_pixels_or_slices_are_refused(shape: tuple[int, ...]) -> None:
    images = np.zeros(shape, np.float32)
    with pytest.raises(InputError, match="cannot be fused; give two of one shape"):
        in_grey_levels(mean, images, images)


def test_images_of_different_shapes_are_refused() -> None:
    with pytest.raises(InputError, match=r"\(1, 4, 4\) and \(1, 4, 5\) cannot be fused"):
        in_grey_levels(mean, np.zeros((1, 4, 4), np.float32), np.zeros((1, 4, 5), np.float32))
