"""The quality indices of Piella's family: their laws, plain loops, the field's own codes."""

from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from golden_kit import GoldenRow, having, images_of
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

from radfuse.arrays import Float64Array, UInt8Array
from radfuse.metrics.local_statistics import local_statistics
from radfuse.metrics.quality_index import NOTHING, q_c, q_e, q_s, q_w, q_y, uqi, uqi_map

Metric = Callable[..., float]
quick = settings(max_examples=15, deadline=None)

SYMMETRIC: dict[str, Metric] = {
    "q_s": q_s,
    "q_w": q_w,
    "q_e": q_e,
    "q_c": q_c,
    "q_y": q_y,
    "q_s of Liu": partial(q_s, similarity="ssim11"),
    "q_w of Liu": partial(q_w, similarity="ssim11"),
    "q_e of Liu": partial(q_e, similarity="ssim11"),
}
METRICS = SYMMETRIC | {"q_c of Liu": partial(q_c, bounded="quality")}

ON_CROPS = {
    ("16009.png", "maximum", 112, 64): (0.446238714899, 0.886477532947, 0.466730274982),
    ("16013.png", "laplacian", 80, 64): (0.429662355542, 0.921260783792, 0.728655474482),
    ("34010.png", "densefuse", 104, 64): (0.481543502152, 0.642464551491, 0.253514077839),
    ("41012.png", "maximum", 48, 72): (0.533127818726, 0.915241058334, 0.397624035626),
}
"""Q_C, Q_Y and Q_E of Liu's code, run in GNU Octave 7 on 96x96 pixels from (row, column) on.

No window there is black, where that code's Q_C and Q_Y are 0/0; Q_E is the product of its two Q_W.
"""


def noise(seed: int, side: int = 24, low: int = 0, high: int = 256) -> UInt8Array:
    return np.random.default_rng(seed).integers(low, high, (side, side), dtype=np.uint8)


def halves(left: UInt8Array, right: UInt8Array) -> UInt8Array:
    middle = left.shape[1] // 2
    return np.hstack([left[:, :middle], right[:, middle:]])


def flat(level: int, side: int = 24) -> UInt8Array:
    return np.full((side, side), level, np.uint8)


def patches(image: UInt8Array) -> Float64Array:
    windows = np.lib.stride_tricks.sliding_window_view(image.astype(np.float64), (8, 8))
    return windows.reshape(-1, 64)


def uqi_of(first: Float64Array, second: Float64Array) -> float:
    """The index of one patch without border cases, as the paper has it."""
    covariances = np.cov(first, second)
    m, n = first.mean(), second.mean()
    return float(4 * covariances[0, 1] * m * n / (np.trace(covariances) * (m * m + n * n)))


@pytest.fixture(scope="module")
def rows(golden: list[GoldenRow]) -> list[GoldenRow]:
    return having(golden, "liu.Q_S")


