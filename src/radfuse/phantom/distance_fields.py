"""Signed distance fields that the phantom's anatomy is composed of.

A field is a float32 array (Z, Y, X) over a lattice, in mm: negative inside a structure, zero on
its surface. Fields are exact near the surface only, which is sufficient for rendering.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from radfuse.arrays import Float32Array

Point = tuple[float, float, float]
"""Canonical head coordinates in mm: left, posterior, superior of the head's centre."""

FAR_MM = 30.0
"""The distance outside the neighbourhood of a structure."""

REACH_MM = 8.0
"""Width of the margin around a structure in which its distance is computed."""

HEADS_DIFFER_MM = 14.0
"""Largest displacement from canonical positions: tilt, size and warp together."""

NOISE_REACH_MM = 132.0
"""The noise is defined from minus to plus this along each axis, more than any head needs."""

STEEPEST = 0.25
"""Floor of the gradient in dividing by it: a level set's distance is right within a factor of 4."""


@dataclass(frozen=True)
class FieldGrid:
    """A regular lattice, centred on the head: `origin_mm` and `size` are in the order x, y, z."""

    origin_mm: Point
    size: tuple[int, int, int]
    spacing_mm: float

    def axis_mm(self, axis: int) -> Float32Array:
        """Positions of the planes along one axis (0 is x), mm."""
        steps = np.arange(self.size[axis], dtype=np.float32)
        return np.float32(self.origin_mm[axis]) + np.float32(self.spacing_mm) * steps

    def image(self, values: Float32Array) -> sitk.Image:
        """The field as an image with geometry, cropped to the box around its negative values."""
        box = _box(values < REACH_MM / 2)
        image = sitk.GetImageFromArray(values[box])
        starts = [part.start for part in reversed(box)]
        image.SetOrigin(
            [o + self.spacing_mm * s for o, s in zip(self.origin_mm, starts, strict=True)]
        )
        image.SetSpacing([self.spacing_mm] * 3)
        return image


def _box(inside: NDArray[np.bool_]) -> tuple[slice, slice, slice]:
    """The bounding box of the voxels, with a margin of one voxel."""
    spans = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        (hits,) = np.nonzero(inside.any(axis=others))
        spans.append(slice(max(int(hits[0]) - 1, 0), int(hits[-1]) + 2))
    return spans[0], spans[1], spans[2]


@dataclass(frozen=True)
class Space:
    """A lattice and the canonical head coordinates of its points, mm."""

    lattice: FieldGrid
    x: Float32Array
    """Towards the patient's left, (Z, Y, X)."""
    y: Float32Array
    """Towards the back."""
    z: Float32Array
    """Towards the vertex."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (Z, Y, X) of its fields."""
        nx, ny, nz = self.lattice.size
        return nz, ny, nx


