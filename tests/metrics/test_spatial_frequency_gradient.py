"""Detail metrics: their laws, the papers' formulas written out, the fields' own codes."""

from typing import Any

import numpy as np
import pytest
from edge_kit import flat, noise, smooth, triples
from golden_kit import GoldenRow, having
from hypothesis import given, settings
from scipy.ndimage import gaussian_filter

from radfuse.arrays import UInt8Array
from radfuse.metrics.spatial_frequency_gradient import ag, q_sf, sf

quick = settings(max_examples=20, deadline=None)


def test_a_volume_of_one_slice_has_the_detail_of_that_slice() -> None:
    image = noise(1)
    assert sf(image[None], image, image) == sf(image, image, image)
    for differences in ("forward", "central"):
        of_slice = ag(image, image, image, differences=differences)
        assert ag(image[None], image, image, differences=differences) == of_slice


def test_equal_slices_add_no_sf_and_different_ones_do() -> None:
    image = noise(2)
    stack = np.stack([image] * 3)
    np.testing.assert_allclose(sf(stack, stack, stack), sf(image, image, image), rtol=1e-12)
    stairs = stack * np.uint8(0) + 10 * np.arange(3, dtype=np.uint8)[:, None, None]
    np.testing.assert_allclose(sf(stairs, stack, stack), 10)


@pytest.mark.parametrize("differences", ["forward", "central"])
def test_volume_detail_ignores_axis_order(differences: Any) -> None:
    volume = noise(3, shape=(5, 7, 9))
    turned = volume.transpose(2, 0, 1)
    np.testing.assert_allclose(sf(turned, volume, volume), sf(volume, volume, volume))
    expected = ag(volume, volume, volume, differences=differences)
    np.testing.assert_allclose(ag(turned, volume, volume, differences=differences), expected)


def test_ag_of_a_ramp_is_its_slope_over_root_two() -> None:
    ramp = np.tile(np.arange(0, 60, 3, dtype=np.uint8), (12, 1))
    np.testing.assert_allclose(ag(ramp, ramp, ramp), 3 / np.sqrt(2))
    over_all_pixels = 3 / np.sqrt(2) * (12 * 20) / (11 * 19)
    np.testing.assert_allclose(ag(ramp, ramp, ramp, differences="central"), over_all_pixels)


def test_a_ramp_through_a_volume_counts_one_axis_in_three() -> None:
    ramp = np.zeros((6, 5, 4), np.uint8) + 6 * np.arange(6, dtype=np.uint8)[:, None, None]
    np.testing.assert_allclose(ag(ramp, ramp, ramp), 6 / np.sqrt(3))


def test_the_average_gradient_is_the_formula_written_out() -> None:
    image = noise(4).astype(float)
    rows, columns = image.shape
    total = 0.0
    for i in range(rows - 1):
        for j in range(columns - 1):
            down, right = image[i + 1, j] - image[i, j], image[i, j + 1] - image[i, j]
            total += np.sqrt((down**2 + right**2) / 2)
    expected = total / ((rows - 1) * (columns - 1))
    np.testing.assert_allclose(ag(image, image, image), expected, rtol=1e-12)


@pytest.mark.parametrize("differences", ["forward", "central"])
def test_ag_grows_with_contrast_and_ignores_brightness(differences: Any) -> None:
    image = noise(5, high=100)
    value = ag(image, image, image, differences=differences)
    brighter = ag(image + np.uint8(50), image, image, differences=differences)
    stronger = ag(image * np.uint8(2), image, image, differences=differences)
    np.testing.assert_allclose([brighter, stronger], [value, 2 * value])
    assert ag(flat(), image, image, differences=differences) == 0


@quick
@given(triples())
def test_sf_error_is_at_least_minus_one_and_symmetric(
    images: tuple[UInt8Array, UInt8Array, UInt8Array],
) -> None:
    fused, ct, mr = images
    assert q_sf(fused, ct, mr) >= -1
    np.testing.assert_allclose(q_sf(fused, ct, mr), q_sf(fused, mr, ct), rtol=1e-12)


def test_copy_of_equal_sources_has_zero_sf_error() -> None:
    image = noise(6)
    assert q_sf(image, image, image) == 0


def test_blur_has_negative_sf_error_and_contrast_positive() -> None:
    image = smooth(7) // 2
    assert q_sf(gaussian_filter(image, 1.5), image, image) < -0.05
    np.testing.assert_allclose(q_sf(image * np.uint8(2), image, image), 1, rtol=1e-12)


def test_flat_sources_ask_for_a_flat_fused_image() -> None:
    assert q_sf(flat(7), flat(), flat(80)) == 0
    assert q_sf(noise(8), flat(), flat(80)) == 1
    assert q_sf(flat(), noise(8), flat()) == -1


def test_sf_error_matches_its_formula() -> None:
    images = [noise(seed, shape=(9, 7)).astype(float) for seed in (9, 10, 11)]
    sums = np.zeros(2)
    for di, dj, weight in ((0, 1, 1), (1, 0, 1), (1, 1, 0.5**0.5), (1, -1, 0.5**0.5)):
        for i in range(9 - di):
            for j in range(max(0, -dj), 7 - max(0, dj)):
                steps = [abs(image[i + di, j + dj] - image[i, j]) for image in images]
                sums += weight * np.array([steps[0], max(steps[1:])]) ** 2
    expected = (np.sqrt(sums[0]) - np.sqrt(sums[1])) / np.sqrt(sums[1])
    np.testing.assert_allclose(q_sf(*images), expected, rtol=1e-12)


@pytest.mark.parametrize("metric", [ag, sf, q_sf])
def test_whole_levels_measure_alike_in_bytes_and_floats(metric: Any) -> None:
    images = [noise(seed) for seed in (21, 22, 23)]
    assert metric(*images) == metric(*(image.astype(np.float64) for image in images))


def test_detail_equals_the_fields_own_codes(golden: list[GoldenRow]) -> None:
    for row in golden:
        found = [ag(*row.images, differences="central"), sf(*row.images)]
        theirs = [row.values["tang.AG"], row.values["tang.SF"]]
        np.testing.assert_allclose(found, theirs, rtol=1e-9, err_msg=str(row.values))
    rows = having(golden, "liu.Q_SF")
    assert len(rows) == 25
    for row in rows:
        found, expected = q_sf(*row.images), row.values["liu.Q_SF"]
        np.testing.assert_allclose(found, expected, rtol=1e-9, err_msg=str(row.values))
