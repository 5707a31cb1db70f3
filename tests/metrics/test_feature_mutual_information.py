"""Feature mutual information: its laws, a plain loop, the authors' own code."""

from math import log2
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import pywt
from hypothesis import given, settings
from hypothesis import strategies as st

from radfuse.arrays import Float64Array, UInt8Array
from radfuse.io.images import read_grey
from radfuse.metrics import feature_mutual_information
from radfuse.metrics.feature_mutual_information import Feature, fmi

quick = settings(max_examples=25, deadline=None)
FEATURES = get_args(Feature)

ON_CROPS: dict[tuple[str, str, int, int], dict[Feature, float]] = {
    ("16009.png", "maximum", 112, 64): {
        "none": 0.555633674414,
        "gradient": 0.527534434806,
        "dct": 0.255976781679,
        "wavelet": 0.421123245575,
    },
    ("16013.png", "laplacian", 80, 64): {
        "none": 0.439979020504,
        "gradient": 0.415041708737,
        "dct": 0.267452084222,
    },
    ("34010.png", "densefuse", 104, 64): {
        "none": 0.390140808587,
        "gradient": 0.396285101783,
        "dct": 0.393990558299,
        "wavelet": 0.388827391037,
    },
    ("2004.png", "average", 8, 40): {
        "none": 0.787093139410,
        "gradient": 0.778620242118,
        "dct": 0.477210298144,
    },
}
"""The authors' code, run in GNU Octave 7 on 48x48 pixels from (row, column) on.

`dct2`, `dwt2` and the Meyer filter, which that Octave lacks, were given to it by their definitions.
"""


def noise(seed: int, side: int = 16, levels: int = 256) -> UInt8Array:
    return np.random.default_rng(seed).integers(0, levels, (side, side), dtype=np.uint8)


def shares_of(window: Float64Array) -> list[float]:
    """The window read column by column, as a distribution."""
    above = (window - window.min()).T.ravel()
    return [float(value) for value in above / above.sum()]


def bound(p: float, q: float, rising: bool) -> float:
    """Frechet's bounds on a joint cumulated distribution."""
    return min(p, q) if rising else max(p + q - 1, 0)


def deviation(p: list[float]) -> float:
    mean = sum(place * share for place, share in enumerate(p))
    return float(np.sqrt(sum(place**2 * share for place, share in enumerate(p)) - mean**2))


def entropy(shares: list[float]) -> float:
    return sum(-share * log2(abs(share)) for share in shares if share != 0)


def joint_shares(p: list[float], q: list[float]) -> list[float]:
    """Every cell of the joint distribution, from the differences of its cumulated one."""
    correlation = float(np.corrcoef(p, q)[0, 1])
    rising = correlation >= 0
    up_to_p, up_to_q = ([sum(one[:end]) for end in range(10)] for one in (p, q))
    cells = [(i, j) for i in range(9) for j in range(9)]
    corners = [[bound(a, b, rising) for b in up_to_q] for a in up_to_p]
    covariance = sum(corners[i + 1][j + 1] - up_to_p[i + 1] * up_to_q[j + 1] for i, j in cells)
    wanted = correlation * deviation(p) * deviation(q)
    pull = wanted / covariance if wanted != 0 else 0
    extreme = [
        corners[i + 1][j + 1] - corners[i][j + 1] - corners[i + 1][j] + corners[i][j]
        for i, j in cells
    ]
    return [
        pull * most + (1 - pull) * p[i] * q[j] for most, (i, j) in zip(extreme, cells, strict=True)
    ]


def window_score(source: Float64Array, fused: Float64Array) -> float:
    flat = [np.ptp(window) == 0 for window in (source, fused)]
    if np.array_equal(source, fused) or all(flat):
        return 1.0
    if any(flat):
        return 0.0
    p, q = shares_of(source), shares_of(fused)
    alone = entropy(p) + entropy(q)
    return 2 * (alone - entropy(joint_shares(p, q))) / alone if alone > 0 else 0.0


def plain_fmi(fused: Float64Array, ct: Float64Array, mr: Float64Array) -> float:
    """The definition, window by window and cell by cell."""
    rows, columns = fused.shape
    scores = [
        window_score(source[i : i + 3, j : j + 3], fused[i : i + 3, j : j + 3])
        for source in (ct, mr)
        for i in range(rows - 2)
        for j in range(columns - 2)
    ]
    return float(np.mean(scores))


