import numpy as np
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from radfuse.arrays import positions_mm
from radfuse.modality import CT
from radfuse.registration.preprocessing import coarse_head_mask
from radfuse.registration.qa.skull_profiles import (
    Profiles,
    ct_on_head,
    interpolated,
    point_similarity,
    skull_profiles,
)
from radfuse.series import Series


def profiles_of(ct: Series, mr: Series, ct_from_mr: sitk.Transform) -> Profiles | None:
    head = coarse_head_mask(mr)
    return skull_profiles(ct_on_head(ct.image, head, ct_from_mr), mr, head)


SLOPE = np.array([0.3, -1.2, 0.7])


def ramp() -> sitk.Image:
    """An oblique anisotropic grid whose values are a linear function of the position."""
    image = sitk.Image((20, 16, 12), sitk.sitkFloat32)
    image.SetSpacing((0.8, 1.5, 4.0))
    image.SetOrigin((-20.0, 35.0, 12.0))
    image.SetDirection(sitk.Euler3DTransform((0, 0, 0), 0.3, -0.5, 0.8).GetMatrix())
    values = positions_mm(image, np.argwhere(np.ones((12, 16, 20)))) @ SLOPE
    filled = sitk.GetImageFromArray(values.reshape(12, 16, 20).astype(np.float32))
    filled.CopyInformation(image)
    return filled


@given(st.tuples(st.floats(0.01, 18.9), st.floats(0.01, 14.9), st.floats(0.01, 10.9)))
def test_a_linear_image_is_sampled_exactly_anywhere(index):
    image = ramp()
    point = np.array(image.TransformContinuousIndexToPhysicalPoint(index))
    assert_allclose(interpolated(image, point[None]), [point @ SLOPE], rtol=1e-4, atol=1e-3)


def test_voxel_positions_are_those_of_itk():
    image = ramp()
    assert_allclose(
        positions_mm(image, np.array([[3, 5, 7]]))[0],
        image.TransformIndexToPhysicalPoint((7, 5, 3)),
    )


def test_off_the_grid_the_value_is_the_given_one():
    far = np.array([[900.0, 0.0, 0.0]])
    assert np.isnan(interpolated(ramp(), far)[0])
    assert interpolated(ramp(), far, outside=-1000.0)[0] == -1000


@given(st.integers(-2, 2))
def test_profiles_fit_best_at_their_true_shift(shift):
    rng = np.random.default_rng(5)
    mr = rng.integers(0, 4, (30, 13))
    profiles = Profiles(
        points_mm=np.zeros((30, 3)),
        normals=np.zeros((30, 3)),
        ct_classes=mr[:, 2 + shift : 11 + shift],
        mr_classes=mr,
        shifts_mm=np.arange(-2.0, 3.0),
        log_ratio=np.log(np.eye(4) + 0.1),
    )
    mean = point_similarity(profiles).mean(axis=0)
    assert profiles.shifts_mm[mean.argmax()] == shift


def test_normals_are_unit_vectors_out_of_soft_tissue_into_bone(phantom):
    pose = sitk.Euler3DTransform(phantom.mr_from_ct.GetInverse())
    profiles = profiles_of(phantom.ct, phantom.mr, pose)
    assert profiles is not None
    assert_allclose(np.linalg.norm(profiles.normals, axis=1), 1, rtol=1e-5)
    middle = profiles.ct_classes.shape[1] // 2
    inwards = profiles.ct_classes[:, middle + 2].mean() - profiles.ct_classes[:, middle - 2].mean()
    assert inwards > 2


def test_bone_is_associated_with_dark_mr(phantom):
    pose = sitk.Euler3DTransform(phantom.mr_from_ct.GetInverse())
    profiles = profiles_of(phantom.ct, phantom.mr, pose)
    assert profiles is not None
    dense = profiles.log_ratio[-1]
    assert dense[:3].max() > 0.5
    assert dense[-6:].max() < 0


def test_without_bone_there_are_no_profiles(phantom):
    soft = sitk.Clamp(phantom.ct.image, sitk.sitkFloat32, -1000, 80)
    ct = type(phantom.ct)(soft, CT, phantom.ct.source)
    pose = sitk.Euler3DTransform(phantom.mr_from_ct.GetInverse())
    assert profiles_of(ct, phantom.mr, pose) is None
