"""2-D images that do not match are warned of, and those that do are not."""

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from radfuse.arrays import Float32Array
from radfuse.intensity import WINDOWS
from radfuse.io.image_pairs import find_image_pairs, read_image_pair
from radfuse.phantom.head import Phantom
from radfuse.pipeline.volume import scale_slice
from radfuse.registration.planar_check import MIN_GAIN, MIN_SIDE_PX, best_motion

Slice = tuple[Float32Array, Float32Array]


@pytest.fixture(scope="module")
def pair(phantom: Phantom) -> Slice:
    """CT and MR of one slice through the brain, with pixels of 1.5 mm."""
    index = phantom.ct.image.GetSize()[2] * 6 // 10
    ct, mr, _ = scale_slice(
        phantom.ct.image, phantom.mr.image, phantom.mr_from_ct, WINDOWS["brain"], (0, 900), index
    )
    return ndimage.zoom(ct, 2, order=1), ndimage.zoom(mr, 2, order=1)


def moved(image: Float32Array, right: int, down: int, degrees: float) -> Float32Array:
    """The image after the motion that `best_motion` then finds reversed."""
    rolled = np.roll(image, (down, right), axis=(0, 1))
    return np.asarray(ndimage.rotate(rolled, degrees, reshape=False, order=1), np.float32)


def test_aligned_slices_are_not_warned_of(pair: Slice):
    assert best_motion(*pair).warning() == ""


@pytest.mark.parametrize("motion", [(8, 0, 0.0), (0, -8, 0.0), (-4, 8, 6.0)])
def test_a_moved_slice_is_warned_of(pair: Slice, motion: tuple[int, int, float]):
    ct, mr = pair
    best = best_motion(ct, moved(mr, *motion))
    assert (best.right_px, best.down_px, best.rotation_deg) == tuple(-part for part in motion)
    assert best.gain > MIN_GAIN
    assert f"moved by {best.right_px:+d} pixels to the right" in best.warning()


@pytest.mark.parametrize("side", [1, MIN_SIDE_PX - 1, MIN_SIDE_PX])
def test_small_and_constant_images_are_not_judged(side: int):
    noise = np.random.default_rng(1).random((side, side), np.float32)
    assert best_motion(noise, np.zeros_like(noise)).warning() == ""
    assert best_motion(np.ones_like(noise), noise).warning() == ""
    assert side == MIN_SIDE_PX or best_motion(noise, noise[::-1]).gain == 1.0


@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_no_pair_of_the_harvard_test_set_is_warned_of(shared: Path, every: int):
    pairs = find_image_pairs(shared / "data" / "harvard" / "test")
    gains = []
    assert len(pairs) == 24
    for files in pairs[::every]:
        levels = read_image_pair(files)
        ct, mr = (np.asarray(part / 255, np.float32) for part in (levels.ct, levels.mr))
        gains.append(best_motion(ct, mr).gain)
    assert max(gains) <= MIN_GAIN