@quick
@given(st.integers(0, 2**32), st.lists(st.sampled_from([1, 2, 40, 256]), min_size=3, max_size=3))
def test_every_index_is_bounded_and_most_are_symmetric(seed: int, highs: list[int]) -> None:
    fused, ct, mr = (noise(seed + place, high=high) for place, high in enumerate(highs))
    for name, metric in METRICS.items():
        assert -1 - 1e-12 <= metric(fused, ct, mr) <= 1 + 1e-12, name
    for name, metric in SYMMETRIC.items():
        value = metric(fused, ct, mr)
        np.testing.assert_allclose(metric(fused, mr, ct), value, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("image", [noise(1), flat(0), flat(90), halves(flat(0), noise(2))])
def test_equal_images_have_the_whole_quality(name: str, image: UInt8Array) -> None:
    np.testing.assert_allclose(METRICS[name](image, image, image), 1, rtol=1e-9)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("levels", list(product([0, 30, 255], repeat=3)))
def test_flat_images_of_any_levels_have_a_finite_quality(
    name: str, levels: tuple[int, int, int]
) -> None:
    value = METRICS[name](*(flat(level) for level in levels))
    assert 0 <= value <= 1 + 1e-12


@pytest.mark.parametrize("name", METRICS)
def test_flat_source_leaves_the_score_to_the_other(name: str) -> None:
    lively = noise(3)
    np.testing.assert_allclose(METRICS[name](lively, lively, flat(0)), 1, rtol=1e-9)


@pytest.mark.parametrize("name", METRICS)
def test_quality_falls_with_noise(name: str) -> None:
    ct, mr = noise(4, 64, low=60, high=190), flat(100, 64)
    slight, strong = (
        np.clip(ct + np.random.default_rng(5).normal(0, sigma, ct.shape), 0, 255)
        for sigma in (5, 60)
    )
    metric = METRICS[name]
    assert metric(ct, ct, mr) > metric(slight, ct, mr) > metric(strong, ct, mr)


@pytest.mark.parametrize("name", ["q_s", "q_w", "q_c", "q_y"])
def test_without_constants_grey_level_scale_is_ignored(name: str) -> None:
    images = [noise(seed) for seed in (6, 7, 8)]
    dimmer = [image / 4 for image in images]
    np.testing.assert_allclose(METRICS[name](*dimmer), METRICS[name](*images), rtol=1e-9)


def test_uqi_is_that_of_the_paper_in_windows_of_eight() -> None:
    first, second = noise(9, 12), noise(10, 12)
    expected = [uqi_of(*pair) for pair in zip(patches(first), patches(second), strict=True)]
    np.testing.assert_allclose(
        uqi_map(*local_statistics("uniform8", first, second)).ravel(), expected
    )
    np.testing.assert_allclose(uqi(first, second), np.mean(expected))


def test_uqi_is_scikit_image_ssim_without_constants() -> None:
    first, second = noise(11, 40), noise(12, 40)
    expected = structural_similarity(first, second, data_range=255, K1=0, K2=0)
    found = uqi_map(*local_statistics("uniform7", first, second)).mean()
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_uqi_of_flat_images_is_that_of_their_luminance() -> None:
    np.testing.assert_allclose(uqi(flat(40), flat(120)), 2 * 40 * 120 / (40**2 + 120**2))
    assert uqi(flat(0), flat(120)) < NOTHING
    assert uqi(flat(0), flat(0)) == 1


def test_source_and_window_weights_match_the_paper() -> None:
    fused, ct, mr = noise(13, 12), noise(14, 12), noise(15, 12, low=90, high=160)
    rows = []
    for f, a, b in zip(patches(fused), patches(ct), patches(mr), strict=True):
        share = a.var() / (a.var() + b.var())
        quality = share * uqi_of(a, f) + (1 - share) * uqi_of(b, f)
        rows.append((quality, max(a.var(), b.var())))
    quality, saliency = np.transpose(rows)
    np.testing.assert_allclose(q_s(fused, ct, mr), quality.mean())
    np.testing.assert_allclose(q_w(fused, ct, mr), np.average(quality, weights=saliency))


def test_flat_windows_do_not_count_in_the_weighted_index() -> None:
    ct, mr = halves(noise(16, 32), flat(0, 32)), flat(0, 32)
    spoilt = halves(ct, noise(17, 32))
    assert q_s(spoilt, ct, mr) < q_s(ct, ct, mr)
    left = [image[:, :16] for image in (spoilt, ct, mr)]
    assert q_w(spoilt, ct, mr) > q_s(spoilt, ct, mr)
    np.testing.assert_allclose(q_w(*left), 1)


def test_weighted_edge_index_is_weighted_index_times_gradients() -> None:
    """On a ramp, Prewitt's operator has one value inside, so only the border has structure."""
    ramp = np.tile(np.arange(24, dtype=np.uint8) * 10, (24, 1))
    np.testing.assert_allclose(q_e(ramp, ramp, ramp), 1)
    brighter = ramp + np.uint8(20)
    inside = np.full((22, 22), 60.0)
    edges = [np.pad(inside, 1) for _ in range(2)]
    for edge, image in zip(edges, (ramp, brighter), strict=True):
        padded = np.pad(image.astype(np.float64), 1)
        across = padded[:, 2:] - padded[:, :-2]
        along = padded[2:] - padded[:-2]
        across = across[:-2] + across[1:-1] + across[2:]
        along = along[:, :-2] + along[:, 1:-1] + along[:, 2:]
        np.testing.assert_array_equal(np.hypot(across, along)[1:-1, 1:-1], inside)
        edge[:] = np.hypot(across, along)
    expected = q_w(brighter, ramp, ramp) * q_w(edges[1], edges[0], edges[0])
    np.testing.assert_allclose(q_e(brighter, ramp, ramp), expected)


def test_weighted_index_counts_the_followed_source() -> None:
    ct = noise(18)
    assert q_c(ct, ct, 255 - ct // 2) == pytest.approx(1)
    assert q_c(ct, ct, noise(19)) > q_s(ct, ct, noise(19))


def test_liu_bounds_are_asymmetric_where_out_of_range() -> None:
    """A fused image against CT everywhere: the share of CT is below 0, that of MR above 1."""
    mr = noise(20)
    fused, ct = mr, 160 - mr // 2
    assert q_c(fused, ct, mr, bounded="quality") == 0
    assert q_c(fused, mr, ct, bounded="quality") == 1
    np.testing.assert_allclose(q_c(fused, ct, mr), 1)


def test_source_without_covariance_is_within_liu_bounds() -> None:
    """Its share is 0, however the other source varies; so that one's quality counts."""
    fused = noise(24)
    opposite = 255 - fused
    expected = uqi_map(*local_statistics("gaussian7", opposite, fused)).mean()
    assert expected < -0.5
    for ct in (flat(0), flat(90)):
        np.testing.assert_allclose(q_c(fused, ct, opposite, bounded="quality"), expected)


def test_differing_sources_count_by_the_better_match() -> None:
    ct, mr = noise(21), noise(22)
    np.testing.assert_allclose(q_y(ct, ct, mr), 1)
    np.testing.assert_allclose(q_y(mr, ct, mr), 1)


def test_alike_sources_count_by_their_variance() -> None:
    ct = noise(23, low=60, high=160).astype(np.float64)
    mr = 1.2 * (ct - ct.mean()) + ct.mean()
    of_mr = uqi_map(*local_statistics("gaussian7", mr, ct))
    share = 1.2**2 / (1 + 1.2**2)
    np.testing.assert_allclose(q_y(ct, ct, mr), (1 - share) + share * of_mr.mean(), rtol=1e-9)


def test_q_s_and_q_w_equal_lius_code_on_every_golden_row(rows: list[GoldenRow]) -> None:
    """Saturated windows of CT over black MR are in one pair; there his code divides rounding."""
    assert len(rows) == 25
    for row in rows:
        found = [metric(*row.images, similarity="ssim11") for metric in (q_s, q_w)]
        expected = [row.values["liu.Q_S"], row.values["liu.Q_W"]]
        np.testing.assert_allclose(found, expected, rtol=1e-9, err_msg=str(row.values))


@pytest.mark.parametrize("crop", ON_CROPS)
def test_q_c_q_y_q_e_match_liu_code_without_black_windows(
    shared: Path, crop: tuple[str, str, int, int]
) -> None:
    name, method, row, column = crop
    inside = np.s_[row : row + 96, column : column + 96]
    images = [image[inside] for image in images_of(shared, method, name)]
    found = [q_c(*images, bounded="quality"), q_y(*images), q_e(*images, similarity="ssim11")]
    np.testing.assert_allclose(found, ON_CROPS[crop], rtol=1e-10)


def test_q_c_and_q_y_are_defined_where_liu_code_is_not(rows: list[GoldenRow]) -> None:
    for row in rows:
        assert row.values["liu.Q_C"] is None
        assert row.values["liu.Q_Y"] is None
        assert 0 < q_c(*row.images) < q_y(*row.images) < 1
