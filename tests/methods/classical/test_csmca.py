"""Morphological components in convolutional codes: near the authors' code, and lawful."""

from pathlib import Path

import numpy as np
import pytest
from sparse_kit import authors_parameters, golden_distance

from radfuse.errors import InputError
from radfuse.methods.classical.csmca import CSMCA, separated
from radfuse.methods.sparse_coding.convolutional import synthesized
from radfuse.methods.sparse_coding.dictionaries import shipped_dictionary

GOLDEN = ("2004", "16009", "20013")
"""Pairs of the authors' code."""


def images_of(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("name", GOLDEN)
def test_all_pairs_are_fused_as_by_the_author(name: str, shared: Path) -> None:
    cartoon, texture = (
        authors_parameters(shared, "csmca_dict", key).transpose(2, 0, 1) for key in ("Dc", "Dt")
    )
    method = CSMCA(cartoon=cartoon, texture=texture)
    distance = golden_distance(shared, "csmca", method, name)
    assert distance.mean() <= 0.06
    assert (distance > 0.5).mean() <= 0.02  # where two activities are nearly equal


def test_cartoon_and_texture_add_up_to_the_detail() -> None:
    filters = [
        shipped_dictionary(f"csmca_{name}").astype(np.float32) for name in ("cartoon", "texture")
    ]
    detail = images_of(12, 14) - np.float32(0.5)
    parts = [
        synthesized(code, own)
        for code, own in zip(separated(detail, *filters, 6), filters, strict=True)
    ]
    assert all(part.std() > 0.02 for part in parts)
    assert np.abs(parts[0] + parts[1] - detail).mean() < 0.1 * np.abs(detail).mean()


def test_slices_are_fused_by_themselves_within_range() -> None:
    method, first, second = CSMCA(rounds=1), images_of(2, 8, 9), images_of(2, 8, 9, seed=1)
    fused = method(first, second)
    assert fused.dtype == np.float32
    assert 0 <= fused.min() <= fused.max() <= 1
    alone = [method(a[None], b[None]) for a, b in zip(first, second, strict=True)]
    np.testing.assert_array_equal(fused, np.concatenate(alone))


@pytest.mark.parametrize("grey", [(0, 0), (0, 1), (0.25, 0.75)])
def test_constant_images_give_their_mean(grey: tuple[float, float]) -> None:
    first, second = (np.full((1, 12, 10), level, np.float32) for level in grey)
    np.testing.assert_allclose(CSMCA()(first, second), np.mean(grey), atol=1e-6)


def test_more_rounds_leave_less_out() -> None:
    images = images_of(1, 12, 12)
    errors = [np.abs(CSMCA(rounds=n)(images, images) - images).mean() for n in (1, 3)]
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize("shape", [(1, 7, 30), (1, 30, 7)])
def test_images_smaller_than_a_filter_are_refused(shape: tuple[int, int, int]) -> None:
    with pytest.raises(InputError, match=r"are too small .* at least 8 x 8"):
        CSMCA()(images_of(*shape), images_of(*shape))
