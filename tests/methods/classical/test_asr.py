"""Adaptive sparse representation: equal to the authors' code with their dictionaries."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from classical_kit import HALF, golden_difference, pair
from sparse_kit import authors_parameters

from radfuse.errors import InputError
from radfuse.io.images import read_grey
from radfuse.methods.classical.asr import ASR

GOLDEN = ("2004", "16009", "20013", "28011")
"""Pairs of the authors' code."""

CROP = slice(98, 122)
"""Of rows and columns."""


def authors_dictionaries(shared: Path) -> Any:
    """All patches, then six orientations; patches are read by columns."""
    atoms = [authors_parameters(shared, "asr_dict", key) for key in ("D", "Dn")]
    return np.concatenate(atoms, axis=1).T.reshape(-1, 8, 8).swapaxes(1, 2)


def images_of(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, np.float32)


def test_a_crop_is_fused_as_by_the_author(shared: Path) -> None:
    method = ASR(dictionaries=authors_dictionaries(shared))
    ours = method(*(image[:, CROP, CROP] for image in pair(shared, "2004")))[0]
    theirs = read_grey(shared / "golden/classical/asr/png/2004.png")[CROP, CROP]
    assert np.abs(ours * 255.0 - theirs)[7:-7, 7:-7].max() <= HALF


@pytest.mark.slow
@pytest.mark.parametrize("name", GOLDEN)
def test_all_pairs_are_fused_as_by_the_author(name: str, shared: Path) -> None:
    method = ASR(dictionaries=authors_dictionaries(shared))
    assert np.abs(golden_difference(shared, "asr", method, name)).mean() <= 0.01


@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 9, 13)])
def test_equal_images_are_returned(shape: tuple[int, int, int]) -> None:
    images = images_of(*shape)
    fused = ASR()(images, images)
    assert fused.dtype == np.float32
    np.testing.assert_allclose(fused, images, atol=0.1 / 255)  # epsilon


def test_slices_are_fused_by_themselves_within_range() -> None:
    first, second = images_of(3, 9, 11), images_of(3, 9, 11, seed=1)
    fused = ASR()(first, second)
    assert 0 <= fused.min() <= fused.max() <= 1
    alone = [ASR()(a[None], b[None]) for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(fused, np.concatenate(alone), atol=1e-6)


def test_detail_is_kept_around_the_mean_of_both() -> None:
    detail, flat = images_of(1, 8, 8) / 2, np.full((1, 8, 8), 0.5, np.float32)
    expected = detail - detail.mean() + (detail.mean() + 0.5) / 2
    np.testing.assert_allclose(ASR()(detail, flat), expected, atol=0.1 / 255)
    np.testing.assert_allclose(ASR()(flat, detail), expected, atol=0.1 / 255)


@pytest.mark.parametrize("shape", [(1, 7, 30), (1, 30, 7)])
def test_images_smaller_than_a_patch_are_refused(shape: tuple[int, int, int]) -> None:
    with pytest.raises(InputError, match=r"are too small .* at least 8 x 8"):
        ASR()(images_of(*shape), images_of(*shape))
