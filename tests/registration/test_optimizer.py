"""The optimizer of poses: it never ends worse than it begins."""

import numpy as np
import pytest
import SimpleITK as sitk

from radfuse.phantom.head import Phantom
from radfuse.registration.optimizer import (
    FINE,
    SEPARATING,
    MutualInformationOptimizer,
    ResolutionLevel,
    itk_threads,
    mean_displacement_mm,
)
from radfuse.registration.preprocessing import MARGIN_MM, centroid, coarse_head_mask, dilated
from radfuse.registration.transforms import with_rotation_centre

MOTIONS = [
    ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
    ((0.3, -0.2, 0.5), (0.5, 0.0, -0.4)),
    ((3.0, -2.0, 1.0), (3.0, -2.0, 4.0)),
]  # fmt: skip
"""From the true pose: degrees and mm."""


@pytest.mark.parametrize("level", [SEPARATING, FINE])
@pytest.mark.parametrize(("degrees", "shift_mm"), MOTIONS)
def test_an_optimum_is_kept_or_improved(
    quick_phantom: Phantom,
    level: ResolutionLevel,
    degrees: tuple[float, ...],
    shift_mm: tuple[float, ...],
) -> None:
    head = coarse_head_mask(quick_phantom.mr)
    optimizer = MutualInformationOptimizer.at_level(
        level, quick_phantom.ct, quick_phantom.mr, dilated(head, MARGIN_MM)
    )
    apart = sitk.Euler3DTransform((0, 0, 0), *np.radians(degrees).tolist(), shift_mm)
    off = sitk.CompositeTransform([apart, quick_phantom.mr_from_ct.GetInverse()])
    centre_mm = centroid(head)
    pose, fits = with_rotation_centre(centre_mm, off), []
    with itk_threads(single=True):
        for _ in range(4):
            found = optimizer.optimize(pose)
            assert found is not None
            pose, fit = found
            fits.append(fit)
    assert np.diff(fits).min() > -1e-6
    true = quick_phantom.mr_from_ct.GetInverse()
    assert mean_displacement_mm(pose, true, centre_mm) < 0.6
