"""Left-right test: the mirror image of an MR must fit the CT clearly worse than the MR does."""

from dataclasses import replace

import numpy as np
import SimpleITK as sitk

from radfuse.arrays import Float64Array
from radfuse.registration.optimizer import COARSE, MIDDLE, MutualInformationOptimizer
from radfuse.registration.preprocessing import MARGIN_MM, centroid, clamped_ct, dilated
from radfuse.registration.transforms import matrix_of
from radfuse.series import Series

HEAD_HU = -300.0
"""Above air and foam, below fat."""


def mirror_fit(
    ct: Series, mr: Series, mr_head: sitk.Image, ct_from_mr: sitk.Euler3DTransform
) -> float:
    """Fit on the grid of `MIDDLE` of the MR's mirror image, optimized from the pose; 0 if it fails.

    It is mirrored in the sagittal plane of the CT's head, where its two halves are most alike, also
    if the MR shows only one of them.
    """
    middle = centroid(clamped_ct(ct, COARSE.ct_mm) > HEAD_HU)
    centre = np.array(ct_from_mr.GetInverse().TransformPoint(middle.tolist()))
    sagittal = matrix_of(ct_from_mr)[0, :3]
    mirrored = replace(mr, image=reflected(mr.image, centre, sagittal))
    mask = dilated(reflected(mr_head, centre, sagittal), MARGIN_MM)
    pose, fit = ct_from_mr, 0.0
    for level in (COARSE, MIDDLE):
        optimum = MutualInformationOptimizer.at_level(level, ct, mirrored, mask).optimize(pose)
        if optimum is None:
            return 0.0
        pose, fit = optimum
    return fit


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
