"""The phantom's head outside of the brain: skin, fat, skull, sinuses, eyes, spine.

The numbers in the functions are positions and radii in canonical head coordinates, mm, from the
proportions of an adult in anatomical atlases; `Patient` holds the individual deviations.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from radfuse.arrays import Float32Array
from radfuse.phantom.distance_fields import (
    FAR_MM,
    FieldGrid,
    Point,
    Space,
    Union,
    level_distance,
    smooth_max,
    smooth_min,
    smooth_noise,
    smooth_step,
)

WARP_SCALE_MM = 45.0
"""Correlation length of the shape differences between heads."""

BRAINCASE_POWER = 2.3
"""Exponent of the braincase's superellipsoid: 2 is an ellipsoid, more is boxier."""

BRAINCASE_CENTRE: Point = (0.0, 4.0, 4.0)
"""Centre of the braincase."""

BRAINCASE_RADII: Point = (66.0, 82.0, 68.0)
"""Half width, length and height inside the bone of an adult."""

HOLDER_RADII = (99.0, 112.0)
"""Half width and depth of the head holder's curve, about the head's centre."""

HOLDER_MM = 5.0
"""Thickness of its shell."""

AT_BONE_DEPTH = 0.6
"""Depth below the vault of the centre of a tumour at the bone, as a fraction of its radius."""


@dataclass(frozen=True)
class Tumour:
    """Requested properties of the tumour; by default they are random."""

    radius_mm: float | None = None
    contrast: float = 1.0
    """Factor of its difference from the surrounding oedema, on CT and MR; 0 for none."""
    is_solid: bool = False
    """Without necrotic core and calcifications."""
    is_at_bone: bool = False
    """Moved laterally until it touches the skull."""
    hu: float | None = None
    """CT number of a tumour that is finely calcified throughout."""


@dataclass(frozen=True)
class Patient:
    """Random individual properties of a head; lengths in mm, factors about 1, radians."""

    stretch: Point
    """Scale factor along left, posterior, superior."""
    tilt: Point
    """Pose on the couch: rotation about the three axes."""
    skew: float
    """Plagiocephaly: one side of the head is further posterior than the other."""
    warp_mm: float
    """Amplitude of the smooth deformation."""
    skull_mm: float
    """Mean thickness of the vault."""
    fat_mm: float
    """Mean thickness of the fat beneath the skin."""
    atrophy: float
    """0 for a young brain, 1 for an old one with wide sulci and ventricles."""
    frontal_sinus: Point
    """Radii of its left half."""
    tumour_at: Point
    tumour_radius_mm: float
    oedema_mm: float
    tumour: Tumour = Tumour()

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Patient":
        """Draw a patient."""
        side = float(rng.choice([-1.0, 1.0]))
        sizes = 1.0 + 0.07 * rng.uniform(-0.5, 0.5) + 0.06 * rng.uniform(-0.5, 0.5, 3)
        tilt = np.radians(rng.uniform(-4.0, 4.0, 3))
        sinus = rng.uniform(0.6, 1.2) * np.array([13.0, 3.8, 13.0])
        position = rng.uniform([26.0, -34.0, 20.0], [36.0, 34.0, 36.0])
        return cls(
            stretch=(float(sizes[0]), float(sizes[1]), float(sizes[2])),
            tilt=(float(tilt[0]), float(tilt[1]), float(tilt[2])),
            skew=float(rng.uniform(-0.05, 0.05)),
            warp_mm=float(rng.uniform(1.5, 3.0)),
            skull_mm=float(rng.uniform(5.5, 8.0)),
            fat_mm=float(rng.uniform(2.5, 5.0)),
            atrophy=float(rng.uniform(0.0, 1.0)),
            frontal_sinus=(float(sinus[0]), float(sinus[1]), float(sinus[2])),
            tumour_at=(side * float(position[0]), float(position[1]), float(position[2])),
            tumour_radius_mm=float(rng.uniform(9.0, 16.0)),
            oedema_mm=float(rng.uniform(6.0, 12.0)),
        )

    def with_tumour(self, tumour: Tumour) -> "Patient":
        """The same patient with another tumour."""
        radius = tumour.radius_mm or self.tumour_radius_mm
        x, y, z = self.tumour_at
        if tumour.is_at_bone:
            x = float(np.copysign(vault_beside(y, z) - AT_BONE_DEPTH * radius, x))
        return replace(self, tumour=tumour, tumour_at=(x, y, z), tumour_radius_mm=radius)


