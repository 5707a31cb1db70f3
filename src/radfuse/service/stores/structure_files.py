"""Structures between a study of the page and files: RTSTRUCT, label map, masks."""

import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import SimpleITK as sitk
from pydantic import BaseModel, ConfigDict

from radfuse.dicom.deidentify.identifiers import identifiers_below
from radfuse.dicom.rtstruct.parse import parse_structure_set
from radfuse.dicom.rtstruct.read import read_structure_set
from radfuse.dicom.rtstruct.write import MAX_NAME_LENGTH, write_structure_set
from radfuse.errors import GeometryError, InputError
from radfuse.io.archives import unpacked
from radfuse.io.staging import staging
from radfuse.io.volumes import volume_suffix
from radfuse.modality import CT
from radfuse.pipeline.read import read
from radfuse.series import Series
from radfuse.service.jobs.containment import run_contained
from radfuse.service.routes.dependencies import hiding
from radfuse.service.stores.rle import Grid, grid_of, image_of, runs_of
from radfuse.service.stores.rle import unpacked as mask_of_slice
from radfuse.service.stores.structure_store import (
    Draft,
    Drawing,
    Drawings,
    Summary,
    UnknownStructureError,
    hexadecimal,
)
from radfuse.service.stores.studies import Study
from radfuse.service.stores.view_volumes import oriented, oriented_like
from radfuse.structures.files import STRUCTURE_LIST, write_label_map, write_masks
from radfuse.structures.label_maps import (
    Structure,
    read_label_map,
    read_structure_list,
    structure_list_path,
)

EXPORTS = "exports"
"""Of a study's folder."""

EXPORT_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}\.(dcm|nii\.gz|json|zip)")
"""What an exported file may be called."""

LONGEST_STUDY_NAME = 40
"""Characters of a study's name that go into the names of its files."""

SOURCE = "drawn on CT, MR and fused image"
"""Said in a structure set."""

Format = Literal["rtstruct", "nifti"]


class Export(BaseModel):
    """What was written."""

    model_config = ConfigDict(frozen=True)

    name: str
    """Of the file to fetch."""

    files: tuple[str, ...]
    """All that belong to it, the first included."""

    notes: tuple[str, ...]
    structures: tuple[Summary, ...]


