import numpy as np
import SimpleITK as sitk
from numpy.testing import assert_allclose

from radfuse.intensity import shrunk
from radfuse.modality import CT
from radfuse.registration.initialization import (
    MIN_SHIFT_MM,
    cropped_from_vertex,
    height_mm,
    heights_mm,
    initial_poses,
)
from radfuse.registration.preprocessing import centroid, coarse_head_mask, dilated

OBLIQUE = sitk.Euler3DTransform((0, 0, 0), 0.3, -0.2, 0.5).GetMatrix()


PLAIN = sitk.Euler3DTransform().GetMatrix()


def box(direction=PLAIN, size=(20, 24, 30), spacing=(2.0, 3.0, 4.0)) -> sitk.Image:
    values = np.zeros(size[::-1], np.uint8)
    values[5:25, 4:20, 3:17] = 1
    mask = sitk.GetImageFromArray(values)
    mask.SetSpacing(spacing)
    mask.SetDirection(direction)
    mask.SetOrigin((-10.0, 40.0, 7.0))
    return mask


def test_heights_are_the_superior_coordinates_on_an_oblique_grid():
    mask = box(OBLIQUE)
    heights = heights_mm(mask)
    for index in [(0, 0, 0), (3, 7, 11), (19, 23, 29)]:
        assert_allclose(heights[index[::-1]], mask.TransformIndexToPhysicalPoint(index)[2])


def test_the_part_below_the_vertex_has_the_given_height():
    kept = cropped_from_vertex(box(), 40.0)
    assert height_mm(kept) == 40.0
    assert_allclose(centroid(kept)[2], 7.0 + 4.0 * 24 - 20.0)


def test_a_mask_is_kept_whole_within_its_own_height():
    mask = box(OBLIQUE)
    kept = cropped_from_vertex(mask, height_mm(mask) + 1e-6)
    assert_allclose(sitk.GetArrayFromImage(kept), sitk.GetArrayFromImage(mask))


def test_every_initial_pose_moves_the_head_to_its_target():
    ct, mr = box(), box(OBLIQUE, spacing=(2.5, 2.5, 3.0))
    poses = {pose.name: pose.ct_from_mr for pose in initial_poses(ct, ct, mr, mr)}
    targets = {"headers": centroid(mr), "vertex": centroid(ct)}  # the others are closer than 5 mm
    assert len(poses) == 7 * len(targets)
    for name, pose in poses.items():
        target = targets[name.partition(",")[0]]
        assert_allclose(pose.TransformPoint(centroid(mr).tolist()), target, atol=MIN_SHIFT_MM)


def test_initial_poses_that_differ_are_all_kept():
    ct, mr = box(), box(OBLIQUE, spacing=(2.5, 2.5, 3.0))
    apart = cropped_from_vertex(ct, 40.0)
    poses = initial_poses(ct, apart, mr, mr)
    assert len({pose.name.partition(",")[0] for pose in poses}) >= 3


def test_the_pose_of_the_headers_is_the_identity():
    poses = initial_poses(box(), box(), box(OBLIQUE), box(OBLIQUE))
    plain = next(pose for pose in poses if pose.name == "headers")
    assert_allclose(plain.ct_from_mr.TransformPoint((5.0, -7.0, 30.0)), (5.0, -7.0, 30.0))


def test_shrinking_keeps_coarse_axes_and_the_mean():
    image = sitk.Cast(box(spacing=(0.5, 0.5, 5.0), size=(24, 24, 30)), sitk.sitkFloat32)
    small = shrunk(image, 2.0)
    assert small.GetSize() == (6, 6, 30)
    assert_allclose(sitk.GetArrayFromImage(small).mean(), sitk.GetArrayFromImage(image).mean())


def test_a_margin_is_in_mm_along_each_axis():
    grown = dilated(box(), 12.0)
    low = np.argwhere(sitk.GetArrayFromImage(grown)).min(axis=0)
    assert low.tolist() == [5 - 3, 4 - 4, 0]


def test_the_mask_of_an_oblique_head_is_on_its_tissue(phantom):
    for series in (phantom.ct, phantom.mr):
        mask = coarse_head_mask(series)
        assert mask.GetDirection() == series.image.GetDirection()
        truth = phantom.labels if series.modality == CT else phantom.labels_mr
        bodies = sitk.Resample(mask, truth, sitk.Transform(), sitk.sitkNearestNeighbor)
        labels = sitk.GetArrayFromImage(truth)
        tissue = (labels >= 1) & (labels <= 17)
        overlap = sitk.GetArrayFromImage(bodies)[tissue].mean()
        assert overlap > 0.9
