"""PET and SPECT are registered to MR and CT; the known poses of the phantom are found."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from radfuse.arrays import image_on
from radfuse.errors import InputError, RegistrationError
from radfuse.phantom.head import Phantom
from radfuse.phantom.uptake import FunctionalScan
from radfuse.registration.functional.assessment import assess_functional
from radfuse.registration.functional.search import FunctionalRegistration, register_functional
from radfuse.registration.transforms import canonicalize, matrix_of

BRAIN_MM = [(x, y, z) for x in (-45.0, 45.0) for y in (-55.0, 60.0) for z in (-30.0, 50.0)]
"""Points of the brain in the phantom's CT."""

Scans = dict[str, FunctionalScan]


def worst_mm(one: sitk.Transform, other: sitk.Transform) -> float:
    pairs = ((one.TransformPoint(p), other.TransformPoint(p)) for p in BRAIN_MM)
    return max(float(np.linalg.norm(np.subtract(*both))) for both in pairs)


@pytest.fixture(scope="module")
def pet_to_mr(phantom: Phantom, scans: Scans) -> FunctionalRegistration:
    return register_functional(phantom.mr, scans["PT"].series, deterministic=True)


def test_a_pet_is_registered_to_an_mr(
    phantom: Phantom, scans: Scans, pet_to_mr: FunctionalRegistration
):
    parts = [pet_to_mr.functional_from_anatomical, phantom.mr_from_ct]
    found = sitk.CompositeTransform(parts)
    assert worst_mm(found, scans["PT"].functional_from_ct) < 1.5
    assert pet_to_mr.quality.grade != "refuse"
    assert pet_to_mr.seconds > 0


def test_a_spect_is_registered_to_a_ct(phantom: Phantom, scans: Scans):
    stages: list[str] = []
    found = register_functional(phantom.ct, scans["NM"].series, report=stages.append)
    truth = scans["NM"].functional_from_ct
    assert worst_mm(found.functional_from_anatomical, truth) < 3.5
    assert stages == ["segment brain and uptake", "optimize initial poses", "estimate the error"]


def test_the_transform_is_canonical(pet_to_mr: FunctionalRegistration):
    found = pet_to_mr.functional_from_anatomical
    assert found.GetParameters() == canonicalize(found).GetParameters()
    rotation = matrix_of(found)[:3, :3]
    np.testing.assert_allclose(rotation.T @ rotation, np.eye(3), atol=1e-9)


@pytest.mark.slow
def test_one_thread_gives_the_same_bits(
    phantom: Phantom, scans: Scans, pet_to_mr: FunctionalRegistration
):
    again = register_functional(phantom.mr, scans["PT"].series, deterministic=True)
    found, before = (one.functional_from_anatomical for one in (again, pet_to_mr))
    assert found.GetParameters() == before.GetParameters()
    assert again.quality == pet_to_mr.quality


@pytest.mark.slow
@pytest.mark.parametrize("functional", ["PT", "NM"])
@pytest.mark.parametrize("anatomical", ["mr", "ct"])
def test_a_pose_far_from_the_headers_is_found(
    phantom: Phantom, scans: Scans, functional: str, anatomical: str
):
    motion = sitk.Euler3DTransform((0, 0, 0), 0.2, -0.15, 0.2, (40.0, -35.0, 38.0))
    series = scans[functional].series
    image = sitk.Image(series.image)
    rotation = np.reshape(motion.GetMatrix(), (3, 3))
    image.SetOrigin(motion.TransformPoint(image.GetOrigin()))
    image.SetDirection((rotation @ np.reshape(image.GetDirection(), (3, 3))).ravel().tolist())
    to = getattr(phantom, anatomical)
    found = register_functional(to, replace(series, image=image)).functional_from_anatomical
    if anatomical == "mr":
        found = sitk.CompositeTransform([found, phantom.mr_from_ct])
    truth = sitk.CompositeTransform([motion, scans[functional].functional_from_ct])
    assert worst_mm(found, truth) < 3.5