def dct_by_definition(image: UInt8Array) -> Float64Array:
    def matrix(size: int) -> Float64Array:
        place, wave = np.meshgrid(np.arange(size), np.arange(size))
        rows = np.cos(np.pi * (2 * place + 1) * wave / (2 * size)) * np.sqrt(2 / size)
        rows[0] /= np.sqrt(2)
        return np.asarray(rows, np.float64)

    return matrix(image.shape[0]) @ image @ matrix(image.shape[1]).T


@st.composite
def triples(draw: st.DrawFn) -> tuple[UInt8Array, UInt8Array, UInt8Array]:
    """Three small images, some with few levels, hence with flat windows and single dots."""
    shape = draw(st.integers(3, 9)), draw(st.integers(3, 9))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    chances = draw(st.tuples(*[st.sampled_from([0, 0.05, 0.3, 1])] * 3))
    images = ((rng.random(shape) < chance) * rng.integers(0, 256, shape) for chance in chances)
    return tuple(image.astype(np.uint8) for image in images)  # type: ignore[return-value]


@quick
@given(triples())
def test_all_windows_at_once_are_the_windows_one_by_one(
    images: tuple[UInt8Array, UInt8Array, UInt8Array],
) -> None:
    expected = plain_fmi(*(image.astype(np.float64) for image in images))
    np.testing.assert_allclose(fmi(*images), expected, rtol=1e-9, atol=1e-12)
    slopes = [np.gradient(image.astype(np.float64), axis=1) for image in images]
    found = fmi(*images, feature="gradient")
    np.testing.assert_allclose(found, plain_fmi(*slopes), rtol=1e-9, atol=1e-12)


def test_the_cosine_transform_is_that_of_the_whole_image() -> None:
    images = [noise(seed) for seed in (1, 2, 3)]
    expected = plain_fmi(*(dct_by_definition(image) for image in images))
    np.testing.assert_allclose(fmi(*images, feature="dct"), expected, rtol=1e-9)


