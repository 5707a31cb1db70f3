from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.testing import assert_allclose

from radfuse.errors import InputError
from radfuse.modality import CT
from radfuse.registration.head_displacement import alignment_difference, head_extent
from radfuse.registration.preprocessing import coarse_head_mask
from radfuse.series import Series


def ball_ct(angle_rad: float = 0.0) -> Series:
    """A ball of water with a radius of 80 mm at (5, -10, 20), in air."""
    image = sitk.Image(60, 60, 60, sitk.sitkFloat32)
    image.SetSpacing((4.0, 4.0, 4.0))
    turned = sitk.Euler3DTransform((0, 0, 0), 0, 0, angle_rad, (0, 0, 0))
    image.SetDirection(turned.GetMatrix())
    middle = image.TransformContinuousIndexToPhysicalPoint([29.5] * 3)
    image.SetOrigin((np.array((5, -10, 20)) - middle).tolist())
    grid = np.moveaxis(np.indices((60, 60, 60)), 0, -1) - 29.5
    inside = np.linalg.norm(grid * 4, axis=-1) < 80
    filled = sitk.GetImageFromArray(np.where(inside, 40, -1000).astype(np.float32))
    filled.CopyInformation(image)
    return Series(image=filled, modality=CT, source=Path("ct"))


def shift(*mm: float) -> sitk.Transform:
    return sitk.TranslationTransform(3, mm)


@pytest.mark.parametrize("angle_rad", [0.0, 0.3])
def test_the_hull_contains_every_voxel_of_the_head(angle_rad):
    ct = ball_ct(angle_rad)
    head, mask = head_extent(ct), coarse_head_mask(ct)
    assert_allclose(head.centre_mm, (5, -10, 20), atol=1)
    radii = np.linalg.norm(head.hull_mm - head.centre_mm, axis=1)
    assert 78 < radii.min() <= radii.max() < 88
    voxels = np.argwhere(sitk.GetArrayViewFromImage(mask) > 0)[::50, ::-1]
    points = [mask.TransformIndexToPhysicalPoint(at.tolist()) for at in voxels]
    for direction in np.random.default_rng(1).normal(size=(20, 3)):
        assert (points @ direction).max() <= (head.hull_mm @ direction).max() + 1e-6


def test_a_translation_is_the_same_distance_everywhere():
    found = alignment_difference(shift(1, 2, 3), shift(4, 6, 3), head_extent(ball_ct()))
    assert (found.centre_mm, found.max_mm) == pytest.approx((5, 5))
    assert found.rotation_deg == pytest.approx(0, abs=1e-6)


def test_a_rotation_moves_the_surface_and_not_the_centre():
    head = head_extent(ball_ct())
    about = sitk.Euler3DTransform(head.centre_mm.tolist(), 0, 0, np.radians(10), (0, 0, 0))
    found = alignment_difference(shift(0, 0, 0), about, head)
    assert found.centre_mm == pytest.approx(0, abs=1e-9)
    assert found.rotation_deg == pytest.approx(10)
    assert found.max_mm == pytest.approx(2 * 82 * np.sin(np.radians(5)), rel=0.07)
    moved = np.subtract(about.TransformPoint(found.max_at_mm), found.max_at_mm)
    assert np.linalg.norm(moved) == pytest.approx(found.max_mm)


def test_the_difference_does_not_depend_on_the_order():
    head = head_extent(ball_ct())
    one = sitk.Euler3DTransform((0, 0, 0), 0.1, -0.05, 0.2, (1.0, -0.5, 0.7))
    other = sitk.Euler3DTransform((9, 0, 0), -0.1, 0.05, 0.1, (3.0, 0.5, 0.2))
    first, second = alignment_difference(one, other, head), alignment_difference(other, one, head)
    assert first.max_mm == pytest.approx(second.max_mm)
    assert first.centre_mm == pytest.approx(second.centre_mm)
    assert first.rotation_deg == pytest.approx(second.rotation_deg)


def test_a_ct_without_a_head_is_refused():
    ct = ball_ct()
    empty = Series(image=ct.image * 0 - 1000, modality=CT, source=Path("ct"))
    with pytest.raises(InputError, match="constant"):
        head_extent(empty)
