"""Copy the DICOM files of a folder de-identified, their pixels untouched."""

import logging
import warnings
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import MediaStorageDirectoryStorage

from radfuse.dicom.deidentify.headers import deidentify_in_place
from radfuse.dicom.read.safe_read import is_dicom, open_dataset
from radfuse.dicom.read.scan import list_files
from radfuse.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION
from radfuse.errors import InputError, NoImageError, OutputError
from radfuse.io.staging import staging
from radfuse.progress import ProgressCallback

LOG = logging.getLogger(__name__)

PREAMBLE = bytes(128)
"""Goes before the letters DICM; programs may have hidden something in the source's."""

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
"""Begins the SOP classes of secondary captures."""

NAMED = 3
"""Files named in an error message, at most."""

PIXELS_WARNING = (
    "pixels are copied as they are: check them for burned-in names, and mind that a "
    "face can be rendered from a head"
)
"""What a de-identification of headers cannot do."""


@dataclass(frozen=True)
class Copies:
    """What was written."""

    folder: Path
    files: tuple[Path, ...]
    others: int
    """Files that were left out because they are no DICOM objects."""


def deidentify_folder(
    source: Path,
    folder: Path,
    key: bytes,
    *,
    accept_burned_in: bool = False,
    report: ProgressCallback = lambda _stage, _share: None,
) -> Copies:
    """Copy all DICOM files at a path and below, de-identified, into a new folder.

    A series gets a subfolder; names are numbers. Transfer syntax and pixel data are those of the
    source, byte for byte.

    Raises
    ------
    InputError
        A file is damaged, is an encapsulated document, or may have a name burned into its pixels
        and that is not accepted. Nothing is written then.
    NoImageError
        There is no DICOM file.
    OutputError
        The folder already has files, is inside the source, or cannot be written to.
    """
    _check_folder(source, folder)
    try:
        everything = list_files(source) if source.is_dir() else [source]
        files = [file for file in everything if is_dicom(file)]
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
                (draft / copy).write_bytes(_encoded(dataset, file))
                copied.append(copy)
            if not copied:
                raise NoImageError(f"{source}: no DICOM files; give another file or folder")
    except PermissionError as error:
        raise InputError(f"{error.filename}: no permission to read") from error
    LOG.info("files de-identified", extra={"files": len(copied), "series": len(series)})
    return Copies(folder, tuple(folder / copy for copy in copied), len(everything) - len(copied))


def _check_folder(source: Path, folder: Path) -> None:
    if not source.exists():
        raise InputError(f"{source}: no such file or folder")
    inside = source.resolve() in (folder.resolve(), *folder.resolve().parents)
    if inside or folder.resolve() in source.resolve().parents:
        raise OutputError(f"{folder} would be inside or replace {source}; give another --output")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder} exists; give another --output")


def _cleaned(file: Path, key: bytes, *, accept_burned_in: bool) -> Dataset | None:
    """The de-identified object of a file; None for a DICOMDIR, which lists names and old files."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # quote values
            dataset = open_dataset(file, pixels=True)
            if dataset.file_meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage:
                return None
            _check_object(dataset, file, accept_burned_in=accept_burned_in)
            deidentify_in_place(dataset, key)
    except (InputError, PermissionError):
        raise
    except Exception as error:  # a damaged file makes the parser raise whatever it likes
        raise InputError(f"{file}: damaged, cannot be read; move it away") from error
    return dataset


def _check_object(dataset: Dataset, file: Path, *, accept_burned_in: bool) -> None:
    """Refuse objects that may identify the patient outside the header."""
    if "EncapsulatedDocument" in dataset or "ContentSequence" in dataset:
        raise InputError(
            f"{file}: a document or report, which may name the patient anywhere in its text; "
            "move it away"
        )
    burned_in = dataset.get("BurnedInAnnotation") == "YES"
    captured = str(dataset.get("SOPClassUID", "")).startswith(SECONDARY_CAPTURE)
    if (burned_in or captured) and not accept_burned_in:
        what = "BurnedInAnnotation is YES" if burned_in else "a secondary capture"
        raise InputError(
            f"{file}: {what}: the patient's name may be in the image; check it, then move "
            "it away or pass --accept-burned-in"
        )


def _encoded(dataset: Dataset, file: Path) -> bytes:
    """The bytes of the copy, in the transfer syntax of the source."""
    buffer = BytesIO()  # a full disk then shows as what it is, not as a damaged file
    try:
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = dataset.file_meta.TransferSyntaxUID
        meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
        meta.ImplementationVersionName = IMPLEMENTATION_VERSION
        dataset.file_meta = meta
        dataset.preamble = PREAMBLE
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dcmwrite(buffer, dataset, enforce_file_format=True)
    except Exception as error:  # values or file meta information that no writer takes
        raise InputError(f"{file}: damaged, cannot be written again; move it away") from error
    return buffer.getvalue()
