"""Displacements of points under rigid transforms, and what follows from the measurements."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from radfuse.registration.functional.measurement import FAR_MM, Measured, largest_mm, moved, shifts

POINTS = np.array([[0.0, 0.0, 0.0], [10.0, -20.0, 30.0], [-55.0, 4.0, 1.5]])
MOTION = sitk.Euler3DTransform((3.0, -2.0, 9.0), 0.3, -0.2, 0.5, (4.0, 5.0, -6.0))

MEASURED = Measured("CT", "NM", True, 0.0, 0.0, 0.0, {"left": 2.0, "right": 4.0}, 0.75, 0.8, 0.2,
                    1.0, 1.0, 1.0)  # fmt: skip


def test_points_move_as_by_the_transform():
    assert_allclose(moved(POINTS, MOTION), [MOTION.TransformPoint(p) for p in POINTS.tolist()])


def test_shifts_from_a_transform_to_itself_are_zero():
    assert_allclose(shifts(POINTS, MOTION, MOTION), 0.0)


@given(st.tuples(*[st.floats(-50, 50)] * 3))
def test_shifts_of_a_translation_are_its_vector(vector: tuple[float, float, float]):
    other = sitk.CompositeTransform([sitk.TranslationTransform(3, vector), MOTION])
    assert_allclose(shifts(POINTS, MOTION, other), [vector] * 3, atol=1e-9)
    assert_allclose(largest_mm(shifts(POINTS, MOTION, other)), np.linalg.norm(vector), atol=1e-9)


def test_the_advantage_is_what_the_mirror_image_lacks():
    assert_allclose(MEASURED.advantage_nats, 0.05)
    assert replace(MEASURED, mirror_fit=1.2).advantage_nats < 0


def test_halves_without_a_pose_count_as_far():
    assert MEASURED.mean_half_mm == pytest.approx(3.0)
    assert replace(MEASURED, halves_mm={}).mean_half_mm == FAR_MM
