"""The phantom's anatomy as layers, painted one over the other onto any grid."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from radfuse.arrays import Float32Array
from radfuse.phantom import anatomy as head
from radfuse.phantom import brain as brain_parts
from radfuse.phantom import tissues
from radfuse.phantom.anatomy import Patient
from radfuse.phantom.distance_fields import FAR_MM, FieldGrid, Space, smooth_noise, smooth_step
from radfuse.phantom.tissues import Tissue

TABLE_MM = 1.7
"""Thickness of the compact tables of the skull on either side of the diploe."""

CORTEX_MM = 2.9
"""Thickness of the grey matter: 1 to 4.5 mm, 2.5 on average, in Fischl and Dale, PNAS 2000."""

SULCUS_MM = 0.9
"""Half the width of a sulcus at its mouth in a young brain; an old one's is twice as wide."""

SUTURE_MM = 1.4
"""Width of a suture."""

SKIN_MM = 2.0
"""Thickness of the skin."""


@dataclass(frozen=True)
class TissueLayer:
    """Fields, the function that combines them into one distance, and the shells painted by it."""

    shells: tuple[tuple[Tissue, float], ...]
    """Tissues, and how deep beneath the surface each begins, mm; later ones paint over."""
    fields: tuple[sitk.Image, ...]
    """The layer is painted inside the box of the first one."""
    distance: Callable[..., Float32Array] = lambda only: only