class Import(BaseModel):
    """What was read in."""

    model_config = ConfigDict(frozen=True)

    structures: tuple[Summary, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Read:
    """The structures of a file, on the page's grid."""

    drafts: tuple[Draft, ...]
    notes: tuple[str, ...]
    named: bool = True
    """Whether the file itself says what they are called."""


def export(drawings: Drawings, study: Study, folder: Path, form: Format) -> Export:
    """Write the structures of a study into the folder of its exports.

    Raises `InputError` where there is nothing to write, where the CT cannot be read any more or is
    not from DICOM and shall have a structure set; `GeometryError` where it is another CT by now.
    """
    readable, broken = drawings.all(study.id)
    notes = [f"left out: {one.problem}" for one in broken]
    if form == "nifti":
        notes += [f"'{one.name}' is empty and was left out" for one in readable if not one.runs]
        readable = [one for one in readable if one.runs]
    if not readable:
        raise InputError("there is nothing to export; draw a structure first")
    files, notes = run_contained(
        _contained_write, study, folder / EXPORTS, form, readable, notes, path=study.ct
    )
    structures = tuple(one.summary() for one in readable)
    return Export(name=files[0], files=files, notes=tuple(notes), structures=structures)


def _contained_write(
    study: Study, folder: Path, form: Format, drawings: Sequence[Drawing], notes: list[str]
) -> tuple[tuple[str, ...], list[str]]:
    """Read the study's CT and write the files; their names and de-identified notes."""
    with hiding(study.ct):
        ct = read(study.ct, CT, series_uid=study.recipe.ct_series)
        _check_same(ct, drawings[0].grid)
        notes = [*notes, *ct.notes]
        write = _write_set if form == "rtstruct" else _write_nifti
        files = write(folder, _stem(study.name), ct, drawings, notes)
    hidden = identifiers_below(study.ct)
    return files, [hidden.hide(note, [study.ct]) for note in notes]


def exported(folder: Path, name: str) -> Path:
    """An exported file; raises `UnknownStructureError` where there is none."""
    path = folder / EXPORTS / name
    if not EXPORT_NAME.fullmatch(name) or path.is_symlink() or not path.is_file():
        raise UnknownStructureError("no such exported file; export the structures first")
    return path


def import_file(drawings: Drawings, study: Study, path: Path, name: str | None) -> Import:
    """Add the structures of an RT Structure Set, a label map, a mask, or an archive with one.

    `name` is for a mask that brings none, and is cut to what DICOM holds. Raises `InputError`, and
    nothing is added, for files that cannot be read and for structures of another grid, frame of
    reference or patient.
    """
    found = run_contained(_contained_read, study, path, drawings.grid(study.id), path=path)
    drafts = found.drafts
    if name is not None and len(drafts) == 1 and not found.named:
        drafts = (drafts[0].model_copy(update={"name": name[:MAX_NAME_LENGTH]}),)
    added = drawings.add(study.id, drafts, rename=True)
    return Import(structures=tuple(one.summary() for one in added), notes=found.notes)


def _contained_read(study: Study, path: Path, grid: Grid) -> _Read:
    """The structures of a file or archive on the study's CT; notes and errors are de-identified."""
    with hiding(study.ct, path), unpacked(path) as place:
        ct = read(study.ct, CT, series_uid=study.recipe.ct_series)
        _check_same(ct, grid)
        found = _read(place, ct)
        if not found.drafts:
            raise InputError(f"{path}: no structure is in it")
        hidden = identifiers_below(study.ct, path)
        notes = tuple(hidden.hide(note, [path, place]) for note in found.notes)
        return replace(found, notes=notes)


def _check_same(ct: Series, grid: Grid) -> None:
    empty = sitk.Image(ct.image.GetSize(), sitk.sitkUInt8)
    empty.CopyInformation(ct.image)
    if not (ct.is_volume and grid_of(oriented(empty)).fits(grid)):
        raise GeometryError(
            f"{ct.source}: not the CT that was drawn on, its grid is another; put the files back, "
            "or prepare the study again"
        )


def _stem(name: str) -> str:
    """A study's name as a file's."""
    word = re.sub(r"[^A-Za-z0-9-]+", "_", name).strip("_-")[:LONGEST_STUDY_NAME]
    return word or "study"


def _structures(drawings: Iterable[Drawing], ct: Series) -> Iterator[Structure]:
    """Masks on the CT's own grid, one after the other."""
    for drawing in drawings:
        mask = oriented_like(image_of(drawing.runs, drawing.grid), ct.image)
        mask.CopyInformation(ct.image)
        yield Structure(drawing.name, mask, drawing.rgb)


def _write_set(
    folder: Path, stem: str, ct: Series, drawings: Sequence[Drawing], _: Sequence[str]
) -> tuple[str, ...]:
    if not ct.headers:
        raise InputError(
            f"{ct.source}: no DICOM, so a structure set has no slices to refer to; export NIfTI"
        )
    name = f"{stem}_RTSTRUCT.dcm"
    with staging(folder) as stage:
        write_structure_set(stage.path_of(Path(name)), ct, _structures(drawings, ct), source=SOURCE)
    return (name,)


def _write_nifti(
    folder: Path, stem: str, ct: Series, drawings: Sequence[Drawing], notes: list[str]
) -> tuple[str, ...]:
    """A label map and its names; where structures overlap an archive of masks."""
    if not _overlap(drawings):
        path = folder / f"{stem}_structures.nii.gz"
        write_label_map(path, _structures(drawings, ct), notes)
        return path.name, structure_list_path(path).name
    notes.append("structures overlap: the archive has one mask a structure")
    name = f"{stem}_masks.zip"
    with staging(folder) as stage, tempfile.TemporaryDirectory(dir=stage.folder) as aside:
        masks = Path(aside) / "masks"
        write_masks(masks, _structures(drawings, ct), notes)
        with zipfile.ZipFile(stage.path_of(Path(name)), "w") as archive:
            for path in sorted(masks.iterdir()):
                archive.write(path, path.name)
    return (name,)


def _overlap(drawings: Sequence[Drawing]) -> bool:
    """Whether a voxel belongs to several structures."""
    columns, rows, slices = drawings[0].grid.size
    for index in map(str, range(slices)):
        drawn = [one.runs[index] for one in drawings if index in one.runs]
        masks = [mask_of_slice(flat, (rows, columns)) for flat in drawn]
        if len(masks) > 1 and (np.sum(masks, axis=0) > 1).any():
            return True
    return False


def _read(place: Path, ct: Series) -> _Read:
    """What a file or an unpacked archive holds."""
    if place.is_file():
        return _read_volume(place, ct) if volume_suffix(place) else _read_set(place, ct)
    files = [path for path in sorted(place.rglob("*")) if path.is_file()]
    if lists := [path for path in files if path.name == STRUCTURE_LIST]:
        return _read_masks(lists[0], ct)
    names = [path for path in files if path.suffix == ".json"]
    others = [path for path in files if path not in names]
    if len(others) != 1 or len(names) > 1:
        raise InputError(
            f"{place}: {len(others)} files; give one RTSTRUCT, label map or mask, or an archive "
            f"with {STRUCTURE_LIST} as the page exports it"
        )
    if not names:
        return _read(others[0], ct)
    with tempfile.TemporaryDirectory() as folder:
        beside = Path(folder) / others[0].name
        shutil.copyfile(others[0], beside)
        shutil.copyfile(names[0], structure_list_path(beside))
        return _read_volume(beside, ct)


def _read_volume(path: Path, ct: Series) -> _Read:
    found = read_label_map(path, ct.image, None)
    named = structure_list_path(path).is_file()
    return _Read(tuple(map(_draft, found.structures())), found.notes, named)


def _read_masks(names: Path, ct: Series) -> _Read:
    """A folder of masks with their list."""
    drafts = []
    for entry in read_structure_list(names).structures:
        file = entry.file or ""
        if Path(file).name != file or not (names.parent / file).is_file():
            raise InputError(f"{names}: no mask '{file}' of '{entry.name}' beside it")
        found = read_label_map(names.parent / file, ct.image, {entry.label: entry.name})
        (structure,) = found.structures()
        colour = entry.colour or structure.colour
        drafts.append(_draft(Structure(structure.name, structure.mask, colour)))
    return _Read(tuple(drafts), ())


def _read_set(path: Path, ct: Series) -> _Read:
    if not ct.headers:
        raise InputError(
            f"{ct.source}: no DICOM, so no structure set can be drawn on it; import a label map"
        )
    raw, own = parse_structure_set(path), ct.frame_of_reference_uid
    if raw.patient_id and ct.patient and raw.patient_id != ct.patient:
        raise InputError(
            f"{path}: of another patient than the CT by the headers' PatientID; if they are one "
            "person, make a label map by `radfuse contour read --accept-patients` and import that"
        )
    for roi in raw.rois:
        if own and roi.frame_of_reference_uid not in ("", own):
            raise GeometryError(
                f"{path}: '{roi.name}' is drawn in another frame of reference than the CT's, "
                "on the MR maybe; move it with `radfuse contour transfer` and import the result"
            )
    drawn = read_structure_set(path, ct)
    return _Read(tuple(map(_draft, drawn.structures())), drawn.notes)


def _draft(structure: Structure) -> Draft:
    """A structure on the CT's own grid, as it is drawn on the page's."""
    turned = oriented(structure.mask)
    mask = sitk.GetArrayViewFromImage(turned)
    slices = {int(at): mask[at] > 0 for at in np.flatnonzero(mask.any(axis=(1, 2)))}
    return Draft(name=structure.name, colour=hexadecimal(structure.colour), runs=runs_of(slices))
