"""Visual information fidelity: what a source shares with the fused image, and an outside judge."""

import numpy as np
import pytest
import sewar

from radfuse.arrays import UInt8Array
from radfuse.metrics.vif import NOISE_VARIANCE, SCALES, channel, scale_of, vif, vifp


def texture(seed: int, shape: tuple[int, int] = (64, 80)) -> UInt8Array:
    """Noise over a slow wave: contrast at every scale."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    wave = 100 + 60 * np.sin((x + seed * y) / 9)
    return np.clip(wave + rng.normal(0, 20, shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("shape", [(41, 41), (64, 80), (97, 61)])
def test_fidelity_is_that_of_an_independent_implementation(shape: tuple[int, int]) -> None:
    source, image = texture(1, shape), texture(2, shape)
    mixed = ((source.astype(int) + image) // 2).astype(np.uint8)
    np.testing.assert_allclose(vifp(source, mixed), sewar.vifp(source, mixed), rtol=1e-10)


def test_fidelity_to_both_sources_is_the_sum_of_that_to_each() -> None:
    fused, ct, mr = texture(3), texture(4), texture(5)
    assert vif(fused, ct, mr) == vifp(ct, fused) + vifp(mr, fused)


def test_whole_and_fractional_pixel_types_have_the_same_fidelity() -> None:
    fused, ct, mr = texture(3), texture(4), texture(5)
    assert vif(fused, ct, mr) == vif(*(image.astype(np.float64) for image in (fused, ct, mr)))


def test_fidelity_is_the_same_with_everything_transposed() -> None:
    images = [texture(seed) for seed in (6, 7, 8)]
    np.testing.assert_allclose(vif(*images), vif(*(image.T for image in images)), rtol=1e-12)


def test_fidelity_sees_contrast_and_not_brightness() -> None:
    source, image = texture(9) // 2, texture(10) // 2
    brighter = [each + np.uint8(90) for each in (source, image)]
    np.testing.assert_allclose(vifp(source, image), vifp(*brighter), rtol=1e-9)


def test_each_scale_halves_the_windows_inside_the_last() -> None:
    scales = [scale_of(texture(11, (64, 80)), scale=scale) for scale in range(SCALES)]
    assert [scale.line.size for scale in scales] == [17, 9, 5, 3]
    assert [scale.image.shape for scale in scales] == [(64, 80), (28, 36), (12, 16), (5, 7)]
    assert [scale.mean.shape for scale in scales] == [(48, 64), (20, 28), (8, 12), (3, 5)]


def test_pyramid_window_has_mean_and_variance_of_its_gaussian() -> None:
    image = texture(12).astype(float)
    scale = scale_of(image, scale=0)
    line = np.exp(-(np.arange(-8.0, 9) ** 2) / (2 * (17 / 5) ** 2))
    weights = np.outer(line, line) / line.sum() ** 2
    window = image[10:27, 20:37]
    mean = (weights * window).sum()
    np.testing.assert_allclose(scale.mean[10, 20], mean, rtol=1e-12)
    variance = (weights * (window - mean) ** 2).sum()
    np.testing.assert_allclose(scale.variance[10, 20], variance, rtol=1e-9)


def test_gain_is_half_for_half_contrast_and_zero_for_negative() -> None:
    source = texture(13).astype(float)
    for image, gain in ((source / 2 + 30, 0.5), (255 - source, 0.0)):
        for passed in (channel(image, source, scale=scale) for scale in range(SCALES)):
            np.testing.assert_allclose(passed.gain, gain, rtol=1e-9)
            there = passed.there(NOISE_VARIANCE)
            assert (passed.preserved(NOISE_VARIANCE) <= there).all()


def test_a_flat_image_or_source_passes_nothing_at_any_scale() -> None:
    image, flat = texture(14), np.full((64, 80), 77, np.uint8)
    for source, fused in ((image, flat), (flat, image), (flat, flat)):
        of_scales = [channel(fused, source, scale=scale) for scale in range(SCALES)]
        assert len(of_scales) == SCALES
        for passed in of_scales:
            assert not passed.gain.any()
            assert (passed.preserved(NOISE_VARIANCE) == 1).all()
            assert (passed.there(NOISE_VARIANCE) > 1).any() == (source is image)
