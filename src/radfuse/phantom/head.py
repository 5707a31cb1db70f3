"""A synthetic head phantom: CT and MR with known anatomy and known transform.

Both images, and the label maps on either grid, are painted from one set of surfaces. Each seed
gives another head. For demonstration and tests; it represents no real person.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from radfuse.errors import InputError
from radfuse.modality import CT, MR
from radfuse.phantom.anatomy import Patient, Tumour
from radfuse.phantom.distance_fields import FieldGrid
from radfuse.phantom.layers import TissueLayer, VoxelGrid, head_layers, holder_layer, paint
from radfuse.phantom.scanners import scan_ct, scan_mr
from radfuse.phantom.tissues import LABELS, Label
from radfuse.series import Series

__all__ = ["LABELS", "Label", "Phantom", "Tumour", "make_phantom"]

DEFAULT_SEED = 7
"""The phantom of the demonstration."""

DEFAULT_SPACING_MM = 0.9
"""Pixel of the CT; the other lengths follow from it."""

SPACING_LIMITS_MM = (0.6, 6.0)
"""Finer grids exceed the memory of a small computer, coarser ones resolve no skull."""

CT_SLICE_MORE_MM = 0.6
"""A CT slice is thicker than its pixel by this."""

CT_EXTENT_MM = (210.0, 246.0, 192.0)
"""What the CT covers, left to right, front to back, upper jaw to vertex."""

CT_CENTRE_MM = (0.0, 2.0, 0.5)
"""Centre of the CT in its own frame; the centre of the head is at 0."""

MR_PIXEL_RATIO = 1.1
"""The MR's pixel in CT pixels."""

MR_SLICE_MORE_MM = 0.9
"""An MR slice is thicker than its pixel by this."""

MR_EXTENT_MM = (196.0, 232.0, 158.0)
"""Extent of the MR; it ends above the lower end of the CT."""

MR_CENTRE_MM = (0.0, 1.0, 13.0)
"""Centre of the MR, as a point of the head."""

MR_OBLIQUITY_DEG = (12.0, 2.5, -3.0)
"""Slices of a brain MR are parallel to the corpus callosum, not to the scanner's axes."""

LATTICE_MM = 1.6
"""Spacing of the surfaces' lattice; they are smooth enough to be interpolated."""

LATTICE_RATIO = 0.85
"""Spacing of the lattice of a coarse phantom, in CT pixels: no finer than its voxels resolve."""

DEFAULT_TUMOUR = Tumour()
"""The tumour that the seed defines."""

OFFSET_LIMITS = (7.0, 22.0)
"""Largest rotation (degrees) and shift (mm) of the head between the scanners, per axis."""


@dataclass(frozen=True, repr=False)
class Phantom:
    """CT and MR of one synthetic head, with the ground truth.

    Examples
    --------
    >>> import radfuse
    >>> head = radfuse.datasets.phantom(7, spacing_mm=6.0)
    >>> head
    <Phantom: seed 7, CT of 35 x 41 x 29 voxels, MR of 30 x 35 x 23 voxels>
    >>> head.labels.GetSize() == head.ct.image.GetSize()
    True
    """

    ct: Series
    """HU."""
    mr: Series
    """T1-weighted after contrast agent, arbitrary units, in the MR scanner's own frame."""
    labels: sitk.Image
    """`Label` values, uint8, on the CT's grid."""
    labels_mr: sitk.Image
    """The same anatomy on the MR's grid."""
    mr_from_ct: sitk.Euler3DTransform
    """Maps a CT point to the MR point of the same anatomical position, LPS mm."""
    tumour_centre_mm: tuple[float, float, float]
    """Centroid of tumour and necrosis, a CT point."""
    seed: int
    """Which head."""

    def __repr__(self) -> str:
        """One line: seed and sizes."""
        sizes = (" x ".join(map(str, one.image.GetSize())) for one in (self.ct, self.mr))
        return "<Phantom: seed {}, CT of {} voxels, MR of {} voxels>".format(self.seed, *sizes)


def make_phantom(
    seed: int = DEFAULT_SEED,
    *,
    spacing_mm: float = DEFAULT_SPACING_MM,
    tumour: Tumour = DEFAULT_TUMOUR,
) -> Phantom:
    """Make the head of a seed; the anatomy depends on neither the spacing nor the tumour.

    `spacing_mm` is the CT's pixel spacing, 0.6 to 6; 3.0 is fast and still resolves the skull.
    Raises `InputError` outside this range.
    """
    layers = draw_layers(seed, spacing_mm=spacing_mm, tumour=tumour)
    poses, noises = (np.random.default_rng([seed, stream]) for stream in (2, 3))
    lattice = _lattice(spacing_mm)
    mr_from_ct = _draw_offset(poses)
    ct_grid, mr_grid = _ct_grid(spacing_mm), _mr_grid(spacing_mm, mr_from_ct)
    with ThreadPoolExecutor(2) as pool:
        in_ct = pool.submit(paint, [holder_layer(lattice), *layers], ct_grid, lambda it: it.hu)
        in_mr = pool.submit(paint, layers, mr_grid, lambda it: it.t1)
    (hu, labels), (t1, labels_mr) = in_ct.result(), in_mr.result()
    truth = ct_grid.image(labels)
    source = Path(f"phantom-{seed}")
    return Phantom(
        ct=Series(ct_grid.image(scan_ct(hu, ct_grid.spacing_mm, noises)), CT, source),
        mr=Series(mr_grid.image(scan_mr(t1, noises)), MR, source),
        labels=truth,
        labels_mr=mr_grid.image(labels_mr),
        mr_from_ct=mr_from_ct,
        tumour_centre_mm=_centroid(truth, (Label.TUMOUR, Label.NECROSIS)),
        seed=seed,
    )


