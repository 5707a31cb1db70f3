"""The Laplacian pyramid takes apart and puts together, for any size."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radfuse.arrays import Float32Array
from radfuse.methods.transforms.laplacian_pyramid import decompose, expand, reconstruct, reduce

shapes = st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(1, 40))
levels = st.integers(0, 6)
quick = settings(max_examples=60, deadline=None)


def images_of(shape: tuple[int, ...], seed: int) -> Float32Array:
    return np.random.default_rng(seed).random(shape, np.float32)


@quick
@given(shapes, levels, st.integers(0, 2**32))
def test_what_was_taken_apart_comes_together_again(
    shape: tuple[int, int, int], depth: int, seed: int
) -> None:
    images = images_of(shape, seed)
    bands = decompose(images, depth)
    assert len(bands) == depth + 1
    assert {band.dtype for band in bands} == {np.dtype(np.float32)}
    np.testing.assert_allclose(reconstruct(bands), images, atol=1e-5)


@quick
@given(shapes, levels, st.floats(0, 1, width=32))
def test_a_flat_image_has_no_detail_and_keeps_its_level(
    shape: tuple[int, int, int], depth: int, level: float
) -> None:
    *details, rest = decompose(np.full(shape, level, np.float32), depth)
    for detail in details:
        np.testing.assert_allclose(detail, 0, atol=1e-5)
    np.testing.assert_allclose(rest, level, atol=1e-5)


@quick
@given(shapes, st.integers(0, 2**32))
def test_reduce_and_expand_halve_and_restore_size_within_range(
    shape: tuple[int, int, int], seed: int
) -> None:
    images = images_of(shape, seed)
    coarse = reduce(images)
    assert coarse.shape == (shape[0], -(-shape[1] // 2), -(-shape[2] // 2))
    back = expand(coarse, shape[1:])
    assert back.shape == shape
    for values in (coarse, back):
        assert images.min() - 1e-6 <= values.min()
        assert values.max() <= images.max() + 1e-6


@quick
@given(shapes, levels, st.integers(0, 2**32))
def test_the_pyramid_is_linear_and_takes_each_image_by_itself(
    shape: tuple[int, int, int], depth: int, seed: int
) -> None:
    first, second = images_of(shape, seed), images_of(shape, seed + 1)
    of_sum = decompose(first + 2 * second, depth)
    for whole, one, other in zip(
        of_sum, decompose(first, depth), decompose(second, depth), strict=True
    ):
        np.testing.assert_allclose(whole, one + 2 * other, atol=1e-5)
    for whole, alone in zip(decompose(first, depth), decompose(first[-1:], depth), strict=True):
        np.testing.assert_array_equal(whole[-1:], alone)


def test_mirrored_images_have_mirrored_bands() -> None:
    images = images_of((2, 33, 17), 5)  # odd, so that the kept pixels are their own mirror image
    for band, of_mirrored in zip(decompose(images, 3), decompose(images[:, ::-1], 3), strict=True):
        np.testing.assert_allclose(of_mirrored[:, ::-1], band, atol=1e-6)


@pytest.mark.parametrize("axis", [1, 2])
def test_a_ramp_has_no_detail_away_from_the_border(axis: int) -> None:
    ramp = np.broadcast_to(np.linspace(0, 1, 33, dtype=np.float32), (1, 33, 33))
    detail = decompose(ramp if axis == 2 else ramp.swapaxes(1, 2), 1)[0]
    np.testing.assert_allclose(detail[:, 4:-4, 4:-4], 0, atol=1e-6)


def test_fine_noise_lies_in_finest_band_and_blob_in_the_rest() -> None:
    rows, columns = np.mgrid[-32:32, -32:32]
    blob = np.exp(-(rows**2 + columns**2) / 400).astype(np.float32)[None]
    checks = ((rows + columns) % 2).astype(np.float32)[None] - np.float32(0.5)
    energies = {
        name: [float((band**2).sum()) for band in decompose(images, 3)]
        for name, images in (("blob", blob), ("checks", checks))
    }
    assert energies["checks"][0] > 0.99 * sum(energies["checks"])
    assert energies["blob"][-1] > 0.9 * sum(energies["blob"])
