from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.testing import assert_allclose

from radfuse.errors import InputError, RegistrationError
from radfuse.modality import CT, MR
from radfuse.phantom.head import Phantom
from radfuse.registration.search import Registration, register
from radfuse.registration.transforms import matrix_of
from radfuse.series import Series

BRAIN_MM = [(x, y, z) for x in (-60.0, 60.0) for y in (-75.0, 80.0) for z in (-45.0, 65.0)]
"""Corners of the brain's box in the phantom's CT."""


def mean_displacement_mm(one: sitk.Transform, other: sitk.Transform) -> float:
    return float(
        np.mean(
            [
                np.linalg.norm(np.subtract(one.TransformPoint(p), other.TransformPoint(p)))
                for p in BRAIN_MM
            ]
        )
    )


def moved(series: Series, motion: sitk.Euler3DTransform) -> Series:
    """Another pose of the scanner: the same voxels, elsewhere."""
    image = sitk.Image(series.image)
    rotation = np.reshape(motion.GetMatrix(), (3, 3))
    image.SetOrigin(motion.TransformPoint(image.GetOrigin()))
    image.SetDirection((rotation @ np.reshape(image.GetDirection(), (3, 3))).ravel().tolist())
    return replace(series, image=image)


@pytest.fixture(scope="module")
def stages() -> list[str]:
    """What the search reports."""
    return []


@pytest.fixture(scope="module")
def found(quick_phantom: Phantom, stages: list[str]) -> Registration:
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    result = register(quick_phantom.ct, quick_phantom.mr, deterministic=True, report=stages.append)
    assert sitk.ProcessObject.GetGlobalDefaultNumberOfThreads() == before
    return result


def test_the_known_offset_of_the_phantom_is_found(quick_phantom: Phantom, found: Registration):
    assert mean_displacement_mm(found.mr_from_ct, quick_phantom.mr_from_ct) < 0.5
    assert found.quality.passed
    assert found.seconds > 0


def test_the_result_is_rigid(found: Registration):
    rotation = matrix_of(found.mr_from_ct)[:3, :3]
    assert_allclose(rotation.T @ rotation, np.eye(3), atol=1e-9)
    assert np.linalg.det(rotation) > 0


def test_one_thread_gives_the_same_bits_twice(quick_phantom: Phantom, found: Registration):
    again = register(quick_phantom.ct, quick_phantom.mr, deterministic=True)
    assert again.mr_from_ct.GetParameters() == found.mr_from_ct.GetParameters()
    assert again.quality == found.quality
    assert again.initial_pose == found.initial_pose


def test_moving_the_mr_obliquely_moves_the_result(quick_phantom: Phantom, found: Registration):
    motion = sitk.Euler3DTransform((0, 0, 0), 0.25, -0.2, 0.3, (40.0, -30.0, 35.0))
    other = register(quick_phantom.ct, moved(quick_phantom.mr, motion))
    expected = sitk.CompositeTransform([motion, found.mr_from_ct])
    assert mean_displacement_mm(other.mr_from_ct, expected) < 0.5
    assert other.quality.passed


QUARTERS = [(axis, degrees) for axis in range(3) for degrees in (-90, 90, 180)]
"""Large rotations: axis of LPS, and degrees."""


@pytest.mark.slow
@pytest.mark.parametrize(("axis", "degrees"), QUARTERS)
def test_a_head_rotated_by_right_angles_is_found(phantom: Phantom, axis: int, degrees: int):
    motion = sitk.Euler3DTransform((0, 0, 0), *np.radians(degrees * np.eye(3)[axis]).tolist())
    result = register(phantom.ct, moved(phantom.mr, motion))
    expected = sitk.CompositeTransform([motion, phantom.mr_from_ct])
    assert mean_displacement_mm(result.mr_from_ct, expected) < 0.5
    assert result.quality.passed


OBLIQUE = [(20, -20, 10), (32, 30, -39), (35, 39, 18), (40, 12, -21), (-39, 35, -33)]
"""Rotations in degrees about each axis of LPS, where its angles are not independent."""


