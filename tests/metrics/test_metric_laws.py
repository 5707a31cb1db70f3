"""What must hold of the metrics whatever the images show."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radfuse.arrays import UInt8Array
from radfuse.errors import InputError
from radfuse.metrics.catalogue import METRICS as CATALOGUE
from radfuse.metrics.entropy_mutual_information import mi, mutual_information
from radfuse.metrics.measure import measure
from radfuse.metrics.qabf import ANGLE_GAIN, STRENGTH_GAIN, qabf
from radfuse.metrics.spatial_frequency_gradient import sf
from radfuse.metrics.vif import vif, vifp

MIN_SIDE = CATALOGUE["vif"].min_side
quick = settings(max_examples=15, deadline=None)


@st.composite
def triples(draw: st.DrawFn) -> tuple[UInt8Array, UInt8Array, UInt8Array]:
    """Three images of one size: noise, steps, or flat."""
    side = st.integers(MIN_SIDE, 60)
    shape = draw(side), draw(side)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    kinds = draw(st.tuples(*[st.sampled_from(["noise", "steps", "flat"])] * 3))
    return tuple(image_of(kind, shape, rng) for kind in kinds)  # type: ignore[return-value]


def image_of(kind: str, shape: tuple[int, int], rng: np.random.Generator) -> UInt8Array:
    if kind == "noise":
        return rng.integers(0, 256, shape, dtype=np.uint8)
    if kind == "flat":
        return np.full(shape, rng.integers(256), np.uint8)
    coarse = rng.integers(0, 256, (8, 8), dtype=np.uint8)
    return np.kron(coarse, np.ones((8, 8), np.uint8))[: shape[0], : shape[1]]


def noise(seed: int, low: int = 0, high: int = 256, side: int = 48) -> UInt8Array:
    return np.random.default_rng(seed).integers(low, high, (side, side), dtype=np.uint8)


def entropy_bits(image: UInt8Array) -> float:
    shares = np.unique(image, return_counts=True)[1] / image.size
    return float(-(shares * np.log2(shares)).sum())


@quick
@given(triples())
def test_mutual_information_is_between_zero_and_min_entropy(
    images: tuple[UInt8Array, UInt8Array, UInt8Array],
) -> None:
    first, second, _ = images
    shared = mutual_information(first, second)
    assert -1e-9 <= shared <= min(entropy_bits(first), entropy_bits(second)) + 1e-9


@quick
@given(triples())
def test_mutual_information_with_itself_is_entropy(
    images: tuple[UInt8Array, UInt8Array, UInt8Array],
) -> None:
    image = images[0]
    np.testing.assert_allclose(mi(image, image, image), 2 * entropy_bits(image), atol=1e-9)


def test_mutual_information_ignores_position_and_relabelling() -> None:
    rng = np.random.default_rng(3)
    first, second = noise(1, high=8), noise(2, high=8)
    order = rng.permutation(first.size)
    levels = rng.permutation(256).astype(np.uint8)
    moved = [image.ravel()[order].reshape(image.shape) for image in (first, second)]
    expected = mutual_information(first, second)
    np.testing.assert_allclose(mutual_information(*moved), expected, atol=1e-9)
    np.testing.assert_allclose(mutual_information(levels[first], second), expected, atol=1e-9)


def test_half_of_one_bit_is_half_a_bit() -> None:
    first = np.array([[0, 0, 255, 255]], np.uint8)
    second = np.array([[7, 7, 7, 9]], np.uint8)
    entropy = 0.25 * 2 + 0.75 * np.log2(4 / 3)
    np.testing.assert_allclose(mutual_information(first, second), 1 + entropy - 1.5)


def test_spatial_frequency_of_a_checkerboard_and_of_stripes() -> None:
    stripes = np.tile(np.array([0, 10], np.uint8), (48, 24))
    checks = (stripes + np.arange(48)[:, None] % 2 * 10) % 20
    assert sf(stripes, stripes, stripes) == 10.0
    np.testing.assert_allclose(sf(checks.astype(np.uint8), stripes, stripes), np.sqrt(200))


def test_sf_grows_with_contrast_and_ignores_brightness() -> None:
    image = noise(4, high=100)
    value = sf(image, image, image)
    np.testing.assert_allclose(sf(image + np.uint8(100), image, image), value)
    np.testing.assert_allclose(sf(image * np.uint8(2), image, image), 2 * value)


@quick
@given(triples())
def test_edge_transfer_lies_between_zero_and_one(
    images: tuple[UInt8Array, UInt8Array, UInt8Array],
) -> None:
    assert 0 <= qabf(*images) <= 1


def test_edge_transfer_of_copy_is_product_of_saturated_sigmoids() -> None:
    image = noise(5)
    angle = ANGLE_GAIN / (1 + np.exp(-22 * (1 - 0.8)))
    np.testing.assert_allclose(qabf(image, image, image), STRENGTH_GAIN * angle, rtol=1e-5)


def test_edge_transfer_is_zero_where_no_source_has_an_edge() -> None:
    black = np.zeros((48, 48), np.uint8)
    assert qabf(noise(6), black, black) == 0.0


def test_edge_transfer_is_invariant_to_180_degree_rotation() -> None:
    images = [noise(seed) for seed in (7, 8, 9)]
    np.testing.assert_allclose(qabf(*images), qabf(*(image[::-1, ::-1] for image in images)))


@quick
@given(triples())
def test_visual_fidelity_of_an_image_to_itself_is_two(
    images: tuple[UInt8Array, UInt8Array, UInt8Array],
) -> None:
    np.testing.assert_allclose(vif(images[0], images[0], images[0]), 2, rtol=1e-9)


def test_vif_of_flat_is_zero_and_to_flat_is_one() -> None:
    flat, image = np.full((48, 48), 90, np.uint8), noise(10)
    np.testing.assert_allclose(vifp(image, flat), 0, atol=1e-9)
    assert vifp(flat, image) == 1.0


def test_vif_falls_with_noise_and_rises_with_contrast() -> None:
    image = image_of("steps", (60, 60), np.random.default_rng(11)) // 3 + np.uint8(60)
    spoilt = image + noise(12, high=20, side=60)
    stronger = (image.astype(int) * 3 // 2).astype(np.uint8)
    assert vifp(image, spoilt) < 1 < vifp(image, stronger)


def test_vif_of_inverted_image_is_below_a_tenth() -> None:
    image = noise(13)
    assert 0 <= vifp(image, 255 - image) < 0.1


def test_smallest_side_is_measured_and_one_less_refused() -> None:
    enough, less = noise(14, side=MIN_SIDE), noise(14, side=MIN_SIDE - 1)
    np.testing.assert_allclose(measure("mfinet2024", enough, enough, enough)["VIF"], 2)
    with pytest.raises(InputError, match=r"41 pixels a side or more; these are \(40, 40\)"):
        measure("mfinet2024", less, less, less)


def test_images_of_different_sizes_are_refused() -> None:
    with pytest.raises(InputError, match=r"of one size.*\(50, 50\), \(48, 48\), \(48, 48\)"):
        measure("mfinet2024", noise(1, side=50), noise(2), noise(3))


def test_images_in_unit_range_are_refused_for_fidelity() -> None:
    image = noise(15)
    with pytest.raises(InputError, match=r"8 bits.*float64 \(48, 48\), uint8 \(48, 48\)"):
        measure("mfinet2024", image / 255, image, image)  # type: ignore[arg-type]


def test_a_stack_of_images_is_refused() -> None:
    image, stack = noise(16), np.stack([noise(16)] * 2)
    with pytest.raises(InputError, match=r"\(H, W\); these are uint8 \(2, 48, 48\)"):
        measure("mfinet2024", stack, image, image)