def head_space(patient: Patient, lattice: FieldGrid, rng: np.random.Generator) -> Space:
    """Canonical head coordinates of each lattice point."""
    axes = np.meshgrid(*(lattice.axis_mm(axis) for axis in (2, 1, 0)), indexing="ij")
    z, y, x = axes
    rotated = [
        sum(np.float32(step) * part for step, part in zip(row, (x, y, z), strict=True))
        for row in _rotation(patient.tilt)
    ]
    placed = []
    for part, factor in zip(rotated, patient.stretch, strict=True):
        bend = smooth_noise(rng, lattice, scale_mm=WARP_SCALE_MM)
        placed.append(part / np.float32(factor) + np.float32(patient.warp_mm) * bend)
    placed[1] = placed[1] + np.float32(patient.skew) * placed[0]
    return Space(lattice, *placed)


def _rotation(angles: Point) -> NDArray[np.float64]:
    cos, sin = np.cos(angles), np.sin(angles)
    about_x = np.array([[1, 0, 0], [0, cos[0], -sin[0]], [0, sin[0], cos[0]]])
    about_y = np.array([[cos[1], 0, sin[1]], [0, 1, 0], [-sin[1], 0, cos[1]]])
    about_z = np.array([[cos[2], -sin[2], 0], [sin[2], cos[2], 0], [0, 0, 1]])
    rotation: NDArray[np.float64] = about_z @ about_y @ about_x
    return rotation


def braincase(space: Space) -> Float32Array:
    """Distance to the inner table of the skull, negative inside."""
    x0, y0, z0 = BRAINCASE_CENTRE
    a, b, c = BRAINCASE_RADII
    y = (space.y - np.float32(y0)) / np.float32(b)
    width = np.float32(a) * (1 + np.float32(0.06) * np.clip(y, -1, 1))
    terms = (space.x - np.float32(x0)) / width, y, (space.z - np.float32(z0)) / np.float32(c)
    powers = sum(np.power(np.abs(term), BRAINCASE_POWER) for term in terms)
    norm = np.asarray(np.power(powers, 1 / BRAINCASE_POWER), np.float32)
    vault = level_distance(norm - 1, space.lattice.spacing_mm)
    floor = level_distance(_floor_height(space) - space.z, space.lattice.spacing_mm)
    return smooth_max(vault, floor, 6.0)


def vault_beside(y: float, z: float) -> float:
    """Distance of the inner table from the median plane lateral to a point, mm."""
    _, y0, z0 = BRAINCASE_CENTRE
    a, b, c = BRAINCASE_RADII
    front, up = (y - y0) / b, (z - z0) / c
    width = a * (1 + 0.06 * min(max(front, -1), 1))
    rest = 1 - abs(front) ** BRAINCASE_POWER - abs(up) ** BRAINCASE_POWER
    return float(width * rest ** (1 / BRAINCASE_POWER))


def _floor_height(space: Space) -> Float32Array:
    """Height of the skull's floor: three steps down to the back, with the ridges between."""
    aside, y = np.abs(space.x), space.y
    orbit_roof = 7 * np.exp(-(((aside - 29) / 15) ** 2))
    anterior = -17 + orbit_roof - 4 * np.exp(-((aside / 5) ** 2))
    sella = np.exp(-((aside / 11) ** 2))
    middle = -41 + 17 * sella
    crest = 3 + 0.55 * aside
    petrous = 19 * np.exp(-(((y - crest) / 7.5) ** 2)) * smooth_step(aside, 6, 20)
    petrous = petrous * (1 - 0.6 * smooth_step(aside, 42, 64))
    clivus_foot = smooth_step(y, 2, 30)
    posterior = -62 + 38 * sella * (1 - clivus_foot)
    wing = -30 + 9 * smooth_step(aside, 15, 45)
    to_middle = smooth_step(y - wing + 5 * smooth_step(aside, 40, 62), -9, 9)
    to_posterior = smooth_step(y - crest, -6, 8)
    height = anterior + (middle - anterior) * to_middle
    height = height + (posterior - height) * to_posterior + petrous * to_middle
    canal = 80 * np.exp(-np.square((aside / 14) ** 2 + ((y - 30) / 15) ** 2))
    return np.asarray(height - canal, np.float32)


