"""Uneven MR signal, as of a surface coil: corrected where the MR then fits the CT better."""

from dataclasses import replace
from functools import partial

import numpy as np
import scipy  # its parts are imported when they are used
import SimpleITK as sitk

from radfuse.arrays import image_on
from radfuse.intensity import COARSE_MM, shrunk
from radfuse.registration.optimizer import MIDDLE, MutualInformationOptimizer, side_by_side
from radfuse.registration.preprocessing import MARGIN_MM, dilated
from radfuse.series import Series

BLUR_MM = 30.0
"""Standard deviation of the blur that leaves the shading: above the size of tissues, below that of
a head."""

MIN_SHADING = 0.05
"""Least shading, as a fraction of its median: what is darker is not amplified further."""


def corrected(mr: Series, head: sitk.Image) -> Series:
    """The MR divided by its signal averaged over `BLUR_MM` of the head.

    Homomorphic filtering, see Vovk et al. 2007, 10.1109/TMI.2006.891486. `head` is the MR's
    `coarse_head_mask`.
    """
    coarse = shrunk(mr.image, COARSE_MM)
    inside = sitk.GetArrayViewFromImage(head).astype(np.float32)
    sigma = [BLUR_MM / spacing for spacing in coarse.GetSpacing()[::-1]]
    signal = scipy.ndimage.gaussian_filter(sitk.GetArrayViewFromImage(coarse) * inside, sigma)
    weight = scipy.ndimage.gaussian_filter(inside, sigma)
    shading = signal / np.maximum(weight, np.finfo(np.float32).tiny)
    of_head = shading[inside > 0]
    least = max(of_head.min(), MIN_SHADING * np.median(of_head))
    shading = np.clip(shading, least, of_head.max()) / np.median(of_head)
    field = image_on(coarse, shading.astype(np.float32))
    on_mr = sitk.Resample(field, mr.image, sitk.Transform(), sitk.sitkLinear, 1.0)
    return replace(mr, image=sitk.Cast(mr.image / on_mr, sitk.sitkFloat32))


def evenly_lit(
    ct: Series, mr: Series, head: sitk.Image, pose: sitk.Euler3DTransform
) -> tuple[Series, MutualInformationOptimizer]:
    """The MR as it is or corrected, whichever has more mutual information with the CT at a pose.

    With its pair on the grids of `MIDDLE`. With a coil on one side it is the corrected one (0.82
    nats, 0.72 without correction), with noise of 8 % the MR as it is (0.61 nats, 0.40 corrected);
    phantoms of the calibration half of benchmarks/calibration.py.
    """
    pair = MutualInformationOptimizer.at_level(MIDDLE, ct, mr, dilated(head, MARGIN_MM))
    even = corrected(mr, head)
    candidates = (mr, pair), (even, replace(pair.copy(), mr=shrunk(even.image, MIDDLE.mr_mm)))
    fits = side_by_side([partial(other.fit, pose) for _, other in candidates])
    return candidates[int(np.argmax(fits))]
