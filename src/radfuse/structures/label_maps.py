"""Structures as masks, and files of them: a label map with the names in a JSON beside it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from radfuse.errors import GeometryError, InputError
from radfuse.io.volumes import SUFFIXES, read_volume
from radfuse.record import NOTICE

GRID_TOLERANCE = 0.1
"""How far the corner of a label map may lie from its image's, in voxels: rounding of headers."""

LARGEST_LABEL = int(np.iinfo(np.uint16).max)
"""Label maps have 16 bits."""

PALETTE = (
    (230, 60, 60), (60, 180, 75), (70, 110, 230), (245, 200, 40), (200, 80, 220), (70, 210, 220),
    (245, 140, 50), (170, 220, 70), (250, 150, 180), (150, 110, 70),
)  # fmt: skip
"""Colours of structures that bring none, in turn."""

Colour = tuple[int, int, int]
"""Red, green, blue, 0 to 255."""


@dataclass(frozen=True)
class Structure:
    """A named part of the patient: a target, an organ."""

    name: str
    mask: sitk.Image
    """uint8, 1 inside, on the grid of the image that it was drawn on."""

    colour: Colour

    @property
    def volume_cm3(self) -> float:
        """Of its voxels."""
        voxels = np.count_nonzero(sitk.GetArrayViewFromImage(self.mask))
        return float(voxels * np.prod(self.mask.GetSpacing()) / 1000)


class Entry(BaseModel):
    """One structure in the JSON beside a label map or in a folder of masks."""

    model_config = ConfigDict(frozen=True)

    label: int = Field(default=1, ge=1)
    """Its value in the file of voxels."""

    name: str
    colour: tuple[int, int, int] | None = None
    volume_cm3: float | None = None
    file: str | None = None
    """The mask, in a folder of one file a structure."""


class Names(BaseModel):
    """The JSON beside a label map."""

    model_config = ConfigDict(frozen=True)

    notice: str = NOTICE
    structures: tuple[Entry, ...]
    notes: tuple[str, ...] = ()


def stem_of(path: Path) -> str:
    """The name of a volume file without its suffix, `.nii.gz` included."""
    suffix = next((end for end in SUFFIXES if path.name.lower().endswith(end)), path.suffix)
    return path.name[: len(path.name) - len(suffix)]


def names_path(path: Path) -> Path:
    """The JSON that belongs to a label map."""
    return path.with_name(f"{stem_of(path)}.json")


def palette_colour(number: int) -> Colour:
    """The colour of the n-th structure, from 0."""
    return PALETTE[number % len(PALETTE)]


@dataclass(frozen=True)
class LabelMap:
    """A label map on the grid of an image, and what its labels are called."""

    labels: sitk.Image
    """uint16."""

    entries: tuple[Entry, ...]
    notes: tuple[str, ...]

    def structures(self) -> Iterator[Structure]:
        """One a name, in their order."""
        for number, entry in enumerate(self.entries):
            colour = entry.colour or palette_colour(number)
            yield Structure(entry.name, self.labels == entry.label, colour)


def read_label_map(path: Path, image: sitk.Image, names: Mapping[int, str] | None) -> LabelMap:
    """Read a mask or label map drawn on an image, with names given or from the JSON beside it.

    Where neither is there a label is called `Label_N`, and a mask of one label like its file.
    Where there are names, the labels without one are left out. Raises `GeometryError` for another
    grid than the image's, `InputError` for values that are no labels and names without a label.
    """
    volume = on_grid(read_volume(path), image, path)
    values = sitk.GetArrayViewFromImage(volume)
    found = np.unique(values)
    if (wrong := found[(found != np.rint(found)) | (found < 0) | (found > LARGEST_LABEL)]).size:
        raise InputError(
            f"{path}: values such as {wrong[0]:g} are no labels; a label map has whole numbers "
            f"from 0 to {LARGEST_LABEL}"
        )
    labels = [int(value) for value in found if value]
    entries = _entries(path, labels, names)
    if absent := [entry for entry in entries if entry.label not in labels and names]:
        raise InputError(
            f"{path}: no voxel has the label {absent[0].label} of '{absent[0].name}'; there are "
            f"{_listed(labels)}"
        )
    unnamed = sorted(set(labels) - {entry.label for entry in entries})
    notes = (f"labels without a name were left out: {_listed(unnamed)}",) if unnamed else ()
    return LabelMap(sitk.Cast(volume, sitk.sitkUInt16), entries, notes)


def _listed(labels: Sequence[int]) -> str:
    return ", ".join(map(str, labels))


def _entries(
    path: Path, labels: Sequence[int], names: Mapping[int, str] | None
) -> tuple[Entry, ...]:
    if names:
        return tuple(Entry(label=label, name=name) for label, name in names.items())
    if (beside := names_path(path)).is_file():
        return read_names(beside).structures
    if len(labels) == 1:
        return (Entry(label=labels[0], name=stem_of(path)),)
    return tuple(Entry(label=label, name=f"Label_{label}") for label in labels)


def read_names(path: Path) -> Names:
    """Read a JSON of names; `InputError` for one that is not as `write_names` writes it."""
    try:
        return Names.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise InputError(
            f"{path}: no list of structures as radfuse writes it; move it away and pass --name"
        ) from error


def on_grid(labels: sitk.Image, image: sitk.Image, path: Path) -> sitk.Image:
    """A label map on the grid of an image, its axes turned and flipped where it must be.

    Raises `GeometryError` where its voxels are not the image's.
    """
    corners = _corners(labels, image)
    far = np.array(image.GetSize()) - 1
    off = np.minimum(np.abs(corners), np.abs(corners - far)).max()
    if off > GRID_TOLERANCE or sorted(labels.GetSize()) != sorted(image.GetSize()):
        raise GeometryError(
            f"{path}: a label map of {_grid(labels)}, but the image has {_grid(image)}; their "
            "voxels must be the same: draw on this image or resample the label map onto it"
        )
    return sitk.Resample(labels, image, sitk.Transform(), sitk.sitkNearestNeighbor)


def _corners(labels: sitk.Image, image: sitk.Image) -> np.ndarray:
    """Where the corners of a grid lie in voxels of another, (8, 3)."""
    last = np.array(labels.GetSize()) - 1
    return np.array(
        [
            image.TransformPhysicalPointToContinuousIndex(
                labels.TransformIndexToPhysicalPoint((last * corner).tolist())
            )
            for corner in np.ndindex(2, 2, 2)
        ]
    )


def _grid(image: sitk.Image) -> str:
    size = " x ".join(map(str, image.GetSize()))
    spacing = " x ".join(f"{step:.4g}" for step in image.GetSpacing())
    origin = ", ".join(f"{part:.1f}" for part in image.GetOrigin())
    return f"{size} voxels of {spacing} mm from ({origin})"


def write_names(path: Path, entries: Sequence[Entry], notes: Sequence[str]) -> None:
    """Write the JSON of a label map or a folder of masks."""
    names = Names(structures=tuple(entries), notes=tuple(notes))
    text = json.dumps(names.model_dump(exclude_none=True), indent=2, ensure_ascii=False)
    path.write_text(f"{text}\n", encoding="utf-8")
