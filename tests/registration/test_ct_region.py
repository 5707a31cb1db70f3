"""Registration of a region: what is outside of it does not count."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from radfuse.arrays import image_on
from radfuse.errors import InputError
from radfuse.phantom.head import Phantom
from radfuse.registration.ct_region import GRID_MM, Box, CtRegion, read_region
from radfuse.registration.optimizer import itk_threads
from radfuse.registration.qa.assessment import assess
from radfuse.registration.qa.quality import Quality
from radfuse.registration.search import register
from radfuse.series import Series

EVERYTHING: Box = (-500, 500, -500, 500, -500, 500)
UPPER: Box = (-100, 100, -120, 120, 0, 120)
"""The upper half of the head."""

POINTS_MM = [(x, y, z) for x in (-60.0, 60.0) for y in (-75.0, 80.0) for z in (0.0, 65.0)]
"""Corners of the brain's box in the upper half, CT points."""

MOVED_BELOW_MM, SHIFT_MM = -25.0, (5.0, 6.0, 0.0)
"""Height below which the lower half of the head is moved, and its shift in the CT."""


def error_mm(one: sitk.Transform, other: sitk.Transform) -> float:
    """Mean distance between the images of the points."""
    pairs = [(one.TransformPoint(at), other.TransformPoint(at)) for at in POINTS_MM]
    return float(np.mean([np.linalg.norm(np.subtract(a, b)) for a, b in pairs]))


def nearby(phantom: Phantom) -> sitk.Euler3DTransform:
    """A pose 5 mm from the truth."""
    near = sitk.Euler3DTransform(phantom.mr_from_ct)
    near.SetTranslation(np.add(near.GetTranslation(), (3.0, -3.0, 2.0)).tolist())
    return near


@pytest.fixture(scope="module")
def with_moved_jaw(phantom: Phantom) -> Series:
    """The MR with the lower half of the head moved by 8 mm."""
    mr = phantom.mr.image
    axes = np.reshape(mr.GetDirection(), (3, 3)) * np.array(mr.GetSpacing())
    indices = np.moveaxis(np.indices(mr.GetSize()[::-1])[::-1], 0, -1)
    inverse = phantom.mr_from_ct.GetInverse()
    rotation = np.reshape(inverse.GetMatrix(), (3, 3))
    heights = (np.array(mr.GetOrigin()) + indices @ axes.T) @ rotation[2]
    heights += inverse.TransformPoint((0.0, 0.0, 0.0))[2]
    weight = 1 / (1 + np.exp((heights - MOVED_BELOW_MM) / 2))
    field = sitk.GetImageFromArray(weight[..., None] * (rotation.T @ SHIFT_MM), isVector=True)
    field.CopyInformation(mr)
    moved = sitk.Resample(mr, mr, sitk.DisplacementFieldTransform(field), sitk.sitkLinear, 0.0)
    return replace(phantom.mr, image=moved)


def mask_of(image: sitk.Image, box: Box) -> sitk.Image:
    """The voxels of an image inside a box, as a mask."""
    indices = np.moveaxis(np.indices(image.GetSize()[::-1])[::-1], 0, -1)
    axes = np.reshape(image.GetDirection(), (3, 3)) * np.array(image.GetSpacing())
    points = np.array(image.GetOrigin()) + indices @ axes.T
    low, high = np.reshape(box, (3, 2)).T
    return image_on(image, ((points >= low) & (points <= high)).all(axis=-1).astype(np.uint8))


def inside(region: CtRegion) -> np.ndarray:
    return sitk.GetArrayFromImage(region.distance_mm) <= 0


def without_name(quality: Quality) -> Quality:
    return replace(quality, region="")


def test_a_region_of_everything_has_the_same_verdict(phantom: Phantom):
    region = read_region(EVERYTHING, phantom.ct.image)
    with itk_threads(single=True):
        whole, part = (
            assess(phantom.ct, phantom.mr, phantom.mr_from_ct, one) for one in (None, region)
        )
    assert without_name(part) == whole
    assert part.region.startswith("box of ")
    assert whole.warnings == ()
    assert part.warnings[0].startswith(f"registered and judged on a region only, a {part.region}")
    assert part.sentence().startswith("registration QA of a region passed: ")
    assert "the worst point of the brain in the region" in part.sentence()