def vault_thickness(space: Space, patient: Patient, rng: np.random.Generator) -> Float32Array:
    """Thickness of the skull, mm: thin at the temples and base, thick in front and behind."""
    noise = smooth_noise(rng, space.lattice, scale_mm=14.0)
    aside = np.abs(space.x)
    temple = smooth_step(aside, 48, 64) * smooth_step(-space.z, -28, 0)
    occiput = np.exp(-((space.x / 14) ** 2 + ((space.z + 18) / 16) ** 2)) * (space.y > 0)
    brow = np.exp(-np.square((space.x / 34) ** 2 + ((space.z + 2) / 20) ** 2)) * (space.y < -40)
    base = smooth_step(-space.z, 10, 35)
    mean = patient.skull_mm * (1 - 0.45 * temple) * (1 - 0.35 * base)
    thick = mean + 6.5 * occiput + 10.0 * brow + 0.9 * noise
    return np.asarray(np.clip(thick, 2.2, None), np.float32)


def face_bones(space: Space) -> Float32Array:
    """Distance to the bones below the braincase; their cavities are not hollowed out."""
    bones = Union(space)
    bones.ellipsoid((0, -14, -40), (17, 19, 15)).tube([(0, 4, -30), (0, 21, -62)], [8, 6])
    bones.both_sides([(10, 4, -39), (34, 20, -42), (54, 30, -46)], [7, 9.5, 12])
    bones.paired_ellipsoids((57, 34, -58), (11, 15, 19)).paired_ellipsoids((17, 29, -63), (6, 9, 7))
    bones.ellipsoid((0, -56, -35), (15, 24, 16))
    sockets = Union(space).paired_ellipsoids((31, -58, -32), (22, 26, 20.5)).distance
    open_front = (-71 + 0.35 * (np.abs(space.x) - 20)) - space.y
    bones.distance = np.minimum(bones.distance, np.maximum(sockets, open_front))
    bones.paired_ellipsoids((27, -57, -63), (18, 19, 17)).both_sides(
        [(12, -82, -4), (28, -83, -13), (42, -76, -18), (51, -68, -30)], [5, 4.5, 4, 5]
    )
    bones.both_sides([(44, -72, -48), (56, -55, -49), (65, -34, -49), (66, -10, -47)], [7, 5, 3, 3])
    bones.both_sides([(51, -68, -30), (47, -70, -48), (36, -74, -60)], [4.5, 6, 5])
    bones.both_sides([(0, -88, -76), (12, -85, -78), (24, -74, -79), (29, -54, -79)], [5, 5, 5, 4])
    bones.both_sides([(0, -80, -75), (12, -62, -75), (14, -44, -75)], [2, 2.2, 2])
    bones.both_sides([(15, -24, -48), (17, -27, -78)], [4, 2.2])
    bones.both_sides([(51, 1, -49), (53, 3, -62), (50, 0, -84), (46, -22, -112)], [5, 4, 5, 6])
    bones.both_sides([(50, -22, -56), (49, -14, -74), (48, -12, -92)], [2.5, 3.5, 5])
    bones.tube([(0, -84, -22), (0, -90, -34), (0, -93, -45)], [5, 3.4, 2])
    bones.both_sides([(3, -84, -24), (9, -84, -46), (14, -83, -62)], [3, 2.5, 3])
    return bones.distance


