"""Alignment check of two 2-D images: whether the MR fits the CT better when it is moved.

2-D images have no geometry and are not registered, so nothing else detects that they do not match.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import scipy  # its parts are imported when they are used

from radfuse.arrays import BoolArray, Float32Array

SHIFTS_PX = (-8, -4, 0, 4, 8)
"""Shifts along either axis."""

ROTATIONS_DEG = (-6.0, -3.0, 0.0, 3.0, 6.0)
"""Rotations about the centre of the image."""

MIN_SIDE_PX = 64
"""Smaller images are not checked: a shift leaves too little of them."""

SIGMA_PX = 1.0
"""Both are smoothed by this first, so that interpolation alone changes the fit little."""

BINS = 32
"""Of the joint histogram, along each axis."""

MIN_GAIN = 1.1
"""Ratio of mutual information above which a moved copy fits clearly better: 1.05 or less in 38 of
40 training pairs of the Harvard atlas, 1.09 and 1.16 in the others."""


@dataclass(frozen=True)
class Motion2D:
    """The motion of the MR with the largest mutual information, and by what it is larger."""

    right_px: int
    down_px: int
    rotation_deg: float
    """Counter-clockwise, as displayed."""
    gain: float
    """Mutual information with the CT as a multiple of that of the unmoved MR."""

    def warning(self) -> str:
        """That the images may not match; empty where no moved copy fits clearly better."""
        if self.gain <= MIN_GAIN:
            return ""
        return (
            "CT and MR may not be aligned: the MR fits the CT better (mutual information times "
            f"{self.gain:.2f}) when it is moved by {self.right_px:+d} pixels to the right and "
            f"{self.down_px:+d} down and rotated by {self.rotation_deg:+.0f} degrees "
            "counter-clockwise; 2-D images are not registered, so align them before"
        )


def best_motion(ct: Float32Array, mr: Float32Array) -> Motion2D:
    """Compare the MR (rows, columns), and copies of it that are moved a little, with the CT."""
    unmoved = Motion2D(0, 0, 0.0, 1.0)
    if min(ct.shape) < MIN_SIDE_PX or 0.0 in (np.ptp(ct), np.ptp(mr)):
        return unmoved
    inside = _common_region(ct.shape)
    codes = _codes(scipy.ndimage.gaussian_filter(ct, SIGMA_PX))
    smooth = scipy.ndimage.gaussian_filter(mr, SIGMA_PX)
    fits = {
        motion: mutual_information(codes[inside], _codes(moved)[inside])
        for motion, moved in _copies(smooth)
    }
    reference = fits[0, 0, 0.0]
    best = max(fits, key=lambda motion: fits[motion])
    return Motion2D(*best, fits[best] / reference) if reference > 0 else unmoved


def _copies(mr: Float32Array) -> Iterator[tuple[tuple[int, int, float], Float32Array]]:
    """Each motion, and the MR moved by it."""
    for degrees in ROTATIONS_DEG:
        rotated = scipy.ndimage.rotate(mr, degrees, reshape=False, order=1, mode="nearest")
        for down, right in product(SHIFTS_PX, SHIFTS_PX):
            yield (right, down, degrees), np.roll(rotated, (down, right), axis=(0, 1))


def _common_region(shape: tuple[int, ...]) -> BoolArray:
    """The disc that every motion keeps inside the image."""
    rows, columns = (np.arange(n) - (n - 1) / 2 for n in shape)
    radius = min(shape) / 2 - max(SHIFTS_PX)
    return np.asarray(np.hypot.outer(rows, columns) < radius)


def _codes(image: Float32Array) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """The bin of each pixel."""
    low, high = float(image.min()), float(image.max())
    return np.asarray((image - low) * ((BINS - 1e-3) / (high - low)), np.int64)


def mutual_information(
    one: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
    other: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
) -> float:
    """Of two images of bins below `BINS`, in nats."""
    joint = np.bincount(one * BINS + other, minlength=BINS**2).reshape(BINS, BINS) / len(one)
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    occupied = joint > 0
    return float((joint[occupied] * np.log(joint[occupied] / independent[occupied])).sum())
