"""The phantom's brain: hemispheres with folds, cerebellum, stem, ventricles, dura, a tumour."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from radfuse.arrays import Float32Array
from radfuse.phantom.anatomy import BRAINCASE_CENTRE, BRAINCASE_RADII, Patient
from radfuse.phantom.distance_fields import (
    FAR_MM,
    Space,
    Union,
    level_distance,
    smooth_max,
    smooth_noise,
    smooth_step,
)

FOLD_SCALE_MM = 4.6
"""Scale of the noise whose zero level forms the sulci: gyri become 10 to 14 mm wide."""

FOLD_SHELL = 0.86
"""Sulci are radial sheets: defined on the shell at this fraction of the distance from the centre to
the skull, and extended along the radius."""

FOLIA = 18
"""Folia around a full circle about the fourth ventricle; the real ones are finer than a voxel."""


@dataclass(frozen=True)
class Brain:
    """Fields of the folded brain; `folded` computes a distance from the first three."""

    hull: Float32Array
    """Distance to the brain as if it had no sulci."""
    sheet: Float32Array
    """Signed distance to the nearest sulcus's middle."""
    bottom: Float32Array
    """How deep the sulci are here, mm."""
    midline: Float32Array
    """Signed distance to the median sheet."""
    tent: Float32Array
    """Signed distance to the tentorium, positive above."""


def cerebrum(space: Space, case: Float32Array, patient: Patient, rng: np.random.Generator) -> Brain:
    """The brain in a braincase, from the distance to its wall."""
    lattice = space.lattice
    sway = smooth_noise(rng, lattice, scale_mm=22.0)
    wave = smooth_noise(rng, lattice, scale_mm=11.0)
    midline = np.asarray(space.x + 1.0 * sway, np.float32)
    tent_height = -20 + 14 * np.exp(-((space.x / 26) ** 2)) * smooth_step(-space.y, -75, -20)
    tent_height = tent_height - 0.12 * np.clip(space.y - 20, 0, None)
    tent = level_distance(np.asarray(space.z - tent_height, np.float32), lattice.spacing_mm)
    shrink = np.float32(1.2 + 1.4 * patient.atrophy)
    inside = case + shrink * (1 + 0.25 * sway)
    gap = np.float32(1.6 + 0.8 * patient.atrophy)
    above_callosum = smooth_step(np.asarray(_callosum_distance(space), np.float32), -1, 1)
    fissure = gap - np.abs(midline) - 12 * (1 - above_callosum)
    upper = smooth_max(inside, smooth_max(fissure, _tent_cut(space, tent), 2.0), 2.0)
    upper = smooth_max(upper, -_cisterns(space), 3.0)
    upper = smooth_max(upper, -_sylvian(space, wave), 2.0)
    lower = _cerebellum(space, case, tent)
    sheet, bottom = _folds(space, rng)
    use_lower = lower < upper
    arbor, arbor_depth = _folia(space)
    return Brain(
        hull=np.minimum(upper, lower),
        sheet=np.where(use_lower, arbor, sheet),
        bottom=np.where(use_lower, arbor_depth, bottom),
        midline=midline,
        tent=tent,
    )


def folded(
    hull: Float32Array, sheet: Float32Array, bottom: Float32Array, *, sulcus_mm: float
) -> Float32Array:
    """Distance to the brain's surface with its sulci cut in, from `Brain`'s fields."""
    below_bottom = np.maximum(-hull - bottom, 0)
    taper = np.clip(1 + hull / (bottom + 1), 0, 1) * np.float32(sulcus_mm)
    cut = taper - np.sqrt(sheet * sheet + below_bottom * below_bottom)
    return np.asarray(np.maximum(hull, cut), np.float32)


