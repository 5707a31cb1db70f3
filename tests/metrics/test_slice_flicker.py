"""What slice flicker must tell of a fused volume, and what it must forgive."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from radfuse.arrays import Float64Array
from radfuse.errors import InputError
from radfuse.intensity import WINDOWS
from radfuse.methods.loading import load_method
from radfuse.metrics.slice_flicker import BORDER_STEP, slice_flicker, slice_jumps
from radfuse.phantom.head import Phantom
from radfuse.pipeline.volume import scale_volumes

quick = settings(max_examples=25, deadline=None)
seeds = st.integers(0, 2**32)
ROUNDING = 1e-12


@pytest.fixture(scope="module")
def volumes(phantom: Phantom) -> tuple[Float64Array, Float64Array]:
    """CT and MR of the phantom on one grid, in grey levels."""
    scaled = scale_volumes(phantom.ct, phantom.mr, phantom.mr_from_ct, WINDOWS["fusion"])
    return 255 * scaled.ct.astype(float), 255 * scaled.mr.astype(float)


def noise(seed: int, depth: int = 5) -> tuple[Float64Array, Float64Array]:
    ct, mr = np.random.default_rng(seed).uniform(0, 255, (2, depth, 7, 6))
    return ct, mr


def still(level: float = 100, depth: int = 5) -> Float64Array:
    return np.full((depth, 7, 6), level)


def growing_skull() -> tuple[Float64Array, Float64Array]:
    """A ring of bone that grows by two pixels a slice, dark in the MR."""
    radius = np.hypot(*(np.mgrid[:64, :64] - 31.5))
    outer = np.arange(14, 30, 2)[:, None, None]
    bone = (radius < outer) & (radius > outer - 5)
    inside = radius < outer
    return np.where(bone, 255.0, 95.0 * inside), np.where(bone, 15.0, 80.0 * inside)


def rescaled(volume: Float64Array, amplitude: float) -> Float64Array:
    """Each slice with a brightness of its own, as normalised by itself."""
    gains = 1 + amplitude * np.random.default_rng(4).uniform(-1, 1, len(volume))
    return volume * gains[:, None, None]


@quick
@given(seeds)
def test_average_maximum_minimum_and_copies_never_flicker(seed: int) -> None:
    ct, mr = noise(seed)
    for fused in (ct, mr, (ct + mr) / 2, np.maximum(ct, mr), np.minimum(ct, mr)):
        assert slice_flicker(fused, ct, mr) < ROUNDING


@quick
@given(seeds)
def test_constant_blend_over_slices_never_flickers(seed: int) -> None:
    ct, mr = noise(seed)
    weight = np.random.default_rng(seed + 1).uniform(0, 1, ct.shape[1:])
    assert slice_flicker(weight * ct + (1 - weight) * mr, ct, mr) < ROUNDING


@quick
@given(seeds)
def test_changing_blend_flickers_at_most_change_times_gap(seed: int) -> None:
    ct, mr = noise(seed)
    weight = np.cumsum(np.random.default_rng(seed + 1).uniform(0, 0.1, ct.shape), axis=0)
    gap = ct - mr
    bound = np.abs(np.diff(weight, axis=0) * (gap[1:] + gap[:-1]) / 2)
    jumps = slice_jumps(weight * ct + (1 - weight) * mr, ct, mr)
    assert (jumps <= np.sqrt((bound**2).mean(axis=(1, 2))) + ROUNDING).all()


@quick
@given(seeds, st.floats(0, 1), st.floats(0, 1))
def test_stronger_pattern_never_flickers_less(seed: int, first: float, second: float) -> None:
    ct, mr = noise(seed)
    pattern = np.random.default_rng(seed + 1).normal(0, 50, ct.shape)
    less, more = (
        slice_flicker(np.maximum(ct, mr) + amount * pattern, ct, mr)
        for amount in sorted((first, second))
    )
    assert less <= more + ROUNDING


@quick
@given(seeds)
def test_flicker_ignores_slice_and_source_order(seed: int) -> None:
    (ct, mr), (fused, _) = noise(seed), noise(seed + 1)
    expected = slice_flicker(fused, ct, mr)
    np.testing.assert_allclose(slice_flicker(fused[::-1], ct[::-1], mr[::-1]), expected)
    np.testing.assert_allclose(slice_flicker(fused, mr, ct), expected)


def test_single_bright_slice_flickers_on_both_sides() -> None:
    fused = still()
    fused[2] += 12
    np.testing.assert_allclose(slice_jumps(fused, still(), still(60)), [0, 12, 12, 0])
    np.testing.assert_allclose(slice_flicker(fused, still(), still(60)), np.sqrt(2 * 12**2 / 4))


def test_step_of_a_source_is_forgiven_and_excess_is_not() -> None:
    ct, mr = still(), still(60)
    ct[3:] += 20
    for height, excess in ((0, 0), (10, 0), (20, 0), (25, 5), (-5, 5)):
        fused = still(80)
        fused[3:] += height
        np.testing.assert_allclose(slice_jumps(fused, ct, mr), [0, 0, excess, 0])


def test_per_slice_normalisation_flickers_with_its_variation(
    volumes: tuple[Float64Array, Float64Array],
) -> None:
    ct, mr = volumes
    fused = (ct + mr) / 2
    found = [slice_flicker(rescaled(fused, a), ct, mr) for a in (0, 0.02, 0.05, 0.1, 0.2)]
    assert found[0] < ROUNDING
    assert (np.diff(found) > 0.1).all()


def test_slices_taken_from_ct_and_mr_in_turn_flicker_most_of_all(
    volumes: tuple[Float64Array, Float64Array],
) -> None:
    ct, mr = volumes
    odd = np.arange(len(ct))[:, None, None] % 2 == 1
    in_turn = slice_flicker(np.where(odd, ct, mr), ct, mr)
    assert in_turn > 10 * slice_flicker(rescaled((ct + mr) / 2, 0.2), ct, mr)


def test_taking_the_ct_where_bone_moves_in_is_forgiven() -> None:
    ct, mr = growing_skull()
    fused = np.where(ct > 200, ct, mr)
    assert slice_flicker(fused, ct, mr) < ROUNDING
    assert slice_flicker(fused, ct, mr, border_step=256) > 1


def test_unexplained_source_switch_is_not_forgiven_near_bone() -> None:
    ct, mr = growing_skull()
    fused = np.where(ct > 200, ct, mr)
    fused[4, 28:36, 28:36] = ct[4, 28:36, 28:36]
    areas = [(ct[z : z + 2] > 0).any(axis=0).sum() for z in (3, 4)]
    expected = [(95 - 80) * 8 / np.sqrt(area) for area in areas]
    np.testing.assert_allclose(slice_jumps(fused, ct, mr)[2:6], [0, *expected, 0], atol=ROUNDING)


def test_a_hard_threshold_flickers_where_the_ct_wavers_about_it() -> None:
    ct, mr = still(195), still(60)
    ct[::2] = 205
    fused = np.where(ct > 200, ct, mr)
    assert slice_flicker(fused, ct, mr) == pytest.approx(205 - 60 - 10)
    assert BORDER_STEP > 10


def test_wavelets_flicker_more_than_pyramid_more_than_rule(
    volumes: tuple[Float64Array, Float64Array],
) -> None:
    ct, mr = volumes
    found = []
    for name in ("bone_blend", "laplacian", "dwt"):
        small = (image.astype(np.float32) / 255 for image in (ct, mr))
        found.append(slice_flicker(255 * load_method(name)(*small), ct, mr))
    assert found == sorted(found)


def test_bone_that_shows_a_slice_before_it_is_there_counts() -> None:
    ct, mr = growing_skull()
    assert slice_flicker(gaussian_filter((ct + mr) / 2, (1, 0, 0)), ct, mr) > 1


def test_air_has_no_say() -> None:
    ct, mr = still(), still(60)
    ct[:, 4:] = mr[:, 4:] = 0
    fused = (ct + mr) / 2
    fused[::2, 4:] = 50
    assert slice_flicker(fused, ct, mr) < ROUNDING
    fused[::2, :4] += 3
    np.testing.assert_allclose(slice_flicker(fused, ct, mr), 3)


def test_one_slice_and_nothing_but_air_have_no_flicker() -> None:
    one, air = still(depth=1), still(0)
    assert slice_flicker(one + 5, one, one) == 0
    assert slice_jumps(one, one, one).shape == (0,)
    assert slice_flicker(air + 9, air, air) == 0


def test_flicker_is_equal_for_bytes_and_floats() -> None:
    fused, ct, mr = np.random.default_rng(6).integers(0, 256, (3, 5, 7, 6), dtype=np.uint8)
    assert slice_flicker(fused, ct, mr) == slice_flicker(
        *(x.astype(float) for x in (fused, ct, mr))
    )


def test_a_single_picture_is_refused() -> None:
    picture = np.zeros((8, 9))
    with pytest.raises(InputError, match=r"needs a volume .*; this is \(8, 9\)"):
        slice_flicker(picture, picture, picture)