@pytest.mark.slow
def test_a_region_of_everything_gives_the_same_pose(phantom: Phantom):
    region = read_region(EVERYTHING, phantom.ct.image)
    whole, part = (
        register(
            phantom.ct, phantom.mr, initial=nearby(phantom), region=one, metric_region=one
        ).mr_from_ct
        for one in (None, region)
    )
    assert error_mm(part, whole) < 0.15


@pytest.mark.parametrize(
    "axes", ["PIR", *(pytest.param(one, marks=pytest.mark.slow) for one in ("LPS", "SAR"))]
)
def test_a_moved_lower_half_does_not_count(phantom: Phantom, with_moved_jaw: Series, axes: str):
    stored = replace(with_moved_jaw, image=sitk.DICOMOrient(with_moved_jaw.image, axes))
    region = read_region(UPPER, phantom.ct.image)
    found = register(phantom.ct, stored, initial=nearby(phantom), region=region)
    assert error_mm(found.mr_from_ct, phantom.mr_from_ct) < 0.5
    assert found.quality.grade in {"pass", "inspect"}
    assert error_mm(found.mr_from_ct, phantom.mr_from_ct) < found.quality.high_mm


@pytest.mark.slow
def test_a_moved_lower_half_is_left_out_of_the_metric(phantom: Phantom, with_moved_jaw: Series):
    region = read_region((*UPPER[:4], MOVED_BELOW_MM + 10, 120), phantom.ct.image)
    found = register(phantom.ct, with_moved_jaw, initial=nearby(phantom), metric_region=region)
    assert error_mm(found.mr_from_ct, phantom.mr_from_ct) < 0.5
    assert found.quality.grade == "refuse"  # the whole brain is judged, and the jaw was moved
    assert found.quality.region == ""


@pytest.mark.slow
def test_the_whole_head_is_off_where_its_half_moved(phantom: Phantom, with_moved_jaw: Series):
    found = register(phantom.ct, with_moved_jaw, initial=nearby(phantom))
    assert error_mm(found.mr_from_ct, phantom.mr_from_ct) > 2
    assert found.quality.grade == "refuse"


@pytest.mark.slow
@pytest.mark.parametrize("axes", ["PIR", "AIL"])
def test_a_region_is_judged_alike_in_any_storage_order(phantom: Phantom, axes: str):
    stored = [
        replace(one, image=sitk.DICOMOrient(one.image, axes)) for one in (phantom.ct, phantom.mr)
    ]
    region = (-100, 100, -120, 120, -31, 120)
    plain = assess(
        phantom.ct, phantom.mr, phantom.mr_from_ct, read_region(region, phantom.ct.image)
    )
    other = assess(*stored, phantom.mr_from_ct, read_region(region, stored[0].image))
    assert other.high_mm == pytest.approx(plain.high_mm, abs=0.15)
    assert other.dilution == pytest.approx(plain.dilution, rel=0.05)
    assert other.grade == plain.grade


