"""Import and export of a study's structures: RT Structure Set, label map, masks."""

import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
import SimpleITK as sitk

from radfuse.arrays import filled_on
from radfuse.dicom.rtstruct.parse import parse_structure_set
from radfuse.dicom.rtstruct.read import read_structure_set
from radfuse.dicom.rtstruct.write import MAX_NAME_LENGTH, write_structure_set
from radfuse.dicom.write.signoff import UNREVIEWED
from radfuse.errors import GeometryError, InputError
from radfuse.io.archives import member_names, unpacked
from radfuse.io.staging import staging
from radfuse.io.volumes import volume_suffix
from radfuse.jobs.containment import run_contained
from radfuse.modality import CT, MR
from radfuse.series import Series
from radfuse.service.jobs.client_files import client_path, read_source
from radfuse.service.models import FrozenModel
from radfuse.service.stores.rle import VoxelGrid, decode_image, decode_slice, encode_slices, grid_of
from radfuse.service.stores.structure_store import (
    StructureStore,
    UnknownStructureError,
    hexadecimal,
)
from radfuse.service.stores.studies import Study
from radfuse.service.stores.view_volumes import to_axes_of, to_lps
from radfuse.service.structures.models import NewStructure, StoredStructure, StructureSummary
from radfuse.service.structures.on_mr import RegisteredMr, structures_on
from radfuse.structures.files import STRUCTURE_LIST, write_label_map, write_masks
from radfuse.structures.label_maps import (
    Structure,
    read_label_map,
    read_structure_list,
    structure_list_path,
)

EXPORTS = "exports"
"""Folder of exported files in a study's folder."""

EXPORT_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}\.(dcm|nii\.gz|json|zip)")
"""Names of exported files."""

MAX_STUDY_NAME_LENGTH = 40
"""Characters of a study's name in the names of its files."""

SOURCE = "drawn on CT, MR and fused image"
"""Description in a structure set."""

SOURCE_OF_MR = "transferred from CT to MR"
"""That of one on the MR."""

Format = Literal["rtstruct", "nifti"]


class ExportResult(FrozenModel):
    """Exported files."""

    name: str
    """Name of the file to download."""

    files: tuple[str, ...]
    """Names of all files, the first included."""

    notes: tuple[str, ...]
    structures: tuple[StructureSummary, ...]


