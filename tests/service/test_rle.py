"""Masks survive run-length encoding; invalid runs are refused in one line."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import array_shapes, arrays

from radfuse.errors import InputError
from radfuse.service.stores.rle import (
    VoxelGrid,
    decode_slice,
    decode_volume,
    encode_slice,
    encode_slices,
    pixel_count,
    validated,
)

AXES = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
GRID = VoxelGrid(
    size=(5, 4, 3), spacing_mm=(1.0, 2.0, 5.0), origin_mm=(-3.0, 0.0, 9.0), direction=AXES
)
masks = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=12))


@settings(max_examples=60, deadline=None)
@given(mask=masks)
def test_slice_survives_encoding(mask: np.ndarray) -> None:
    flat = encode_slice(mask)
    np.testing.assert_array_equal(decode_slice(flat, mask.shape), mask)
    assert validated({"0": flat}, (mask.shape[1], mask.shape[0], 1)) == {"0": flat}
    assert sum(flat[1::2]) == mask.sum()


@settings(max_examples=20, deadline=None)
@given(mask=arrays(np.bool_, (3, 4, 5)))
def test_volume_survives_encoding(mask: np.ndarray) -> None:
    found = encode_slices(dict(enumerate(mask)))
    np.testing.assert_array_equal(decode_volume(found, GRID), mask)
    assert pixel_count(found) == mask.sum()


def test_adjacent_runs_are_merged_across_rows() -> None:
    assert validated({"1": [2, 3, 5, 4, 12, 8]}, GRID.size) == {"1": [2, 7, 12, 8]}


@pytest.mark.parametrize(
    ("runs", "words"),
    [
        ({"3": [0, 1]}, "slice 3: the image has 3, numbered from 0"),
        ({"0": [1]}, "slice 0: the last run has a start but no length"),
        ({"0": [4, 0]}, "a run of length 0"),
        ({"0": [4, 3, 6, 1]}, "overlap or are not in increasing order"),
        ({"0": [6, 1, 4, 1]}, "overlap or are not in increasing order"),
        ({"0": [19, 2]}, "a run ends at 21, but a slice has 5 x 4 = 20 pixels"),
        ({"0": [2**31 - 1, 2**31 - 1]}, "a run ends at 4294967294"),
        ({"2": [0, 1], "1": [20, 1]}, "slice 1: a run ends at 21"),
    ],
)
def test_invalid_runs_are_refused(runs: dict[str, list[int]], words: str) -> None:
    with pytest.raises(InputError, match=words):
        validated(runs, GRID.size)


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        ({}, True),
        ({"origin_mm": (-3.0, 0.0, 9.0005)}, True),
        ({"origin_mm": (-3.0, 0.0, 9.1)}, False),
        ({"size": (5, 4, 4)}, False),
        ({"spacing_mm": (1.0, 2.0, 5.001)}, False),
        ({"spacing_mm": (1.0, 2.0, float("nan"))}, False),
        ({"direction": (1.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 1.0, 0.0)}, False),
    ],
)
def test_grids_with_equal_voxels_fit(change: dict[str, object], fits: bool) -> None:
    assert GRID.fits(GRID.model_copy(update=change)) is fits
