"""Distances are distances, near the surface, and noise does not hang on the lattice."""

import numpy as np
import pytest

from radfuse.phantom.distance_fields import (
    FieldGrid,
    Space,
    Union,
    level_distance,
    smooth_max,
    smooth_min,
    smooth_noise,
    smooth_step,
)

LATTICE = FieldGrid((-40.0, -36.0, -30.0), (81, 73, 61), 1.0)


def plain_space(lattice: FieldGrid = LATTICE) -> Space:
    """A space that no patient has bent."""
    z, y, x = np.meshgrid(*(lattice.axis_mm(axis) for axis in (2, 1, 0)), indexing="ij")
    return Space(lattice, x, y, z)


def test_a_spheres_distance_is_exact() -> None:
    space = plain_space()
    found = Union(space).ellipsoid((3, -2, 1), (12, 12, 12)).distance
    wanted = np.sqrt((space.x - 3) ** 2 + (space.y + 2) ** 2 + (space.z - 1) ** 2) - 12
    near = np.abs(wanted) < 6
    np.testing.assert_allclose(found[near], wanted[near], atol=2e-3)


def test_an_ellipsoids_distance_is_right_along_its_axes() -> None:
    found = Union(plain_space()).ellipsoid((0, 0, 0), (20, 10, 15)).distance
    np.testing.assert_allclose(found[30, 36, 40 + 18 : 40 + 23], [-2, -1, 0, 1, 2], atol=0.02)
    np.testing.assert_allclose(found[30, 36 + 8 : 36 + 13, 40], [-2, -1, 0, 1, 2], atol=0.02)


def test_pitch_lifts_the_front() -> None:
    space = plain_space()
    tilted = Union(space).ellipsoid((0, 0, 0), (5, 20, 5), pitch=0.5).distance
    front = tilted[space.y < -10]
    assert (space.z[space.y < -10])[front < 0].mean() > 0


def test_a_tubes_distance_is_that_to_its_line() -> None:
    space = plain_space()
    found = Union(space).tube([(-10, 0, 0), (10, 0, 0)], [4, 4]).distance
    wanted = np.hypot(space.y, space.z) - 4
    beside = (np.abs(space.x) < 9) & (wanted < 5)
    np.testing.assert_allclose(found[beside], wanted[beside], atol=1e-3)


def test_pairs_are_mirror_images() -> None:
    pair = Union(plain_space()).both_sides([(8, 2, 3), (20, -5, 1)], [3, 5])
    pair.paired_ellipsoids((15, 10, 0), (4, 6, 8))
    np.testing.assert_allclose(pair.distance, pair.distance[:, :, ::-1], atol=1e-4)


def test_noise_is_the_same_on_a_finer_lattice() -> None:
    fine = FieldGrid(LATTICE.origin_mm, (161, 145, 121), 0.5)
    coarse_noise = smooth_noise(np.random.default_rng(3), LATTICE, scale_mm=6.0)
    fine_noise = smooth_noise(np.random.default_rng(3), fine, scale_mm=6.0)
    np.testing.assert_allclose(fine_noise[::2, ::2, ::2], coarse_noise, atol=1e-5)


def test_noise_has_unit_variance_everywhere() -> None:
    fields = [
        smooth_noise(np.random.default_rng(k), LATTICE, scale_mm=5.0)[::6, ::6, ::6]
        for k in range(25)
    ]
    np.testing.assert_allclose(np.std(fields), 1.0, atol=0.06)
    np.testing.assert_allclose(np.mean(fields), 0.0, atol=0.05)


def test_a_level_sets_distance_ignores_the_functions_scale() -> None:
    space = plain_space()
    function = (7.0 * (space.x + 2 * space.z - 3)).astype(np.float32)
    wanted = (space.x + 2 * space.z - 3) / np.sqrt(5)
    np.testing.assert_allclose(level_distance(function, 1.0), wanted, atol=1e-3)


@pytest.mark.parametrize("width", [0.5, 4.0])
def test_smooth_extremes_bound_the_sharp_ones(width: float) -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(0, 5, (2, 500)).astype(np.float32)
    above, below = smooth_max(a, b, width), smooth_min(a, b, width)
    assert np.all(above >= np.maximum(a, b))
    assert np.all(above <= np.maximum(a, b) + width / 4 + 1e-5)
    np.testing.assert_allclose(below, -smooth_max(-a, -b, width))


def test_a_smooth_step_runs_from_0_to_1() -> None:
    found = smooth_step(np.array([-9, 1, 2, 3, 9], np.float32), 1, 3)
    np.testing.assert_allclose(found, [0, 0, 0.5, 1, 1])


def test_a_fields_image_keeps_its_place_when_cut_to_its_box() -> None:
    field = Union(plain_space()).ellipsoid((5, -6, 7), (8, 8, 8)).distance
    image = LATTICE.image(field)
    assert image.GetSize() < LATTICE.size
    index = image.TransformPhysicalPointToIndex((5.0, -6.0, 12.0))
    np.testing.assert_allclose(image[index], -3.0, atol=0.01)
