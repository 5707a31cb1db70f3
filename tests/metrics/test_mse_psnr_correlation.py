"""Errors, ratios and correlations of pixel values: closed laws, then other people's numbers."""

from collections.abc import Callable

import numpy as np
import pytest
from golden_kit import GoldenRow
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.metrics import peak_signal_noise_ratio

from radfuse.arrays import UInt8Array
from radfuse.metrics.mse_psnr_correlation import cc, mse, psnr, scd, sd

METRICS: tuple[Callable[..., float], ...] = (mse, psnr, cc, scd, sd)
quick = settings(max_examples=50, deadline=None)
triples = arrays(np.uint8, st.tuples(st.just(3), st.integers(1, 9), st.integers(1, 9)))


def noise(seed: int, shape: tuple[int, ...] = (32, 40), high: int = 256) -> UInt8Array:
    return np.random.default_rng(seed).integers(0, high, shape, dtype=np.uint8)


@quick
@given(triples)
def test_every_index_is_finite_and_symmetric_in_ct_mr(images: UInt8Array) -> None:
    fused, ct, mr = images
    for metric in METRICS:
        value = metric(fused, ct, mr)
        assert np.isfinite(value), metric.__name__
        np.testing.assert_allclose(metric(fused, mr, ct), value, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_volume_metric_is_that_of_its_voxels_as_one_image(metric: Callable[..., float]) -> None:
    volumes = [noise(seed, (5, 6, 7)) for seed in (1, 2, 3)]
    laid_out = [volume.reshape(10, 21) for volume in volumes]
    np.testing.assert_allclose(metric(*volumes), metric(*laid_out), rtol=1e-12)


def test_the_squared_error_of_one_and_of_three_levels_is_five() -> None:
    fused = np.full((4, 4), 10, np.uint8)
    assert mse(fused, fused + np.uint8(1), fused - np.uint8(3)) == 5.0


def test_the_error_of_images_in_zero_to_one_is_a_matter_of_scale() -> None:
    images = [noise(seed) for seed in (1, 2, 3)]
    as_shares = mse(*(image / 255 for image in images))
    np.testing.assert_allclose(mse(*images, scale=1 / 255), as_shares, rtol=1e-12)


@quick
@given(triples)
def test_no_image_has_a_smaller_error_than_the_average(images: UInt8Array) -> None:
    fused, ct, mr = images.astype(float)
    assert mse((ct + mr) / 2, ct, mr) <= mse(fused, ct, mr) + 1e-9


def test_the_ratio_of_one_source_is_that_of_scikit_image() -> None:
    fused, source = noise(4), noise(5)
    expected = peak_signal_noise_ratio(source, fused, data_range=255)
    np.testing.assert_allclose(psnr(fused, source, source), expected, rtol=1e-12)


def test_the_mean_of_the_ratios_is_that_of_scikit_image() -> None:
    fused, ct, mr = noise(6), noise(7), noise(8, high=100)
    both = [peak_signal_noise_ratio(source, fused, data_range=255) for source in (ct, mr)]
    found = psnr(fused, ct, mr, aggregation="mean_ratio")
    np.testing.assert_allclose(found, np.mean(both), rtol=1e-12)


@quick
@given(triples)
def test_mean_of_ratios_is_never_below_ratio_of_mean_error(images: UInt8Array) -> None:
    assert psnr(*images, aggregation="mean_ratio") >= psnr(*images) - 1e-9


def test_half_the_peak_costs_six_decibels() -> None:
    images = noise(9), noise(10), noise(11)
    difference = psnr(*images, peak=255) - psnr(*images, peak=127.5)
    np.testing.assert_allclose(difference, 20 * np.log10(2), rtol=1e-12)


def test_the_peak_can_be_the_brightest_pixel_of_the_fused_image() -> None:
    fused, ct, mr = noise(12, high=200), noise(13), noise(14)
    assert psnr(fused, ct, mr, peak="fused") == psnr(fused, ct, mr, peak=float(fused.max()))


def test_a_black_image_has_a_peak_of_one_level() -> None:
    black = np.zeros((8, 8), np.uint8)
    np.testing.assert_allclose(psnr(black, black + np.uint8(10), black, peak="fused"), -16.9897)


@pytest.mark.parametrize("aggregation", ["mean_error", "mean_ratio"])
def test_equal_images_have_psnr_of_one_level_in_one_pixel(aggregation: str) -> None:
    image = noise(15, (256, 256), high=255)
    nearly = image.copy()
    nearly[100, 100] += 1
    best = psnr(image, image, image, aggregation=aggregation)  # type: ignore[arg-type]
    np.testing.assert_allclose(best, 20 * np.log10(255) + 10 * np.log10(256**2), rtol=1e-12)
    np.testing.assert_allclose(best, 96.2956, rtol=1e-6)
    assert psnr(image, nearly, nearly, aggregation=aggregation) == best  # type: ignore[arg-type]
    assert psnr(image, image + 1e-9, image, aggregation=aggregation) == best  # type: ignore[arg-type]


def test_two_wrong_pixels_have_a_smaller_ratio_than_one() -> None:
    image = noise(16, high=255)
    worse = image.copy()
    worse[:2, 0] += 1
    assert psnr(image, worse, worse) < psnr(image, image, image)


def test_correlation_is_one_for_copy_minus_one_for_negative() -> None:
    image = noise(17)
    np.testing.assert_allclose(cc(image, image, image), 1)
    np.testing.assert_allclose(cc(255 - image, image, image), -1)
    np.testing.assert_allclose(cc(image, image, 255 - image), 0, atol=1e-12)


def test_correlation_sees_neither_brightness_nor_contrast() -> None:
    fused, ct, mr = noise(18, high=100), noise(19), noise(20)
    np.testing.assert_allclose(cc(2 * fused + np.uint8(50), ct, mr), cc(fused, ct, mr), rtol=1e-9)


def test_correlation_is_that_of_numpy() -> None:
    fused, ct, mr = noise(21), noise(22), noise(23)
    table = np.corrcoef([image.ravel() for image in (fused, ct, mr)])
    np.testing.assert_allclose(cc(fused, ct, mr), table[0, 1:].mean(), rtol=1e-9)


@quick
@given(triples)
def test_correlations_keep_within_their_bounds(images: UInt8Array) -> None:
    assert abs(cc(*images)) <= 1 + 1e-12
    assert abs(scd(*images)) <= 2 + 1e-12


def test_sum_of_sources_has_the_best_scd() -> None:
    ct, mr = noise(24, high=128), noise(25, high=128)
    np.testing.assert_allclose(scd(ct + mr, ct, mr), 2)


def test_copied_ct_scores_only_its_half_of_scd() -> None:
    ct, mr = noise(26).astype(float), noise(27).astype(float)
    own = np.corrcoef((ct - mr).ravel(), ct.ravel())[0, 1]
    np.testing.assert_allclose(scd(ct, ct, mr), own, rtol=1e-9)


@pytest.mark.parametrize("level", [0, 200, 90.1])
def test_a_flat_image_correlates_with_nothing(level: float) -> None:
    flat, image = np.full((8, 9), level), noise(28, (8, 9)).astype(float)
    assert cc(flat, image, image) == 0.0
    assert cc(image, flat, flat) == 0.0
    assert scd(flat, flat, flat) == 0.0


def test_a_difference_made_of_rounding_correlates_with_nothing() -> None:
    """The images differ by a constant, which their difference shows but for its last bits."""
    image = noise(29).astype(float)
    shifted = image + 0.1
    assert np.ptp(shifted - image) > 0
    assert scd(shifted, image, image) == 0.0


def test_half_black_and_half_white_has_the_largest_deviation() -> None:
    image = np.repeat(np.array([0, 255], np.uint8), 8).reshape(4, 4)
    assert sd(image, image, image) == 127.5


def test_deviation_grows_with_contrast_and_not_with_brightness() -> None:
    image = noise(30, high=80)
    value = sd(image, image, image)
    np.testing.assert_allclose(sd(image + np.uint8(100), image, image), value, rtol=1e-12)
    np.testing.assert_allclose(sd(image * np.uint8(3), image, image), 3 * value, rtol=1e-12)


def test_the_fields_own_code_has_the_same_figures(golden: list[GoldenRow]) -> None:
    for row in golden:
        images = row.images
        # Its ratio takes the peak of 8 bits for images in [0, 1].
        slip_db = 20 * np.log10(255)
        found = [
            mse(*images, scale=1 / 255), psnr(*images) + slip_db, cc(*images), scd(*images),
            sd(*images),
        ]  # fmt: skip
        theirs = [row.values[f"tang.{name}"] for name in ("MSE", "PSNR", "CC", "SCD", "SD")]
        np.testing.assert_allclose(found, theirs, rtol=1e-9, err_msg=str(row.values))
