"""PET and SPECT of a phantom's head: uptake by tissue, blurred, with Poisson noise.

The head has another pose in the functional scanner than in the CT, and the transform is known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from radfuse.arrays import Float32Array, image_on, positions_mm
from radfuse.errors import InputError
from radfuse.modality import NM, PT, Modality
from radfuse.phantom import tissues
from radfuse.phantom.distance_fields import FieldGrid, Point
from radfuse.phantom.head import OFFSET_LIMITS, Phantom, centred_grid
from radfuse.phantom.layers import TissueLayer, VoxelGrid, paint
from radfuse.phantom.tissues import Label, Tissue
from radfuse.series import Series

FINEST_MM = 2.0
"""Voxels are painted no coarser than this and then averaged: the cortex is 3 mm thick."""

EXTENT_MM = (224.0, 256.0, 176.0)
"""What the scanner covers: the head from the upper jaw to the vertex, with air around it."""

CENTRE_MM: Point = (0.0, 2.0, 8.0)
"""Centre of the field of view, as a point of the head."""

FWHM_PER_SD = float(np.sqrt(8 * np.log(2)))
"""Full width at half maximum of a Gaussian of standard deviation 1."""

LESION_STEP_MM = 1.0
"""Spacing of the field of a lesion."""

EYE_MUSCLE_UPTAKE = 0.45
"""FDG: muscles that work, as a fraction of grey matter."""


@dataclass(frozen=True)
class Tracer:
    """A tracer and its scanner: uptake as a fraction of that of grey matter, grid and blur."""

    modality: Modality
    name: str
    uptake: Mapping[Label, float]
    """By label; 0 where not named."""
    spacing_mm: float
    fwhm_mm: float
    """Full width at half maximum of the point spread function."""
    grey_value: float
    """Stored value of grey matter, in the unit of the modality."""
    grey_counts: float
    """Expected counts of a voxel of grey matter: the noise is that of a Poisson variable."""
    eye_muscle: float = 0.0
    """Uptake of the eye muscles."""
    stream: int = 0
    """Of random numbers."""

    def of(self, tissue: Tissue) -> float:
        """Uptake of a tissue."""
        if tissue is tissues.EYE_MUSCLE:
            return self.eye_muscle
        return self.uptake.get(tissue.label, 0.0)


FDG = Tracer(
    PT, "FDG",
    {Label.GREY: 1.0, Label.WHITE: 0.28, Label.TUMOUR: 0.85, Label.OEDEMA: 0.22,
     Label.NECROSIS: 0.06, Label.DURA: 0.15, Label.BLOOD: 0.16, Label.CSF: 0.03,
     Label.VENTRICLE: 0.03, Label.MUSCLE: 0.12, Label.SKIN: 0.1, Label.FAT: 0.04,
     Label.SKULL: 0.06, Label.SPINE: 0.12, Label.EYE: 0.04, Label.CALCIFICATION: 0.1},
    spacing_mm=2.0, fwhm_mm=5.0, grey_value=25000.0, grey_counts=120.0,
    eye_muscle=EYE_MUSCLE_UPTAKE, stream=11,
)  # fmt: skip
"""F-18 FDG: grey matter has 3 to 4 times the uptake of white matter."""

HMPAO = Tracer(
    NM, "HMPAO",
    {Label.GREY: 1.0, Label.WHITE: 0.37, Label.TUMOUR: 0.6, Label.OEDEMA: 0.3,
     Label.NECROSIS: 0.05, Label.DURA: 0.1, Label.BLOOD: 0.12, Label.CSF: 0.03,
     Label.VENTRICLE: 0.03, Label.MUSCLE: 0.1, Label.SKIN: 0.1, Label.FAT: 0.03,
     Label.SKULL: 0.04, Label.SPINE: 0.06, Label.EYE: 0.03, Label.CALCIFICATION: 0.08},
    spacing_mm=4.0, fwhm_mm=9.0, grey_value=150.0, grey_counts=150.0,
    eye_muscle=0.1, stream=12,
)  # fmt: skip
"""Tc-99m HMPAO: perfusion of grey matter is 2.5 to 3 times that of white matter."""


@dataclass(frozen=True)
class UptakeLesion:
    """A ball with another uptake than the tissue around it."""

    centre_mm: Point
    """A point of the head, that is of its CT."""
    radius_mm: float
    uptake: float
    """As a fraction of that of grey matter: 2 is hot, 0.1 cold."""

    def layer(self) -> TissueLayer:
        """The layer that paints it over the head."""
        size = 2 * int(np.ceil(self.radius_mm / LESION_STEP_MM)) + 9
        x, y, z = (at - (size - 1) / 2 * LESION_STEP_MM for at in self.centre_mm)
        lattice = FieldGrid((x, y, z), (size,) * 3, LESION_STEP_MM)
        square = [
            (lattice.axis_mm(axis) - np.float32(at)) ** 2 for axis, at in enumerate(self.centre_mm)
        ]
        distance = np.sqrt(square[2][:, None, None] + square[1][:, None] + square[0])
        field = lattice.image(distance - np.float32(self.radius_mm))
        return TissueLayer(((_LESION, 0.0),), (field,))


_LESION = Tissue(Label.TUMOUR, 0, 0)
"""Recognized by identity: each lesion has an uptake of its own."""


@dataclass(frozen=True)
class FunctionalScan:
    """A functional image of a phantom's head, with the ground truth."""

    series: Series
    """Bq/ml, or counts; on the grid of its scanner."""
    functional_from_ct: sitk.Euler3DTransform
    """Maps a point of the CT to the functional point of the same position, LPS mm."""
    uptake: sitk.Image
    """Without blur and noise, as a fraction of that of grey matter; on the same grid."""
    lesion: sitk.Image
    """Mask (uint8) of the voxels whose centres are inside the lesion, on the same grid."""

    def functional_from_mr(self, phantom: Phantom) -> sitk.Transform:
        """Maps a point of the phantom's MR to the functional point, LPS mm."""
        ct_from_mr = phantom.mr_from_ct.GetInverse()
        return sitk.CompositeTransform([self.functional_from_ct, ct_from_mr])  # the last one first


