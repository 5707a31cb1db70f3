"""Agreement of delineations: laws, closed forms on anisotropic grids, SimpleITK's numbers."""

import dataclasses
import math

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from radfuse.errors import InputError
from radfuse.metrics.segmentation_agreement import Agreement, compare_masks, surface

SPACING = (1.5, 0.8, 0.6)
SYMMETRIC = ("dice", "jaccard", "surface_dice", "hausdorff_mm", "hausdorff_95_mm",
             "mean_distance_mm")  # fmt: skip


def ball(
    radius_mm: float,
    centre_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
    spacing: tuple[float, ...] = SPACING,
    half_mm: float = 20.0,
) -> NDArray[np.bool_]:
    axes = [np.arange(-half_mm, half_mm, step) for step in spacing]
    grid = np.meshgrid(*axes, indexing="ij")
    squares = [(part - at) ** 2 for part, at in zip(grid, centre_mm, strict=True)]
    return np.asarray(sum(squares) <= radius_mm**2)


def blob(seed: int) -> NDArray[np.bool_]:
    rng = np.random.default_rng(seed)
    return np.asarray(rng.random((4, 5, 6)) < rng.uniform(0.05, 0.95))


@given(st.integers(0, 10_000), st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_any_two_masks_obey_the_laws(first: int, second: int) -> None:
    one, other = blob(first), blob(second)
    one[0, 0, 0] = other[1, 1, 1] = True
    forth, back = compare_masks(one, other, SPACING), compare_masks(other, one, SPACING)
    for name in SYMMETRIC:
        assert getattr(forth, name) == pytest.approx(getattr(back, name), abs=1e-12)
    assert forth.volume_difference_cm3 == -back.volume_difference_cm3
    assert 0 <= forth.jaccard <= forth.dice <= 1
    assert forth.jaccard == pytest.approx(forth.dice / (2 - forth.dice))
    assert 0 <= forth.surface_dice <= 1
    assert 0 <= forth.mean_distance_mm <= forth.hausdorff_mm
    assert forth.hausdorff_95_mm <= forth.hausdorff_mm
    assert 0 <= forth.added_path_mm <= forth.reference_path_mm
    same = compare_masks(one, one, SPACING, tolerance_mm=0)
    assert (same.dice, same.jaccard, same.surface_dice) == (1, 1, 1)
    assert (same.hausdorff_mm, same.mean_distance_mm, same.added_path_mm) == (0, 0, 0)


@given(st.integers(0, 10_000), st.permutations([0, 1, 2]), st.floats(0.2, 5.0))
@settings(max_examples=25, deadline=None)
def test_axis_order_and_length_unit_only_change_units(
    seed: int, order: list[int], factor: float
) -> None:
    one, other = blob(seed), blob(seed + 1)
    one[2, 2, 2] = other[2, 2, 2] = True
    plain = compare_masks(one, other, SPACING)
    turned = compare_masks(
        one.transpose(order),
        other.transpose(order),
        [factor * SPACING[axis] for axis in order],
        tolerance_mm=factor,
    )
    assert turned.dice == plain.dice
    assert turned.surface_dice == pytest.approx(plain.surface_dice, abs=1e-6)
    for name in ("hausdorff_mm", "hausdorff_95_mm", "mean_distance_mm"):
        assert getattr(turned, name) == pytest.approx(factor * getattr(plain, name))


@pytest.mark.parametrize("outer", [11.0, 13.0, 16.0])
def test_concentric_balls_are_as_far_apart_as_their_radii(outer: float) -> None:
    found = compare_masks(ball(10.0), ball(outer), SPACING)
    gap, voxel = outer - 10.0, max(SPACING)
    assert found.mean_distance_mm == pytest.approx(gap, abs=0.25)
    assert found.hausdorff_95_mm == pytest.approx(gap, abs=voxel / 2)
    assert found.hausdorff_mm == pytest.approx(gap, abs=voxel)
    assert found.dice == pytest.approx(2e3 / (1e3 + outer**3), abs=0.01)
    assert found.jaccard == pytest.approx(1e3 / outer**3, abs=0.01)
    assert found.volume_cm3 == pytest.approx(4 / 3 * math.pi, rel=0.01)
    assert found.volume_difference_cm3 == pytest.approx(
        4 / 3 * math.pi * (1 - (outer / 10) ** 3), rel=0.02
    )
    assert compare_masks(ball(10.0), ball(outer), SPACING, tolerance_mm=gap + voxel
                         ).surface_dice == 1  # fmt: skip
    assert compare_masks(ball(10.0), ball(outer), SPACING, tolerance_mm=0).surface_dice < 0.1


@pytest.mark.parametrize("shift", [(3.0, 0.0, 0.0), (0.0, 3.2, 0.0), (1.5, 1.6, 1.8)])
def test_shifted_ball_has_geometric_overlap_and_distance(shift: tuple[float, float, float]) -> None:
    radius, apart = 10.0, math.hypot(*shift)
    found = compare_masks(ball(radius), ball(radius, shift), SPACING)
    lens = math.pi / 12 * (4 * radius + apart) * (2 * radius - apart) ** 2
    assert found.dice == pytest.approx(lens / (4 / 3 * math.pi * radius**3), abs=0.01)
    assert found.hausdorff_mm == pytest.approx(apart, abs=max(SPACING) / 2)
    assert found.volume_difference_cm3 == pytest.approx(0, abs=0.05)
    nodes, weights = np.polynomial.legendre.leggauss(200)  # cosines are uniform on a sphere
    distances = np.abs(np.sqrt(radius**2 + apart**2 + 2 * radius * apart * nodes) - radius)
    assert found.mean_distance_mm == pytest.approx(weights @ distances / 2, abs=0.25)
    within = weights @ (distances <= 1.0) / 2
    assert found.surface_dice == pytest.approx(within, abs=0.12)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.5, 0.5, 0.5), SPACING])
