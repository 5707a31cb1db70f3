"""Poses of a search: the best of those that differ."""

import numpy as np
import SimpleITK as sitk

from radfuse.registration.poses import DISTINCT_MM, Pose, distinct


def shifted(mm: float, fit: float) -> Pose:
    motion = sitk.Euler3DTransform((0, 0, 0), 0, 0, 0, (mm, 0.0, 0.0))
    return Pose(f"{mm:g} mm", motion, fit)


def test_poses_that_are_close_count_once():
    poses = [shifted(0.0, 3.0), shifted(0.9 * DISTINCT_MM, 2.0), shifted(1.1 * DISTINCT_MM, 1.0)]
    kept = distinct(poses, np.zeros(3), 3)
    assert [pose.fit for pose in kept] == [3.0, 1.0]


def test_at_most_so_many_are_kept():
    poses = [shifted(10.0 * k, -float(k)) for k in range(5)]
    assert distinct(poses, np.zeros(3), 2) == poses[:2]
    assert distinct([], np.zeros(3), 2) == []