@dataclass(frozen=True)
class VoxelGrid:
    """Voxels to paint on: size, spacing (mm), origin and direction as SimpleITK has them."""

    size: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float]
    direction: tuple[float, ...]
    head_from_grid: sitk.Euler3DTransform
    """Maps a point of this grid's space to the space of the anatomy."""

    def image(self, values: NDArray[np.generic]) -> sitk.Image:
        """The array (Z, Y, X) with this grid's geometry."""
        image = sitk.GetImageFromArray(values)
        image.SetSpacing(self.spacing_mm)
        image.SetOrigin(self.origin_mm)
        image.SetDirection(self.direction)
        return image

    def box_of(self, field: sitk.Image) -> tuple[slice, slice, slice]:
        """The part of the grid, as slices (Z, Y, X), that can overlap a field's box."""
        frame = sitk.Image(self.size, sitk.sitkUInt8)
        frame.SetSpacing(self.spacing_mm)
        frame.SetOrigin(self.origin_mm)
        frame.SetDirection(self.direction)
        grid_from_head = self.head_from_grid.GetInverse()
        corners = [
            frame.TransformPhysicalPointToContinuousIndex(
                grid_from_head.TransformPoint(
                    field.TransformContinuousIndexToPhysicalPoint(
                        [float(end * (n - 1)) for end, n in zip(ends, field.GetSize(), strict=True)]
                    )
                )
            )
            for ends in product((0, 1), repeat=3)
        ]
        low, high = np.floor(np.min(corners, axis=0)), np.ceil(np.max(corners, axis=0)) + 1
        start = np.clip(low, 0, self.size).astype(int)
        stop = np.clip(high, 0, self.size).astype(int)
        x, y, z = (slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
        return z, y, x

    def sample(self, field: sitk.Image, box: tuple[slice, slice, slice]) -> Float32Array:
        """A field's values at the voxels of a box of this grid."""
        start = [part.start for part in reversed(box)]
        size = [part.stop - part.start for part in reversed(box)]
        steps = np.reshape(self.direction, (3, 3)) * self.spacing_mm
        origin = steps @ start + self.origin_mm
        values = sitk.Resample(
            field,
            size,
            self.head_from_grid,
            sitk.sitkLinear,
            origin.tolist(),
            self.spacing_mm,
            self.direction,
            FAR_MM,
        )
        return np.asarray(sitk.GetArrayFromImage(values))  # a view would not keep the image alive


def paint(
    layers: Sequence[TissueLayer], grid: VoxelGrid, value_of: Callable[[Tissue], float]
) -> tuple[Float32Array, NDArray[np.uint8]]:
    """Paint the values of each tissue in a modality, and the labels; arrays (Z, Y, X).

    At a surface the values change over one mean voxel width: the partial volume.
    """
    shape = grid.size[::-1]
    values = np.full(shape, value_of(tissues.AIR), np.float32)
    labels = np.zeros(shape, np.uint8)
    ramp = np.float32(np.prod(grid.spacing_mm) ** (1 / 3))
    for layer in layers:
        box = grid.box_of(layer.fields[0])
        if any(part.start >= part.stop for part in box):
            continue
        distance = layer.distance(*(grid.sample(field, box) for field in layer.fields))
        for tissue, depth in layer.shells:
            below = distance + np.float32(depth)
            share = np.clip(0.5 - below / ramp, 0, 1)
            part = values[box]
            part += share * (np.float32(value_of(tissue)) - part)
            labels[box][below < 0] = tissue.label
    return values, labels


def head_layers(
    patient: Patient, lattice: FieldGrid, rng: np.random.Generator
) -> list[TissueLayer]:
    """All layers of a head, from the skin inwards."""
    space = head.head_space(patient, lattice, rng)
    case = head.braincase(space)
    vault = case - head.vault_thickness(space, patient, rng)
    skin, orbit = head.skin(space, vault), head.orbit(space)
    air = np.maximum(head.sinus_air(space, patient, rng), skin + SKIN_MM)
    return [
        *_outer_layers(space, patient, skin, vault, rng),
        *_bone_layers(space, case, vault, air=air, orbit=orbit, rng=rng),
        *_eye_layers(space, orbit),
        *_brain_layers(space, patient, case, rng),
    ]


def holder_layer(lattice: FieldGrid) -> TissueLayer:
    """The head holder of the CT."""
    return TissueLayer(((tissues.HOLDER, 0.0),), (lattice.image(head.head_holder(lattice)),))


def _outer_layers(
    space: Space,
    patient: Patient,
    skin: Float32Array,
    vault: Float32Array,
    rng: np.random.Generator,
) -> list[TissueLayer]:
    image = space.lattice.image
    uneven = smooth_noise(rng, space.lattice, scale_mm=20.0)
    fat = patient.fat_mm * np.clip(1 + 0.35 * uneven, 0.4, 2.0)
    inner = np.asarray(skin + SKIN_MM + fat, np.float32)
    planes = smooth_noise(rng, space.lattice, scale_mm=8.0)
    width = 0.7 + 1.3 * smooth_step(-space.y, 10, 50)  # cheeks are fatter than the neck
    clefts = np.asarray(np.abs(planes) * 7.0 - width, np.float32)
    between = np.maximum(np.maximum(clefts, inner), 8 - vault)
    return [
        TissueLayer(((tissues.SKIN, 0.0), (tissues.FAT, SKIN_MM)), (image(skin),)),
        TissueLayer(((tissues.MUSCLE, 0.0),), (image(inner),)),
        TissueLayer(((tissues.FAT, 0.0),), (image(between),)),
    ]


def _bone_layers(
    space: Space,
    case: Float32Array,
    vault: Float32Array,
    *,
    air: Float32Array,
    orbit: Float32Array,
    rng: np.random.Generator,
) -> list[TissueLayer]:
    image = space.lattice.image
    bone = np.minimum(vault, head.face_bones(space))
    spongy = np.maximum(
        np.maximum(bone + TABLE_MM, TABLE_MM - case),
        np.maximum(1.6 - air, 2.0 - orbit).astype(np.float32),
    )
    marrow = np.maximum(spongy + 0.4, 2.2 * smooth_noise(rng, space.lattice, scale_mm=3.0))
    petrous = head.petrous(space)
    spine = head.spine(space)
    sheets = [image_like(space, sheet) for sheet in head.sutures(space, rng)]
    return [
        TissueLayer(((tissues.SPINE_COMPACT, 0.0), (tissues.SPINE_SPONGY, 1.8)), (image(spine),)),
        TissueLayer(((tissues.COMPACT_BONE, 0.0),), (image(bone),)),
        TissueLayer(((tissues.SPONGY_BONE, 0.0),), (image(spongy),)),
        TissueLayer(((tissues.FATTY_MARROW, 0.0),), (image(marrow),)),
        TissueLayer(((tissues.PETROUS_BONE, 0.0),), (image(petrous),)),
        TissueLayer(((tissues.SUTURE, 0.0),), (image(vault), *sheets), _sutures),
        TissueLayer(((tissues.MUCOSA, -1.0), (tissues.CAVITY, 0.0)), (image(air),)),
    ]


def image_like(space: Space, values: Float32Array) -> sitk.Image:
    """A field as an image over the whole lattice."""
    whole = sitk.GetImageFromArray(values.astype(np.float32, copy=False))
    whole.SetOrigin(space.lattice.origin_mm)
    whole.SetSpacing([space.lattice.spacing_mm] * 3)
    return whole


def _sutures(vault: Float32Array, *sheets: Float32Array) -> Float32Array:
    nearest = np.abs(sheets[0])
    for sheet in sheets[1:]:
        nearest = np.minimum(nearest, np.abs(sheet))
    return np.asarray(np.maximum(nearest - SUTURE_MM / 2, vault), np.float32)


def _eye_layers(space: Space, orbit: Float32Array) -> list[TissueLayer]:
    image = space.lattice.image
    globes, lenses = head.eyeballs(space)
    return [
        TissueLayer(((tissues.ORBITAL_FAT, 0.0),), (image(orbit),)),
        TissueLayer(((tissues.EYE_MUSCLE, 0.0),), (image(head.eye_muscles(space)),)),
        TissueLayer(((tissues.SCLERA, 0.0), (tissues.VITREOUS, 1.3)), (image(globes),)),
        TissueLayer(((tissues.LENS, 0.0),), (image(lenses),)),
    ]


def _brain_layers(
    space: Space, patient: Patient, case: Float32Array, rng: np.random.Generator
) -> list[TissueLayer]:
    image = space.lattice.image
    brain = brain_parts.cerebrum(space, case, patient, rng)
    falx, leaf = brain_parts.dura_reach(space, brain, case)
    lesion = brain_parts.lesion(space, patient, rng)
    half_width = SULCUS_MM * (0.6 + patient.atrophy)

    def folds(hull: Float32Array, sheet: Float32Array, bottom: Float32Array) -> Float32Array:
        return brain_parts.folded(hull, sheet, bottom, sulcus_mm=half_width)

    def membrane(reach: Float32Array, sheet: Float32Array) -> Float32Array:
        return np.maximum(np.abs(sheet) - np.float32(0.8), reach)

    hull = image(brain.hull)
    whole = [image_like(space, part) for part in (brain.sheet, brain.bottom)]
    return [
        TissueLayer(((tissues.CSF, 0.0),), (image(case),)),
        TissueLayer(
            ((tissues.DURA, 0.0),), (image(falx), image_like(space, brain.midline)), membrane
        ),
        TissueLayer(((tissues.DURA, 0.0),), (image(leaf), image_like(space, brain.tent)), membrane),
        TissueLayer(((tissues.GREY, 0.0), (tissues.WHITE, CORTEX_MM)), (hull, *whole), folds),
        TissueLayer(
            ((tissues.WHITE, 0.0),), (image(np.maximum(brain_parts.brain_stem(space), case + 1)),)
        ),
        TissueLayer(((tissues.DEEP_GREY, 0.0),), (image(brain_parts.deep_nuclei(space)),)),
        TissueLayer(((tissues.VENTRICLE, 0.0),), (image(brain_parts.ventricles(space, patient)),)),
        TissueLayer(
            ((tissues.BLOOD, 0.0),), (image(brain_parts.venous_sinuses(space, brain, case)),)
        ),
        TissueLayer(
            ((tissues.OEDEMA, 0.0),),
            (image(lesion.oedema), hull, *whole),
            lambda part, *fields: np.maximum(part, folds(*fields) + np.float32(CORTEX_MM)),
        ),
        *_tumour_layers(lesion, patient, image, image(case) if patient.tumour.is_at_bone else hull),
        TissueLayer(((tissues.CALCIFICATION, 0.0),), (image(lesion.calcified),)),
    ]


def _tumour_layers(
    lesion: brain_parts.Lesion,
    patient: Patient,
    image: Callable[[Float32Array], sitk.Image],
    hull: sitk.Image,
) -> list[TissueLayer]:
    """The tumour and its core, both within a hull."""

    def within(part: Float32Array, hull: Float32Array) -> Float32Array:
        return np.maximum(part, hull)

    tumour = patient.tumour
    hu, t1 = (
        around + tumour.contrast * (own - around)
        for own, around in (
            (tissues.TUMOUR.hu, tissues.OEDEMA.hu),
            (tissues.TUMOUR.t1, tissues.OEDEMA.t1),
        )
    )
    mass = Tissue(tissues.TUMOUR.label, hu if tumour.hu is None else tumour.hu, t1)
    layers = [TissueLayer(((mass, 0.0),), (image(lesion.tumour), hull), within)]
    if not tumour.is_solid:
        layers.append(TissueLayer(((tissues.NECROSIS, 0.0),), (image(lesion.core), hull), within))
    return layers
