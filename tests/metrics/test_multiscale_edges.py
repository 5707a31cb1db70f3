"""Multi-scale edge preservation: its laws, and the same written out pixel by pixel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radfuse.arrays import Float64Array
from radfuse.metrics.multiscale_edges import q_m

quick = settings(max_examples=20, deadline=None)


def noise(seed: int, high: int = 256, shape: tuple[int, int] = (24, 32)) -> Float64Array:
    return np.random.default_rng(seed).integers(0, high, shape).astype(float)


def haar(image: Float64Array) -> tuple[Float64Array, list[Float64Array]]:
    """Coarse image and horizontal, vertical and diagonal detail of blocks of 2x2 pixels."""
    half = tuple(side // 2 for side in image.shape)
    coarse, *details = np.zeros((4, *half))
    for i in range(half[0]):
        for j in range(half[1]):
            (a, b), (c, d) = image[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
            coarse[i, j] = (a + b + c + d) / 2
            details[0][i, j] = (a + b - c - d) / 2
            details[1][i, j] = (a - b + c - d) / 2
            details[2][i, j] = (a - b - c + d) / 2
    return coarse, details


def preservation(fused: Float64Array, ct: Float64Array, mr: Float64Array) -> float:
    """Q_M of images whose sides are multiples of four and whose sources are not flat."""
    qualities = []
    for _ in range(2):
        (fused, of_fused), (ct, of_ct), (mr, of_mr) = haar(fused), haar(ct), haar(mr)
        above = below = 0.0
        for i, j in np.ndindex(fused.shape):
            for source in (of_ct, of_mr):
                weight = sum(band[i, j] ** 2 for band in source)
                for band, band_f in zip(source, of_fused, strict=True):
                    above += weight * np.exp(-abs(band[i, j] - band_f[i, j]))
                below += weight
        qualities.append(above / below)
    return float(qualities[0] ** (2 / 3) * qualities[1] ** (1 / 3))


@pytest.mark.parametrize("high", [3, 20, 256])
def test_the_metric_is_the_formula_written_out(high: int) -> None:
    images = [noise(seed, high) for seed in (1, 2, 3)]
    np.testing.assert_allclose(q_m(*images), preservation(*images), rtol=1e-10)


def test_levels_that_are_not_whole_have_the_formula_too() -> None:
    images = [noise(seed) / 3 for seed in (1, 2, 3)]
    np.testing.assert_allclose(q_m(*images), preservation(*images), rtol=1e-10)


@quick
@given(st.integers(0, 2**32), st.integers(2, 15), st.integers(2, 15), st.sampled_from([1, 2, 256]))
def test_metric_is_between_zero_and_three_and_symmetric(
    seed: int, rows: int, columns: int, high: int
) -> None:
    rng = np.random.default_rng(seed)
    fused, ct, mr = rng.integers(0, high, (3, rows, columns), dtype=np.uint8)
    value = q_m(fused, ct, mr)
    assert 0 <= value <= 3 + 1e-12
    np.testing.assert_allclose(value, q_m(fused, mr, ct), rtol=1e-12)


def test_a_copy_of_equal_sources_has_the_largest_value() -> None:
    image = noise(4)
    np.testing.assert_allclose(q_m(image, image, image), 3, rtol=1e-12)


def test_a_shift_by_one_pixel_and_noise_lower_it() -> None:
    image = noise(5, 40)
    assert q_m(np.roll(image, 1, axis=0), image, image) < 1
    assert q_m(image + noise(6, 3), image, image) < 2.9


def test_brightness_changes_nothing() -> None:
    fused, ct, mr = (noise(seed, 100) for seed in (7, 8, 9))
    expected = q_m(fused, ct, mr)
    np.testing.assert_allclose(q_m(fused + 100, ct + 3, mr + 50), expected, rtol=1e-9)


def test_the_source_with_the_stronger_detail_decides() -> None:
    strong, weak = noise(10), noise(11, 3)
    assert q_m(strong, strong, weak) > 2.9
    assert q_m(weak, strong, weak) < 0.5


def test_flat_sources_ask_for_a_flat_fused_image() -> None:
    flat = np.full((24, 32), 90.0)
    np.testing.assert_allclose(q_m(flat + 5, flat, flat - 30), 3, rtol=1e-12)
    assert q_m(noise(12), flat, flat) < 0.5


def test_an_odd_edge_is_mirrored() -> None:
    images = [noise(seed, 9, (23, 30)) for seed in (13, 14, 15)]
    padded = [np.pad(image, ((0, 1), (0, 2)), mode="symmetric") for image in images]
    padded = [image[:24, :30] for image in padded]
    np.testing.assert_allclose(q_m(*images), q_m(*padded), rtol=1e-12)