def _folds(space: Space, rng: np.random.Generator) -> tuple[Float32Array, Float32Array]:
    """Signed distance to the sulci's middle sheets, and the depth that they reach to."""
    lattice = space.lattice
    fine = smooth_noise(rng, lattice, scale_mm=FOLD_SCALE_MM)
    rough = smooth_noise(rng, lattice, scale_mm=2.1 * FOLD_SCALE_MM)
    depth_noise = smooth_noise(rng, lattice, scale_mm=9.0)
    pattern = np.asarray(fine - 0.35 * rough, np.float32)
    rel = [
        (part - np.float32(at)) / np.float32(radius)
        for part, at, radius in zip(
            (space.x, space.y, space.z), BRAINCASE_CENTRE, BRAINCASE_RADII, strict=True
        )
    ]
    radius = np.sqrt(sum(part * part for part in rel))
    pull = (FOLD_SHELL / np.maximum(radius, 0.3)) ** 0.55 * radius / np.maximum(radius, 1e-3)
    indices = []
    for axis, (part, at, half) in enumerate(
        zip(rel, BRAINCASE_CENTRE, BRAINCASE_RADII, strict=True)
    ):
        position = pull * part * np.float32(half) + np.float32(at)
        indices.append((position - lattice.origin_mm[axis]) / np.float32(lattice.spacing_mm))
    carried = ndimage.map_coordinates(pattern, indices[::-1], order=1, mode="nearest")
    bottom = np.clip(11 + 5 * depth_noise, 3, 20)
    return level_distance(carried, lattice.spacing_mm), np.asarray(bottom, np.float32)


def _callosum_distance(space: Space) -> Float32Array:
    """Positive above the corpus callosum's arch, which bridges the hemispheres."""
    rise = np.hypot((space.y - 2) / 42, np.maximum(space.z + 6, 0) / 30)
    return np.asarray(30 * (rise - 1), np.float32)


def _tent_cut(space: Space, tent: Float32Array) -> Float32Array:
    """Positive where the tentorium bounds the hemispheres below."""
    behind = smooth_step(space.y - 0.45 * np.abs(space.x), 0, 8)
    return np.asarray(np.where(behind > 0.01, 2.0 - tent - 20 * (1 - behind), -FAR_MM), np.float32)


def _cisterns(space: Space) -> Float32Array:
    """Distance to the fluid spaces under and behind the brain."""
    spaces = Union(space).ellipsoid((0, -9, -20), (12, 9, 8)).ellipsoid((0, 12, -26), (17, 17, 12))
    spaces.tube([(0, 28, 2), (0, 36, -10)], [5, 5])
    return spaces.distance


def _sylvian(space: Space, wave: Float32Array) -> Float32Array:
    """Distance to the lateral fissure above the temporal lobes."""
    aside = np.abs(space.x) + 2.5 * wave
    run = space.z + 8 - 0.42 * (space.y + 18) + 3.0 * wave - 0.25 * (aside - 45)
    sheet = np.sqrt(run * run + np.clip(31 - aside, 0, None) ** 2) - 1.6
    ends = np.abs(space.y - 2) - 30
    insula = (
        np.sqrt(
            (aside - 35) ** 2
            + np.clip(np.abs(run) - 9, 0, None) ** 2
            + np.clip(np.abs(space.y + 6) - 18, 0, None) ** 2
        )
        - 1.2
    )
    return np.asarray(np.minimum(np.maximum(sheet, ends), insula), np.float32)


def _cerebellum(space: Space, case: Float32Array, tent: Float32Array) -> Float32Array:
    """Distance to the cerebellum below the tentorium."""
    lobes = (
        Union(space)
        .paired_ellipsoids((25, 45, -38), (33, 32, 29))
        .ellipsoid((0, 46, -37), (16, 25, 25))
    )
    cut = smooth_max(case + 2.5, tent + 2.5, 3.0)
    return smooth_max(lobes.distance, cut, 3.0)


def _folia(space: Space) -> tuple[Float32Array, Float32Array]:
    """Sheets of the cerebellar folia, which fan out from the fourth ventricle, and their depth."""
    angle = np.arctan2(space.z + 36, space.y - 18)
    reach = np.hypot(space.z + 36, space.y - 18)
    period = 2 * np.pi / FOLIA
    sheet = np.sin(2 * np.pi * angle / period) * np.clip(reach, 8, 60) * period / (2 * np.pi)
    return np.asarray(sheet, np.float32), np.full(space.shape, 7.0, np.float32)


def brain_stem(space: Space) -> Float32Array:
    """Distance to midbrain, pons, medulla and cord."""
    stem = Union(space).both_sides([(9, 2, -8), (7, 9, -18)], [7, 8])
    stem.tube(
        [(0, 10, -16), (0, 12, -32), (0, 19, -50), (0, 29, -70), (0, 32, -120)], [11, 14.5, 9, 7, 6]
    )
    return stem.distance


def deep_nuclei(space: Space) -> Float32Array:
    """Distance to thalami, putamina and the heads of the caudate nuclei."""
    nuclei = Union(space).paired_ellipsoids((10, 13, 7), (7.5, 15, 9))
    nuclei.paired_ellipsoids((25, -5, 4), (5.5, 17, 10), pitch=0.1)
    nuclei.both_sides([(12, -21, 9), (14, -8, 16), (18, 10, 19)], [6.5, 4.5, 2.5])
    return nuclei.distance


