"""Structures of two files against each other, one by one, matched by name."""

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
from radfuse.pipeline.structures import STRICT, Acceptance, drawn_on
from radfuse.series import Series
from radfuse.structures.files import check_readable
from radfuse.structures.label_maps import Structure, read_label_map


@dataclass(frozen=True)
class Compared:
    """A structure of one file against its partner in the other."""

    name: str
    """Both names where they differ."""

    agreement: Agreement


@dataclass(frozen=True)
class Comparison:
    """All structures that two files have in common, and what should be known about it."""

    structures: tuple[Compared, ...]
    """In the order of the reference."""

    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Content:
    """What a file holds; the masks are made one after the other, for many fill a memory."""

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
    accept: Acceptance = STRICT,
    tolerance_mm: float = TOLERANCE_MM,
) -> Comparison:
    """Compare the structures of two files, each an RT Structure Set, a label map or a mask.

    Structures are matched by name; where each file has a single one, these two are. An RT Structure
    Set is filled on the grid of `image`, whose modality and series are chosen as in
    `read_contours`; two label maps need none. `names` are of labels, in both files. Raises
    `InputError` for input that cannot be used, for two grids, and for files without a name in
    common.
    """
    files = (first, reference)
    for path in files:
        check_readable(path)
    sets = [path for path in files if volume_suffix(path) is None]
    if image is None and sets:
        raise InputError(f"{sets[0]}: pass --image, the series that it was drawn on")
    series = drawn_on(image, modality, series_uid) if image else None
    grid = series.image if series else read_volume(first)
    ours, theirs = (_content(path, series, grid, names, accept) for path in files)
    partners, alone = _partners(ours, theirs)
    kept = {
        structure.name: np.packbits(_inside(structure))
        for structure in ours.structures()
        if structure.name in partners.values()
    }
    compared = []
    for structure in theirs.structures():
        if (name := partners.get(structure.name)) is None:
            continue
        inside = _inside(structure)
        mask = np.unpackbits(kept[name], count=inside.size).reshape(inside.shape) > 0
        agreement = compare_masks(mask, inside, grid.GetSpacing()[::-1], tolerance_mm=tolerance_mm)
        both = name if name == structure.name else f"{name} / {structure.name}"
        compared.append(Compared(both, agreement))
    said = [f"{one.path.name}: {note}" for one in (ours, theirs) for note in one.notes]
    of_series = series.notes if series else ()
    return Comparison(tuple(compared), (*of_series, *said, *alone))


def _inside(structure: Structure) -> BoolArray:
    return np.asarray(sitk.GetArrayViewFromImage(structure.mask) > 0)


def _content(
    path: Path,
    series: Series | None,
    grid: sitk.Image,
    names: Mapping[int, str] | None,
    accept: Acceptance,
) -> _Content:
    """What a file holds, on a grid; `InputError` for names that are there twice."""
    if series is None or volume_suffix(path) is not None:
        labels = read_label_map(path, grid, names)
        called = tuple(entry.name for entry in labels.entries)
        content = _Content(path, called, labels.structures, labels.notes)
    else:
        drawn = read_structure_set(
            path, series, accept_frame=accept.frame, accept_patients=accept.patients
        )
        called = tuple(outline.name for outline in drawn.outlines)
        content = _Content(path, called, drawn.structures, drawn.notes)
    if doubled := [name for name in called if called.count(name) > 1]:
        raise InputError(f"{path}: two structures are called '{doubled[0]}'; rename one")
    return content


def _partners(ours: _Content, theirs: _Content) -> tuple[dict[str, str], list[str]]:
    """The name in ours by the name in theirs, and notes on those that stand alone."""
    if len(ours.names) == len(theirs.names) == 1:
        return {theirs.names[0]: ours.names[0]}, []
    partners = {name: name for name in theirs.names if name in ours.names}
    if not partners:
        raise InputError(
            f"{ours.path} has {_listed(ours.names)}, {theirs.path} has {_listed(theirs.names)}: "
            "no name in common; rename one, or name labels with --name"
        )
    alone = []
    for one in (ours, theirs):
        if names := [name for name in one.names if name not in partners]:
            alone.append(f"only {one.path.name} has {_listed(names)}")
    return partners, alone


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