@dataclass
class Union:
    """A field that solids are added to; each is computed only in a box around it."""

    space: Space
    distance: Float32Array = field(init=False)

    def __post_init__(self) -> None:
        self.distance = np.full(self.space.shape, FAR_MM, np.float32)

    def ellipsoid(self, centre: Point, radii_mm: Point, *, pitch: float = 0.0) -> "Union":
        """Add an ellipsoid, its front tilted up by `pitch` radians."""
        box = self._near([centre], max(radii_mm))
        x, y, z = (part - at for part, at in zip(self._at(box), centre, strict=True))
        cos, sin = np.float32(np.cos(pitch)), np.float32(np.sin(pitch))
        y, z = cos * y - sin * z, cos * z + sin * y
        scaled = [
            part / np.float32(radius) for part, radius in zip((x, y, z), radii_mm, strict=True)
        ]
        norm = np.sqrt(sum(part * part for part in scaled) + np.float32(1e-6))
        slope = np.sqrt(
            sum((part / np.float32(r)) ** 2 for part, r in zip(scaled, radii_mm, strict=True))
            + np.float32(1e-9)
        )
        return self._merge(box, norm * (norm - 1) / slope)

    def tube(self, path: Iterable[Point], radii_mm: Iterable[float]) -> "Union":
        """Add a chain of round cones through the points, with a radius at each."""
        points, radii = list(path), list(radii_mm)
        for start, end, first, last in zip(points, points[1:], radii, radii[1:], strict=False):
            box = self._near([start, end], max(first, last))
            along = np.subtract(end, start).astype(np.float32)
            rel = [part - np.float32(at) for part, at in zip(self._at(box), start, strict=True)]
            dot = sum(part * step for part, step in zip(rel, along, strict=True))
            t = np.clip(dot / np.float32(along @ along + 1e-6), 0, 1)
            gap = sum((part - t * step) ** 2 for part, step in zip(rel, along, strict=True))
            self._merge(box, np.sqrt(gap) - (np.float32(first) + t * np.float32(last - first)))
        return self

    def both_sides(self, path: Iterable[Point], radii_mm: Iterable[float]) -> "Union":
        """Add a tube and its mirror image in the median plane."""
        points, radii = list(path), list(radii_mm)
        self.tube(points, radii)
        return self.tube([(-x, y, z) for x, y, z in points], radii)

    def paired_ellipsoids(self, centre: Point, radii_mm: Point, *, pitch: float = 0.0) -> "Union":
        """Add an ellipsoid and its mirror image in the median plane."""
        x, y, z = centre
        self.ellipsoid(centre, radii_mm, pitch=pitch)
        return self.ellipsoid((-x, y, z), radii_mm, pitch=pitch)

    def _near(self, points: list[Point], radius_mm: float) -> tuple[slice, slice, slice]:
        """The box around points; a head differs from the canonical by less than the margin."""
        margin = 1.2 * radius_mm + REACH_MM + HEADS_DIFFER_MM
        lattice, spans = self.space.lattice, []
        for axis in (2, 1, 0):
            ends = [point[axis] for point in points]
            low, high = min(ends) - margin, max(ends) + margin
            first = int((low - lattice.origin_mm[axis]) / lattice.spacing_mm)
            last = int((high - lattice.origin_mm[axis]) / lattice.spacing_mm) + 1
            spans.append(slice(max(first, 0), max(last, 0)))
        return spans[0], spans[1], spans[2]

    def _at(
        self, box: tuple[slice, slice, slice]
    ) -> tuple[Float32Array, Float32Array, Float32Array]:
        return self.space.x[box], self.space.y[box], self.space.z[box]

    def _merge(self, box: tuple[slice, slice, slice], distance: Float32Array) -> "Union":
        part = self.distance[box]
        np.minimum(part, distance, out=part)
        return self


def smooth_noise(rng: np.random.Generator, lattice: FieldGrid, *, scale_mm: float) -> Float32Array:
    """A smooth random field of mean 0 and variance about 1, correlated over `scale_mm`.

    Gaussian bumps of random height are centred at fixed positions, so that a seed gives one field
    for every lattice spacing.
    """
    nodes = np.arange(-NOISE_REACH_MM, NOISE_REACH_MM + scale_mm, scale_mm, dtype=np.float32)
    values = rng.standard_normal((nodes.size,) * 3, dtype=np.float32)
    for axis in (0, 1, 2):
        bumps = _bumps(lattice.axis_mm(2 - axis), nodes, scale_mm)
        values = np.moveaxis(np.tensordot(bumps, values, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray(values)


def _bumps(at_mm: Float32Array, nodes_mm: Float32Array, scale_mm: float) -> Float32Array:
    """Weights (positions, nodes) whose squares add up to 1 at each position."""
    weights = np.exp(-0.5 * ((at_mm[:, None] - nodes_mm[None]) / np.float32(scale_mm)) ** 2)
    return np.asarray(weights / np.linalg.norm(weights, axis=1, keepdims=True), np.float32)


def level_distance(values: Float32Array, spacing_mm: float) -> Float32Array:
    """The distance from a function's zero level, to first order: value over slope, mm."""
    slopes = np.gradient(values, np.float32(spacing_mm))
    steepness = np.sqrt(sum(slope * slope for slope in slopes))
    typical = np.float32(np.median(steepness[::4, ::4, ::4]) * STEEPEST)
    return np.asarray(values / np.maximum(steepness, typical), np.float32)


def smooth_max(a: Float32Array, b: Float32Array, width_mm: float) -> Float32Array:
    """The greater of both, the edge between them rounded over a width: an intersection."""
    width = np.float32(width_mm)
    blend = np.clip(width - np.abs(a - b), 0, None)
    return np.asarray(np.maximum(a, b) + blend * blend / (4 * width), np.float32)


def smooth_min(a: Float32Array, b: Float32Array, width_mm: float) -> Float32Array:
    """The lesser of both, the edge between them rounded over a width: a union."""
    return np.asarray(-smooth_max(-a, -b, width_mm), np.float32)


def smooth_step(values: NDArray[np.floating], low: float, high: float) -> Float32Array:
    """0 below `low`, 1 above `high`, a cubic between."""
    t = np.clip((values - np.float32(low)) / np.float32(high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)