def ventricles(space: Space, patient: Patient) -> Float32Array:
    """Distance to the four ventricles, wider in an old brain."""
    wide = 0.7 + 0.75 * patient.atrophy
    lumen = Union(space).both_sides(
        [(4, -30, 7), (6, -20, 14), (9, 0, 20), (14, 18, 18), (22, 33, 8)],
        [3.5 * wide, 5 * wide, 4.2 * wide, 4.5 * wide, 6.5 * wide],
    )
    lumen.both_sides([(22, 33, 8), (22, 46, 4), (18, 56, 2)], [5.5 * wide, 3.5 * wide, 1.5])
    lumen.both_sides([(22, 33, 8), (30, 20, -10), (30, 2, -20)], [4.5 * wide, 3 * wide, 2 * wide])
    lumen.ellipsoid((0, 0, 3), (1.3 + 1.5 * wide, 14, 9)).tube([(0, 16, 0), (0, 24, -26)], [1, 1])
    lumen.ellipsoid((0, 29, -36), (7, 5 * wide, 11))
    return lumen.distance


def dura_reach(space: Space, brain: Brain, case: Float32Array) -> tuple[Float32Array, Float32Array]:
    """Extent of falx and tentorium: fields that are negative inside."""
    free_edge = 4 - _callosum_distance(space)
    falx = smooth_max(case, np.maximum(free_edge, -brain.tent), 1.0)
    notch = 19 - np.hypot(space.x / 1.1, space.y - 16)
    leaf = smooth_max(case, np.maximum(notch, 12 - space.y + 0.5 * np.abs(space.x)), 1.0)
    return falx, leaf


def venous_sinuses(space: Space, brain: Brain, case: Float32Array) -> Float32Array:
    """Distance to the superior sagittal, straight and transverse sinuses."""
    on_wall = case + 2.0
    sagittal = np.hypot(brain.midline, on_wall) - 4.0
    sagittal = np.where((brain.tent > -2) & (space.z > -14) & (space.y > -74), sagittal, FAR_MM)
    straight = np.hypot(brain.midline, brain.tent) - 2.2
    straight = np.where((space.y > 30) & (space.z < 14), straight, FAR_MM)
    transverse = np.hypot(brain.tent + 1, on_wall) - 3.6
    transverse = np.where(space.y > 22, transverse, FAR_MM)
    sinuses = np.minimum(np.minimum(sagittal, straight), transverse)
    return np.asarray(smooth_max(sinuses, case, 0.5), np.float32)


@dataclass(frozen=True)
class Lesion:
    """Distances to a tumour, its necrotic core, the oedema around it and what is calcified."""

    tumour: Float32Array
    core: Float32Array
    oedema: Float32Array
    calcified: Float32Array


def lesion(space: Space, patient: Patient, rng: np.random.Generator) -> Lesion:
    """The patient's tumour, and the calcifications that most adults have."""
    lobes = smooth_noise(rng, space.lattice, scale_mm=6.0)
    fingers = smooth_noise(rng, space.lattice, scale_mm=8.0)
    x, y, z = patient.tumour_at
    radius = patient.tumour_radius_mm
    mass = Union(space).ellipsoid(patient.tumour_at, (radius, 1.15 * radius, 0.95 * radius))
    mass.distance += np.float32(0.13 * radius) * lobes
    spread = mass.distance - np.float32(patient.oedema_mm) * np.clip(1 + 0.7 * fingers, 0.1, 2.5)
    specks = Union(space)
    if not patient.tumour.is_solid:
        specks.ellipsoid((x + 0.3 * radius, y, z), (3.0, 4.0, 2.5))
        specks.ellipsoid((x - 0.2 * radius, y - 0.5 * radius, z + 2), (1.8, 2.2, 1.8))
    specks.ellipsoid((0, 29, 2), (2.4, 2.8, 2.2)).paired_ellipsoids((21, 31, 8), (2.2, 3.2, 2.4))
    core = mass.distance + np.float32(0.35 * radius) + 1.2 * fingers
    return Lesion(
        tumour=mass.distance,
        core=np.asarray(core, np.float32),
        oedema=np.asarray(spread, np.float32),
        calcified=specks.distance,
    )
