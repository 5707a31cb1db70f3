"""Create de-identified copies of the DICOM files in a folder, with unchanged pixels."""

import logging
import warnings
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset
from pydicom.uid import MediaStorageDirectoryStorage

from radfuse.dicom.deidentify.headers import deidentify_dataset
from radfuse.dicom.read.safe_read import is_dicom, open_dataset
from radfuse.dicom.read.scan import list_files
from radfuse.dicom.write.encoding import file_bytes
from radfuse.errors import InputError, NoImageError
from radfuse.io.staging import refuse_nonempty, refuse_overlap, staging
from radfuse.progress import ProgressCallback, no_progress

LOG = logging.getLogger(__name__)

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
"""Root of the SOP classes of secondary captures."""

PIXELS_WARNING = (
    "pixels are not changed: check them for burned-in names, and consider that a face can be "
    "rendered from a head"
)
"""The limits of a de-identification of headers."""


@dataclass(frozen=True)
class DeidentifiedFiles:
    """The written copies."""

    folder: Path
    files: tuple[Path, ...]
    skipped: int
    """Files that are not DICOM objects."""


def deidentify_folder(
    source: Path,
    folder: Path,
    key: bytes,
    *,
    accept_burned_in: bool = False,
    report: ProgressCallback = no_progress,
) -> DeidentifiedFiles:
    """Copy all DICOM files at or below a path, de-identified, into a new folder.

    Each series has a subfolder; file names are numbers. Transfer syntax and pixel data are those
    of the source, byte for byte.

    Raises
    ------
    InputError
        A file is damaged, is an encapsulated document, or may have a name burned into its pixels
        and this is not accepted. Nothing is written.
    NoImageError
        There is no DICOM file.
    OutputError
        The folder already has files, is inside the source, or cannot be written to.
    """
    _check_folder(source, folder)
    try:
        candidates = list_files(source) if source.is_dir() else [source]
        files = [file for file in candidates if is_dicom(file)]
        copied: list[Path] = []
        series: dict[str, int] = {}
        with staging(folder.parent) as stage:
            draft = stage.path_of(folder)
            draft.mkdir()
            for done, file in enumerate(files):
                report("de-identifying", done / len(files))
                dataset = _cleaned(file, key, accept_burned_in=accept_burned_in)
                if dataset is None:
                    continue
                uid = str(dataset.get("SeriesInstanceUID", ""))
                series[uid] = series.get(uid, 0) + 1
                copy = Path(f"series{list(series).index(uid) + 1:02d}", f"{series[uid]:04d}.dcm")
                (draft / copy).parent.mkdir(exist_ok=True)
                (draft / copy).write_bytes(_copy_bytes(dataset, file))
                copied.append(copy)
            if not copied:
                raise NoImageError(f"{source}: no DICOM files; give another file or folder")
    except PermissionError as error:
        raise InputError(f"{error.filename}: no permission to read") from error
    LOG.info("files de-identified", extra={"files": len(copied), "series": len(series)})
    paths = tuple(folder / copy for copy in copied)
    return DeidentifiedFiles(folder, paths, len(candidates) - len(copied))


def _check_folder(source: Path, folder: Path) -> None:
    if not source.exists():
        raise InputError(f"{source}: no such file or folder")
    refuse_overlap([folder], [source])
    refuse_nonempty(folder)


def _cleaned(file: Path, key: bytes, *, accept_burned_in: bool) -> Dataset | None:
    """The de-identified object of a file; None for a DICOMDIR, which lists names and old files."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about values, which they quote
            dataset = open_dataset(file, pixels=True)
            if dataset.file_meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage:
                return None
            _check_object(dataset, file, accept_burned_in=accept_burned_in)
            deidentify_dataset(dataset, key)
    except (InputError, PermissionError):
        raise
    except Exception as error:  # pydicom raises any type for a damaged file
        raise InputError(f"{file}: damaged, cannot be read; move it away") from error
    return dataset


def _check_object(dataset: Dataset, file: Path, *, accept_burned_in: bool) -> None:
    """Refuse objects that may identify the patient outside the header."""
    if "EncapsulatedDocument" in dataset or "ContentSequence" in dataset:
        raise InputError(
            f"{file}: a document or report, whose text may name the patient; move it away"
        )
    burned_in = dataset.get("BurnedInAnnotation") == "YES"
    captured = str(dataset.get("SOPClassUID", "")).startswith(SECONDARY_CAPTURE)
    if (burned_in or captured) and not accept_burned_in:
        what = "BurnedInAnnotation is YES" if burned_in else "a secondary capture"
        raise InputError(
            f"{file}: {what}: the patient's name may be in the image; check it, then move "
            "it away or pass --accept-burned-in"
        )


def _copy_bytes(dataset: Dataset, file: Path) -> bytes:
    """The bytes of the copy, in the transfer syntax of the source."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return file_bytes(dataset, dataset.file_meta.TransferSyntaxUID)
    except Exception as error:  # values or file meta information that cannot be written
        raise InputError(f"{file}: damaged, cannot be written again; move it away") from error
