"""A local distortion of the MR is seen in its region, and a stretch as such."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from radfuse.arrays import Float64Array
from radfuse.phantom.head import Phantom
from radfuse.registration.qa.assessment import assess
from radfuse.registration.qa.regions import region_names

SIGMA_MM, HEAD_MM = 30.0, 85.0
"""Extent of the distortion, and its distance from the centre of the head."""


def warped(phantom: Phantom, outwards: Float64Array, size_mm: float) -> sitk.Image:
    """The MR with its head displaced by `size_mm` around the skull in a direction of the CT."""
    mr = phantom.mr.image
    rotation = np.reshape(phantom.mr_from_ct.GetMatrix(), (3, 3))
    direction = rotation @ (outwards / np.linalg.norm(outwards))
    focus = np.array(phantom.mr_from_ct.TransformPoint((0.0, 0.0, 10.0))) + HEAD_MM * direction
    axes = np.reshape(mr.GetDirection(), (3, 3)) * np.array(mr.GetSpacing())
    indices = np.moveaxis(np.indices(mr.GetSize()[::-1])[::-1], 0, -1)
    distance = np.linalg.norm(np.array(mr.GetOrigin()) + indices @ axes.T - focus, axis=-1)
    weight = np.exp(-((distance / SIGMA_MM) ** 2) / 2)
    field = sitk.GetImageFromArray(-size_mm * weight[..., None] * direction, isVector=True)
    field.CopyInformation(mr)
    return sitk.Resample(mr, mr, sitk.DisplacementFieldTransform(field), sitk.sitkLinear, 0.0)


@pytest.mark.parametrize("size_mm", [4.0, -4.0])
@pytest.mark.parametrize(
    ("region", "outwards"),
    [
        ("left, lower", (1.0, 0.0, 0.0)),
        pytest.param("right, upper", (-1.0, 0.0, 0.6), marks=pytest.mark.slow),
        pytest.param("front, upper", (0.0, -1.0, 0.6), marks=pytest.mark.slow),
        pytest.param("vertex", (0.0, 0.0, 1.0), marks=pytest.mark.slow),
    ],
)
def test_a_local_warp_is_seen_in_its_region(
    phantom: Phantom, region: str, outwards: tuple[float, float, float], size_mm: float
):
    distorted = replace(phantom.mr, image=warped(phantom, np.array(outwards), size_mm))
    quality = assess(phantom.ct, distorted, phantom.mr_from_ct)
    assert quality.worst_region == region
    residual_mm, patches = quality.residuals[region]
    assert 1.4 < residual_mm * np.sign(size_mm) < abs(size_mm)
    assert patches >= 10
    assert f"largest residual of the skull {residual_mm:+.1f} mm ({region})" in quality.sentence()


def test_an_undistorted_head_has_small_residuals(phantom: Phantom):
    quality = assess(phantom.ct, phantom.mr, phantom.mr_from_ct)
    assert set(quality.residuals) == set(region_names())
    assert len(region_names()) == 18
    assert max(abs(residual) for residual, _ in quality.residuals.values()) < 1.0
    assert sum(count for _, count in quality.residuals.values()) == quality.patches
    assert quality.distortion_note == ""


def test_few_patches_do_not_make_a_distortion_likely(phantom: Phantom):
    quality = assess(phantom.ct, phantom.mr, phantom.mr_from_ct)
    few, enough = (
        replace(quality, residuals={"vertex": (3.0, count)}).distortion_note for count in (29, 30)
    )
    assert few == ""
    assert "its skull is 3.0 mm off the CT's in the region 'vertex'" in enough