def test_the_area_of_a_ball_is_right_within_a_tenth(spacing: tuple[float, float, float]) -> None:
    area = surface(ball(12.0, spacing=spacing), spacing).areas_mm2.sum()
    assert area == pytest.approx(4 * math.pi * 144, rel=0.1)


def test_a_box_is_measured_exactly_up_to_its_rounded_corners() -> None:
    mask = np.zeros((9, 30, 40), np.bool_)
    mask[2:6, 5:25, 10:30] = True
    wider = mask.copy()
    wider[2:6, 5:25, 30:33] = True
    found = compare_masks(mask, wider, SPACING, tolerance_mm=1.0)
    rows, corner = 20 * 0.8, math.hypot(0.8, 0.6) / 2
    path = 4 * (2 * (rows - 0.8) + 2 * (22 * 0.6) + 4 * corner)
    assert found.reference_path_mm == pytest.approx(path)
    assert found.added_path_mm == pytest.approx(4 * ((rows - 0.8) + 6 * 0.6 + 2 * corner))
    assert found.hausdorff_mm == pytest.approx(1.8)
    assert found.dice == pytest.approx(2 * 20 / 43)
    back = compare_masks(wider, mask, SPACING)
    assert back.added_path_mm == pytest.approx(4 * ((rows - 0.8) + 2 * corner))


def test_shifted_slices_keep_the_path_of_those_in_common() -> None:
    mask, moved = np.zeros((2, 9, 20, 20), np.bool_)
    mask[2:6, 5:15, 5:15] = moved[3:7, 5:15, 5:15] = True
    found = compare_masks(mask, moved, SPACING)
    assert found.added_path_mm == pytest.approx(found.reference_path_mm / 4)
    assert found.hausdorff_mm == pytest.approx(1.5)


@pytest.mark.parametrize("seed", range(4))
def test_overlap_and_volume_match_simpleitk_on_oblique_grid(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = ball(9.0), ball(rng.uniform(6, 12), tuple(rng.uniform(-4, 4, 3)))
    images = [sitk.GetImageFromArray(mask.astype(np.uint8)) for mask in (one, other)]
    for image in images:
        image.SetSpacing(SPACING[::-1])
        image.SetDirection(sitk.Euler3DTransform((0, 0, 0), 0.3, -0.2, 0.5).GetMatrix())
        image.SetOrigin((-31.0, 12.0, 99.0))
    overlap, far = sitk.LabelOverlapMeasuresImageFilter(), sitk.HausdorffDistanceImageFilter()
    overlap.Execute(*images)
    far.Execute(*images)
    found = compare_masks(one, other, SPACING)
    assert found.dice == pytest.approx(overlap.GetDiceCoefficient())
    assert found.jaccard == pytest.approx(overlap.GetJaccardCoefficient())
    voxel = math.hypot(*SPACING)  # SimpleITK measures to centres of voxels, we between them
    assert found.hausdorff_mm == pytest.approx(far.GetHausdorffDistance(), abs=voxel)


def test_a_structure_at_the_edge_of_the_image_ends_there() -> None:
    whole = np.ones((3, 4, 5), np.bool_)
    area = compare_masks(whole, whole, (1.0, 1.0, 1.0)).reference_path_mm
    assert area == pytest.approx(3 * (2 * 3 + 2 * 4 + 4 * math.sqrt(0.5)))


def test_an_empty_delineation_has_no_overlap_and_no_distance() -> None:
    nothing, something = np.zeros((4, 4, 4), np.bool_), np.zeros((4, 4, 4), np.bool_)
    something[1:3, 1:3, 1:3] = True
    found = compare_masks(nothing, something, SPACING)
    assert (found.dice, found.jaccard, found.surface_dice) == (0, 0, 0)
    assert np.isnan([found.hausdorff_mm, found.hausdorff_95_mm, found.mean_distance_mm]).all()
    assert found.added_path_mm == found.reference_path_mm > 0
    assert compare_masks(something, nothing, SPACING).added_path_mm == 0
    both = compare_masks(nothing, nothing, SPACING)
    measured = dataclasses.astuple(both)
    assert np.isnan(measured[:6]).all()
    assert measured[6:] == (0, 0, 0, 0)
    assert isinstance(both, Agreement)


def test_masks_that_cannot_be_compared_are_refused() -> None:
    mask = np.ones((3, 3, 3), np.bool_)
    with pytest.raises(InputError, match=r"masks of \(3, 3, 3\) and \(2, 3, 3\) voxels"):
        compare_masks(mask, mask[1:], SPACING)
    with pytest.raises(InputError, match="a tolerance of -1 mm; give 0 or more"):
        compare_masks(mask, mask, SPACING, tolerance_mm=-1)
    with pytest.raises(InputError, match="a tolerance of nan mm"):
        compare_masks(mask, mask, SPACING, tolerance_mm=math.nan)
