"""A local distortion of the MR is seen in its region, and a stretch as such."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from radfuse.arrays import Float64Array
from radfuse.phantom.head import Phantom
from radfuse.registration.qa.assessment import assess
from radfuse.registration.qa.regions import (
    LOCAL_PATCHES,
    local_displacements_mm,
    local_mm,
    region_names,
)
from radfuse.registration.transforms import rigid_from_matrix

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


@pytest.mark.parametrize("size_mm", [4.0, pytest.param(-4.0, marks=pytest.mark.slow)])
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
    if patches >= LOCAL_PATCHES:
        towards = np.subtract(quality.worst_point_mm, (0.0, 0.0, 10.0))
        assert cosine(towards, np.array(outwards)) > 0.8
    assert f"largest residual of the skull {residual_mm:+.1f} mm ({region})" in quality.sentence()


def cosine(first: Float64Array, second: Float64Array) -> float:
    return float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))


ROTATION = Rotation.from_euler("xyz", [20, -35, 50], degrees=True).as_matrix()
CT_FROM_MR = rigid_from_matrix(
    np.block([[ROTATION, np.ones((3, 1))], [np.zeros((1, 3)), np.ones((1, 1))]]), name="CT"
)


@given(
    size_mm=st.floats(-5, 5),
    patches=st.integers(1, 2 * LOCAL_PATCHES),
    region=st.sampled_from(region_names()),
)
def test_a_residual_displaces_the_brain_next_to_it_alone(size_mm: float, patches: int, region: str):
    ball = np.random.default_rng(0).normal(size=(2000, 3))
    points = np.concatenate([ball, -ball]) @ ROTATION + 100.0  # regions are the CT's
    residuals = {region: (size_mm, patches)}
    displaced = local_displacements_mm(residuals, points, CT_FROM_MR)
    assert displaced.max() == pytest.approx(local_mm(residuals))
    assert (displaced >= 0).all()
    assert np.count_nonzero(displaced) < len(points) / 3
    centre = np.linalg.norm(points - 100.0, axis=1).argmin()
    assert displaced[centre] <= 0.2 * abs(size_mm)
    if displaced.any() and region == "vertex":
        worst = np.concatenate([ball, -ball])[displaced.argmax()]
        assert cosine(worst, np.array([0.0, 0.0, 1.0])) > np.sin(np.radians(60.0)) - 1e-6


def test_an_undistorted_head_has_small_residuals(quick_phantom: Phantom):
    quality = assess(quick_phantom.ct, quick_phantom.mr, quick_phantom.mr_from_ct)
    assert set(quality.residuals) == set(region_names())
    assert len(region_names()) == 18
    assert max(abs(residual) for residual, _ in quality.residuals.values()) < 1.0
    assert sum(count for _, count in quality.residuals.values()) == quality.patches
    assert quality.distortion_note == ""


def test_few_patches_do_not_make_a_distortion_likely(quick_phantom: Phantom):
    quality = assess(quick_phantom.ct, quick_phantom.mr, quick_phantom.mr_from_ct)
    few, enough = (
        replace(quality, residuals={"vertex": (3.0, count)}).distortion_note for count in (29, 30)
    )
    assert few == ""
    assert "its skull is 3.0 mm off the CT's in the region 'vertex'" in enough