def scan_uptake(
    layers: Sequence[TissueLayer],
    tracer: Tracer,
    seed: int,
    *,
    functional_from_ct: sitk.Euler3DTransform | None = None,
    lesion: UptakeLesion | None = None,
    spacing_mm: float | None = None,
    fwhm_mm: float | None = None,
    is_noisy: bool = True,
) -> FunctionalScan:
    """Scan a head, see `head.draw_layers`, with a tracer; `seed` is that of pose and noise.

    Parameters
    ----------
    functional_from_ct
        Pose of the head in the scanner; drawn by the seed where not given.
    lesion
        Painted over the head.
    spacing_mm, fwhm_mm
        Voxel and full width at half maximum of the blur; those of the tracer where not given.

    Raises
    ------
    InputError
        The spacing is not above 0, or the width is negative.
    """
    spacing = tracer.spacing_mm if spacing_mm is None else spacing_mm
    fwhm = tracer.fwhm_mm if fwhm_mm is None else fwhm_mm
    if not (spacing > 0 and fwhm >= 0):
        raise InputError(
            f"a voxel of {spacing:g} mm and a blur of {fwhm:g} mm; give a spacing above 0 and a "
            "blur of 0 or more"
        )
    pose = functional_from_ct or _draw_pose(np.random.default_rng([seed, tracer.stream, 0]))
    painted = [*layers, lesion.layer()] if lesion else list(layers)
    finer = int(np.ceil(spacing / FINEST_MM))
    fine = _grid(spacing / finer, finer, pose)
    exact, _ = paint(
        painted, fine, lambda it: lesion.uptake if lesion and it is _LESION else tracer.of(it)
    )
    blurred = point_spread(exact, fwhm / fine.spacing_mm[0])
    uptake, expected = (_averaged(fine.image(one), finer) for one in (exact, blurred))
    values = sitk.GetArrayFromImage(expected)
    if is_noisy:
        counts = tracer.grey_counts * (spacing / tracer.spacing_mm) ** 3
        rng = np.random.default_rng([seed, tracer.stream, 1])
        values = (rng.poisson(values * counts) / counts).astype(np.float32)
    image = image_on(uptake, np.asarray(values * np.float32(tracer.grey_value), np.float32))
    return FunctionalScan(
        Series(image, tracer.modality, Path(f"phantom-{seed}-{tracer.name}")),
        pose,
        uptake,
        _ball_mask(uptake, lesion, pose),
    )


def point_spread(uptake: Float32Array, fwhm_voxels: float) -> Float32Array:
    """An image (Z, Y, X) blurred by a Gaussian of a full width at half maximum, in voxels.

    The sum of all voxels is preserved: outside the field of view the image continues as its
    reflection, so what leaves it comes back.
    """
    sd = fwhm_voxels / FWHM_PER_SD
    return np.asarray(ndimage.gaussian_filter(uptake, sd, mode="reflect"), np.float32)


def _draw_pose(rng: np.random.Generator) -> sitk.Euler3DTransform:
    rotation_deg, shift_mm = OFFSET_LIMITS
    angles = np.radians(rng.uniform(-rotation_deg, rotation_deg, 3)).tolist()
    shift = rng.uniform(-shift_mm, shift_mm, 3).tolist()
    return sitk.Euler3DTransform((0.0, 0.0, 0.0), *angles, shift)


def _grid(step_mm: float, multiple: int, pose: sitk.Euler3DTransform) -> VoxelGrid:
    """A fine grid of whole groups of voxels, about the head."""
    extent = [multiple * step_mm * round(one / (multiple * step_mm)) for one in EXTENT_MM]
    centre = pose.TransformPoint(CENTRE_MM)
    head_from_grid = sitk.Euler3DTransform(pose.GetInverse())
    steps = (step_mm, step_mm, step_mm)
    return centred_grid(steps, (extent[0], extent[1], extent[2]), centre, np.eye(3), head_from_grid)


def _averaged(image: sitk.Image, factor: int) -> sitk.Image:
    return sitk.BinShrink(image, [factor] * 3) if factor > 1 else image


def _ball_mask(
    grid: sitk.Image, lesion: UptakeLesion | None, pose: sitk.Euler3DTransform
) -> sitk.Image:
    mask = np.zeros(grid.GetSize()[::-1], np.uint8)
    if lesion:
        centre = np.array(pose.TransformPoint(lesion.centre_mm))
        voxels = np.argwhere(np.ones_like(mask))
        near = np.linalg.norm(positions_mm(grid, voxels) - centre, axis=1) <= lesion.radius_mm
        mask[tuple(voxels[near].T)] = 1
    return image_on(grid, mask)
