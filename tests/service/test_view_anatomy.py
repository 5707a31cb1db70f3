"""The head's box and the centre of the regions of the skull, which the viewer displays."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from radfuse.phantom.head import Phantom
from radfuse.service.jobs.view_anatomy import brain_centre_mm, head_box

TOLERANCE_MM = 6.0
"""Of a mask on a grid of 4 mm."""

SKIN_HU = -300


@pytest.mark.parametrize("order", ["LPS", "RAI", "PSL"])
def test_box_of_the_head_is_in_voxels_of_the_viewer(phantom: Phantom, order: str) -> None:
    ct = replace(phantom.ct, image=sitk.DICOMOrient(phantom.ct.image, order))
    lps = sitk.DICOMOrient(phantom.ct.image, "LPS")
    inside = np.argwhere(sitk.GetArrayViewFromImage(lps) > SKIN_HU)[:, ::-1]
    found = head_box(ct)
    assert found is not None
    off_mm = (np.array(found) - [inside.min(axis=0), inside.max(axis=0)]) * lps.GetSpacing()
    assert np.abs(off_mm).max() <= TOLERANCE_MM


def test_image_without_a_head_has_no_box(phantom: Phantom) -> None:
    assert head_box(replace(phantom.ct, image=phantom.ct.image * 0)) is None


def test_centre_of_the_brain_is_in_coordinates_of_the_ct(phantom: Phantom) -> None:
    centre = brain_centre_mm(phantom.mr, phantom.mr_from_ct)
    assert centre is not None
    lps = sitk.DICOMOrient(phantom.ct.image, "LPS")
    voxel = lps.TransformPhysicalPointToIndex(centre)
    inside = np.argwhere(sitk.GetArrayViewFromImage(lps) > SKIN_HU)[:, ::-1]
    middle = (inside.min(axis=0) + inside.max(axis=0)) / 2
    assert np.abs((np.array(voxel) - middle) * lps.GetSpacing())[:2].max() < 15
    assert (
        brain_centre_mm(replace(phantom.mr, image=phantom.mr.image * 0), sitk.Transform()) is None
    )
