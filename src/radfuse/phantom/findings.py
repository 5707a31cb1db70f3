"""Findings that are put into an aligned pair: a change of one source, with its mask.

A pair is a CT in HU and an MR in [0, 1] on one grid: a patient, a phantom, or a slice of 8 bits,
whose levels are HU in the window that it was printed in. Sizes, CT numbers and signals are those of
radiological practice; `docs/findings.md` has the table.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.ndimage import distance_transform_edt

from radfuse.arrays import BoolArray, Float32Array, Float64Array
from radfuse.modality import CT, MR, Modality
from radfuse.phantom.sites import Site, Sites, Voxel

SUBVOXELS = 3
"""Samples of a voxel along each axis, of which the share inside the finding is its volume there."""

SPILL_MM = 4.0
"""Within this distance of a finding no image may change."""

FRACTURE_MM, DURA_THICKNESS_MM = (1.0, 2.0), (1.5, 2.5)
"""Thickness of plates."""

RING_GAP_MM, RING_WIDTH_MM = 1.0, 5.0
"""The ring around a finding: what its contrast is measured against."""

MIN_SHARE = 0.3
"""A finding fills at least one voxel by as much."""

MIN_RING_VOXELS = 12

BACKGROUND_MM = 2.0
"""Smoothing that tells the tissue, which a finding replaces, from the noise, which it keeps."""

NOISE_HU, NOISE_MR = 40.0, 0.1
"""Largest noise; what differs more from its surroundings is anatomy, and is replaced."""

VOID = 0.05
"""MR signal of dense calcification."""

APART_MM = 22.0
"""Least distance of the centre of a finding from the surface of another: out of its ring."""


@dataclass(frozen=True)
class Kind:
    """A kind of finding, shown by one source: `hu` or `mr` says how it changes that source."""

    source: Modality
    site: Site
    diameter_mm: tuple[float, float]
    hu: tuple[float, float] | None = None
    """CT number, or its difference where `relative`."""

    mr: tuple[float, float] | None = None
    """Difference of the MR signal, of the range that is scaled to [0, 1]; `VOID` replaces it."""

    relative: bool = False
    shape: Literal["ball", "plate", "void"] = "ball"
    """A plate is 1 to 2 mm thick; a void is a ball that the MR shows black."""


KINDS: Mapping[str, Kind] = {
    "calcification 150 HU": Kind(CT, Site.BRAIN, (3.0, 6.0), hu=(140.0, 160.0)),
    "calcification 250 HU": Kind(CT, Site.BRAIN, (2.0, 6.0), hu=(230.0, 270.0)),
    "calcification 420 HU": Kind(CT, Site.BRAIN, (2.0, 6.0), hu=(380.0, 460.0)),
    "calcification, MR void": Kind(CT, Site.BRAIN, (3.0, 6.0), hu=(150.0, 420.0), shape="void"),
    "haemorrhage": Kind(CT, Site.BRAIN, (8.0, 20.0), hu=(65.0, 80.0)),
    "clip": Kind(CT, Site.BRAIN, (2.0, 4.0), hu=(2500.0, 3000.0)),
    "air": Kind(CT, Site.BRAIN, (3.0, 8.0), hu=(-950.0, -850.0)),
    "lytic hole": Kind(CT, Site.SKULL, (6.0, 12.0), hu=(30.0, 50.0)),
    "fracture": Kind(CT, Site.SKULL, (14.0, 20.0), hu=(30.0, 50.0), shape="plate"),
    "infarct": Kind(CT, Site.BRAIN, (15.0, 25.0), hu=(-11.0, -9.0), relative=True),
    "enhancing lesion": Kind(MR, Site.BRAIN, (8.0, 16.0), mr=(0.25, 0.4)),
    "metastasis": Kind(MR, Site.BRAIN, (3.0, 5.0), mr=(0.3, 0.45)),
    "oedema": Kind(MR, Site.BRAIN, (15.0, 25.0), mr=(-0.2, -0.12)),
    "lesion at bone": Kind(MR, Site.BRAIN_AT_BONE, (8.0, 14.0), mr=(0.25, 0.4)),
    "dural enhancement": Kind(MR, Site.DURA, (14.0, 20.0), mr=(0.3, 0.45), shape="plate"),
    "marrow infiltration": Kind(MR, Site.SKULL, (8.0, 14.0), mr=(0.3, 0.45)),
}  # fmt: skip
"""The kinds by name; those of the CT first."""

CT_TARGET = (
    "calcification 150 HU", "calcification 250 HU", "calcification 420 HU",
    "calcification, MR void", "haemorrhage", "clip", "air", "lytic hole", "fracture",
)  # fmt: skip
"""Kinds that only the CT shows and that a fused image must keep; an infarct is hard to see."""

MR_TARGET = (
    "enhancing lesion", "metastasis", "oedema", "lesion at bone", "dural enhancement",
)  # fmt: skip
"""Kinds that only the MR shows and that a fused image must keep: not those inside bone."""


TUNING_SEEDS, FIRST_REPORTING_SEED = range(101, 111), 201
"""Seeds for tuning a method, and the first of those for reports, which no choice may use."""


@dataclass(frozen=True)
class Pair:
    """A CT and an MR on one grid, (slices, rows, columns)."""

    hu: Float32Array
    mr: Float32Array
    """In [0, 1]."""

    spacing_mm: tuple[float, float, float]
    """Of slices, rows and columns."""


Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Finding:
    """A finding and where it is."""

    kind: str
    box: Box
    """The part of the pair with the finding and what it can spill into."""

    lesion: BoolArray
    """Mask of the finding, of the shape of the box."""

    ring: BoolArray
    """Mask of its ring."""

    near: BoolArray
    """Mask of what is outside the finding and at most `SPILL_MM` from it."""


def insert_findings(
    pair: Pair, sites: Sites, names: Iterable[str], rng: np.random.Generator
) -> tuple[Pair, list[Finding]]:
    """The pair with one finding of each kind, `APART_MM` apart, and what was inserted.

    A kind for which there is no room is left out. `sites` are those of the pair.
    """
    hu, mr = pair.hu.copy(), pair.mr.copy()
    free = np.ones(pair.hu.shape, np.bool_)
    found = []
    for name in names:
        kind = KINDS[name]
        radius_mm = rng.uniform(*kind.diameter_mm) / 2
        centre = sites.draw(kind.site, radius_mm, free, rng)
        if centre is None:
            continue
        box = _box_around(centre, radius_mm + RING_GAP_MM + RING_WIDTH_MM, sites)
        share = _share(kind, sites, box, centre, radius_mm, rng)
        finding = _finding(name, share, box, sites, kind.site)
        if finding is None:
            continue
        _change(kind, share, hu[box], mr[box], pair.spacing_mm, rng)
        found.append(finding)
        around = _box_around(centre, radius_mm + APART_MM, sites)
        z, y, x = _axes_mm(sites, around, np.array(centre))
        free[around] &= z**2 + y**2 + x**2 > (radius_mm + APART_MM) ** 2
    return Pair(hu, mr, pair.spacing_mm), found


def _box_around(centre: Voxel, reach_mm: float, sites: Sites) -> Box:
    z, y, x = (
        slice(max(at - int(reach_mm / step) - 2, 0), at + int(reach_mm / step) + 3)
        for at, step in zip(centre, sites.spacing_mm, strict=True)
    )
    return z, y, x


def _change(
    kind: Kind, share: Float32Array, hu: Float32Array, mr: Float32Array,
    spacing_mm: tuple[float, float, float], rng: np.random.Generator,
) -> None:  # fmt: skip
    """Change `hu` or `mr` by a finding: its value replaces the tissue, the noise stays."""
    if kind.hu is not None:
        value = np.float32(rng.uniform(*kind.hu))
        hu += share * (value if kind.relative else value - _tissue(hu, spacing_mm, NOISE_HU))
    if kind.mr is not None:
        mr += share * np.float32(rng.uniform(*kind.mr))
    if kind.shape == "void":
        mr += share * (np.float32(VOID) - _tissue(mr, spacing_mm, NOISE_MR))
    np.clip(mr, 0, 1, out=mr)


def _tissue(
    values: Float32Array, spacing_mm: tuple[float, float, float], noise: float
) -> Float32Array:
    """The values without their noise: what differs more from its surroundings is anatomy."""
    sigmas = [
        BACKGROUND_MM / step if size > 1 else 0.0
        for size, step in zip(values.shape, spacing_mm, strict=True)
    ]
    smooth = ndimage.gaussian_filter(values, sigmas)
    return np.asarray(values - np.clip(values - smooth, -noise, noise), np.float32)


def _share(
    kind: Kind, sites: Sites, box: Box, centre: Voxel, radius_mm: float,
    rng: np.random.Generator,
) -> Float32Array:  # fmt: skip
    """The share of each voxel of a box that a finding fills, inside bone or outside of it."""
    normal = sites.normal(centre)
    in_skull = kind.site is Site.SKULL
    across = _perpendicular(normal, rng) if in_skull else normal
    half_mm = rng.uniform(*(FRACTURE_MM if in_skull else DURA_THICKNESS_MM)) / 2
    offsets = (np.arange(SUBVOXELS) + 0.5) / SUBVOXELS - 0.5
    slices = offsets if sites.brain.shape[0] > 1 else np.zeros(1)
    total = np.zeros(sites.brain[box].shape, np.float32)
    for offset in product(slices, offsets, offsets):
        z, y, x = _axes_mm(sites, box, np.subtract(centre, offset))
        inside = z**2 + y**2 + x**2 <= radius_mm**2
        if kind.shape == "plate":
            inside &= np.abs(z * across[0] + y * across[1] + x * across[2]) <= half_mm
        total += inside
    total /= len(slices) * SUBVOXELS**2
    is_bone = sites.to_bone_mm[box] == 0
    total[is_bone != in_skull] = 0
    return total


def _perpendicular(normal: Float64Array, rng: np.random.Generator) -> Float64Array:
    """A random unit vector perpendicular to another."""
    vector = np.cross(normal, rng.normal(size=3))
    return np.asarray(vector / np.linalg.norm(vector))


def _finding(name: str, share: Float32Array, box: Box, sites: Sites, site: Site) -> Finding | None:
    """Masks of lesion and ring; None for one that fills no voxel well or has no ring."""
    if share.max() < MIN_SHARE:
        return None
    lesion = share >= min(0.5, float(share.max()) / 2)
    distance_mm = distance_transform_edt(~lesion, sites.spacing_mm)
    outside = share == 0
    ring = (distance_mm > RING_GAP_MM) & (distance_mm <= RING_GAP_MM + RING_WIDTH_MM)
    ring &= outside & sites.tissue(site)[box]
    near = outside & (distance_mm <= SPILL_MM)
    return Finding(name, box, lesion, ring, near) if ring.sum() >= MIN_RING_VOXELS else None


def _axes_mm(sites: Sites, box: Box, point: NDArray[Any]) -> tuple[Float64Array, ...]:
    """Coordinates of the voxels of a box along each axis from a point, mm, to be broadcast."""
    axes = [
        (np.arange(size)[part] - at) * step
        for size, part, at, step in zip(
            sites.brain.shape, box, point, sites.spacing_mm, strict=True
        )
    ]
    return np.meshgrid(*axes, indexing="ij", sparse=True)
