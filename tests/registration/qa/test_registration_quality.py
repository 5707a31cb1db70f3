import json
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from radfuse.arrays import image_on
from radfuse.errors import InputError
from radfuse.phantom.head import Label, Phantom
from radfuse.registration.preprocessing import coarse_head_mask
from radfuse.registration.qa.assessment import assess
from radfuse.registration.qa.brain_points import brain_points_mm
from radfuse.registration.qa.quality import (
    INSPECT_MM,
    MAX_DISPLACEMENT_MM,
    MAX_ERROR_MM,
    PASS_MM,
    Quality,
)


@pytest.fixture(scope="module")
def true_pose(phantom: Phantom) -> Quality:
    return assess(phantom.ct, phantom.mr, phantom.mr_from_ct)


def displaced(phantom: Phantom, shift_mm=(0.0, 0.0, 0.0), angles_deg=(0.0, 0.0, 0.0)) -> Quality:
    step = sitk.Euler3DTransform((0, 0, 10), *np.radians(angles_deg).tolist(), shift_mm)
    return assess(phantom.ct, phantom.mr, sitk.CompositeTransform([phantom.mr_from_ct, step]))


def test_qa_passes_for_the_true_pose(true_pose: Quality):
    assert true_pose.passed
    assert true_pose.within_tolerance > 0.8
    assert true_pose.overlap > 0.95
    assert true_pose.reregistration_mm < 0.6


def test_the_end_of_the_interval_gives_the_grade(quick_phantom: Phantom, true_pose: Quality):
    assert true_pose.threshold_mm == PASS_MM
    for quality in (
        true_pose,
        displaced(quick_phantom, (1.5, 0.0, 0.0)),
        displaced(quick_phantom, (4.0, 0, 0)),
    ):
        assert 0 <= quality.low_mm <= quality.error_mm <= quality.high_mm
        apart = quality.displacement_mm > MAX_DISPLACEMENT_MM
        assert quality.passed == (quality.grade == "pass")
        assert quality.passed == (quality.high_mm <= PASS_MM and not apart)
        assert (quality.grade == "refuse") == (quality.high_mm > INSPECT_MM or apart)


