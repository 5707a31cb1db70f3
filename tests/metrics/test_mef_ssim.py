"""Similarity to the desired patch: its laws, plain loops over patches, the field's own code."""

import numpy as np
import pytest
from golden_kit import GoldenRow, each_or_some, having
from hypothesis import given, settings
from hypothesis import strategies as st

from radfuse.arrays import Float64Array, UInt8Array
from radfuse.errors import InputError
from radfuse.metrics.local_statistics import LINES
from radfuse.metrics.mef_ssim import MAX_POWER, STRENGTH_OFFSET, mef_ssim
from radfuse.metrics.structural_similarity import SCALE_WEIGHTS, STRUCTURE_FLOOR, halved

quick = settings(max_examples=15, deadline=None)


def noise(seed: int, side: int = 48, low: int = 0, high: int = 256) -> UInt8Array:
    return np.random.default_rng(seed).integers(low, high, (side, side), dtype=np.uint8)


def flat(level: int) -> UInt8Array:
    return np.full((48, 48), level, np.uint8)


def patches(image: UInt8Array) -> Float64Array:
    windows = np.lib.stride_tricks.sliding_window_view(image.astype(np.float64), (11, 11))
    return windows.reshape(-1, 121)


def desired_patch(first: Float64Array, second: Float64Array) -> Float64Array:
    """The patch that a perfect fusion has, less its mean, step by step as in the paper."""
    free = [patch - patch.mean() for patch in (first, second)]
    lengths = [np.linalg.norm(patch) for patch in free]
    strengths = np.array(lengths) + STRENGTH_OFFSET
    consistency = np.linalg.norm(free[0] + free[1]) / sum(lengths)
    power = min(abs(np.tan(np.pi / 2 * consistency)), MAX_POWER)
    weights = (strengths / 11) ** power
    mixed = sum(
        weight * patch / strength
        for weight, patch, strength in zip(weights / weights.sum(), free, strengths, strict=True)
    )
    return np.asarray(mixed / np.linalg.norm(mixed) * strengths.max())


@quick
@given(
    st.integers(0, 2**32),
    st.lists(st.sampled_from([1, 2, 40, 256]), min_size=3, max_size=3),
    st.integers(1, 3),
)
def test_value_is_bounded_and_symmetric_in_ct_mr(seed: int, highs: list[int], scales: int) -> None:
    fused, ct, mr = (noise(seed + place, high=high) for place, high in enumerate(highs))
    value = mef_ssim(fused, ct, mr, scales=scales)
    assert -1 <= value <= 1
    np.testing.assert_allclose(mef_ssim(fused, mr, ct, scales=scales), value, atol=1e-12)


@pytest.mark.parametrize("scales", [1, 2, 3])
@pytest.mark.parametrize("other", [0, 90])
def test_the_copy_of_the_only_source_with_structure_is_perfect(scales: int, other: int) -> None:
    image = noise(1)
    for sources in ((image, image), (image, flat(other)), (flat(other), image)):
        np.testing.assert_allclose(mef_ssim(image, *sources, scales=scales), 1, rtol=1e-6)


