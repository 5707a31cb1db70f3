"""Structures as masks, and as a label map with a JSON file of their names."""

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
from radfuse.structures.generation import Step

GRID_TOLERANCE = 0.1
"""Largest distance in voxels between a corner of a label map and that of its image; headers
round."""

LABEL_TOLERANCE = 0.02
"""Labels that were stored with a slope, such as 5/255, come back with its rounding, as 0.984."""

MAX_LABEL = int(np.iinfo(np.uint16).max)
"""Label maps have 16 bits."""

PALETTE = (
    (238, 68, 51), (51, 187, 255), (255, 187, 0), (17, 102, 255),
    (221, 34, 119), (0, 255, 187), (0, 153, 153), (136, 238, 238),
)  # fmt: skip
"""Colours of structures without their own, in this order. They differ by a CIEDE2000 of at least
18 from each other, also as a reader without red or green cones distinguishes them."""

RgbColour = tuple[int, int, int]
"""Red, green, blue, 0 to 255."""


@dataclass(frozen=True)
class Structure:
    """A delineated structure: a target volume or an organ."""

    name: str
    mask: sitk.Image
    """uint8, 1 inside, on the grid of the image on which it was delineated."""

    colour: RgbColour
    steps: tuple[Step, ...] = ()
    """Of its generation, if known."""

    @property
    def volume_cm3(self) -> float:
        """The volume of its voxels."""
        voxels = np.count_nonzero(sitk.GetArrayViewFromImage(self.mask))
        return float(voxels * np.prod(self.mask.GetSpacing()) / 1000)


class StructureInfo(BaseModel):
    """One structure in the JSON file beside a label map or in a folder of masks."""

    model_config = ConfigDict(frozen=True, str_strip_whitespace=True)  # spaces are no name

    label: int = Field(default=1, ge=1)
    """Its voxel value."""

    name: str
    colour: RgbColour | None = None
    volume_cm3: float | None = None
    file: str | None = None
    """The file of its mask, in a folder with one file per structure."""


class StructureList(BaseModel):
    """The JSON file beside a label map or in a folder of masks."""

    model_config = ConfigDict(frozen=True)

    notice: str = NOTICE
    structures: tuple[StructureInfo, ...]
    notes: tuple[str, ...] = ()


def stem_of(path: Path) -> str:
    """The name of a volume file without its suffix, `.nii.gz` included."""
    suffix = next((end for end in SUFFIXES if path.name.lower().endswith(end)), path.suffix)
    return path.name[: len(path.name) - len(suffix)]


def structure_list_path(path: Path) -> Path:
    """The JSON file that belongs to a label map."""
    return path.with_name(f"{stem_of(path)}.json")


def palette_colour(index: int) -> RgbColour:
    """The colour of the structure with an index from 0; the palette repeats."""
    return PALETTE[index % len(PALETTE)]


@dataclass(frozen=True)
class LabelMap:
    """A label map on the grid of an image, and its structures."""

    labels: sitk.Image
    """uint16."""

    infos: tuple[StructureInfo, ...]
    notes: tuple[str, ...]

    def structures(self) -> Iterator[Structure]:
        """The structures one after the other, in the order of `infos`."""
        for index, info in enumerate(self.infos):
            colour = info.colour or palette_colour(index)
            yield Structure(info.name, self.labels == info.label, colour)


def read_label_map(path: Path, image: sitk.Image, names: Mapping[int, str] | None) -> LabelMap:
    """Read a mask or label map on the grid of an image; names are given or from its JSON file.

    A JSON file without structures, as BIDS has beside a mask, is not used. Without either a label
    is called `Label_N`, and a mask of one label like its file. With names, unnamed labels are left
    out. Raises `GeometryError` for a grid other than the image's,
    `InputError` for values that are not labels and for names without a label.
    """
    volume = match_grid(read_volume(path), image, path)
    values = np.unique(sitk.GetArrayViewFromImage(volume))
    if (np.abs(values - np.rint(values)) <= LABEL_TOLERANCE).all():
        volume = sitk.Round(volume)
        values = np.unique(np.rint(values))
    is_label = (values == np.rint(values)) & (values >= 0) & (values <= MAX_LABEL)
    if (invalid := values[~is_label]).size:
        raise InputError(
            f"{path}: values such as {invalid[0]:g} are not labels; a label map has integers from "
            f"0 to {MAX_LABEL}"
        )
    labels = [int(value) for value in values if value]
    infos = _infos(path, labels, names)
    if missing := [info for info in infos if info.label not in labels and names]:
        raise InputError(
            f"{path}: no voxel has the label {missing[0].label} of '{missing[0].name}'; its labels "
            f"are {_listed(labels)}"
        )
    unnamed = sorted(set(labels) - {info.label for info in infos})
    notes = (f"labels without a name were left out: {_listed(unnamed)}",) if unnamed else ()
    return LabelMap(sitk.Cast(volume, sitk.sitkUInt16), infos, notes)


def _listed(labels: Sequence[int]) -> str:
    return ", ".join(map(str, labels))


def _infos(
    path: Path, labels: Sequence[int], names: Mapping[int, str] | None
) -> tuple[StructureInfo, ...]:
    if names:
        return tuple(StructureInfo(label=label, name=name) for label, name in names.items())
    if _has_structure_list(structure_list_path(path)):
        return read_structure_list(structure_list_path(path)).structures
    if len(labels) == 1:
        return (StructureInfo(label=labels[0], name=stem_of(path)),)
    return tuple(StructureInfo(label=label, name=f"Label_{label}") for label in labels)


def _has_structure_list(path: Path) -> bool:
    """Whether there is a JSON file that is not a sidecar of another program, as BIDS has them."""
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return False
    except ValueError:
        return True  # damaged, maybe our own
    return not isinstance(content, dict) or "structures" in content


def read_structure_list(path: Path) -> StructureList:
    """Read a JSON file by `write_structure_list`; `InputError` for any other file."""
    try:
        return StructureList.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise InputError(
            f"{path}: not a list of structures by radfuse; move it away and pass --name"
        ) from error


def match_grid(labels: sitk.Image, image: sitk.Image, path: Path) -> sitk.Image:
    """A label map on the grid of an image, its axes permuted and flipped where necessary.

    Raises `GeometryError` where its voxels are not the image's.
    """
    corners = _corners(labels, image)
    last = np.array(image.GetSize()) - 1
    deviation = np.minimum(np.abs(corners), np.abs(corners - last)).max()
    if deviation > GRID_TOLERANCE or sorted(labels.GetSize()) != sorted(image.GetSize()):
        raise GeometryError(
            f"{path}: a label map of {_grid(labels)}, but the image has {_grid(image)}; their "
            "grids must be equal: resample the label map onto the image"
        )
    return sitk.Resample(labels, image, sitk.Transform(), sitk.sitkNearestNeighbor)


def _corners(labels: sitk.Image, image: sitk.Image) -> np.ndarray:
    """The corners of one grid in voxels of another, (8, 3)."""
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


def write_structure_list(path: Path, infos: Sequence[StructureInfo], notes: Sequence[str]) -> None:
    """Write the JSON file of a label map or a folder of masks."""
    content = StructureList(structures=tuple(infos), notes=tuple(notes))
    text = json.dumps(content.model_dump(exclude_none=True), indent=2, ensure_ascii=False)
    path.write_text(f"{text}\n", encoding="utf-8")
