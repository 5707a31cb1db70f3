"""Structures written as a label map, or as a folder of one mask each, with a JSON of names."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from radfuse.errors import InputError, OutputError
from radfuse.io.staging import refuse_existing, staging
from radfuse.io.volumes import write_volume
from radfuse.structures.label_maps import (
    Entry,
    Structure,
    names_path,
    read_names,
    write_names,
)

NAMES = "structures.json"
"""What a folder of masks says of them."""

WAY_OUT = "give a folder as --output for one mask a structure"
"""What to do about structures that do not fit into one label map."""

NAMED = 3
"""Overlaps named in an error message, at most."""


def write_label_map(
    path: Path, structures: Iterable[Structure], notes: Sequence[str]
) -> tuple[Entry, ...]:
    """Write structures of one grid as labels 1, 2, ..., and a JSON with their names beside.

    Raises `InputError` for structures that overlap, with the volumes.
    """
    labels: NDArray[np.uint16] | None = None
    entries: list[Entry] = []
    overlaps: list[str] = []
    for label, structure in enumerate(structures, start=1):
        inside = sitk.GetArrayViewFromImage(structure.mask) > 0
        if labels is None:
            grid = structure.mask
            labels = np.zeros(inside.shape, np.uint16)
        taken = np.bincount(labels[inside], minlength=label)[1:]
        voxel_cm3 = np.prod(grid.GetSpacing()) / 1000
        overlaps += [
            f"'{entries[other].name}' and '{structure.name}' {taken[other] * voxel_cm3:.3g} cm3"
            for other in np.flatnonzero(taken)
        ]
        labels[inside] = label
        entries.append(_entry(structure, label))
    if overlaps:
        more = f" and {len(overlaps) - NAMED} more" if len(overlaps) > NAMED else ""
        raise InputError(
            f"structures overlap and make no label map: {', '.join(overlaps[:NAMED])}{more}; "
            f"{WAY_OUT}"
        )
    image = sitk.GetImageFromArray(labels)
    image.CopyInformation(grid)
    with staging(path.parent) as stage:
        write_volume(stage.place(path), image)
        write_names(stage.place(names_path(path)), entries, notes)
    return tuple(entries)


def write_masks(
    folder: Path, structures: Iterable[Structure], notes: Sequence[str]
) -> tuple[Entry, ...]:
    """Write each structure as a mask of its own into a folder, and a JSON that lists them."""
    entries: list[Entry] = []
    with staging(folder.parent) as stage:
        draft = stage.place(folder)
        draft.mkdir()
        for number, structure in enumerate(structures, start=1):
            word = re.sub(r"[^A-Za-z0-9_-]", "_", structure.name)[:64]
            file = f"{number:02}_{word}.nii.gz"
            write_volume(draft / file, structure.mask)
            entries.append(_entry(structure, 1, file))
        write_names(draft / NAMES, entries, notes)
    return tuple(entries)


def check_readable(path: Path) -> None:
    """Raise `InputError` for what is no file or may not be read."""
    try:
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        with path.open("rb"):
            pass
    except PermissionError as error:
        raise InputError(f"{path}: no permission to read") from error


def check_folder(folder: Path, *, overwrite: bool) -> None:
    """Raise `OutputError` for a folder with foreign files, or one that may not be replaced."""
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file; give a folder, or a name that ends in .nii.gz")
    present = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if not present:
        return
    try:
        own = {NAMES, *(entry.file for entry in read_names(folder / NAMES).structures)}
    except InputError:
        own = set()
    if foreign := sorted(present - own):
        raise OutputError(
            f"{folder} has files that are no masks of radfuse ({foreign[0]}); give another folder"
        )
    refuse_existing([folder], overwrite=overwrite)


def _entry(structure: Structure, label: int, file: str | None = None) -> Entry:
    return Entry(
        label=label,
        name=structure.name,
        colour=structure.colour,
        volume_cm3=round(structure.volume_cm3, 3),
        file=file,
    )