class ImportResult(FrozenModel):
    """Imported structures."""

    structures: tuple[StructureSummary, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _ReadStructures:
    """Structures of a file, on the viewer's grid."""

    structures: tuple[NewStructure, ...]
    notes: tuple[str, ...]
    named: bool = True
    """Whether the file has names of its structures."""


def export(
    store: StructureStore,
    study: Study,
    folder: Path,
    form: Format,
    *,
    smooth: bool = False,
    mr: RegisteredMr | None = None,
) -> ExportResult:
    """Write the structures of a study into its folder of exports.

    `smooth` is for the contours of a structure set, see `smooth_contour`. With `mr` the structure
    set references the slices of the MR. Raises `InputError` if there are no structures, if the
    image cannot be read or, for a structure set, is not from DICOM; `GeometryError` if it is
    another one now.
    """
    readable, unreadable = store.all(study.id)
    notes = [f"left out: {one.problem}" for one in unreadable]
    empty = [one.name for one in readable if not one.runs]
    if form == "rtstruct":
        notes += [f"'{name}' is empty and has no contours" for name in empty]
    elif mr:
        raise InputError("NIfTI is written on the CT's grid only; write RTSTRUCT on the MR")
    else:
        notes += [f"'{name}' is empty and was left out" for name in empty]
        readable = [one for one in readable if one.runs]
    if not readable:
        raise InputError("there is nothing to export; draw a structure first")
    common = study, folder / EXPORTS, smooth, readable, notes
    if mr:
        files, notes = run_contained(_contained_write_on_mr, *common, mr, path=study.mr)
    else:
        files, notes = run_contained(_contained_write, *common, form, path=study.ct)
    structures = tuple(one.summary() for one in readable)
    return ExportResult(name=files[0], files=files, notes=tuple(notes), structures=structures)


def _contained_write(
    study: Study,
    folder: Path,
    smooth: bool,
    stored: Sequence[StoredStructure],
    notes: list[str],
    form: Format,
) -> tuple[tuple[str, ...], list[str]]:
    """Read the study's CT and write the files; returns their names and notes."""
    ct = _read_ct(study)
    _check_same(ct, stored[0].grid)
    notes = [*notes, *ct.notes]
    path = folder / _stem(study.name)
    if form == "rtstruct":
        file = path.with_name(f"{path.name}_RTSTRUCT.dcm")
        _write_set(file, ct, _on_ct(stored, ct), registration_sentence(study), smooth=smooth)
        return (file.name,), notes
    return _write_nifti(path, ct, stored, notes), notes


def _contained_write_on_mr(
    study: Study,
    folder: Path,
    smooth: bool,
    stored: Sequence[StoredStructure],
    notes: list[str],
    registered: RegisteredMr,
) -> tuple[tuple[str, ...], list[str]]:
    """Read the study's MR and write a structure set on it; returns its name and notes."""
    mr = read_source(study.mr, MR, series_uid=study.recipe.mr_series, check_units=False)
    _check_same(mr, registered.grid)
    notes = [*notes, *mr.notes, *registered.notes]
    structures = list(structures_on(stored, mr.image, registered, notes))
    if not structures:
        raise InputError("no structure is inside the MR; write RTSTRUCT on the CT")
    path = folder / f"{_stem(study.name)}_RTSTRUCT_MR.dcm"
    _write_set(
        path, mr, structures, registration_sentence(study), smooth=smooth, source=SOURCE_OF_MR
    )
    return (path.name,), notes


def registration_sentence(study: Study) -> str:
    """Registration of the displayed result and its review state, as in its DICOM objects."""
    if study.outcome is None:
        return "Drawn before a registration."
    review = study.signoff.sentence() if study.signoff else UNREVIEWED
    return f"Registration {study.outcome.registration_id} {review}; {study.outcome.quality}."


def exported_path(folder: Path, name: str) -> Path:
    """An exported file; raises `UnknownStructureError` if there is none."""
    path = folder / EXPORTS / name
    if not EXPORT_NAME.fullmatch(name) or path.is_symlink() or not path.is_file():
        raise UnknownStructureError("no such exported file; export the structures first")
    return path


def import_file(store: StructureStore, study: Study, path: Path, name: str | None) -> ImportResult:
    """Add the structures of an RT Structure Set, a label map, a mask, or an archive with one.

    `name` is for a mask without a name, and is truncated to the length of an ROI name. Adds nothing
    and raises `InputError` for files that cannot be read and for structures of another grid, frame
    of reference or patient.
    """
    contents = run_contained(_contained_read, study, path, store.grid(study.id), path=path)
    new = contents.structures
    if name is not None and len(new) == 1 and not contents.named:
        new = (new[0].model_copy(update={"name": name[:MAX_NAME_LENGTH]}),)
    added = store.add(study.id, new, rename=True)
    return ImportResult(structures=tuple(one.summary() for one in added), notes=contents.notes)


def _contained_read(study: Study, path: Path, grid: VoxelGrid) -> _ReadStructures:
    """The structures of a file or archive on the study's CT."""
    ct = _read_ct(study)
    _check_same(ct, grid)
    with client_path(path) as file, unpacked(file, numbered=True) as inner:
        archive = file.absolute()
        with client_path(inner.absolute()) as source:
            contents = _read(source, ct, _members(archive, source))
        if not contents.structures:
            raise InputError(f"{file}: the file has no structures")
        return contents


def _read_ct(study: Study) -> Series:
    return read_source(study.ct, CT, series_uid=study.recipe.ct_series, check_units=False)


def _check_same(series: Series, grid: VoxelGrid) -> None:
    if not (series.is_volume and grid_of(to_lps(filled_on(series.image, 0))).fits(grid)):
        raise GeometryError(
            f"{series.source}: not the {series.modality.code} that the structures were drawn on, "
            "its grid is different; restore the files, or prepare the study again"
        )


def _stem(name: str) -> str:
    """A study's name as part of a file name."""
    word = re.sub(r"[^A-Za-z0-9-]+", "_", name).strip("_-")[:MAX_STUDY_NAME_LENGTH]
    return word or "study"


def _on_ct(stored: Iterable[StoredStructure], ct: Series) -> Iterator[Structure]:
    """Structures on the CT's own grid, one after the other."""
    for structure in stored:
        mask = to_axes_of(decode_image(structure.runs, structure.grid), ct.image)
        mask.CopyInformation(ct.image)
        yield Structure(structure.name, mask, structure.rgb, structure.steps)


def _write_set(
    path: Path,
    series: Series,
    structures: Iterable[Structure],
    registration: str,
    *,
    smooth: bool,
    source: str = SOURCE,
) -> None:
    if not series.headers:
        raise InputError(
            f"{series.source}: not DICOM, so a structure set cannot reference its slices; export "
            "NIfTI"
        )
    with staging(path.parent) as stage:
        write_structure_set(
            stage.path_of(path),
            series,
            structures,
            smooth=smooth,
            source=source,
            registration=registration,
        )


def _write_nifti(
    path: Path, ct: Series, stored: Sequence[StoredStructure], notes: list[str]
) -> tuple[str, ...]:
    """A label map with its list of names, or an archive of masks if structures overlap."""
    if not _overlap(stored):
        labels = path.with_name(f"{path.name}_structures.nii.gz")
        write_label_map(labels, _on_ct(stored, ct), notes)
        return labels.name, structure_list_path(labels).name
    notes.append("structures overlap: the archive has one mask per structure")
    name = f"{path.name}_masks.zip"
    with staging(path.parent) as stage, tempfile.TemporaryDirectory(dir=stage.folder) as temporary:
        masks = Path(temporary) / "masks"
        write_masks(masks, _on_ct(stored, ct), notes)
        with zipfile.ZipFile(stage.path_of(Path(name)), "w") as archive:
            for mask in sorted(masks.iterdir()):
                archive.write(mask, mask.name)
    return (name,)


def _overlap(stored: Sequence[StoredStructure]) -> bool:
    """Whether a voxel belongs to several structures."""
    columns, rows, count = stored[0].grid.size
    for index in map(str, range(count)):
        slices = [one.runs[index] for one in stored if index in one.runs]
        masks = [decode_slice(runs, (rows, columns)) for runs in slices]
        if len(masks) > 1 and (np.sum(masks, axis=0) > 1).any():
            return True
    return False


def _members(path: Path, source: Path) -> dict[PurePosixPath, Path]:
    """The files of a folder, or of an archive that is unpacked under generated names."""
    if path.is_dir():
        files = [file for file in sorted(source.rglob("*")) if file.is_file()]
        return {PurePosixPath(file.relative_to(source)): file for file in files}
    names = member_names(path) if source.is_dir() else {}
    return {name: source / generated for name, generated in names.items()}


def _read(source: Path, ct: Series, members: Mapping[PurePosixPath, Path]) -> _ReadStructures:
    """The structures of a file, or of one with the members of a folder or archive."""
    if source.is_file():
        return _read_volume(source, ct) if volume_suffix(source) else _read_set(source, ct)
    if lists := [name for name in members if name.name == STRUCTURE_LIST]:
        return _read_masks(lists[0], members, ct)
    names = [path for path in members.values() if path.suffix == ".json"]
    others = [path for path in members.values() if path not in names]
    if len(others) != 1 or len(names) > 1:
        raise InputError(
            f"{source}: {len(others)} files; give one RTSTRUCT, label map or mask, or an archive "
            f"with {STRUCTURE_LIST} as the viewer exports it"
        )
    if not names:
        return _read(others[0], ct, {})
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / others[0].name
        shutil.copyfile(others[0], copy)
        shutil.copyfile(names[0], structure_list_path(copy))
        return _read_volume(copy, ct)


def _read_volume(path: Path, ct: Series) -> _ReadStructures:
    contents = read_label_map(path, ct.image, None)
    named = structure_list_path(path).is_file()
    return _ReadStructures(tuple(map(_in_lps, contents.structures())), contents.notes, named)


def _read_masks(
    names: PurePosixPath, members: Mapping[PurePosixPath, Path], ct: Series
) -> _ReadStructures:
    """Masks with their list; they are members of its folder."""
    structures = []
    for entry in read_structure_list(members[names]).structures:
        file = entry.file or ""
        if Path(file).name != file or names.with_name(file) not in members:
            raise InputError(
                f"{members[names]}: the mask of '{entry.name}' is missing in its folder; export "
                "the structures again"
            )
        path = members[names.with_name(file)]
        label_map = read_label_map(path, ct.image, {entry.label: entry.name})
        (structure,) = label_map.structures()
        colour = entry.colour or structure.colour
        structures.append(_in_lps(Structure(structure.name, structure.mask, colour)))
    return _ReadStructures(tuple(structures), ())


def _read_set(path: Path, ct: Series) -> _ReadStructures:
    if not ct.headers:
        raise InputError(
            f"{ct.source}: not DICOM, so it cannot have a structure set; import a label map"
        )
    raw, own = parse_structure_set(path), ct.frame_of_reference_uid
    if raw.patient.differs_from(ct.patient):
        raise InputError(
            f"{path}: the patient (PatientID, or name and date of birth) differs "
            f"from that of the CT; if both are the same patient, write "
            "a label map with `radfuse contour read --accept-patients` and import it"
        )
    for roi in raw.rois:
        if own and roi.frame_of_reference_uid not in ("", own):
            raise GeometryError(
                f"{path}: '{roi.name}' has another frame of reference than the CT, possibly "
                "that of the MR; transform it with `radfuse contour transfer` and import the result"
            )
    contents = read_structure_set(path, ct)
    return _ReadStructures(tuple(map(_in_lps, contents.structures())), contents.notes)


def _in_lps(structure: Structure) -> NewStructure:
    """A structure of the CT's own grid on the viewer's grid."""
    image = to_lps(structure.mask)
    mask = sitk.GetArrayViewFromImage(image)
    slices = {int(at): mask[at] > 0 for at in np.flatnonzero(mask.any(axis=(1, 2)))}
    return NewStructure(
        name=structure.name,
        colour=hexadecimal(structure.colour),
        runs=encode_slices(slices),
        steps=structure.steps or ("imported",),
    )