def petrous(space: Space) -> Float32Array:
    """Distance to the dense bone of the inner ears, the hardest of the body."""
    dense = Union(space).both_sides([(16, 6, -38), (36, 20, -41), (48, 27, -42)], [4.5, 7, 6])
    canals = Union(space).both_sides([(8, 12, -36), (24, 16, -38)], [2.2, 2.4])
    canals.paired_ellipsoids((29, 13, -41), (3, 2.4, 2.4)).paired_ellipsoids(
        (37, 21, -39), (3, 1.8, 3)
    )
    return np.maximum(dense.distance, -canals.distance)


def sinus_air(space: Space, patient: Patient, rng: np.random.Generator) -> Float32Array:
    """Distance to the air within the head."""
    lobes = smooth_noise(rng, space.lattice, scale_mm=7.0)
    wide, deep, high = patient.frontal_sinus
    smooth = Union(space).paired_ellipsoids((27, -57, -63), (15.5, 16.5, 15))
    smooth.ellipsoid((-7, -15, -41), (8, 13, 9.5)).ellipsoid((8, -14, -41), (8, 12, 9))
    smooth.ellipsoid((0.75 * wide, -84.5, -3), (wide, deep, high))
    smooth.ellipsoid((-0.7 * wide, -84.5, -5), (0.85 * wide, deep, 0.8 * high))
    septum = np.float32(0.9) - np.abs(space.x + 2.0 * lobes)
    air = np.maximum(smooth.distance + 1.6 * lobes, septum)
    throat = Union(space).tube([(0, -26, -60), (0, -17, -72), (0, -6, -88), (0, -2, -112)], [9] * 4)
    throat.tube([(0, -82, -66), (0, -56, -64), (0, -28, -60)], [3, 6, 7])
    ear = Union(space).both_sides([(90, 17, -46), (62, 14, -45), (47, 13, -43)], [4, 3.2, 3])
    ear.paired_ellipsoids((44, 14, -41), (4, 5, 7))
    cells = (
        Union(space)
        .paired_ellipsoids((57, 35, -58), (8.5, 12.5, 16))
        .both_sides([(50, 26, -40), (56, 34, -46)], [4, 7])
    )
    ethmoid = Union(space).ellipsoid((0, -58, -34), (12.5, 22, 12)).distance
    walls = 1.4 - 2.2 * np.abs(smooth_noise(rng, space.lattice, scale_mm=3.2))
    honeycomb = np.maximum(np.minimum(cells.distance, ethmoid), walls)
    air = np.minimum(air, np.minimum(throat.distance, ear.distance))
    air = np.minimum(air, np.minimum(honeycomb, _nose(space, lobes)))
    return np.asarray(air, np.float32)


def _nose(space: Space, bend: Float32Array) -> Float32Array:
    """Distance to the air of the nasal cavity, between septum and turbinates."""
    aside = np.abs(space.x)
    septum = 1.0 - np.abs(space.x + 1.2 * bend)
    turbinates = np.minimum(5 * np.abs(np.sin((space.z + 46) / 4.2)) - aside - 1.6, 3.0)
    cavity = Union(space).ellipsoid((0, -60, -60), (13, 34, 17)).distance
    return np.asarray(np.maximum(cavity, np.maximum(septum, turbinates)), np.float32)


def skin(space: Space, skull: Float32Array) -> Float32Array:
    """Distance to the skin: the skull's, cushioned, with face, nose, ears and neck."""
    body = (
        Union(space).ellipsoid((0, -34, -72), (69, 61, 66)).ellipsoid((0, -42, -34), (70, 49, 48))
    )
    sides = body.paired_ellipsoids((52, -22, -28), (21, 34, 36)).paired_ellipsoids(
        (53, 33, -55), (21, 25, 28)
    )
    neck = Union(space).tube([(0, 18, -50), (0, 22, -130)], [60, 58]).distance
    scalp = skull - np.float32(6.5)
    soft = smooth_min(smooth_min(scalp, sides.distance, 18.0), neck, 14.0)
    nose = (
        Union(space)
        .tube([(0, -85, -26), (0, -102, -58)], [7, 10])
        .both_sides([(4, -100, -60), (11, -96, -64)], [8, 6])
    )
    soft = smooth_min(soft, nose.distance, 8.0)
    lips = Union(space).both_sides([(0, -94, -82), (20, -86, -84)], [8, 6]).distance
    ears = Union(space).both_sides([(60, 14, -45), (71, 24, -40), (80, 36, -27)], [8, 7, 4])
    ears.both_sides([(70, 22, -42), (77, 34, -56)], [7, 4])
    soft = smooth_min(soft, lips, 7.0)
    lids = Union(space).paired_ellipsoids((31, -73, -32), (15, 14, 14)).distance
    return smooth_min(smooth_min(soft, lids, 7.0), ears.distance, 5.0)