def draw_layers(
    seed: int, *, spacing_mm: float = DEFAULT_SPACING_MM, tumour: Tumour = DEFAULT_TUMOUR
) -> list[TissueLayer]:
    """The layers that the head of a seed is painted from, in the coordinates of its CT.

    Raises `InputError` for a spacing outside the limits of `make_phantom`.
    """
    check_spacing(spacing_mm)
    patients, surfaces = (np.random.default_rng([seed, stream]) for stream in (0, 1))
    patient = Patient.draw(patients).with_tumour(tumour)
    return head_layers(patient, _lattice(spacing_mm), surfaces)


def check_spacing(spacing_mm: float) -> None:
    """Raise `InputError` for a pixel spacing outside the limits."""
    low, high = SPACING_LIMITS_MM
    if not low <= spacing_mm <= high:
        raise InputError(f"a phantom's spacing of {spacing_mm:g} mm; give {low:g} to {high:g}")


def _lattice(spacing_mm: float) -> FieldGrid:
    """A lattice that covers both fields of view."""
    step = max(LATTICE_MM, LATTICE_RATIO * spacing_mm)
    extent = np.array(CT_EXTENT_MM) + 4 * step
    size = [int(np.ceil(length / step)) for length in extent]
    origin = np.array(CT_CENTRE_MM) - (np.array(size) - 1) / 2 * step
    return FieldGrid(tuple(origin.tolist()), (size[0], size[1], size[2]), step)


def _draw_offset(rng: np.random.Generator) -> sitk.Euler3DTransform:
    rotation, shift = OFFSET_LIMITS
    angles = np.radians(rng.uniform(-rotation, rotation, 3)).tolist()
    return sitk.Euler3DTransform((0.0, 0.0, 0.0), *angles, rng.uniform(-shift, shift, 3).tolist())


def _ct_grid(spacing_mm: float) -> VoxelGrid:
    spacing = (spacing_mm, spacing_mm, spacing_mm + CT_SLICE_MORE_MM)
    return centred_grid(spacing, CT_EXTENT_MM, CT_CENTRE_MM, np.eye(3), sitk.Euler3DTransform())


def _mr_grid(spacing_mm: float, mr_from_ct: sitk.Euler3DTransform) -> VoxelGrid:
    pixel = round(MR_PIXEL_RATIO * spacing_mm, 3)
    spacing = (pixel, pixel, spacing_mm + MR_SLICE_MORE_MM)
    oblique = sitk.Euler3DTransform((0.0, 0.0, 0.0), *np.radians(MR_OBLIQUITY_DEG).tolist())
    centre = mr_from_ct.TransformPoint(MR_CENTRE_MM)
    ct_from_mr = sitk.Euler3DTransform(mr_from_ct.GetInverse())
    direction = np.reshape(oblique.GetMatrix(), (3, 3))
    return centred_grid(spacing, MR_EXTENT_MM, centre, direction, ct_from_mr)


def centred_grid(
    spacing: tuple[float, float, float],
    extent: tuple[float, float, float],
    centre: tuple[float, float, float],
    direction: NDArray[np.float64],
    head_from_grid: sitk.Euler3DTransform,
) -> VoxelGrid:
    """A grid of an extent (mm) about a centre, with a direction matrix (3, 3)."""
    size = [round(length / step) for length, step in zip(extent, spacing, strict=True)]
    half = (np.array(size) - 1) / 2 * spacing
    origin = np.array(centre) - direction @ half
    return VoxelGrid(
        size=(size[0], size[1], size[2]),
        spacing_mm=spacing,
        origin_mm=tuple(origin.tolist()),
        direction=tuple(direction.ravel().tolist()),
        head_from_grid=head_from_grid,
    )


def _centroid(labels: sitk.Image, wanted: tuple[Label, ...]) -> tuple[float, float, float]:
    mask = np.isin(sitk.GetArrayViewFromImage(labels), wanted)
    index = np.argwhere(mask).mean(axis=0)[::-1]
    x, y, z = labels.TransformContinuousIndexToPhysicalPoint(index.tolist())
    return x, y, z