def test_a_shifted_pose_is_refused(phantom: Phantom, scans: Scans):
    shift = sitk.TranslationTransform(3, (0.0, 10.0, 0.0))
    parts = [shift, scans["PT"].functional_from_mr(phantom)]
    quality = assess_functional(phantom.mr, scans["PT"].series, sitk.CompositeTransform(parts))
    assert quality.grade == "refuse"
    assert 8.5 < quality.error_mm < 11.5


def test_a_pose_outside_the_images_is_refused(phantom: Phantom, scans: Scans):
    far = sitk.Euler3DTransform((0, 0, 0), 0, 0, 0, (500.0, 0.0, 0.0))
    quality = assess_functional(phantom.ct, scans["NM"].series, far)
    assert quality.grade == "refuse"
    assert "the NM shows 0% of the brain" in quality.sentence()


@pytest.mark.slow
def test_the_functional_image_of_another_person_is_refused(other_phantom: Phantom, scans: Scans):
    found = register_functional(other_phantom.mr, scans["PT"].series)
    assert found.quality.grade == "refuse"


@pytest.mark.slow
def test_a_mirrored_functional_image_is_refused(phantom: Phantom, scans: Scans):
    series = scans["PT"].series
    values = sitk.GetArrayFromImage(series.image)[:, :, ::-1]
    image = image_on(series.image, np.ascontiguousarray(values))
    found = register_functional(phantom.mr, replace(series, image=image))
    assert found.quality.grade == "refuse"
    assert "mirror image" in found.quality.sentence()


def test_a_distant_initial_pose_is_refused(phantom: Phantom, scans: Scans):
    far = sitk.Euler3DTransform((0, 0, 0), 0, 0, 0, (900.0, 0.0, 0.0))
    with pytest.raises(RegistrationError, match="pass an approximate transform"):
        register_functional(phantom.mr, scans["PT"].series, initial=far)


def test_the_order_of_the_images_is_checked(phantom: Phantom, scans: Scans):
    with pytest.raises(InputError, match="is registered to an MR or CT"):
        register_functional(scans["PT"].series, phantom.mr)
    with pytest.raises(InputError, match="is registered to an MR or CT"):
        assess_functional(phantom.ct, phantom.mr, phantom.mr_from_ct)


def test_a_transform_that_is_not_rigid_is_refused(phantom: Phantom, scans: Scans):
    with pytest.raises(InputError, match="not rigid"):
        assess_functional(phantom.mr, scans["PT"].series, sitk.ScaleTransform(3, (1.0, 1.0, 1.1)))
    with pytest.raises(InputError, match="not rigid"):
        register_functional(
            phantom.mr, scans["PT"].series, initial=sitk.ScaleTransform(3, (1.0, 1.0, 1.1))
        )


def test_a_constant_functional_image_is_refused(phantom: Phantom, scans: Scans):
    series = scans["NM"].series
    with pytest.raises(InputError, match="constant"):
        register_functional(phantom.mr, replace(series, image=series.image * 0))


@pytest.mark.parametrize("thin", ["anatomical", "functional"])
def test_a_slab_of_three_slices_is_refused(phantom: Phantom, scans: Scans, thin: str):
    pair = {"anatomical": phantom.mr, "functional": scans["NM"].series}
    pair[thin] = replace(pair[thin], image=pair[thin].image[:, :, 30:33])
    with pytest.raises(InputError, match="x 3 voxels; registration needs a volume of the head"):
        register_functional(**pair)


def test_values_that_are_not_finite_are_refused(phantom: Phantom, scans: Scans):
    series = scans["PT"].series
    values = sitk.GetArrayFromImage(series.image)
    values[40:50] = np.nan
    with pytest.raises(InputError, match="constant or not finite"):
        register_functional(phantom.mr, replace(series, image=image_on(series.image, values)))
