"""Histogram metrics: their laws, other people's implementations, the field's own codes."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from golden_kit import GoldenRow, having
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import shannon_entropy
from skimage.metrics import normalized_mutual_information

from radfuse.arrays import UInt8Array
from radfuse.metrics.entropy_mutual_information import (
    TSALLIS_ORDERS,
    en,
    mi,
    mutual_information,
    nmi,
    q_mi,
    q_ncie,
    q_te,
)
from radfuse.metrics.image_levels import Image

quick = settings(max_examples=25, deadline=None)
LEAST_NCIE = 1 - np.log(3) / np.log(256)

METRICS: dict[str, Callable[[Image, Image, Image], float]] = {
    "en": en,
    "mi": mi,
    "mi, mean of 32 bins": partial(mi, aggregation="mean", bins=32),
    "mi with merged white": partial(mi, white="merged"),
    "nmi": nmi,
    "nmi by the joint entropy": partial(nmi, norm="joint", aggregation="sum"),
    "q_mi": q_mi,
    "q_te of Nava": q_te,
    "q_te of Cvejic": partial(q_te, author="cvejic"),
    "q_te of Liu": partial(q_te, marginals="exchanged"),
    "q_te of Cvejic and Liu": partial(q_te, author="cvejic", marginals="exchanged"),
    "q_ncie": q_ncie,
}
UNNAMED = {name: metric for name, metric in METRICS.items() if "Liu" not in name}
"""The metrics that do not depend on which level is which, in 256 bins."""
del UNNAMED["mi, mean of 32 bins"], UNNAMED["mi with merged white"]


@st.composite
def triples(draw: st.DrawFn) -> tuple[UInt8Array, UInt8Array, UInt8Array]:
    """Three images of one size with 1 to 256 levels."""
    shape = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    palettes = draw(st.tuples(*[st.sampled_from([1, 2, 5, 256])] * 3))
    images = (rng.choice(rng.permutation(256)[:levels], shape) for levels in palettes)
    return tuple(image.astype(np.uint8) for image in images)  # type: ignore[return-value]


def noise(seed: int, levels: int = 256, side: int = 48) -> UInt8Array:
    return np.random.default_rng(seed).integers(0, levels, (side, side), dtype=np.uint8)


def flat(level: int, side: int = 48) -> UInt8Array:
    return np.full((side, side), level, np.uint8)


def all_levels() -> UInt8Array:
    return np.arange(256, dtype=np.uint8).reshape(16, 16)


@quick
@given(triples())
def test_every_metric_is_finite_and_symmetric_in_ct_mr(
    images: tuple[UInt8Array, UInt8Array, UInt8Array],
) -> None:
    fused, ct, mr = images
    for name, metric in METRICS.items():
        value = metric(fused, ct, mr)
        assert np.isfinite(value), name
        np.testing.assert_allclose(
            metric(fused, mr, ct), value, rtol=1e-12, atol=1e-12, err_msg=name
        )


@pytest.mark.parametrize("name", METRICS)
def test_volume_measures_like_image_of_same_pixels(name: str) -> None:
    pictures = [noise(seed, side=24) for seed in (1, 2, 3)]
    value = METRICS[name](*pictures)
    assert METRICS[name](*(image.reshape(4, 6, 24) for image in pictures)) == value
    if "Liu" not in name:
        assert METRICS[name](*(image + 0.25 * np.sin(image) for image in pictures)) == value


@pytest.mark.parametrize("name", UNNAMED)
def test_neither_places_nor_the_names_of_levels_matter(name: str) -> None:
    rng = np.random.default_rng(4)
    images = [noise(seed, levels=9) for seed in (1, 2, 3)]
    order, names = rng.permutation(images[0].size), rng.permutation(256).astype(np.uint8)
    moved = [names[image.ravel()[order]].reshape(image.shape) for image in images]
    np.testing.assert_allclose(UNNAMED[name](*moved), UNNAMED[name](*images), rtol=1e-9)


@pytest.mark.parametrize("name", sorted(METRICS.keys() - {"en"}))
def test_fused_image_shifted_by_one_pixel_has_less_information(name: str) -> None:
    ct = np.kron(noise(5, levels=6, side=8), np.ones((6, 6), np.uint8)) * np.uint8(51)
    shifted = np.roll(ct, 1, axis=1)
    assert METRICS[name](shifted, ct, ct) < METRICS[name](ct, ct, ct)


def test_entropy_of_constant_halves_and_all_levels() -> None:
    halves = np.repeat(np.array([[3, 200]], np.uint8), 4, axis=1)
    for image, bits in ((flat(7), 0.0), (halves, 1.0), (all_levels(), 8.0)):
        np.testing.assert_allclose(en(image, image, image), bits, atol=1e-12)
    assert en(all_levels(), flat(0), flat(0), bins=16) == 4.0


def test_nothing_is_zero_without_a_minus() -> None:
    assert np.copysign(1, en(flat(9), flat(9), flat(9))) == 1
    assert np.copysign(1, mutual_information(flat(9), noise(1))) == 1


@quick
@given(triples())
def test_entropy_is_what_scikit_image_says(
    images: tuple[UInt8Array, UInt8Array, UInt8Array],
) -> None:
    np.testing.assert_allclose(en(*images), shannon_entropy(images[0]), atol=1e-9)


@quick
@given(triples(), st.sampled_from([1, 2, 10, 32, 100, 256]))
def test_bins_have_equal_width_in_grey_levels(
    images: tuple[UInt8Array, UInt8Array, UInt8Array], bins: int
) -> None:
    first, second, _ = images
    box = [[0, 256], [0, 256]]
    joint = np.histogram2d(first.ravel(), second.ravel(), bins, box)[0] / first.size
    apart = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    there = joint > 0
    expected = (joint[there] * np.log2(joint[there] / apart[there])).sum()
    np.testing.assert_allclose(mutual_information(first, second, bins=bins), expected, atol=1e-9)


@quick
@given(triples())
def test_coarser_bins_share_no_more(images: tuple[UInt8Array, UInt8Array, UInt8Array]) -> None:
    values = [mi(*images, bins=bins) for bins in (256, 64, 16, 4, 1)]
    assert all(fine >= coarse - 1e-9 for fine, coarse in pairwise(values))
    np.testing.assert_allclose(values[-1], 0, atol=1e-12)


def test_the_mean_pairing_is_half_the_sum() -> None:
    images = noise(1, 20), noise(2, 20), noise(3, 20)
    for metric in (mi, nmi):
        assert metric(*images, aggregation="mean") == metric(*images, aggregation="sum") / 2


@quick
@given(triples())
def test_merged_white_adds_and_only_where_a_level_254_is(
    images: tuple[UInt8Array, UInt8Array, UInt8Array],
) -> None:
    slip, plain = mi(*images, white="merged"), mi(*images)
    assert slip >= plain - 1e-9
    dimmer = [np.where(image == 254, 3, image) for image in images]
    np.testing.assert_allclose(mi(*dimmer, white="merged"), mi(*dimmer), atol=1e-9)


@quick
@given(triples())
def test_normalised_information_is_in_unit_interval(
    images: tuple[UInt8Array, UInt8Array, UInt8Array],
) -> None:
    fused, ct, mr = images
    varied = float(en(ct, ct, ct) > 0)
    for norm in ("arithmetic", "joint"):
        assert 0 <= nmi(fused, ct, mr, norm=norm) <= 1 + 1e-12
        np.testing.assert_allclose(nmi(ct, ct, ct, norm=norm), varied, atol=1e-12)
    assert q_mi(fused, ct, mr) == 2 * nmi(fused, ct, mr)


def test_with_joint_entropy_nmi_is_one_less_than_scikit_image() -> None:
    fused, ct, mr = noise(1, 30), noise(2, 30), noise(1, 30) // np.uint8(3)
    expected = [normalized_mutual_information(source, fused, bins=256) - 1 for source in (ct, mr)]
    np.testing.assert_allclose(nmi(fused, ct, mr, norm="joint"), np.mean(expected), rtol=1e-9)


def test_constant_images_share_nothing() -> None:
    image = noise(1)
    for name in ("mi", "nmi", "nmi by the joint entropy", "q_mi", "q_te of Nava", "q_te of Cvejic"):
        for triple in ((flat(3), image, noise(2)), (image, flat(0), flat(9)), [flat(255)] * 3):
            np.testing.assert_allclose(METRICS[name](*triple), 0, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("author", TSALLIS_ORDERS)
def test_tsallis_information_of_independent_images_is_none(author: Any) -> None:
    ct, fused = np.meshgrid(np.array([0, 0, 9], np.uint8), np.arange(5, dtype=np.uint8))
    np.testing.assert_allclose(q_te(fused, ct, ct, author=author), 0, atol=1e-12)


def test_tsallis_information_of_an_image_with_itself() -> None:
    """Of equal images only p(a,a) = p(a) is left in the sum, p(a)^(2-q) each."""
    image = np.array([[10, 10, 10, 80, 255]], np.uint8)
    of = {
        author: (1 - sum(p ** (2 - q) for p in (0.6, 0.2, 0.2))) / (1 - q)
        for author, q in TSALLIS_ORDERS.items()
    }
    entropy = -0.6 * np.log2(0.6) - 0.4 * np.log2(0.2)
    nava = 2 * of["nava"] / (2 * entropy ** TSALLIS_ORDERS["nava"] + of["nava"])
    np.testing.assert_allclose(q_te(image, image, image, author="cvejic"), 2 * of["cvejic"])
    np.testing.assert_allclose(q_te(image, image, image), nava)
    np.testing.assert_allclose(q_te(image, image, image, marginals="exchanged"), nava)


def test_exchanged_marginals_measure_stretched_images() -> None:
    images = [noise(seed, levels=52) for seed in (1, 2, 3)]
    dim = [np.uint8(40) + image for image in images]
    wide = [image * np.uint8(5) for image in images]
    liu = METRICS["q_te of Liu"]
    assert liu(*dim) == liu(*wide)
    halves = np.array([[0.0, 101.0, 202.0]])
    up = np.array([[0.0, 128.0, 255.0]])
    assert liu(halves, up, up) == liu(up, up, up)


def test_exchanged_marginals_take_a_constant_image_for_black() -> None:
    image, liu = noise(1), METRICS["q_te of Liu"]
    assert liu(image, flat(70), noise(2)) == liu(image, flat(0), noise(2))


@quick
@given(triples())
def test_correlation_entropy_is_bounded_below_by_unrelated(
    images: tuple[UInt8Array, UInt8Array, UInt8Array],
) -> None:
    assert LEAST_NCIE - 1e-12 <= q_ncie(*images) <= 1 + 1e-12


def test_correlation_entropy_is_zero_for_constants_one_at_most() -> None:
    np.testing.assert_allclose(q_ncie(flat(1), flat(2), noise(3)), LEAST_NCIE)
    np.testing.assert_allclose(q_ncie(all_levels(), all_levels(), all_levels()), 1)


def test_every_metric_equals_the_fields_own_code(golden: list[GoldenRow]) -> None:
    theirs_to_ours = {
        "tang.EN": "en", "tang.MI": "mi with merged white", "liu.Q_MI": "q_mi",
        "liu.Q_TE": "q_te of Liu", "liu.Q_NCIE": "q_ncie",
    }  # fmt: skip
    for theirs, ours in theirs_to_ours.items():
        rows = having(golden, theirs)
        assert len(rows) >= 25
        for row in rows:
            found = METRICS[ours](*row.images)
            np.testing.assert_allclose(
                found, row.values[theirs], rtol=1e-9, err_msg=str(row.values)
            )
