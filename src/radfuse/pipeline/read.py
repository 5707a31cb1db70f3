"""Read a series from a DICOM folder, archive, volume file or 2-D image."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import SimpleITK as sitk
from pydicom import Dataset

from radfuse.dicom.read.derived import common_derivation
from radfuse.dicom.read.grouping import choose_volume
from radfuse.dicom.read.pixels import header_notes
from radfuse.dicom.read.safe_read import is_dicom
from radfuse.dicom.read.scan import list_files, scan_folder
from radfuse.dicom.read.volume import read_dicom_volume
from radfuse.dicom.uids import is_valid_uid
from radfuse.errors import GeometryError, InputError, NoImageError
from radfuse.io.archives import is_archive, unpacked
from radfuse.io.images import read_image, read_levels
from radfuse.io.volume_checks import check_values, checked_volume
from radfuse.io.volume_headers import voxel_files
from radfuse.io.volumes import SUFFIXES, format_problem, read_volume, volume_suffix
from radfuse.modality import CT, Modality, modality_named
from radfuse.pipeline.hounsfield import MIN_VOXELS, in_hounsfield_units, is_ct
from radfuse.recipe import Recipe
from radfuse.series import Series

LOG = logging.getLogger(__name__)

IMAGE_MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"II*\0", b"MM\0*")
"""First bytes of PNG, JPEG and TIFF files."""


FUSED_PROBLEM = "an image fused by radfuse; give the CT and the MR that it was made from"
"""Why an image cannot be fused again."""


def read(
    path: Path | str,
    modality: Modality | str,
    *,
    series_uid: str | None = None,
    ct_scale: float | None = None,
    ct_offset: float | None = None,
    check_units: bool = True,
    numbered: bool = False,
) -> Series:
    """Read a series of a modality.

    Parameters
    ----------
    path
        A folder or archive (zip, tar, tar.gz) is searched for DICOM slices, subfolders included; a
        file is multi-frame DICOM, also in gzip, a DICOMDIR, a NIfTI, NRRD or MetaImage volume or a
        PNG, JPEG or TIFF image.
    modality
        Its DICOM code, "CT", "MR", "PT" or "NM", or a `Modality`.
    series_uid
        The SeriesInstanceUID where the folder has several series of the modality; with `#2`
        appended, the second volume of a mixed series.
    ct_scale, ct_offset
        Factor, and what is added after it, that bring CT values to HU.
    check_units
        Whether a CT must be in HU, and another volume no CT.
    numbered
        Whether messages name the files of an archive by number.

    Returns
    -------
    The values in HU, Bq/ml, SUV or counts, of an MR in arbitrary units; 2-D images in [0, 1].

    Raises
    ------
    NoImageError
        For a folder without such a series.
    GeometryError
        For slices that are missing, irregular or skewed.
    InputError
        For files that cannot be read, several series without a UID, values in other units.

    Examples
    --------
    >>> import radfuse
    >>> ct_folder, mr_folder = radfuse.datasets.phantom_dicom("patient", spacing_mm=6.0)
    >>> ct = radfuse.read(ct_folder, "CT")
    >>> ct.array.shape, ct.modality.unit, len(ct.headers)
    ((29, 41, 35), 'HU', 29)
    """
    path = Path(path)
    modality = modality_named(modality) if isinstance(modality, str) else modality
    with _opened(path, numbered=numbered) as inner:
        if inner == path:
            series = _read(path, modality, series_uid)
        else:
            series = _read_archive(path, inner, modality, series_uid)
    if series.is_volume and check_units:
        if modality is CT:
            series = in_hounsfield_units(series, ct_scale, ct_offset)
        else:
            _check_not_ct(series)
    LOG.info(
        "series read",
        extra={"modality": modality, "size": series.image.GetSize(), "notes": len(series.notes)},
    )
    return series


@contextmanager
def _opened(path: Path, *, numbered: bool = False) -> Iterator[Path]:
    """A path, or the folder that its archive is unpacked into, see `unpacked`."""
    try:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
        with unpacked(path, numbered=numbered) as inner:
            yield inner
    except PermissionError as error:
        raise InputError(f"{error.filename}: no permission to read") from error


def modalities_in(path: Path) -> frozenset[str] | None:
    """DICOM codes of the images of a folder, archive or file; None of a file without headers."""
    with _opened(path) as inner:
        if not inner.is_dir() and not is_dicom(inner):
            return None
        return frozenset(one.modality for one in scan_folder(inner).series if one.is_image)


def series_in(path: Path, modality: Modality) -> frozenset[str]:
    """UIDs of the series of a modality in a folder, archive or file; none without headers."""
    with _opened(path) as inner:
        if not inner.is_dir() and not is_dicom(inner):
            return frozenset()
        found = scan_folder(inner).series
        return frozenset(one.uid for one in found if one.is_image and one.modality == modality.code)


def read_by_recipe(path: Path | str, modality: Modality, recipe: Recipe) -> Series:
    """Read a series that the recipe chooses, a CT with its scale and offset; errors of `read`."""
    if modality is CT:
        return read(path, modality, **recipe.ct_reading)
    return read(path, modality, series_uid=recipe.series_uid(modality))


@contextmanager
def naming_pet_ct() -> Iterator[None]:
    """Errors of reading the CT of a PET name its option, not that of the CT."""
    try:
        yield
    except InputError as error:
        raise type(error)(str(error).replace("--ct-series", "--pet-ct-series")) from error


def read_pet_ct(source: Series | Path | str, recipe: Recipe) -> Series:
    """Read the CT of a PET's scanner, which the recipe chooses; errors of `read`.

    Raises `InputError` for a series of another modality.
    """
    if isinstance(source, Series):
        return of_modality(source, CT)
    with naming_pet_ct():
        return read(source, CT, series_uid=recipe.pet_ct_series)


def of_modality(series: Series, modality: Modality) -> Series:
    """The series; raises `InputError` for one of another modality."""
    if series.modality is not modality:
        raise InputError(
            f"{series.source}: a series of {series.modality} is given as {modality}; give the "
            f"{modality}"
        )
    return series


def _read(path: Path, modality: Modality, series_uid: str | None) -> Series:
    if path.is_dir() or is_dicom(path):
        return _read_dicom(path, modality, series_uid)
    return _read_file(path, modality)


def _read_archive(
    archive: Path, folder: Path, modality: Modality, series_uid: str | None
) -> Series:
    """The series of an archive, unpacked into a folder; messages name the archive."""
    try:
        series = _read_dicom(folder, modality, series_uid)
    except InputError as error:
        raise type(error)(str(error).replace(str(folder), str(archive))) from error
    return replace(series, source=archive, files=(archive,))


def _read_dicom(path: Path, modality: Modality, series_uid: str | None) -> Series:
    scan = scan_folder(path)
    if path.is_file() and not scan.series and not scan.broken:
        raise NoImageError(f"{path}: a DICOM directory, not an image; give its folder")
    if not scan.series and not scan.broken:
        files = list_files(path)
        volumes = [
            file for file in files if file.name.lower().endswith(SUFFIXES) or is_archive(file)
        ]
        hint = f"; did you mean the file {volumes[0]}?" if volumes else "; give another folder"
        raise NoImageError(f"{path}: no DICOM images among {len(files)} files{hint}")
    choice = choose_volume(scan, modality, series_uid)
    image, geometry = read_dicom_volume(choice.volume, in_16_bits=modality is CT)
    return Series(
        image=checked_volume(image, path),
        modality=modality,
        source=path,
        files=tuple(dict.fromkeys(one.path for one in geometry.slices)),
        headers=tuple(one.header for one in geometry.slices),
        regridded=geometry.regridded,
        notes=(
            *choice.notes, *geometry.notes, *header_notes(geometry.slices),
            *_uid_notes(geometry.slices[0].header),
        ),
    )  # fmt: skip


def _uid_notes(header: Dataset) -> tuple[str, ...]:
    """A note on UIDs that written objects cannot share with the series."""
    invalid = [
        keyword
        for keyword in ("StudyInstanceUID", "FrameOfReferenceUID")
        if header.get(keyword) and not is_valid_uid(str(header[keyword].value))
    ]
    if not invalid:
        return ()
    return (
        f"{' and '.join(invalid)} of the series: not a valid UID; written objects have another, so "
        "viewers do not group or overlay them with the series",
    )


def is_image_file(path: Path) -> bool:
    """Whether a file is a PNG, JPEG or TIFF, by its first bytes."""
    with path.open("rb") as stream:
        return stream.read(8).startswith(IMAGE_MAGIC)


def _read_file(path: Path, modality: Modality) -> Series:
    if path.stat().st_size == 0:
        raise InputError(f"{path}: an empty file")
    if is_image_file(path):
        levels = read_levels(path) if modality.is_colour else read_image(path)
        check_values(levels, path)
        image = sitk.GetImageFromArray(levels, isVector=levels.ndim == 3)
        return Series(image, modality, path, (path,))
    if volume_suffix(path) is not None:
        image = read_volume(path, in_16_bits=modality is CT)
        return Series(image, modality, path, voxel_files(path))
    raise InputError(f"{path}: {format_problem(path)}")


def _check_not_ct(series: Series) -> None:
    """Raise `InputError` for a volume file of low values that is a CT, or too small to tell."""
    values = sitk.GetArrayViewFromImage(series.image)
    problem = series.modality.minimum_problem(float(values.min()))
    is_known = series.headers or (values.size >= MIN_VOXELS and not is_ct(series.image))
    if problem and not is_known:
        raise InputError(
            f"{series.source}: {problem}; check that --ct and --"
            f"{series.modality.option} are not swapped"
        )


def check_pair(
    first: Series, second: Series, *, accept_patients: bool = False, show_identifiers: bool = False
) -> None:
    """Raise `InputError` for a pair, such as a CT and an MR, that cannot be fused.

    A fused image of our own, a volume with a 2-D image, 2-D images of two sizes, or two patients
    unless that is accepted. The message contains the IDs only with `show_identifiers`.
    """
    names = f"{first.modality} and {second.modality}"
    for series in (first, second):
        derivation = common_derivation(series.headers)
        if derivation and derivation.is_fused:
            raise InputError(f"{series.source}: {FUSED_PROBLEM}")
    if first.patient.differs_from(second.patient) and not accept_patients:
        ids = [first.patient.id, second.patient.id]
        which = (
            "patient IDs" if all(ids) else "patient names or dates of birth, and an ID is missing"
        )
        shown = " ({} and {})".format(*ids) if show_identifiers and all(ids) else ""
        raise InputError(
            f"{names} have different {which}{shown}; if they are one person, pass --accept-patients"
        )
    if first.is_volume != second.is_volume:
        kinds = {True: "a 3-D volume", False: "a 2-D image"}
        raise InputError(
            f"{first.modality} is {kinds[first.is_volume]}, {second.modality} is "
            f"{kinds[second.is_volume]}; give two of one kind"
        )
    if not first.is_volume and first.image.GetSize() != second.image.GetSize():
        sizes = ["x".join(map(str, series.image.GetSize())) for series in (first, second)]
        raise GeometryError(
            f"{first.modality} has {sizes[0]} and {second.modality} {sizes[1]} pixels; 2-D images "
            "must be registered before"
        )