@pytest.mark.slow
def test_the_error_in_a_region_is_of_its_worst_point(phantom: Phantom):
    step = sitk.Euler3DTransform((0, 0, 0), 0, 0, 0, (4.0, 0, 0))
    region = read_region((*UPPER[:4], -30, 120), phantom.ct.image)
    pose = sitk.CompositeTransform([phantom.mr_from_ct, step])
    quality = assess(phantom.ct, phantom.mr, pose, region)
    assert quality.low_mm <= 4.0 <= quality.high_mm
    assert quality.grade == "refuse"


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ((-30, 30, -30, 30, -10, 30), "too little skull is within 20 mm of the region"),
        pytest.param(
            (-60, 60, -60, 60, 60, 120),
            "the skull within 20 mm of the region does not determine",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_region_without_enough_skull_is_not_judged(phantom: Phantom, box: Box, reason: str):
    region = read_region(box, phantom.ct.image)
    quality = assess(phantom.ct, phantom.mr, phantom.mr_from_ct, region)
    assert quality.grade == "refuse"
    assert not quality.is_estimated
    assert reason in quality.not_judged
    assert "choose a larger region with skull on several sides" in quality.not_judged


@pytest.mark.parametrize(
    ("axes", "suffix"),
    [
        ("LPS", ".nii.gz"), ("SAR", ".nrrd"),
        *(pytest.param(*one, marks=pytest.mark.slow) for one in (
            ("LPS", ".nrrd"), ("LPS", ".mha"), ("SAR", ".nii.gz"), ("SAR", ".mha"),
        )),
    ],
)  # fmt: skip
def test_a_mask_of_a_box_is_the_region_of_the_box(
    phantom: Phantom, tmp_path: Path, axes: str, suffix: str
):
    path = tmp_path / f"mask{suffix}"
    box = (-50, 50, -60, 60, -20, 40)
    fine = sitk.Image([161, 181, 101], sitk.sitkUInt8)  # another grid than the CT's
    fine.SetOrigin((-80.0, -90.0, -50.0))
    sitk.WriteImage(sitk.DICOMOrient(3 * mask_of(fine, box), axes), str(path))
    of_box, of_mask = (read_region(one, phantom.ct.image) for one in (box, path))
    assert of_mask.name.startswith("mask of ")
    differing = np.count_nonzero(inside(of_box) != inside(of_mask))
    assert differing < 0.05 * np.count_nonzero(inside(of_box))


def test_a_region_has_the_volume_of_its_box(phantom: Phantom):
    region = read_region((-50, 50, -60, 60, -20, 40), phantom.ct.image)
    cm3 = np.count_nonzero(inside(region)) * GRID_MM**3 / 1000
    assert cm3 == pytest.approx(720, rel=0.05)
    assert region.name.startswith(f"box of {cm3:.0f} cm3 (x ")


def test_a_constant_mask_of_ones_is_everything(phantom: Phantom, tmp_path: Path):
    ones = image_on(phantom.ct.image, np.ones(phantom.ct.image.GetSize()[::-1], np.uint8))
    sitk.WriteImage(ones, str(tmp_path / "ones.nii.gz"))
    region = read_region(tmp_path / "ones.nii.gz", phantom.ct.image)
    everything = read_region(EVERYTHING, phantom.ct.image)
    share = np.count_nonzero(inside(region)) / np.count_nonzero(inside(everything))
    assert share == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ((500, 600, 0, 50, 0, 50), "the box (x 500 to 600, y 0 to 50, z 0 to 50 mm) is outside"),
        ((0, 5, 0, 5, 0, 5), "has 0.14 cm3 inside the CT"),
    ],
)
def test_a_box_outside_or_too_small_is_refused(phantom: Phantom, box: Box, words: str):
    with pytest.raises(InputError) as caught:
        read_region(box, phantom.ct.image)
    assert words in str(caught.value)
    assert "(x -10" in str(caught.value)  # the CT's extent


def test_a_mask_that_cannot_be_used_is_refused(phantom: Phantom, tmp_path: Path):
    ct = phantom.ct.image
    path = tmp_path / "name.nii.gz"
    far = mask_of(ct, UPPER)
    far.SetOrigin((900.0, 0.0, 0.0))
    for image, words in (
        (ct, "name.nii.gz: values such as -1"),
        (mask_of(ct, (900, 950, 0, 1, 0, 1)), "name.nii.gz: an empty mask, every voxel is 0"),
        (far, "name.nii.gz (x 906 to "),
    ):
        sitk.WriteImage(image, str(path))
        with pytest.raises(InputError) as caught:
            read_region(path, ct)
        assert str(caught.value).startswith(words)
        assert str(tmp_path) not in str(caught.value)
    path.write_bytes(b"no volume")
    with pytest.raises(InputError, match=r"^name\.nii\.gz: damaged"):
        read_region(path, ct)
    with pytest.raises(InputError, match=r"^other\.nii: no such mask file"):
        read_region(tmp_path / "other.nii", ct)


def test_a_region_beside_the_head_is_refused(phantom: Phantom):
    for box, words in (
        ((-100, 100, -118, -112, -90, 90), "cm3 of the MR's head are within 20 mm of it"),
        ((-100, -88, -100, 100, -90, 90), "no part of the brain in the MR is inside"),
    ):
        region = read_region(box, phantom.ct.image)
        with pytest.raises(InputError, match=words):
            assess(phantom.ct, phantom.mr, phantom.mr_from_ct, region)
