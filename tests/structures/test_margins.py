"""Margins: exact distances on anisotropic voxels, one margin for each direction."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt

from radfuse.arrays import BoolArray
from radfuse.errors import InputError
from radfuse.structures.margins import MAX_MARGIN_MM, Margins, contract, expand
from structure_kit import blobs

SPACING = (2.5, 0.9, 1.1)
NAMES = ("right", "left", "anterior", "posterior", "inferior", "superior")
TOWARDS = {
    "inferior": (-1, 0, 0), "superior": (1, 0, 0), "anterior": (0, -1, 0), "posterior": (0, 1, 0),
    "right": (0, 0, -1), "left": (0, 0, 1),
}  # fmt: skip
"""Steps of an index (slice, row, column) in LPS order."""

spacings = st.tuples(*[st.floats(0.4, 4)] * 3)
margins_mm = st.floats(0, 7)
quick = settings(max_examples=12, deadline=None)


def sparse(seed: int, share: float = 0.02) -> BoolArray:
    return blobs((9, 16, 14), seed, grain=0.7, share=share)


def ball(radius_mm: float, shape: tuple[int, ...] = (25, 61, 51)) -> BoolArray:
    squares = [((np.arange(n) - n // 2) * s) ** 2 for n, s in zip(shape, SPACING, strict=True)]
    return np.asarray(sum(np.meshgrid(*squares, indexing="ij")) <= radius_mm**2)


@quick
@given(st.integers(0, 999), spacings, margins_mm)
def test_uniform_margin_is_the_euclidean_distance(
    seed: int, spacing: tuple[float, float, float], margin_mm: float
) -> None:
    mask = sparse(seed)
    distance = distance_transform_edt(~mask, sampling=spacing)
    found = expand(mask, spacing, Margins.uniform(margin_mm))
    differs = found != (distance <= margin_mm)
    assert np.abs(distance[differs] - margin_mm).max(initial=0) < 1e-4 * max(margin_mm, 1)


@quick
@given(st.integers(0, 999), st.tuples(*[margins_mm] * 6))
def test_each_octant_is_an_ellipsoid(seed: int, sides: tuple[float, ...]) -> None:
    mask = np.zeros((9, 15, 13), bool)
    centre = tuple(np.random.default_rng(seed).integers(0, mask.shape))
    mask[centre] = True
    margins = Margins(*sides)
    offset = (np.indices(mask.shape).T - centre).T * np.reshape(SPACING, (3, 1, 1, 1))
    total = np.zeros(mask.shape)
    for (below, above), part in zip(margins.by_axis, offset, strict=True):
        axis = np.where(part < 0, below, above)
        with np.errstate(all="ignore"):
            total += np.where(part == 0, 0, (part / axis) ** 2)
    assert not (expand(mask, SPACING, margins) ^ (total <= 1))[np.abs(total - 1) > 1e-4].any()


@quick
@given(st.integers(0, 999), spacings, st.floats(0.02, 0.9))
def test_margin_of_zero_is_the_identity(
    seed: int, spacing: tuple[float, float, float], share: float
) -> None:
    mask = sparse(seed, share)
    for operation in (expand, contract):
        np.testing.assert_array_equal(operation(mask, spacing, Margins()), mask)


@quick
@given(st.integers(0, 999), st.tuples(*[margins_mm] * 6))
def test_margin_grows_and_contraction_shrinks(seed: int, sides: tuple[float, ...]) -> None:
    mask, margins = sparse(seed, 0.3), Margins(*sides)
    outer, inner = expand(mask, SPACING, margins), contract(mask, SPACING, margins)
    assert (outer >= mask).all()
    assert (inner <= mask).all()
    assert (contract(outer, SPACING, margins) >= contract(mask, SPACING, margins)).all()
    assert (expand(inner, SPACING, margins) <= mask).all()


@quick
@given(st.integers(0, 999), st.tuples(*[margins_mm] * 6))
def test_contraction_is_the_margin_of_the_outside(seed: int, sides: tuple[float, ...]) -> None:
    mask, margins = sparse(seed, 0.5), Margins(*sides)
    outside = np.pad(~mask, 9, constant_values=True)
    wanted = ~expand(outside, SPACING, margins.opposite)[(slice(9, -9),) * 3]
    np.testing.assert_array_equal(contract(mask, SPACING, margins), wanted)


@pytest.mark.parametrize(("first_mm", "second_mm"), [(3.0, 4.0), (5.0, 2.5), (1.2, 6.1)])
def test_two_margins_of_a_ball_add_up(first_mm: float, second_mm: float) -> None:
    mask = ball(6)
    both = mask
    for margin_mm in (first_mm, second_mm):
        both = expand(both, SPACING, Margins.uniform(margin_mm))
    once = expand(mask, SPACING, Margins.uniform(first_mm + second_mm))
    assert (both <= once).all()
    one_voxel = Margins.uniform(float(np.linalg.norm(SPACING)))
    assert (once <= expand(both, SPACING, one_voxel)).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_margin_goes_towards_its_direction_only(name: str) -> None:
    mask = np.zeros((9, 21, 19), bool)
    mask[4, 10, 9] = True
    grown = expand(mask, (1.0, 1.0, 1.0), Margins(**{name: 3.0}))
    wanted = [np.add((4, 10, 9), np.multiply(TOWARDS[name], steps)) for steps in range(4)]
    np.testing.assert_array_equal(np.argwhere(grown), sorted(map(tuple, wanted)))
    shrunk = contract(grown, (1.0, 1.0, 1.0), Margins(**{name: 3.0}))
    np.testing.assert_array_equal(shrunk, mask)


def test_margin_of_an_empty_structure_is_empty() -> None:
    empty = np.zeros((3, 4, 5), bool)
    assert not expand(empty, SPACING, Margins.uniform(9)).any()
    assert not contract(empty, SPACING, Margins.uniform(9)).any()


@pytest.mark.parametrize("value", [-0.1, MAX_MARGIN_MM + 1, float("nan")])
def test_a_margin_out_of_range_is_refused(value: float) -> None:
    with pytest.raises(InputError, match=r"margin to posterior: .* mm; give 0 to 60 mm"):
        Margins(posterior=value)
