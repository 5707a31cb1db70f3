import json
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from radfuse.errors import InputError
from radfuse.phantom.head import Phantom
from radfuse.registration.quality import THRESHOLD_MM, WORST_MM, Quality, assess


@pytest.fixture(scope="module")
def right(phantom: Phantom) -> Quality:
    return assess(phantom.ct, phantom.mr, phantom.mr_from_ct)


def displaced(phantom: Phantom, shift_mm=(0.0, 0.0, 0.0), angles_deg=(0.0, 0.0, 0.0)) -> Quality:
    step = sitk.Euler3DTransform((0, 0, 10), *np.radians(angles_deg).tolist(), shift_mm)
    return assess(phantom.ct, phantom.mr, sitk.CompositeTransform([phantom.mr_from_ct, step]))


def test_the_true_pose_is_trusted(right: Quality):
    assert right.trusted
    assert right.fitting > 0.8
    assert right.overlap > 0.95
    assert right.drift_mm < 0.6


def test_trust_is_the_score_against_its_threshold(right: Quality):
    assert right.threshold == THRESHOLD_MM
    assert right.trusted == (right.score <= right.threshold)
    assert right.score == max(right.displacement_mm, right.drift_mm)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_score_grows_with_the_displacement(phantom: Phantom, right: Quality, axis: int):
    scores = [right.score]
    for size_mm in (3.0, 6.0):
        shift = [0.0, 0.0, 0.0]
        shift[axis] = size_mm
        quality = displaced(phantom, shift)
        assert not quality.trusted
        scores.append(quality.score)
    assert scores == sorted(scores)


@pytest.mark.parametrize("angles", [(4.0, 0.0, 0.0), (0.0, 4.0, 0.0), (0.0, 0.0, 4.0)])
def test_a_turned_head_is_not_trusted(phantom: Phantom, angles):
    assert not displaced(phantom, angles_deg=angles).trusted


def test_the_drift_is_as_large_as_the_displacement(phantom: Phantom):
    assert abs(displaced(phantom, (0.0, 8.0, 0.0)).drift_mm - 8.0) < 1.0


def test_a_head_that_shows_no_bone_cannot_be_judged(phantom: Phantom):
    soft = sitk.Clamp(phantom.ct.image, sitk.sitkFloat32, -1000, 80)
    quality = assess(replace(phantom.ct, image=soft), phantom.mr, phantom.mr_from_ct)
    assert not quality.trusted
    assert not quality.judged
    assert quality.score == WORST_MM
    assert "0 pieces of skull, at least 80" in quality.sentence()


def test_a_ct_of_the_vault_alone_cannot_be_judged(phantom: Phantom):
    height = phantom.ct.image.GetSize()[2]
    vault = replace(phantom.ct, image=phantom.ct.image[:, :, height * 6 // 10 :])
    quality = assess(vault, phantom.mr, phantom.mr_from_ct)
    assert quality.pieces >= 80
    assert 0.2 < quality.overlap < 0.65
    assert not quality.judged
    assert not quality.trusted
    assert "too little of the head is in view" in quality.sentence()


def test_images_that_do_not_meet_are_not_trusted(phantom: Phantom):
    quality = displaced(phantom, (700.0, 0.0, 0.0))
    assert not quality.trusted
    assert quality.overlap == 0
    assert quality.pieces == 0


def test_the_figures_go_through_json(right: Quality):
    assert json.loads(json.dumps(right.as_dict())) == right.as_dict()
    assert right.as_dict()["trusted"] is True


def test_a_person_reads_verdict_and_figures(phantom: Phantom, right: Quality):
    assert right.sentence().startswith("trusted: score ")
    assert f"<= {THRESHOLD_MM:.1f} mm" in right.sentence()
    assert displaced(phantom, (0.0, 0.0, 9.0)).sentence().startswith("not to be trusted: score ")


def test_a_pose_that_is_not_rigid_is_refused(phantom: Phantom):
    with pytest.raises(InputError, match="not rigid"):
        assess(phantom.ct, phantom.mr, sitk.ScaleTransform(3, (1.0, 1.0, 0.9)))
