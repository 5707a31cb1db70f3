"""Region growing fills uniform tissue and stops at edges and at the largest distance."""

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from radfuse.structures.growing import (
    ITERATIONS,
    MAX_DISTANCE_MM,
    SEED_RADIUS,
    confidence_connected,
    grow_region,
)

SPACING = (2.0, 1.5, 1.0)
SHAPE = (40, 50, 70)
CLICK = (20, 25, 35)


def distance_mm(click: tuple[int, int, int]) -> NDArray[np.float64]:
    squares = [
        ((np.arange(size) - at) * step) ** 2
        for size, at, step in zip(SHAPE, click, SPACING, strict=True)
    ]
    return np.asarray(np.sqrt(sum(np.meshgrid(*squares, indexing="ij"))))


@pytest.fixture
def ball() -> NDArray[np.bool_]:
    return np.asarray(distance_mm(CLICK) <= 12.0)


def noisy(inside: NDArray[np.bool_], seed: int = 1) -> NDArray[np.float32]:
    noise = np.random.default_rng(seed).normal(0, 0.02, inside.shape)
    return (0.3 + 0.5 * inside + noise).astype(np.float32)


def test_a_bright_ball_is_filled_but_for_its_edge(ball: NDArray[np.bool_]) -> None:
    found = grow_region(noisy(ball), CLICK, SPACING)
    assert not (found & ~ball).any()
    assert found[distance_mm(CLICK) <= 9.0].all()


def test_the_unit_of_the_image_does_not_matter(ball: NDArray[np.bool_]) -> None:
    image = noisy(ball)
    in_hu = image * np.float32(1000) - np.float32(700)
    differing = grow_region(image, CLICK, SPACING) ^ grow_region(in_hu, CLICK, SPACING)
    assert differing.sum() < 0.005 * ball.sum()


def test_a_hole_is_filled(ball: NDArray[np.bool_]) -> None:
    hole = distance_mm((20, 25, 38)) <= 2.0
    image = noisy(ball)
    image[hole] = 0
    click = (20, 25, 28)
    assert grow_region(image, click, SPACING)[hole].all()


def test_what_nothing_stops_ends_at_the_reach() -> None:
    image = noisy(np.zeros(SHAPE, np.bool_))
    near = distance_mm(CLICK)
    found = grow_region(image, CLICK, SPACING)
    assert not found[near > MAX_DISTANCE_MM].any()
    assert found[near <= MAX_DISTANCE_MM - 3].mean() > 0.9


def test_growing_from_background_gives_click_or_similar_voxels() -> None:
    flat = np.full(SHAPE, 0.5, np.float32)
    assert grow_region(flat, CLICK, SPACING)[CLICK]
    spike = flat.copy()
    spike[CLICK] = 1.0
    assert grow_region(spike, CLICK, SPACING)[CLICK]


def test_a_click_at_the_corner_of_the_image_stays_inside() -> None:
    found = grow_region(noisy(np.zeros(SHAPE, np.bool_)), (0, 0, 0), SPACING)
    assert found.shape == SHAPE
    assert found[0, 0, 0]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    place=st.tuples(st.integers(0, 8), st.integers(0, 10), st.integers(0, 12)),
    multiplier=st.floats(0.5, 4),
    grain=st.floats(0, 2),
    whole=st.booleans(),
)
def test_the_region_is_that_of_itk(
    seed: int, place: tuple[int, int, int], multiplier: float, grain: float, whole: bool
) -> None:
    noise = np.random.default_rng(seed).normal(0, 100, (9, 11, 13))
    image = gaussian_filter(noise, grain).astype(np.float32)
    image = np.rint(image / 40) if whole else image
    wanted = sitk.ConfidenceConnected(
        sitk.GetImageFromArray(image),
        seedList=[place[::-1]],
        numberOfIterations=ITERATIONS,
        multiplier=multiplier,
        initialNeighborhoodRadius=SEED_RADIUS,
    )
    region = sitk.GetArrayFromImage(wanted) > 0
    region[place] = True  # which is lost there where it is alone
    np.testing.assert_array_equal(confidence_connected(image, place, multiplier), region)
