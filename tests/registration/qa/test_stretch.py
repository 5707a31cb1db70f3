from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from radfuse.arrays import image_on
from radfuse.phantom.head import Phantom
from radfuse.registration.optimizer import HEAD_RADIUS_MM
from radfuse.registration.preprocessing import MARGIN_MM, centroid, coarse_head_mask, dilated
from radfuse.registration.qa.assessment import assess
from radfuse.registration.qa.stretch import MAX_SCALE_MM, affine_stretch, stretch_pair
from radfuse.registration.transforms import with_rotation_centre
from radfuse.series import Series


def stretched(phantom: Phantom, factors: tuple[float, float, float]) -> Series:
    """The MR with its axes stretched about the centre of the head."""
    image = sitk.Image(phantom.mr.image)
    centre = np.array(phantom.mr_from_ct.TransformPoint((0.0, 0.0, 10.0)))
    axes = np.reshape(image.GetDirection(), (3, 3))
    image.SetSpacing((np.array(factors) * image.GetSpacing()).tolist())
    offset = axes.T @ (np.array(image.GetOrigin()) - centre)
    image.SetOrigin((centre + axes @ (np.array(factors) * offset)).tolist())
    return replace(phantom.mr, image=image)


@pytest.mark.parametrize("left_right", [0.96, pytest.param(1.04, marks=pytest.mark.slow)])
def test_a_stretched_mr_is_not_passed(phantom: Phantom, left_right: float):
    quality = assess(phantom.ct, stretched(phantom, (left_right, 1.0, 1.0)), phantom.mr_from_ct)
    assert "it is stretched by" in quality.distortion_note
    assert quality.stretch_mm == pytest.approx(0.04 * HEAD_RADIUS_MM, abs=0.6)
    assert quality.is_stretched
    assert not quality.passed
    brain_mm = 60.0  # half its width
    assert quality.low_mm < 0.04 * brain_mm < quality.high_mm


def test_a_scaled_mr_is_not_passed(phantom: Phantom):
    quality = assess(phantom.ct, stretched(phantom, (1.02, 1.02, 1.02)), phantom.mr_from_ct)
    assert quality.stretch_mm == pytest.approx(0.02 * HEAD_RADIUS_MM, abs=0.4)
    assert quality.is_stretched
    assert not quality.passed


def of_whole_head(phantom: Phantom, mr: Series) -> np.ndarray:
    head = coarse_head_mask(mr)
    pose = with_rotation_centre(centroid(head), phantom.mr_from_ct.GetInverse())
    return affine_stretch(stretch_pair(phantom.ct, mr, dilated(head, MARGIN_MM)), pose)


def test_the_stretch_of_the_head_has_its_axes_and_sign(phantom: Phantom):
    factors = (1.03, 1.0, 0.98)
    axes = np.reshape(phantom.mr.image.GetDirection(), (3, 3))
    expected = HEAD_RADIUS_MM * axes @ np.diag(np.array(factors) - 1) @ axes.T
    found = of_whole_head(phantom, stretched(phantom, factors))
    np.testing.assert_allclose(found, expected, atol=0.5)


def test_noise_is_not_taken_for_a_scale(phantom: Phantom):
    values = sitk.GetArrayFromImage(phantom.mr.image)
    noise = np.random.default_rng(3).normal(0, 0.08 * np.percentile(values, 99), (2, *values.shape))
    noisy = np.hypot(values + noise[0], noise[1]).astype(np.float32)
    found = of_whole_head(phantom, replace(phantom.mr, image=image_on(phantom.mr.image, noisy)))
    assert np.abs(found).max() < MAX_SCALE_MM
