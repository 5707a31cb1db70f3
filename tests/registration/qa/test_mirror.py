from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.testing import assert_allclose

from radfuse.phantom.head import Phantom
from radfuse.registration.qa.assessment import MAX_MIRROR_FIT, assess
from radfuse.registration.qa.mirror import reflected
from radfuse.registration.search import register


def test_a_reflection_keeps_the_plane_and_is_its_own_inverse(phantom: Phantom):
    centre, normal = np.array([3.0, -8.0, 20.0]), np.array([0.6, 0.64, 0.48])
    mirrored = reflected(phantom.mr.image, centre, normal)
    point = np.array(phantom.mr.image.TransformIndexToPhysicalPoint((4, 9, 7)))
    there = np.array(mirrored.TransformIndexToPhysicalPoint((4, 9, 7)))
    assert_allclose(there - point, -2 * (normal @ (point - centre)) * normal, atol=1e-9)
    back = reflected(mirrored, centre, normal)
    assert_allclose(back.GetDirection(), phantom.mr.image.GetDirection(), atol=1e-12)


def test_the_mirror_image_of_a_head_fits_clearly_worse(quick_phantom: Phantom):
    quality = assess(quick_phantom.ct, quick_phantom.mr, quick_phantom.mr_from_ct)
    assert 0 < quality.mirror_fit < MAX_MIRROR_FIT


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(slice(None), id="whole"),
        pytest.param(slice(8, 34), id="part", marks=pytest.mark.slow),
    ],
)
def test_a_mirrored_mr_is_refused_for_its_sides(quick_phantom: Phantom, part: slice):
    centre = np.array(quick_phantom.mr_from_ct.TransformPoint((0.0, 0.0, 10.0)))
    sagittal = np.reshape(quick_phantom.mr_from_ct.GetMatrix(), (3, 3))[:, 0]
    image = reflected(quick_phantom.mr.image[:, :, part], centre, sagittal)
    mirrored = replace(quick_phantom.mr, image=sitk.DICOMOrient(right_handed(image), "LPS"))
    quality = register(quick_phantom.ct, mirrored, initial=quick_phantom.mr_from_ct).quality
    assert quality.mirror_fit > 1
    assert quality.grade == "refuse"
    assert "left and right cannot be distinguished" in quality.sentence()


def right_handed(image: sitk.Image) -> sitk.Image:
    """The same volume, as readers give it: its first axis is stored the other way round."""
    return sitk.Flip(image, [True, False, False])
