"""A structure drawn on one image lies where it should on another."""

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from radfuse.errors import InputError
from radfuse.structures.label_maps import Structure
from radfuse.structures.transfer import signed_distance_mm, transfer_structure

IDENTITY = sitk.Euler3DTransform()
RADIUS_MM = 15.0
small = st.integers(-400, 400).map(lambda thousandths: thousandths / 1000)
near = st.integers(-30, 30).map(lambda tenths: tenths / 10)
shift = st.integers(-250, 250).map(lambda tenths: tenths / 10)


def grid(
    size: tuple[int, ...],
    spacing: tuple[float, ...],
    origin: tuple[float, ...] = (0.0, 0.0, 0.0),
    angles: tuple[float, ...] = (0.0, 0.0, 0.0),
) -> sitk.Image:
    image = sitk.Image(size, sitk.sitkUInt8)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    image.SetDirection(sitk.Euler3DTransform((0.0, 0.0, 0.0), *angles).GetMatrix())
    return image


def masked(values: np.ndarray, image: sitk.Image, name: str = "GTVp") -> Structure:
    mask = sitk.GetImageFromArray(values.astype(np.uint8))
    mask.CopyInformation(image)
    return Structure(name, mask, (1, 2, 3))


def sphere(image: sitk.Image, centre: np.ndarray, radius_mm: float = RADIUS_MM) -> Structure:
    index = np.stack(np.indices(image.GetSize()[::-1])[::-1], axis=-1)
    axes = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    points = image.GetOrigin() + index @ axes.T
    return masked(np.linalg.norm(points - centre, axis=-1) <= radius_mm, image)


def centroid_mm(mask: sitk.Image) -> np.ndarray:
    index = np.argwhere(sitk.GetArrayViewFromImage(mask)).mean(axis=0)[::-1]
    return np.array(mask.TransformContinuousIndexToPhysicalPoint(index.tolist()))


@settings(max_examples=15, deadline=None)
@given(
    oblique=st.tuples(small, small, small),
    turn=st.tuples(small, small, small),
    move=st.tuples(shift, shift, shift),
    place=st.tuples(near, near, near),
)
def test_sphere_on_thick_oblique_slices_keeps_centre_and_volume(
    oblique: tuple[float, ...],
    turn: tuple[float, ...],
    move: tuple[float, ...],
    place: tuple[float, ...],
) -> None:
    mr = grid((60, 60, 12), (1.0, 1.0, 5.0), (-30, -30, -30), oblique)
    centre = np.array(mr.TransformContinuousIndexToPhysicalPoint((29.5, 29.5, 5.5))) + place
    mr_from_ct = sitk.Euler3DTransform((0.0, 0.0, 0.0), *turn, move)
    wanted = np.array(mr_from_ct.GetInverse().TransformPoint(centre))
    ct = grid((44, 44, 26), (0.9, 0.9, 1.5), tuple(wanted - 19.5))
    moved = transfer_structure(sphere(mr, centre), ct, mr_from_ct)
    assert moved.lost_fraction == 0
    np.testing.assert_allclose(centroid_mm(moved.structure.mask), wanted, atol=0.3)
    true_cm3 = 4 / 3 * np.pi * RADIUS_MM**3 / 1000
    np.testing.assert_allclose(moved.structure.volume_cm3, true_cm3, rtol=0.05)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    angles=st.tuples(small, small, small),
    share=st.floats(0.01, 0.99),
    thick=st.floats(0.4, 7),
)
def test_the_identity_on_the_same_grid_changes_no_voxel(
    seed: int, angles: tuple[float, ...], share: float, thick: float
) -> None:
    field = gaussian_filter(np.random.default_rng(seed).normal(size=(7, 12, 11)), 1)
    image = grid((11, 12, 7), (0.8, 1.3, thick), (-100.0, 20.5, 7.0), angles)
    drawn = masked(field > np.quantile(field, 1 - share), image)
    moved = transfer_structure(drawn, image, IDENTITY)
    np.testing.assert_array_equal(
        sitk.GetArrayViewFromImage(moved.structure.mask), sitk.GetArrayViewFromImage(drawn.mask)
    )
    assert moved.lost_fraction == 0


def test_the_surface_lies_half_way_between_voxels() -> None:
    values = np.zeros((5, 5, 5))
    values[2, 2, 2] = 1
    distance = signed_distance_mm(masked(values, grid((5, 5, 5), (1.0, 2.0, 5.0))).mask)
    found = sitk.GetArrayFromImage(distance[2:-2, 2:-2, 2:-2])
    assert found[2, 2, 2] == pytest.approx(0.5)
    assert found[2, 2, 3] == pytest.approx(-0.5)
    assert found[3, 2, 2] == pytest.approx(-2.5)


def test_between_thick_slices_the_outline_changes_steadily() -> None:
    values = np.zeros((2, 21, 21))
    values[0, 2:19, 2:19] = 1  # 17 pixels wide
    values[1, 6:15, 6:15] = 1  # 9 pixels wide
    drawn = masked(values, grid((21, 21, 2), (1.0, 1.0, 5.0)))
    moved = transfer_structure(drawn, grid((21, 21, 6), (1.0, 1.0, 1.0)), IDENTITY)
    widths = sitk.GetArrayFromImage(moved.structure.mask)[:, 10].sum(axis=1)
    assert widths[0] == 17
    assert widths[-1] == 9
    assert (np.diff(widths.astype(int)) <= 0).all()
    assert len(set(widths.tolist())) >= 4


def test_structure_outside_the_ct_is_cropped_with_note() -> None:
    image = grid((40, 40, 40), (1.0, 1.0, 1.0))
    drawn = sphere(image, np.array([20.0, 20.0, 20.0]))
    moved = transfer_structure(drawn, grid((40, 40, 20), (1.0, 1.0, 1.0)), IDENTITY)
    assert moved.lost_fraction == pytest.approx(0.5, abs=0.1)
    assert 0.4 < moved.structure.volume_cm3 / moved.drawn_cm3 < 0.6


@pytest.mark.parametrize("away_mm", [200.0, 4.0])
def test_a_structure_that_no_voxel_of_the_ct_meets_is_refused(away_mm: float) -> None:
    image = grid((40, 40, 40), (1.0, 1.0, 1.0))
    drawn = sphere(image, np.array([20.0, 20.0, 20.0]), 1.5)
    coarse = grid((4, 4, 4), (8.0, 8.0, 8.0), (20 - away_mm,) * 3)
    with pytest.raises(InputError, match=r"'GTVp' \(0\.019 cm3 on the MR\) has no voxel"):
        transfer_structure(drawn, coarse, IDENTITY)


def test_an_empty_structure_stays_empty() -> None:
    image = grid((5, 5, 5), (1.0, 1.0, 1.0))
    moved = transfer_structure(masked(np.zeros((5, 5, 5)), image), image, IDENTITY)
    assert moved.structure.volume_cm3 == moved.drawn_cm3 == 0
