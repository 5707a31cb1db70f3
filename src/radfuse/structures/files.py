"""Write structures as a label map, or as a folder of one mask each, with a JSON list."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from radfuse.arrays import image_on
from radfuse.errors import InputError, OutputError
from radfuse.io.staging import refuse_existing, staging
from radfuse.io.volumes import write_volume
from radfuse.structures.label_maps import (
    Structure,
    StructureInfo,
    read_structure_list,
    structure_list_path,
    write_structure_list,
)

STRUCTURE_LIST = "structures.json"
"""The list of structures in a folder of masks."""

OVERLAP_REMEDY = "give a folder as --output for one mask per structure"
"""What to do about structures that overlap."""

MAX_LISTED = 3
"""Overlaps listed in an error message, at most."""


def write_label_map(
    path: Path, structures: Iterable[Structure], notes: Sequence[str]
) -> tuple[StructureInfo, ...]:
    """Write structures of one grid as labels 1, 2, ..., and a JSON file of their names beside it.

    Raises `InputError` for structures that overlap, with the overlapping volumes.
    """
    labels: NDArray[np.uint16] | None = None
    infos: list[StructureInfo] = []
    overlaps: list[str] = []
    for label, structure in enumerate(structures, start=1):
        inside = sitk.GetArrayViewFromImage(structure.mask) > 0
        if labels is None:
            grid = structure.mask
            labels = np.zeros(inside.shape, np.uint16)
        shared_voxels = np.bincount(labels[inside], minlength=label)[1:]
        voxel_cm3 = np.prod(grid.GetSpacing()) / 1000
        overlaps += [
            f"'{infos[other].name}' and '{structure.name}' {shared_voxels[other] * voxel_cm3:.3g} "
            "cm3"
            for other in np.flatnonzero(shared_voxels)
        ]
        labels[inside] = label
        infos.append(_info(structure, label))
    if overlaps:
        more = f" and {len(overlaps) - MAX_LISTED} more" if len(overlaps) > MAX_LISTED else ""
        raise InputError(
            f"structures overlap and cannot share a label map: {', '.join(overlaps[:MAX_LISTED])}"
            f"{more}; {OVERLAP_REMEDY}"
        )
    with staging(path.parent) as stage:
        write_volume(stage.path_of(path), image_on(grid, np.asarray(labels)))
        write_structure_list(stage.path_of(structure_list_path(path)), infos, notes)
    return tuple(infos)


def write_masks(
    folder: Path, structures: Iterable[Structure], notes: Sequence[str]
) -> tuple[StructureInfo, ...]:
    """Write each structure as a mask into a folder, and a JSON file that lists them."""
    infos: list[StructureInfo] = []
    with staging(folder.parent) as stage:
        draft = stage.path_of(folder)
        draft.mkdir()
        for number, structure in enumerate(structures, start=1):
            name = re.sub(r"[^A-Za-z0-9_-]", "_", structure.name)[:64]
            file = f"{number:02}_{name}.nii.gz"
            write_volume(draft / file, structure.mask)
            infos.append(_info(structure, 1, file))
        write_structure_list(draft / STRUCTURE_LIST, infos, notes)
    return tuple(infos)


def check_readable(path: Path) -> None:
    """Raise `InputError` where a path is not a file or cannot be read."""
    try:
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        with path.open("rb"):
            pass
    except PermissionError as error:
        raise InputError(f"{path}: no permission to read") from error


def check_folder(folder: Path, *, overwrite: bool) -> None:
    """Raise `OutputError` for a folder with other files, or one that must not be replaced."""
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file; give a folder, or a name that ends in .nii.gz")
    present = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if not present:
        return
    try:
        infos = read_structure_list(folder / STRUCTURE_LIST).structures
        own = {STRUCTURE_LIST, *(info.file for info in infos)}
    except InputError:
        own = set()
    if foreign := sorted(present - own):
        raise OutputError(
            f"{folder} has files that are not masks by radfuse ({foreign[0]}); give another folder"
        )
    refuse_existing([folder], overwrite=overwrite)


def _info(structure: Structure, label: int, file: str | None = None) -> StructureInfo:
    return StructureInfo(
        label=label,
        name=structure.name,
        colour=structure.colour,
        volume_cm3=round(structure.volume_cm3, 3),
        file=file,
    )
