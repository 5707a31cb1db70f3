"""Compare the structures of two files, matched by name."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from radfuse.arrays import BoolArray
from radfuse.dicom.rtstruct.read import read_structure_set
from radfuse.errors import InputError
from radfuse.io.volumes import read_volume, volume_suffix
from radfuse.metrics.segmentation_agreement import TOLERANCE_MM, Agreement, compare_masks
from radfuse.modality import Modality
from radfuse.pipeline.structures import NO_OVERRIDES, Overrides, read_delineated_series
from radfuse.series import Series
from radfuse.structures.files import check_readable
from radfuse.structures.label_maps import Structure, read_label_map


@dataclass(frozen=True)
class StructureAgreement:
    """The agreement of a structure with that of the reference."""

    name: str
    """Both names if they differ."""

    agreement: Agreement


@dataclass(frozen=True)
class Comparison:
    """The agreement of all structures that two files have in common, and notes on them."""

    structures: tuple[StructureAgreement, ...]
    """In the order of the reference."""

    notes: tuple[str, ...]


@dataclass(frozen=True)
class _StructureFile:
    """The structures of a file; masks are built one after the other to limit memory."""

    role: str
    """`first` or `reference`: a note, other than an error, does not name the file."""

    path: Path
    names: tuple[str, ...]
    structures: Callable[[], Iterator[Structure]]
    notes: tuple[str, ...]


def compare_contours(
    first: Path,
    reference: Path,
    *,
    image: Path | None = None,
    modality: Modality | str | None = None,
    series_uid: str | None = None,
    names: Mapping[int, str] | None = None,
    overrides: Overrides = NO_OVERRIDES,
    tolerance_mm: float = TOLERANCE_MM,
) -> Comparison:
    """Compare the structures of two files, each an RT Structure Set, a label map or a mask.

    Structures are matched by name; if each file has a single one, these two are compared. An RT
    Structure Set is rasterised on the grid of `image`, whose modality and series are chosen as in
    `read_contours`; two label maps need none. `names` are of labels, in both files. Raises
    `InputError` for input that cannot be used, for different grids, and for files without a
    common name.
    """
    paths = (first, reference)
    for path in paths:
        check_readable(path)
    sets = [path for path in paths if volume_suffix(path) is None]
    if image is None and sets:
        raise InputError(f"{sets[0]}: pass --image, the series on which it was drawn")
    series = read_delineated_series(image, modality, series_uid) if image else None
    grid = series.image if series else read_volume(first)
    one, other = (
        _structure_file(role, path, series, grid, names, overrides)
        for role, path in zip(("first", "reference"), paths, strict=True)
    )
    matches, unmatched = _match(one, other)
    packed = {
        structure.name: np.packbits(_inside(structure))
        for structure in one.structures()
        if structure.name in matches.values()
    }
    compared = []
    for structure in other.structures():
        if (name := matches.get(structure.name)) is None:
            continue
        inside = _inside(structure)
        mask = np.unpackbits(packed[name], count=inside.size).reshape(inside.shape) > 0
        agreement = compare_masks(mask, inside, grid.GetSpacing()[::-1], tolerance_mm=tolerance_mm)
        both = name if name == structure.name else f"{name} / {structure.name}"
        compared.append(StructureAgreement(both, agreement))
    notes = [f"{file.role}: {note}" for file in (one, other) for note in file.notes]
    series_notes = series.notes if series else ()
    return Comparison(tuple(compared), (*series_notes, *notes, *unmatched))


def _inside(structure: Structure) -> BoolArray:
    return np.asarray(sitk.GetArrayViewFromImage(structure.mask) > 0)


def _structure_file(
    role: str,
    path: Path,
    series: Series | None,
    grid: sitk.Image,
    names: Mapping[int, str] | None,
    overrides: Overrides,
) -> _StructureFile:
    """The structures of a file on a grid; `InputError` for duplicate names."""
    if series is None or volume_suffix(path) is not None:
        labels = read_label_map(path, grid, names)
        file_names = tuple(info.name for info in labels.infos)
        file = _StructureFile(role, path, file_names, labels.structures, labels.notes)
    else:
        structure_set = read_structure_set(
            path, series, accept_frame=overrides.frame, accept_patients=overrides.patients
        )
        file_names = tuple(roi.name for roi in structure_set.rois)
        file = _StructureFile(role, path, file_names, structure_set.structures, structure_set.notes)
    if duplicates := [name for name in file_names if file_names.count(name) > 1]:
        raise InputError(f"{path}: two structures are named '{duplicates[0]}'; rename one")
    return file


def _match(one: _StructureFile, other: _StructureFile) -> tuple[dict[str, str], list[str]]:
    """The name in the first file by that in the reference, and notes on unmatched names."""
    if len(one.names) == len(other.names) == 1:
        return {other.names[0]: one.names[0]}, []
    matches = {name: name for name in other.names if name in one.names}
    if not matches:
        raise InputError(
            f"{one.path} has {_listed(one.names)}, {other.path} has {_listed(other.names)}: no "
            "common name; rename one, or name labels with --name"
        )
    unmatched = []
    for file in (one, other):
        if names := [name for name in file.names if name not in matches]:
            unmatched.append(f"only the {file.role} file has {_listed(names)}")
    return matches, unmatched


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