@pytest.mark.slow
@pytest.mark.parametrize("degrees", OBLIQUE)
def test_a_head_rotated_about_all_axes_is_found(phantom: Phantom, degrees: tuple[float, ...]):
    motion = sitk.Euler3DTransform((0, 0, 0), *np.radians(degrees).tolist())
    result = register(phantom.ct, moved(phantom.mr, motion))
    expected = sitk.CompositeTransform([motion, phantom.mr_from_ct])
    assert mean_displacement_mm(result.mr_from_ct, expected) < 0.5
    assert result.quality.passed


@pytest.mark.slow
def test_search_from_landmarks_alone_reaches_the_truth(phantom: Phantom):
    rough = sitk.Euler3DTransform(phantom.mr_from_ct)
    rough.SetRotation(rough.GetAngleX() + np.radians(15), rough.GetAngleY(), rough.GetAngleZ())
    rough.SetTranslation(np.add(rough.GetTranslation(), (9.0, -12.0, 6.0)).tolist())
    result = register(phantom.ct, phantom.mr, initial=rough)
    assert result.initial_pose == "given"
    assert mean_displacement_mm(result.mr_from_ct, phantom.mr_from_ct) < 0.5


def test_a_distant_initial_pose_is_refused_with_a_remedy(phantom: Phantom):
    far = sitk.Euler3DTransform((0, 0, 0), 0, 0, 0, (700.0, 0.0, 0.0))
    with pytest.raises(RegistrationError, match="--initial-transform FILE"):
        register(phantom.ct, phantom.mr, initial=far)


def test_an_initial_pose_that_is_not_rigid_is_refused(phantom: Phantom):
    with pytest.raises(InputError, match="not rigid"):
        register(phantom.ct, phantom.mr, initial=sitk.ScaleTransform(3, (1.0, 1.0, 1.1)))


SEARCHED = pytest.mark.parametrize("searched", [False, pytest.param(True, marks=pytest.mark.slow)])
"""From the true pose, or from all initial poses."""


@SEARCHED
def test_qa_fails_for_the_mr_of_another_patient(
    phantom: Phantom, other_phantom: Phantom, searched: bool
):
    initial = None if searched else other_phantom.mr_from_ct
    assert not register(phantom.ct, other_phantom.mr, initial=initial).quality.passed


@SEARCHED
def test_qa_fails_for_a_ct_that_ends_below_the_brain(phantom: Phantom, searched: bool):
    jaw = replace(phantom.ct, image=phantom.ct.image[:, :, :10])
    initial = None if searched else phantom.mr_from_ct
    assert not register(jaw, phantom.mr, initial=initial).quality.passed


def test_stages_are_reported_in_order(found: Registration, stages: list[str]):
    assert stages == [
        "segment the heads", "optimize initial poses", "refine the best", "estimate the error",
    ]  # fmt: skip


def test_padding_and_metal_in_the_ct_change_nothing_much(quick_phantom: Phantom):
    values = sitk.GetArrayFromImage(quick_phantom.ct.image)
    values[:, :6, :] = -3024
    values[4:7, 30:33, 34:37] = 30_000
    image = sitk.GetImageFromArray(values)
    image.CopyInformation(quick_phantom.ct.image)
    result = register(
        replace(quick_phantom.ct, image=image), quick_phantom.mr, initial=quick_phantom.mr_from_ct
    )
    assert mean_displacement_mm(result.mr_from_ct, quick_phantom.mr_from_ct) < 0.7


def volume(values: np.ndarray, modality=CT) -> Series:
    image = sitk.GetImageFromArray(values.astype(np.float32))
    return Series(image, modality, Path("synthetic"))


@pytest.mark.parametrize("value", [7.0, np.nan])
def test_a_constant_series_is_named(phantom: Phantom, value: float):
    with pytest.raises(InputError, match="MR synthetic: its values are constant or not finite"):
        register(phantom.ct, volume(np.full((20, 20, 20), value), MR))


def test_a_2d_image_is_not_registered(phantom: Phantom):
    with pytest.raises(InputError, match="CT synthetic: only volumes"):
        register(volume(np.eye(30)), phantom.mr)


def test_a_ct_of_air_shows_no_head(phantom: Phantom):
    air = np.random.default_rng(1).normal(-1000, 5, (20, 20, 20))
    with pytest.raises(InputError, match="CT synthetic: it shows no head"):
        register(volume(air), phantom.mr)
