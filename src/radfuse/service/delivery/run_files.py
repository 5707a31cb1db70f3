"""Files of a run that leave the viewer, with their names; none names the patient or a folder."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from radfuse.dicom.write.resampled import resample_mr
from radfuse.errors import InputError
from radfuse.io.volumes import write_volume
from radfuse.jobs.containment import run_contained
from radfuse.pipeline.dicom_outputs import RESAMPLED
from radfuse.pipeline.outputs import TRANSFORM, VOLUME_SUFFIXES
from radfuse.record import Record, read_record
from radfuse.registration.transforms import rigid_from_matrix
from radfuse.service.delivery.zip_stream import ZipEntry
from radfuse.service.jobs.view_files import FUSED, VIEW, View
from radfuse.service.models import FrozenModel
from radfuse.service.stores.results import RESULT, read_outcome, run_folder
from radfuse.service.stores.shown_files import UnknownStudyError
from radfuse.service.stores.view_volumes import ORIENTATION, read_view_volume

NO_DICOM = "the result is not DICOM, as its CT and MR are not; download it as NIfTI"
"""Why there is no series."""

SHOWN_DIGITS = 8
"""Digits of a run's name in names of files."""


class SeriesSummary(FrozenModel):
    """A DICOM series of a result."""

    name: str
    """Name of its folder, such as MR_on_CT."""

    role: str
    objects: int


def record_of(folder: Path, run: str) -> tuple[Path, Record]:
    """The record of a run in a study's folder, and its path.

    Raises `UnknownStudyError` without a result.
    """
    outcome, _ = read_outcome(run_folder(folder, run)) if run else (None, None)
    if outcome is None:
        raise UnknownStudyError(f"study {folder.name} has no result yet; fuse first")
    path = run_folder(folder, run) / outcome.record
    return path, read_record(path)


def file_name(record: Record, run: str, end: str) -> str:
    """Name of a download: method, and the first digits of the run."""
    return f"radfuse-{Path(record.recipe.method).stem}-{run[:SHOWN_DIGITS]}{end}"


def series_in(folder: Path, run: str) -> list[SeriesSummary]:
    """The DICOM series of a run; none of a result in volume files."""
    path, record = record_of(folder, run)
    folders = [(one, path.parent / one.path) for one in record.outputs]
    return [
        SeriesSummary(name=one.path, role=one.role, objects=sum(1 for _ in where.iterdir()))
        for one, where in folders
        if where.is_dir()
    ]


def dicom_entries(folder: Path, run: str) -> list[ZipEntry]:
    """All objects of a run, a folder for each series; `InputError` without any."""
    result = run_folder(folder, run) / RESULT
    entries = [
        ZipEntry.of(f"{series.name}/{path.name}", path)
        for series in series_in(folder, run)
        for path in sorted((result / series.name).iterdir())
    ]
    if not entries:
        raise InputError(NO_DICOM)
    return entries


@contextmanager
def pinned_series(folder: Path, run: str, names: Sequence[str]) -> Iterator[list[Path]]:
    """Folders with the objects of some series, which stay when the run is removed.

    Raises `InputError` for names that are not of series.
    """
    known = [one.name for one in series_in(folder, run)]
    if not known:
        raise InputError(NO_DICOM)
    if unknown := sorted(set(names) - set(known)):
        raise InputError(f"no series {unknown[0][:100]!r}; the series are {', '.join(known)}")
    with tempfile.TemporaryDirectory(prefix="radfuse-send-") as pinned:
        targets = [Path(pinned) / name for name in names]
        for target in targets:
            target.mkdir()
            for path in (run_folder(folder, run) / RESULT / target.name).iterdir():
                _link_or_copy(path, target / path.name)
        yield targets


def write_nifti(folder: Path, run: str, view: View, target: Path) -> list[ZipEntry]:
    """Write fused image and MR, both on the CT's grid, with transform and record into a folder.

    Raises `InputError` where the volumes of the viewer are damaged.
    """
    path, record = record_of(folder, run)
    stem = f"space-CT_desc-{Path(record.recipe.method).stem}"
    transform = next(one for one in path.parent.iterdir() if one.name.endswith(TRANSFORM))
    shutil.copyfile(transform, target / TRANSFORM)
    shutil.copyfile(path, target / "record.json")
    given = [one for one in record.outputs if one.role == "fused"]
    if given and given[0].path.endswith(VOLUME_SUFFIXES):
        suffix = next(end for end in VOLUME_SUFFIXES if given[0].path.endswith(end))
        shutil.copyfile(path.parent / given[0].path, target / f"{stem}_fused{suffix}")
        fused_name = None
    else:
        fused_name = f"{stem}_fused.nii.gz"
    run_contained(_write_volumes, folder, run, view, target, fused_name, path=target)
    return [ZipEntry.of(one.name, one) for one in sorted(target.iterdir())]


def _write_volumes(
    folder: Path, run: str, view: View, target: Path, fused_name: str | None
) -> None:
    """The MR, and the fused image where it gets a name, with the axes of the CT."""
    order = view.preview.order if view.preview else ORIENTATION
    fused = sitk.DICOMOrient(read_view_volume(run_folder(folder, run) / VIEW / FUSED), order)
    if fused_name:
        write_volume(target / fused_name, fused)
    mr = sitk.Cast(read_view_volume(folder / VIEW / "mr.nii"), sitk.sitkFloat32) * view.mr.step
    mr_from_ct = rigid_from_matrix(np.array(view.mr_from_ct), name="mr_from_ct")
    write_volume(target / f"{RESAMPLED}.nii.gz", resample_mr(mr, fused, mr_from_ct))


def _link_or_copy(path: Path, target: Path) -> None:
    """A second name of a file; a copy where the disk is another one."""
    try:
        os.link(path, target)
    except OSError:
        shutil.copyfile(path, target)