def spine(space: Space) -> Float32Array:
    """Distance to the first two vertebrae, their canal not hollowed out."""
    bones = (
        Union(space)
        .tube([(0, 14, -72), (0, 15, -90)], [5.5, 6])
        .both_sides([(0, 9, -77), (16, 16, -78), (34, 26, -78)], [4, 7, 4])
    )
    bones.both_sides([(20, 28, -78), (15, 44, -79), (0, 50, -79)], [4.5, 3.5, 4])
    bones.ellipsoid((0, 14, -98), (10, 9, 12)).both_sides(
        [(12, 16, -96), (17, 28, -98), (14, 42, -99), (0, 58, -101)], [6, 6, 4, 5]
    )
    return bones.distance


def orbit(space: Space) -> Float32Array:
    """Distance to the fat-filled orbits."""
    cone = Union(space).paired_ellipsoids((31, -66, -32), (18.5, 20, 17))
    cone.both_sides([(27, -56, -32), (12, -26, -28)], [15, 4])
    return cone.distance


def eye_muscles(space: Space) -> Float32Array:
    """Distance to the muscles that move the eyes and to the optic nerves."""
    strands = Union(space).both_sides([(31, -61, -32), (24, -44, -31), (11, -25, -27)], [2.2] * 3)
    for dx, dz in ((11, 0), (-10, 0), (0, 11), (0, -11)):
        belly = (31 + 0.95 * dx - 4, -54.0, -32 + 0.95 * dz)
        front = (31 + 0.9 * dx, -72.0, -32 + 0.9 * dz)
        strands.both_sides([front, belly, (13.0, -28.0, -28.0 + 0.2 * dz)], [1.0, 2.3, 1.2])
    return strands.distance


def eyeballs(space: Space) -> tuple[Float32Array, Float32Array]:
    """Distances to the globes and to their lenses."""
    globes = Union(space).paired_ellipsoids((31, -72, -32), (12, 12, 12)).distance
    return globes, Union(space).paired_ellipsoids((31, -80, -32), (4.6, 2.2, 4.6)).distance


def sutures(
    space: Space, rng: np.random.Generator
) -> tuple[Float32Array, Float32Array, Float32Array]:
    """Signed distances to the wavy sheets of the coronal, sagittal and lambdoid sutures."""
    coarse = smooth_noise(rng, space.lattice, scale_mm=9.0)
    wiggle = 1.4 * coarse + 0.9 * smooth_noise(rng, space.lattice, scale_mm=3.5)
    x, y, z = space.x, space.y, space.z
    coronal = y + 22 - 0.22 * (z - 40) + wiggle
    sagittal = x + wiggle
    lambdoid = (y - 62) + 0.62 * np.abs(x) - 0.35 * (40 - z) + wiggle
    return (
        np.where(z > -5, coronal, FAR_MM),
        np.where((z > 0) & (y > -22) & (y < 62), sagittal, FAR_MM),
        np.where((y > 20) & (z > -35), lambdoid, FAR_MM),
    )


def head_holder(lattice: FieldGrid) -> Float32Array:
    """Distance to the cradle that the head rests in, which stays with the CT's couch."""
    z, y, x = np.meshgrid(*(lattice.axis_mm(axis) for axis in (2, 1, 0)), indexing="ij")
    half_width, depth = HOLDER_RADII
    shell = np.abs(np.hypot(x / half_width, y / depth) - 1) * depth - HOLDER_MM / 2
    return np.asarray(np.maximum(np.maximum(shell, 30 - y), z - 75), np.float32)
