import json
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from radfuse.errors import InputError
from radfuse.phantom.head import Phantom
from radfuse.registration.quality import MAX_ERROR_MM, THRESHOLD_MM, Quality, assess


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


def test_qa_compares_the_error_with_its_threshold(true_pose: Quality):
    assert true_pose.threshold_mm == THRESHOLD_MM
    assert true_pose.passed == (true_pose.error_mm <= true_pose.threshold_mm)
    assert true_pose.error_mm == max(true_pose.displacement_mm, true_pose.reregistration_mm)


@pytest.mark.parametrize("axis", [0, 1, 2])
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


@pytest.mark.parametrize("angles", [(4.0, 0.0, 0.0), (0.0, 4.0, 0.0), (0.0, 0.0, 4.0)])
def test_qa_fails_for_a_rotated_head(phantom: Phantom, angles):
    assert not displaced(phantom, angles_deg=angles).passed


def test_reregistration_distance_equals_the_displacement(phantom: Phantom):
    assert abs(displaced(phantom, (0.0, 8.0, 0.0)).reregistration_mm - 8.0) < 1.0


def test_without_bone_the_error_is_not_estimated(phantom: Phantom):
    soft = sitk.Clamp(phantom.ct.image, sitk.sitkFloat32, -1000, 80)
    quality = assess(replace(phantom.ct, image=soft), phantom.mr, phantom.mr_from_ct)
    assert not quality.passed
    assert not quality.is_estimated
    assert quality.error_mm == MAX_ERROR_MM
    assert "0 skull patches, at least 80" in quality.sentence()


def test_with_the_vault_alone_the_error_is_not_estimated(phantom: Phantom):
    height = phantom.ct.image.GetSize()[2]
    vault = replace(phantom.ct, image=phantom.ct.image[:, :, height * 6 // 10 :])
    quality = assess(vault, phantom.mr, phantom.mr_from_ct)
    assert quality.patches >= 80
    assert 0.2 < quality.overlap < 0.65
    assert not quality.is_estimated
    assert not quality.passed
    assert "too little of the head is in both images" in quality.sentence()


def test_qa_fails_for_images_without_overlap(phantom: Phantom):
    quality = displaced(phantom, (700.0, 0.0, 0.0))
    assert not quality.passed
    assert quality.overlap == 0
    assert quality.patches == 0


def test_the_values_go_through_json(true_pose: Quality):
    assert json.loads(json.dumps(true_pose.as_dict())) == true_pose.as_dict()
    assert true_pose.as_dict()["passed"] is True


def test_the_sentence_has_result_error_and_threshold(phantom: Phantom, true_pose: Quality):
    assert true_pose.sentence().startswith("registration QA passed: estimated error ")
    assert f"threshold {THRESHOLD_MM:.1f} mm" in true_pose.sentence()
    failed = displaced(phantom, (0.0, 0.0, 9.0)).sentence()
    assert failed.startswith("registration QA failed: estimated error ")


def test_a_pose_that_is_not_rigid_is_refused(phantom: Phantom):
    with pytest.raises(InputError, match="not rigid"):
        assess(phantom.ct, phantom.mr, sitk.ScaleTransform(3, (1.0, 1.0, 0.9)))
