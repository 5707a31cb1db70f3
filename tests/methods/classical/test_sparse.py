"""Fusion by sparse representation: equal to the authors' code with their dictionary."""

from pathlib import Path

import numpy as np
import pytest
from classical_kit import HALF, golden_difference, pair
from sparse_kit import authors_dictionary

from radfuse.errors import InputError
from radfuse.io.images import read_grey
from radfuse.methods.classical.sparse import Sparse

RNG = np.random.default_rng(3)
GOLDEN = ("2004", "16009", "20013", "28011", "37011", "41012")
"""Pairs of the authors' code."""

CROP = slice(96, 144)
"""Of rows and columns; patches of a crop from an even row are patches of the image."""


def random_images(*shape: int) -> np.ndarray:
    return RNG.random(shape).astype(np.float32)


def test_a_crop_is_fused_as_by_the_author(shared: Path) -> None:
    first, second = (image[:, CROP, CROP] for image in pair(shared, "2004"))
    ours = Sparse(dictionary=authors_dictionary(shared))(first, second)[0]
    theirs = read_grey(shared / "golden/classical/sr/png/2004.png")[CROP, CROP]
    inner = slice(8, -8)
    difference = np.abs(ours * 255.0 - theirs)[inner, inner]
    assert difference.max() <= HALF


@pytest.mark.slow
@pytest.mark.parametrize("name", GOLDEN)
def test_all_pairs_are_fused_as_by_the_author(name: str, shared: Path) -> None:
    method = Sparse(dictionary=authors_dictionary(shared))
    difference = np.abs(golden_difference(shared, "sr", method, name))
    assert difference.max() == 0


@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 9, 21), (3, 24, 11)])
def test_equal_images_are_returned(shape: tuple[int, int, int]) -> None:
    images = random_images(*shape)
    fused = Sparse()(images, images)
    assert fused.dtype == np.float32
    np.testing.assert_allclose(fused, images, atol=0.1 / 255)  # epsilon


def test_slices_are_fused_by_themselves() -> None:
    first, second = random_images(5, 17, 14), random_images(5, 17, 14)
    fused = Sparse()(first, second)
    assert 0 <= fused.min() <= fused.max() <= 1
    alone = [Sparse()(a[None], b[None]) for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(fused, np.concatenate(alone), atol=1e-6)


def test_a_constant_image_yields_to_one_with_detail() -> None:
    detail, flat = random_images(1, 16, 16), np.full((1, 16, 16), 0.4, np.float32)
    for first, second in ((detail, flat), (flat, detail)):
        np.testing.assert_allclose(Sparse()(first, second), detail, atol=0.1 / 255)


def test_of_two_constant_images_the_first_is_taken() -> None:
    first, second = (np.full((1, 10, 10), grey, np.float32) for grey in (0.25, 0.75))
    np.testing.assert_allclose(Sparse()(first, second), first, atol=1e-6)


def test_pixels_in_no_patch_are_the_mean() -> None:
    first, second = random_images(1, 9, 9), random_images(1, 9, 9)
    fused = Sparse()(first, second)
    mean = (first + second) / 2
    np.testing.assert_allclose(fused[:, -1], mean[:, -1], atol=1e-6)
    np.testing.assert_allclose(fused[..., -1], mean[..., -1], atol=1e-6)


def test_a_larger_epsilon_smooths_patches() -> None:
    first, second = random_images(1, 16, 16), np.zeros((1, 16, 16), np.float32)
    exact, coarse = Sparse()(first, second), Sparse(epsilon=100.0)(first, second)
    assert np.abs(coarse - first).mean() > 5 * np.abs(exact - first).mean()


def test_images_smaller_than_a_patch_are_refused() -> None:
    images = random_images(1, 7, 40)
    with pytest.raises(InputError, match=r"7 x 40 pixels are too small .* at least 8 x 8"):
        Sparse()(images, images)
