"""Rules of methods that have a paper but no reference code."""

from pathlib import Path

import numpy as np
import pytest
from classical_kit import pair
from scipy.ndimage import correlate

from radfuse.methods.classical.directive_contrast import DirectiveContrast, by_congruency, contrast
from radfuse.methods.classical.nsst_frei_chen import NSSTFreiChen, average_energy, structure_energy
from radfuse.methods.loading import Method

ROOT = np.sqrt(2)
MASKS = [
    np.array(rows) / np.linalg.norm(rows)
    for rows in (
        [[1, ROOT, 1], [0, 0, 0], [-1, -ROOT, -1]], [[1, 0, -1], [ROOT, 0, -ROOT], [1, 0, -1]],
        [[0, -1, ROOT], [1, 0, -1], [-ROOT, 1, 0]], [[ROOT, -1, 0], [-1, 0, 1], [0, 1, -ROOT]],
        [[0, 1, 0], [-1, 0, -1], [0, 1, 0]], [[-1, 0, 1], [0, 0, 0], [1, 0, -1]],
        [[1, -2, 1], [-2, 4, -2], [1, -2, 1]], [[-2, 1, -2], [1, 4, 1], [-2, 1, -2]],
        [[1, 1, 1], [1, 1, 1], [1, 1, 1]],
    )
]  # fmt: skip
"""Of Frei and Chen: four edges, four lines, the average."""


def noise(shape: tuple[int, ...], seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def test_frei_chen_masks_are_orthonormal() -> None:
    flat = np.reshape(MASKS, (9, 9))
    np.testing.assert_allclose(flat @ flat.T, np.eye(9), atol=1e-12)


def test_energies_are_those_in_the_frei_chen_masks() -> None:
    band = noise((14, 19))
    energies = [correlate(band, mask, mode="reflect") ** 2 for mask in MASKS]
    np.testing.assert_allclose(structure_energy(band), np.sum(energies[:8], axis=0), atol=1e-12)
    np.testing.assert_allclose(average_energy(band), energies[8], atol=1e-12)


def test_contrast_is_relative_to_the_base() -> None:
    bands, base = noise((4, 2, 12, 15)), 50 + np.abs(noise((2, 12, 15)))
    np.testing.assert_allclose(contrast(3 * bands, 3 * base), contrast(bands, base))
    np.testing.assert_allclose(contrast(bands, base / 2), 2 * contrast(bands, base))
    assert contrast(np.ones((1, 1, 8, 8)), np.ones((1, 8, 8))).max() == 0
    in_air = contrast(bands, np.zeros((2, 12, 15)))
    np.testing.assert_array_equal(in_air, contrast(bands, np.ones((2, 12, 15))))


def test_base_is_that_with_a_feature_or_the_mean() -> None:
    flat, step = np.full((1, 32, 32), 100.0), np.full((1, 32, 32), 50.0)
    step[:, :, 16:] = 150
    fused = by_congruency(flat, step)
    np.testing.assert_array_equal(fused[:, :, 15:17], step[:, :, 15:17])
    np.testing.assert_array_equal(by_congruency(flat, flat + 20), flat + 10)


@pytest.mark.parametrize("method", [DirectiveContrast(), NSSTFreiChen()])
def test_fused_heads_show_what_either_image_shows(method: Method, shared: Path) -> None:
    ct, mr = (image[:, 32:160, 64:192] for image in pair(shared, "2004"))
    fused = method(ct, mr)
    bone = ct > 0.9
    assert fused[bone].mean() > 0.5
    detail = np.abs(np.diff(fused)).mean()
    assert detail > 0.9 * max(np.abs(np.diff(image)).mean() for image in (ct, mr))
