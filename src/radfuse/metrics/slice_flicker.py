"""Slice flicker: jumps between neighbouring slices that neither CT nor MR makes.

Designed in this project; `docs/own-metrics.md` has the formulas, what was tried and the limits.
"""

import numpy as np
from scipy.ndimage import maximum_filter

from radfuse.arrays import Float64Array
from radfuse.errors import InputError
from radfuse.metrics.image_levels import Image, floats, measured
from radfuse.metrics.region_fidelity import AIR_LEVEL

BORDER_STEP = 64.0
"""Jump of a source, a quarter of white, that shows that a border moved past the voxel."""

BORDER_SIDE = 3
"""Side in pixels of the neighbourhood in the slice in which such a jump frees the choice."""


def slice_jumps(
    fused: Image, ct: Image, mr: Image, *, border_step: float = BORDER_STEP
) -> Float64Array:
    """Unexplained jump between each two neighbouring slices of volumes (D, H, W), in grey levels.

    Shape (D - 1,), 0 or more: the root mean square, over the voxels where CT or MR exceed
    `AIR_LEVEL` in either slice, of the part of F's step outside of what the sources'
    steps span. 0 where all is air. Raises `InputError` for anything but a volume.
    """
    volumes = [measured(volume).array for volume in (fused, ct, mr)]
    if len(fused.shape) != 3:
        raise InputError(f"flicker needs a volume (slices, rows, columns); this is {fused.shape}")
    pairs = [slice(z, z + 2) for z in range(fused.shape[0] - 1)]
    return np.array(
        [
            _jump(*(floats(volume[pair]) for volume in volumes), border_step=border_step)
            for pair in pairs
        ]
    )


def slice_flicker(fused: Image, ct: Image, mr: Image, *, border_step: float = BORDER_STEP) -> float:
    """Flicker of a fused volume (D, H, W) in grey levels: 0 is best, smaller is better.

    The root mean square of `slice_jumps`. A volume of one slice has 0. Average, maximum and copies
    of a source have 0, but for rounding, as has any mixture whose weights are the same in every
    slice.
    """
    jumps = slice_jumps(fused, ct, mr, border_step=border_step)
    return float(np.sqrt((jumps**2).mean())) if jumps.size else 0.0


def _jump(fused: Float64Array, ct: Float64Array, mr: Float64Array, *, border_step: float) -> float:
    """Unexplained jump between two slices (2, H, W)."""
    head = (np.maximum(ct, mr) > AIR_LEVEL).any(axis=0)
    if not head.any():
        return 0.0
    step = np.subtract(*fused[::-1])
    lowest, highest = _explained(ct, mr, border_step)
    excess = np.maximum(step - highest, 0) + np.maximum(lowest - step, 0)
    return float(np.sqrt((excess[head] ** 2).mean()))


def _explained(
    ct: Float64Array, mr: Float64Array, border_step: float
) -> tuple[Float64Array, Float64Array]:
    """Least and greatest step of F, (H, W) each, that the two slices of the sources explain.

    From the lesser to the greater of both sources' steps, and 0; where a border moved past, F may
    also go over from one source to the other.
    """
    steps = np.stack([ct[1] - ct[0], mr[1] - mr[0]])
    lowest, highest = np.minimum(steps.min(axis=0), 0), np.maximum(steps.max(axis=0), 0)
    changes = np.stack([mr[1] - ct[0], ct[1] - mr[0]])
    border = maximum_filter(np.abs(steps).max(axis=0), BORDER_SIDE) >= border_step
    np.minimum(lowest, changes.min(axis=0), out=lowest, where=border)
    np.maximum(highest, changes.max(axis=0), out=highest, where=border)
    return lowest, highest