@pytest.mark.parametrize(
    ("axis", "size_mm"),
    [
        (0, 1.0), pytest.param(0, 4.0, marks=pytest.mark.slow),
        pytest.param(1, 1.0, marks=pytest.mark.slow), (1, 4.0),
        (2, 1.0), pytest.param(2, 4.0, marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_the_interval_holds_a_known_displacement(phantom: Phantom, axis: int, size_mm: float):
    quality = displaced(phantom, (size_mm * np.eye(3)[axis]).tolist())
    assert quality.low_mm <= size_mm <= quality.high_mm


@pytest.mark.parametrize(
    "axes", ["PIR", *(pytest.param(one, marks=pytest.mark.slow) for one in ("AIL", "RSA", "SPL"))]
)
def test_a_pose_has_one_verdict_in_any_storage_order(
    phantom: Phantom, true_pose: Quality, axes: str
):
    stored = replace(phantom.mr, image=sitk.DICOMOrient(phantom.mr.image, axes))
    quality = assess(phantom.ct, stored, phantom.mr_from_ct)
    assert quality.displacement_mm == pytest.approx(true_pose.displacement_mm, abs=0.1)
    assert quality.high_mm == pytest.approx(true_pose.high_mm, abs=0.1)
    assert quality.grade == true_pose.grade


@pytest.mark.parametrize(
    "axis", [2, *(pytest.param(one, marks=pytest.mark.slow) for one in (0, 1))]
)
def test_the_estimated_error_grows_with_the_displacement(
    phantom: Phantom, true_pose: Quality, axis: int
):
    errors_mm = [true_pose.error_mm]
    for size_mm in (3.0, 6.0):
        shift = [0.0, 0.0, 0.0]
        shift[axis] = size_mm
        quality = displaced(phantom, shift)
        assert not quality.passed
        errors_mm.append(quality.error_mm)
    assert errors_mm == sorted(errors_mm)


@pytest.mark.parametrize(
    "angles",
    [
        (4.0, 0.0, 0.0),
        pytest.param((0.0, 4.0, 0.0), marks=pytest.mark.slow),
        pytest.param((0.0, 0.0, 4.0), marks=pytest.mark.slow),
    ],
)
def test_qa_fails_for_a_rotated_head_at_its_worst_point(phantom: Phantom, angles):
    quality = displaced(phantom, angles_deg=angles)
    assert not quality.passed
    step = sitk.Euler3DTransform((0, 0, 10), *np.radians(angles).tolist())
    ct_from_mr = sitk.CompositeTransform([phantom.mr_from_ct, step]).GetInverse()
    brain = brain_points_mm(coarse_head_mask(phantom.mr), ct_from_mr)
    points = [ct_from_mr.TransformPoint(point.tolist()) for point in brain]
    errors_mm = [distance_mm(step.TransformPoint(point), point) for point in points]
    worst = quality.worst_point_mm
    assert distance_mm(step.TransformPoint(worst), worst) > 0.95 * max(errors_mm)
    assert min(distance_mm(point, worst) for point in points) < 0.1  # it is in the brain


def distance_mm(first, second) -> float:
    return float(np.linalg.norm(np.subtract(first, second)))


def test_the_worst_point_moves_with_the_coordinates_of_the_ct(phantom: Phantom, true_pose: Quality):
    shift_mm = np.array([31.0, -17.0, 53.0])
    image = sitk.DICOMOrient(phantom.ct.image, "PIR")
    image.SetOrigin((np.array(image.GetOrigin()) + shift_mm).tolist())
    back = sitk.TranslationTransform(3, (-shift_mm).tolist())
    mr_from_ct = sitk.CompositeTransform([phantom.mr_from_ct, back])
    quality = assess(replace(phantom.ct, image=image), phantom.mr, mr_from_ct)
    np.testing.assert_allclose(
        np.subtract(quality.worst_point_mm, shift_mm), true_pose.worst_point_mm, atol=0.1
    )


def test_reregistration_distance_equals_the_displacement(quick_phantom: Phantom):
    assert abs(displaced(quick_phantom, (0.0, 8.0, 0.0)).reregistration_mm - 8.0) < 1.0


def test_without_bone_the_error_is_not_estimated(quick_phantom: Phantom):
    soft = sitk.Clamp(quick_phantom.ct.image, sitk.sitkFloat32, -1000, 80)
    quality = assess(
        replace(quick_phantom.ct, image=soft), quick_phantom.mr, quick_phantom.mr_from_ct
    )
    assert not quality.passed
    assert not quality.is_estimated
    assert quality.worst_point_mm is None
    assert quality.error_mm == MAX_ERROR_MM
    assert "cannot be estimated, the CT shows 0 cm3 of bone" in quality.sentence()


def test_with_the_vault_alone_the_error_is_not_estimated(phantom: Phantom):
    height = phantom.ct.image.GetSize()[2]
    vault = replace(phantom.ct, image=phantom.ct.image[:, :, height * 6 // 10 :])
    quality = assess(vault, phantom.mr, phantom.mr_from_ct)
    assert quality.patches >= 80
    assert 0.2 < quality.overlap < 0.5
    assert not quality.is_estimated
    assert quality.grade == "refuse"
    assert "too little of the head is in both images" in quality.sentence()


@pytest.mark.parametrize(("first", "last"), [(0.6, 1.0), (0.4, 0.6)], ids=["vault", "middle"])
def test_a_slab_of_the_mr_does_not_determine_the_pose(phantom: Phantom, first, last):
    slices = phantom.mr.image.GetSize()[2]
    part = phantom.mr.image[:, :, round(first * slices) : round(last * slices)]
    quality = assess(phantom.ct, replace(phantom.mr, image=part), phantom.mr_from_ct)
    assert quality.overlap > 0.95
    assert quality.patches >= 80
    assert quality.grade == "refuse"
    assert "does not determine the pose" in quality.sentence()


def test_a_coronal_slab_of_the_face_is_not_judged(phantom: Phantom):
    across = phantom.mr.image.GetSpacing()[1]
    part = phantom.mr.image[:, round(20 / across) : round(70 / across), :]
    quality = assess(phantom.ct, replace(phantom.mr, image=part), phantom.mr_from_ct)
    assert quality.patches >= 80
    assert quality.grade == "refuse"
    assert "blocks of 40 mm (at least 25): too few to estimate the precision" in quality.sentence()


@pytest.mark.parametrize(
    "margin",
    [pytest.param(0, id="brain", marks=pytest.mark.slow), pytest.param(1, id="brain and a margin")],
)
def test_a_skull_stripped_mr_is_not_judged(phantom: Phantom, margin: int):
    brain = (Label.CSF, Label.GREY, Label.WHITE, Label.VENTRICLE, Label.DURA, Label.BLOOD)
    inside = np.isin(sitk.GetArrayViewFromImage(phantom.labels_mr), brain)
    mask = image_on(phantom.mr.image, inside.astype(np.uint8))
    bare = sitk.Mask(phantom.mr.image, sitk.BinaryDilate(mask, [margin] * 3))
    quality = assess(phantom.ct, replace(phantom.mr, image=bare), phantom.mr_from_ct)
    assert quality.grade == "refuse"
    assert "the MR does not show the skull" in quality.sentence()
    assert "from before skull stripping" in quality.sentence()


def test_qa_fails_for_images_without_overlap(phantom: Phantom):
    quality = displaced(phantom, (700.0, 0.0, 0.0))
    assert not quality.passed
    assert quality.overlap == 0
    assert quality.patches == 0


def test_the_values_go_through_json(true_pose: Quality):
    assert json.loads(json.dumps(true_pose.as_dict())) == true_pose.as_dict()
    assert true_pose.as_dict()["passed"] is True


def test_the_sentence_has_result_error_and_threshold(quick_phantom: Phantom, true_pose: Quality):
    assert true_pose.sentence().startswith("registration QA passed: estimated error ")
    assert f"passes up to {PASS_MM:.1f} mm" in true_pose.sentence()
    failed = displaced(quick_phantom, (0.0, 0.0, 9.0)).sentence()
    assert failed.startswith("registration QA FAILED: estimated error ")


def test_a_pose_that_is_not_rigid_is_refused(phantom: Phantom):
    with pytest.raises(InputError, match="not rigid"):
        assess(phantom.ct, phantom.mr, sitk.ScaleTransform(3, (1.0, 1.0, 0.9)))
