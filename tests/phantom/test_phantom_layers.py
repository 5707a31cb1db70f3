"""Layers land where they belong on any grid, with partial volume at their surface."""

import numpy as np
import SimpleITK as sitk

from radfuse.phantom import tissues
from radfuse.phantom.distance_fields import FieldGrid, Space, Union
from radfuse.phantom.layers import TissueLayer, VoxelGrid, paint

RADIUS_MM = 9.0
CENTRE_MM = (4.0, -3.0, 2.0)


def ball() -> TissueLayer:
    lattice = FieldGrid((-20.0, -20.0, -20.0), (41, 41, 41), 1.0)
    z, y, x = np.meshgrid(*[lattice.axis_mm(0)] * 3, indexing="ij")
    field = Union(Space(lattice, x, y, z)).ellipsoid(CENTRE_MM, (RADIUS_MM,) * 3).distance
    return TissueLayer(((tissues.MUSCLE, 0.0), (tissues.WHITE, 4.0)), (lattice.image(field),))


def grid(shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> VoxelGrid:
    """An anisotropic oblique grid in a frame of its own, about the ball."""
    head_from_grid = sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.2, -0.1, 0.3, (5.0, 2.0, -6.0))
    direction = sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.4, 0.1, -0.2).GetMatrix()
    middle = head_from_grid.GetInverse().TransformPoint(CENTRE_MM)
    spacing, size = (0.8, 1.1, 1.7), (34, 26, 18)
    half = np.reshape(direction, (3, 3)) @ ((np.array(size) - 1) / 2 * spacing)
    x, y, z = (np.array(middle) - half + shift_mm).tolist()
    return VoxelGrid(size, spacing, (x, y, z), direction, head_from_grid)


def test_a_balls_volume_and_centre_are_kept_on_an_oblique_grid() -> None:
    layer, onto = ball(), grid()
    values, labels = paint([layer], onto, lambda tissue: float(tissue is not tissues.AIR))
    volume = values.sum() * np.prod(onto.spacing_mm)
    np.testing.assert_allclose(volume, 4 / 3 * np.pi * RADIUS_MM**3, rtol=0.01)
    image = onto.image(labels)
    index = np.argwhere(labels > 0).mean(axis=0)[::-1]
    found = onto.head_from_grid.TransformPoint(
        image.TransformContinuousIndexToPhysicalPoint(index.tolist())
    )
    np.testing.assert_allclose(found, CENTRE_MM, atol=0.1)


def test_shells_begin_at_their_depth() -> None:
    _, labels = paint([ball()], grid(), lambda tissue: tissue.hu)
    inner = (labels == tissues.Label.WHITE).sum() / (labels > 0).sum()
    np.testing.assert_allclose(inner, ((RADIUS_MM - 4) / RADIUS_MM) ** 3, rtol=0.05)


def test_values_at_the_surface_lie_between_both_sides() -> None:
    values, labels = paint([ball()], grid(), lambda tissue: tissue.hu)
    assert values.min() == tissues.AIR.hu
    assert np.any((values > -900) & (values < 0))
    assert np.all(values[labels == tissues.Label.AIR] <= (tissues.AIR.hu + tissues.MUSCLE.hu) / 2)


def test_what_lies_outside_of_the_grid_is_left_out() -> None:
    values, labels = paint([ball()], grid((0.0, 0.0, 200.0)), lambda tissue: tissue.hu)
    assert np.all(values == tissues.AIR.hu)
    assert not labels.any()