def test_brightness_does_not_count_and_lost_contrast_does() -> None:
    image = noise(2, low=60, high=190)
    np.testing.assert_allclose(mef_ssim(image + np.uint8(40), image, image), 1, rtol=1e-6)
    assert mef_ssim(image // 2, image, image) < 0.9


def test_constant_sources_ask_for_a_constant_image() -> None:
    np.testing.assert_allclose(mef_ssim(flat(3), flat(0), flat(200)), 1)
    image = noise(3)
    lines = LINES["gaussian11"]
    weights = np.outer(lines, lines).ravel()
    variances = [
        (weights * (patch - (weights * patch).sum()) ** 2).sum() for patch in patches(image)
    ]
    expected = np.mean([STRUCTURE_FLOOR / (STRUCTURE_FLOOR + value) for value in variances])
    np.testing.assert_allclose(mef_ssim(image, flat(0), flat(200)), expected, rtol=1e-9)


def test_cancelling_sources_ask_for_a_constant_image() -> None:
    image = noise(4)
    np.testing.assert_allclose(mef_ssim(flat(9), image, 255 - image), 1)


def test_quality_falls_with_noise_and_with_a_shift_of_one_pixel() -> None:
    ct, mr = np.kron(noise(5, 8), np.ones((6, 6), np.uint8)), flat(50)
    slight, strong = (
        np.clip(ct + np.random.default_rng(6).normal(0, sigma, ct.shape), 0, 255)
        for sigma in (5, 50)
    )
    assert 1 > mef_ssim(slight, ct, mr) > mef_ssim(strong, ct, mr)
    assert mef_ssim(np.roll(ct, 1, axis=0), ct, mr) < 0.95


def test_negative_of_only_source_scores_zero_over_scales() -> None:
    image = noise(7)
    assert mef_ssim(255 - image, image, image) < -0.9
    assert mef_ssim(255 - image, image, image, scales=3) == 0


def test_value_is_mean_patch_similarity_to_the_desired_patch() -> None:
    fused, ct = noise(8, 16), noise(9, 16)
    mr = (ct * 0.3 + noise(10, 16) * 0.4).astype(np.uint8)
    weights = np.outer(LINES["gaussian11"], LINES["gaussian11"]).ravel()
    expected = []
    for f, a, b in zip(patches(fused), patches(ct), patches(mr), strict=True):
        wanted = desired_patch(a, b)
        wanted, free = wanted - (weights * wanted).sum(), f - (weights * f).sum()
        product = (weights * wanted * free).sum()
        squares = (weights * wanted**2).sum() + (weights * free**2).sum()
        expected.append((2 * product + STRUCTURE_FLOOR) / (squares + STRUCTURE_FLOOR))
    np.testing.assert_allclose(mef_ssim(fused, ct, mr), np.mean(expected), rtol=1e-9)


def test_scales_are_a_weighted_geometric_mean_over_halved_images() -> None:
    images = [np.kron(noise(seed, 12), np.ones((4, 4), np.uint8)) for seed in (11, 12)]
    fused = np.maximum(*images)
    smaller = [halved(image.astype(np.float64)) for image in (fused, *images)]
    weights = np.array(SCALE_WEIGHTS[:2]) / sum(SCALE_WEIGHTS[:2])
    apart = [mef_ssim(fused, *images), mef_ssim(*smaller)]
    expected = np.prod(np.array(apart) ** weights)
    np.testing.assert_allclose(mef_ssim(fused, *images, scales=2), expected)


def test_image_below_coarsest_patch_size_is_refused() -> None:
    enough, less = noise(13, 44), noise(13, 43)
    np.testing.assert_allclose(mef_ssim(enough, enough, enough, scales=3), 1, rtol=1e-6)
    with pytest.raises(InputError, match=r"3 scales needs 44 pixels .* these are \(43, 43\)"):
        mef_ssim(less, less, less, scales=3)


@pytest.mark.parametrize("scales", [0, 6])
def test_a_number_of_scales_without_weights_is_refused(scales: int) -> None:
    image = noise(14)
    with pytest.raises(InputError, match=rf"1 to 5 scales, not {scales}"):
        mef_ssim(image, image, image, scales=scales)


@each_or_some
def test_one_and_three_scales_match_field_code_on_golden_rows(
    golden: list[GoldenRow], every: int
) -> None:
    rows = having(golden, "tang.MEF_SSIM")
    assert len(rows) == 25
    for row in rows[::every]:
        found = [mef_ssim(*row.images), mef_ssim(*row.images, scales=3)]
        expected = [row.values["tang.MEF_SSIM"], row.values["tang.MS_SSIM"]]
        np.testing.assert_allclose(found, expected, rtol=1e-11, err_msg=str(row.values))
