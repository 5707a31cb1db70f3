"""Left-right test: the mirror image of an MR must fit the CT clearly worse than the MR does."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import SimpleITK as sitk

from radfuse.arrays import Float64Array
from radfuse.registration.optimizer import COARSE, MutualInformationOptimizer, Optimum
from radfuse.registration.preprocessing import centroid
from radfuse.registration.transforms import matrix_of

HEAD_HU = -300.0
"""Above air and foam, below fat."""

CLEARLY_WORSE = 0.9
"""Fit of the mirror image on the coarse grid, as a fraction of the MR's own, below which it is not
optimized on the finer one: 0.94 and more where it fits there with more than 0.86 (calibration half
of benchmarks/calibration.py)."""


def mirror_fit(
    pair: MutualInformationOptimizer,
    ct_from_mr: sitk.Euler3DTransform,
    own_optimum: Callable[[], Optimum | None],
) -> float:
    """Fit of the MR's mirror image as a fraction of the MR's own, both optimized from the pose.

    On the coarse grid, and where the mirror image is not clearly worse there, on that of `pair`,
    with the optimum of the MR itself; 0 where it cannot be optimized. It is mirrored in the
    sagittal plane of the CT's head, where its two halves are most alike, also if the MR shows only
    one.
    """
    coarse = pair.coarser(COARSE)
    middle = centroid(coarse.ct > HEAD_HU)
    centre = np.array(ct_from_mr.GetInverse().TransformPoint(middle.tolist()))
    sagittal = matrix_of(ct_from_mr)[0, :3]
    own = coarse.optimize(ct_from_mr)
    mirrored = _mirrored(coarse, centre, sagittal).optimize(ct_from_mr)
    if own is None or mirrored is None:
        return 0.0
    if mirrored[1] < CLEARLY_WORSE * own[1]:
        return mirrored[1] / own[1]
    own = own_optimum()
    mirrored = _mirrored(pair, centre, sagittal).optimize(mirrored[0])
    return mirrored[1] / own[1] if own and mirrored else 0.0


def _mirrored(
    pair: MutualInformationOptimizer, centre_mm: Float64Array, normal: Float64Array
) -> MutualInformationOptimizer:
    """The CT with the mirror image of the MR."""
    mr, mask = (reflected(image, centre_mm, normal) for image in (pair.mr, pair.mr_mask))
    return replace(pair, mr=mr, mr_mask=mask)


def reflected(image: sitk.Image, centre_mm: Float64Array, normal: Float64Array) -> sitk.Image:
    """The mirror image in a plane, by its geometry alone: the direction becomes left-handed."""
    reflection = np.eye(3) - 2 * np.outer(normal, normal)
    mirrored = sitk.Image(image)
    mirrored.SetOrigin(
        (reflection @ (np.array(image.GetOrigin()) - centre_mm) + centre_mm).tolist()
    )
    direction = reflection @ np.reshape(image.GetDirection(), (3, 3))
    mirrored.SetDirection(direction.ravel().tolist())
    return mirrored