@quick
@given(triples(), st.sampled_from(FEATURES))
def test_it_is_finite_and_the_same_with_ct_and_mr_exchanged(
    images: tuple[UInt8Array, UInt8Array, UInt8Array], feature: Feature
) -> None:
    fused, ct, mr = images
    value = fmi(fused, ct, mr, feature=feature)
    assert np.isfinite(value)
    np.testing.assert_allclose(fmi(fused, mr, ct, feature=feature), value, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("feature", FEATURES)
def test_fmi_of_copied_sources_is_full_and_half_for_one(feature: Feature) -> None:
    ct, mr = noise(1), noise(2)
    assert fmi(ct, ct, ct, feature=feature) == 1.0
    assert 0.5 < fmi(ct, ct, mr, feature=feature) < 0.7


@pytest.mark.parametrize("feature", FEATURES)
def test_an_image_shifted_by_one_pixel_tells_less(feature: Feature) -> None:
    image = np.kron(noise(3, side=12), np.ones((3, 3), np.uint8))
    assert fmi(np.roll(image, 1, axis=1), image, image, feature=feature) < 0.8


@pytest.mark.parametrize("feature", FEATURES)
def test_unrelated_noise_tells_almost_nothing(feature: Feature) -> None:
    assert 0 < fmi(noise(1, 40), noise(2, 40), noise(3, 40), feature=feature) < 0.2


@pytest.mark.parametrize("feature", FEATURES)
def test_contrast_does_not_matter(feature: Feature) -> None:
    fused, ct, mr = (noise(seed, levels=100) for seed in (1, 2, 3))
    found = fmi(0.5 * fused, ct, 2.0 * mr, feature=feature)
    np.testing.assert_allclose(found, fmi(fused, ct, mr, feature=feature), rtol=1e-9)


def test_brightness_does_not_matter_to_pixels_and_slopes() -> None:
    fused, ct, mr = (noise(seed, levels=100) for seed in (1, 2, 3))
    for feature in FEATURES[:2]:
        found = fmi(fused + 9.0, ct + 40.0, mr, feature=feature)
        np.testing.assert_allclose(found, fmi(fused, ct, mr, feature=feature), rtol=1e-9)


def test_constant_images_are_alike_and_share_nothing_with_others() -> None:
    grey, white = np.full((16, 16), 90, np.uint8), np.full((16, 16), 255, np.uint8)
    for feature in FEATURES:
        assert fmi(grey, grey, grey, feature=feature) == 1.0
    for feature in FEATURES[:2]:
        assert fmi(grey, white, grey, feature=feature) == 1.0
        assert fmi(grey, noise(1), noise(2), feature=feature) == 0.0


def test_a_region_that_is_flat_but_for_rounding_is_flat() -> None:
    image = noise(1).astype(np.float64)
    image[3:13, 3:13] = 90
    rounded = image + 1e-9 * noise(2) / 255
    np.testing.assert_allclose(fmi(rounded, image, image), 1, rtol=1e-6)


def test_two_strips_with_all_windows_have_the_whole_mean() -> None:
    images = [noise(seed, 42) for seed in (1, 2, 3)]
    strips = [fmi(*(image[rows] for image in images)) for rows in (slice(22), slice(20, 42))]
    np.testing.assert_allclose(fmi(*images), np.mean(strips), rtol=1e-12)


def test_a_single_dot_counts_only_beside_its_equal() -> None:
    dot, brighter = np.zeros((3, 3), np.uint8), np.zeros((3, 3), np.uint8)
    dot[1, 1], brighter[1, 1] = 10, 20
    assert fmi(dot, dot, dot) == 1.0
    assert fmi(dot, brighter, dot.T) == 0.5
    np.testing.assert_allclose(fmi(dot, noise(1, 3), noise(2, 3)), 0, atol=1e-12)


def test_windows_drowned_in_rounding_stay_finite() -> None:
    """The bound's covariance, about the product of two tiny shares, is lost beside 1."""
    for depth in (1e-6, 1e-9, 1e-13):
        first, second = np.zeros((3, 3)), np.zeros((3, 3))
        first[2, 2], first[1, 0] = 255, 255 * depth
        second[1, 2], second[0, 0] = 255, 255 * depth
        assert -1 < fmi(first, second, second) < 1


def test_windows_are_read_column_by_column() -> None:
    images = [noise(seed, 3) for seed in (1, 2, 3)]
    assert abs(fmi(*images) - fmi(*(image.T for image in images))) > 1e-4


def test_the_gradient_is_the_horizontal_one() -> None:
    image = noise(1, levels=100)
    steps = np.arange(16, dtype=np.uint8)[:, None] * np.uint8(9)
    assert fmi(image + steps, image, image, feature="gradient") == 1.0
    assert fmi(image + steps.T, image, image) < 1.0


def test_meyer_filters_keep_energy_and_match_field_code() -> None:
    low, high, *_ = feature_mutual_information._meyer_wavelet().filter_bank
    assert len(low) == len(high) == 102
    for shift in range(0, 102, 2):
        ahead = low[shift:], low[: 102 - shift]
        np.testing.assert_allclose(np.dot(*ahead), float(shift == 0), rtol=0, atol=3e-6)
    printed = "0 -1.5097e-06 1.2788e-06", "0.74375 0.4441 -0.035048 -0.1327 0.030621 0.063667"
    for start, values in zip((0, 51), printed, strict=True):
        expected = values.split()
        assert [f"{tap:.5g}" for tap in low[start : start + len(expected)]] == expected
    np.testing.assert_allclose(np.abs(high[::-1]), np.abs(low), rtol=1e-12)


def test_the_wavelet_bands_lie_side_by_side() -> None:
    image = noise(1).astype(np.float64)
    bands = feature_mutual_information.FEATURES["wavelet"](image)
    half = bands.shape[0] // 2
    quarters = bands[:half, :half], (bands[:half, half:], bands[half:, :half], bands[half:, half:])
    wavelet = feature_mutual_information._meyer_wavelet()
    assert half == (16 + 102 - 1) // 2
    np.testing.assert_allclose(pywt.idwt2(quarters, wavelet)[:16, :16], image, atol=1e-3)


@pytest.mark.parametrize("crop", ON_CROPS)
def test_it_equals_the_authors_code(shared: Path, crop: tuple[str, str, int, int]) -> None:
    name, method, row, column = crop
    sources = shared / "data/harvard/test"
    paths = shared / "golden/fused" / method / name, sources / "CT" / name, sources / "MRI" / name
    window = slice(row, row + 48), slice(column, column + 48)
    images = [read_grey(path)[window] for path in paths]
    for feature, theirs in ON_CROPS[crop].items():
        np.testing.assert_allclose(
            fmi(*images, feature=feature), theirs, rtol=1e-9, err_msg=feature
        )
