"""Operations on structures: smooth, fill holes, keep the largest part, crop, combine."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt, label

from radfuse.arrays import BoolArray
from radfuse.structures.operations import (
    CONNECTIVITY_26,
    combine,
    crop,
    fill_holes,
    keep_largest,
    smooth,
)
from structure_kit import blobs, dice

SPACING = (2.5, 0.9, 1.1)
quick = settings(max_examples=12, deadline=None)
seeds, shares = st.integers(0, 999), st.floats(0.05, 0.9)


def some(seed: int, share: float = 0.4) -> BoolArray:
    return blobs((7, 14, 13), seed, grain=0.8, share=share)


@quick
@given(seeds, seeds)
def test_combinations_follow_the_laws_of_sets(one: int, two: int) -> None:
    first, second = some(one), some(two)
    union, both = combine(first, second, "union"), combine(first, second, "intersection")
    less = combine(first, second, "difference")
    np.testing.assert_array_equal(union, combine(second, first, "union"))
    np.testing.assert_array_equal(combine(less, both, "union"), first)
    np.testing.assert_array_equal(combine(less, second, "intersection"), first & False)
    np.testing.assert_array_equal(combine(union, second, "difference"), less)
    np.testing.assert_array_equal(combine(first, first, "difference"), first & False)


@quick
@given(seeds, shares, st.floats(0.3, 4))
def test_smoothing_keeps_the_volume(seed: int, share: float, sigma_mm: float) -> None:
    mask = some(seed, share)
    assert smooth(mask, SPACING, sigma_mm).sum() == mask.sum()
    np.testing.assert_array_equal(smooth(mask, SPACING, 0), mask)


def test_smoothing_removes_a_bump_and_keeps_a_ball() -> None:
    rows = np.indices((21, 61, 51)).T - (10, 30, 25)
    mask = (np.linalg.norm(rows * SPACING, axis=-1) <= 16).T
    assert dice(smooth(mask, SPACING, 2), mask) > 0.98
    bumpy = mask.copy()
    bumpy[10, 30, 40:46] = True
    assert not smooth(bumpy, SPACING, 2)[10, 30, 43:].any()


@quick
@given(seeds, shares)
def test_filled_holes_are_only_enclosed_voxels(seed: int, share: float) -> None:
    mask = some(seed, share)
    cavities, holes = (fill_holes(mask, in_slices=in_slices) for in_slices in (False, True))
    assert (mask <= cavities).all()
    assert (cavities <= holes).all()
    np.testing.assert_array_equal(fill_holes(holes, in_slices=True), holes)
    outside, _ = label(np.pad(~mask, 1, constant_values=True))
    reached = (outside == outside[0, 0, 0])[(slice(1, -1),) * 3]
    np.testing.assert_array_equal(cavities, ~reached)


@quick
@given(seeds, shares, st.integers(1, 3))
def test_the_largest_parts_are_kept_whole(seed: int, share: float, count: int) -> None:
    mask = some(seed, share)
    kept = keep_largest(mask, count)
    parts, found = label(mask, CONNECTIVITY_26)
    sizes = np.sort(np.bincount(parts.ravel())[1:])[::-1]
    assert (kept <= mask).all()
    assert kept.sum() == sizes[:count].sum()
    assert label(kept, CONNECTIVITY_26)[1] == min(count, found)
    np.testing.assert_array_equal(keep_largest(kept, count), kept)


@quick
@given(seeds, seeds, st.floats(0, 5))
def test_a_cropped_structure_keeps_its_distance(one: int, two: int, margin_mm: float) -> None:
    mask, other = some(one, 0.6), some(two, 0.2)
    apart = crop(mask, other, SPACING, "inside", margin_mm)
    distance = distance_transform_edt(~other, sampling=SPACING)
    assert (apart <= mask).all()
    is_clear = np.abs(distance - margin_mm) > 1e-3
    np.testing.assert_array_equal(apart[is_clear], (mask & (distance > margin_mm))[is_clear])
    within = crop(mask, other, SPACING, "outside", margin_mm)
    assert (within <= other).all()
    if margin_mm == 0:
        np.testing.assert_array_equal(within, mask & other)


@pytest.mark.parametrize("operation", ["smooth", "fill", "largest"])
def test_operations_on_an_empty_structure_are_empty(operation: str) -> None:
    empty = np.zeros((3, 4, 5), bool)
    results = {
        "smooth": smooth(empty, SPACING, 3),
        "fill": fill_holes(empty, in_slices=True),
        "largest": keep_largest(empty),
    }
    assert not results[operation].any()
