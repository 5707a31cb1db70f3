import numpy as np
import SimpleITK as sitk
from numpy.testing import assert_allclose

from radfuse.intensity import shrunk
from radfuse.modality import CT
from radfuse.registration.preprocessing import centroid, dilated, head_of
from radfuse.registration.starts import candidate_starts, from_vertex, height_mm, heights_mm

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


def test_what_lies_near_the_vertex_is_as_high_as_asked_for():
    kept = from_vertex(box(), 40.0)
    assert height_mm(kept) == 40.0
    assert_allclose(centroid(kept)[2], 7.0 + 4.0 * 24 - 20.0)


def test_all_of_a_mask_lies_within_its_own_height():
    mask = box(OBLIQUE)
    kept = from_vertex(mask, height_mm(mask) + 1e-6)
    assert_allclose(sitk.GetArrayFromImage(kept), sitk.GetArrayFromImage(mask))


def test_every_start_takes_the_head_to_its_goal():
    ct, mr = box(), box(OBLIQUE, spacing=(2.5, 2.5, 3.0))
    starts = {start.name: start.ct_from_mr for start in candidate_starts(ct, ct, mr, mr)}
    assert len(starts) == 28
    for name, start in starts.items():
        goal = centroid(mr) if name.startswith("headers") else centroid(ct)
        if not name.startswith(("vertex", "centres")):
            assert_allclose(start.TransformPoint(centroid(mr).tolist()), goal, atol=1e-9)


def test_the_headers_start_is_the_identity():
    starts = candidate_starts(box(), box(), box(OBLIQUE), box(OBLIQUE))
    plain = next(start for start in starts if start.name == "headers")
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


def test_oblique_head_lies_where_its_series_does(phantom):
    for series in (phantom.ct, phantom.mr):
        mask = head_of(series)
        assert mask.GetDirection() == series.image.GetDirection()
        truth = phantom.labels if series.modality == CT else phantom.labels_mr
        bodies = sitk.Resample(mask, truth, sitk.Transform(), sitk.sitkNearestNeighbor)
        labels = sitk.GetArrayFromImage(truth)
        tissue = (labels >= 1) & (labels <= 17)
        overlap = sitk.GetArrayFromImage(bodies)[tissue].mean()
        assert overlap > 0.9
