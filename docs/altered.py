"""The document on altered inputs: what becomes of files with faults that others reported."""

import re
import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage

from radfuse.arrays import image_on
from radfuse.dicom.uids import derive_uid
from radfuse.errors import RadfuseError
from radfuse.phantom.dicom import write_phantom
from radfuse.phantom.head import Phantom, make_phantom
from radfuse.pipeline.read import read

HEAD = """# Altered inputs, one by one

Written by `make docs`; a test compares it with the program. Each row is the synthetic phantom of
seed 7 at 3 mm with one fault that was reported for real files, and what reading it gives: the
right voxels, with the notes, or a refusal. A report has a number; rows without one are variants.

| report | input | fault | outcome |
|---|---|---|---|
"""

ELSEWHERE = """
Reports on more than the reading of one image:

| report | fault | where the outcome is |
|---|---|---|
| 10 | invalid numbers and UIDs | corrected: `tests/dicom/write/test_dicom_damaged_sources.py` |
| 16 | JPEG Extended, 12 bits | read as by DCMTK: `tests/dicom/read/test_dicom_bits.py` |
| 28 | labels stored with a slope | read as whole numbers: `tests/structures/test_label_maps.py` |
| 30, 36, 53 | slabs, defaced MR, half a head | see [registration](registration.md) |
| 39 | 600 slices of 512 x 512 | memory and time: [measurements](measured.md) |
| 45 | the only CT of a study is of a chest | refused: `tests/pipeline/test_pairing.py` |
"""

NAME = "FOLDER"
"""The input in messages."""

UID = re.compile(r"\b2\.25\.\d+(#\d+)?")
"""A UID of the phantom, which the table leaves out."""

SEED, SPACING_MM, LAST = 7, 3.0, 10
"""The phantom, and the number of slices at the head's top that are altered."""

Change = Callable[[Dataset, int], object]
"""Alters the header of the slice with an index."""


@dataclass(frozen=True)
class Altered:
    """A row: the modality of the input, the fault, and the function that writes the input."""

    modality: str
    fault: str
    make: Callable[[Phantom, Path, Path], Path]
    """Called with the phantom, its DICOM folder of that modality, and a new folder."""

    expect: Callable[[np.ndarray], np.ndarray] = lambda values: values
    """The right values, from those of the unaltered phantom (slices, rows, columns)."""

    report: str = ""
    """Number of the report that it repeats."""


def altered_document() -> str:
    """The table as Markdown."""
    phantom = make_phantom(SEED, spacing_mm=SPACING_MM)
    with TemporaryDirectory() as folder:
        ct, mr = write_phantom(phantom, Path(folder))
        plain = {"CT": read(ct, "CT").image, "MR": read(mr, "MR").image}
        rows = []
        for number, row in enumerate(ALTERED):
            source, new = {"CT": ct, "MR": mr}[row.modality], Path(folder) / f"{number}"
            new.mkdir()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # pydicom's, of the faults
                path = row.make(phantom, source, new)
            values = sitk.GetArrayFromImage(plain[row.modality])
            outcome = _outcome(path, row.modality, row.expect(values))
            rows.append(f"| {row.report} | {row.modality} | {row.fault} | {outcome} |")
    return HEAD + "\n".join(rows) + "\n" + ELSEWHERE


def _outcome(path: Path, modality: str, right: np.ndarray) -> str:
    try:
        series = read(path, modality)
    except RadfuseError as error:
        return _cell(f"refused: {error}", path)
    values = sitk.GetArrayViewFromImage(series.image)
    is_same = values.shape == right.shape and np.allclose(values, right, atol=1e-3)
    notes = "".join(f"<br>note: {note}" for note in series.notes)
    return _cell(f"{'read, right voxels' if is_same else 'READ WITH WRONG VOXELS'}{notes}", path)


def _cell(text: str, path: Path) -> str:
    """A text without temporary folders and UIDs, escaped for a table."""
    for shown, folder in (("", f"{path}/"), (NAME, str(path)), ("", f"{path.parent}/")):
        text = text.replace(folder, shown)
    return UID.sub(r"UID\1", text).replace("|", "\\|").replace("\n", "<br>")


def _slices(change: Change) -> Callable[[Phantom, Path, Path], Path]:
    """Write all slices of a series, each altered."""

    def make(_: Phantom, source: Path, new: Path) -> Path:
        paths = sorted(source.iterdir())
        for index, path in enumerate(paths):
            header = pydicom.dcmread(path)
            change(header, index - len(paths) + LAST)
            header.save_as(new / path.name)
        return new

    return make


def _top(change: Change) -> Callable[[Phantom, Path, Path], Path]:
    """Write all slices of a series, those at the top altered."""
    return _slices(lambda header, index: change(header, index) if index >= 0 else None)


def _set(**values: object) -> Change:
    """Set attributes, each to a value or to a function of the index of the slice."""

    def change(header: Dataset, index: int) -> None:
        for keyword, value in values.items():
            setattr(header, keyword, value(index) if callable(value) else value)

    return change


def _volume(values: Callable[[np.ndarray], np.ndarray]) -> Callable[[Phantom, Path, Path], Path]:
    """Write the CT as NIfTI with other values."""

    def make(phantom: Phantom, _: Path, new: Path) -> Path:
        hu = sitk.GetArrayFromImage(phantom.ct.image)
        image = image_on(phantom.ct.image, values(hu).astype(np.float32))
        sitk.WriteImage(image, str(new / "ct.nii.gz"))
        return new / "ct.nii.gz"

    return make


def _padded(hu: np.ndarray, inside: np.ndarray, padding: float) -> np.ndarray:
    """Values inside the circle of a scanner, padding outside."""
    y, x = np.indices(hu.shape[1:])
    centre, radius = np.array(hu.shape[1:]) / 2, np.array(hu.shape[1:]) / 2 - 2
    outside = ((y - centre[0]) / radius[0]) ** 2 + ((x - centre[1]) / radius[1]) ** 2 > 1
    return np.where(outside, padding, inside)


def _left_justified(header: Dataset, _: int) -> None:
    header.PixelData = (header.pixel_array.astype("<u2") << 4).tobytes()
    header.BitsStored, header.HighBit = 12, 15


def _with_overlay(header: Dataset, _: int) -> None:
    stored = header.pixel_array.astype("<u2")
    stored[5:15, 5:15] |= 0x1000
    header.PixelData = stored.tobytes()
    header.BitsStored, header.HighBit = 12, 11


def _signed_with_padding_0(header: Dataset, _: int) -> None:
    header.PixelData = (header.pixel_array.astype(np.int16) - 1024).tobytes()
    header.PixelRepresentation, header.RescaleIntercept = 1, "0"
    header.add_new("PixelPaddingValue", "SS", 0)


def _one_row_more(header: Dataset, _: int) -> None:
    header.Rows += 1
    header.PixelData += bytes(2 * header.Columns)


def _with_intercept(header: Dataset, _: int) -> None:
    stored = header.pixel_array.astype(np.int16) + 3142
    header.PixelData, header.PixelRepresentation = stored.astype("<i2").tobytes(), 1
    header.RescaleSlope, header.RescaleIntercept = "1", "-3142"


def _negative(header: Dataset, _: int) -> None:
    stored = header.pixel_array.astype("<i2")
    stored[:2, :2] = -700
    header.PixelData, header.PixelRepresentation = stored.tobytes(), 1


def _with_negative_corner(values: np.ndarray) -> np.ndarray:
    values[:, :2, :2] = -700
    return values


def _without_origin(phantom: Phantom, _: Path, new: Path) -> Path:
    path = new / "ct.nrrd"
    sitk.WriteImage(phantom.ct.image, str(path), useCompression=False)
    head, _blank, voxels = path.read_bytes().partition(b"\n\n")
    kept = [line for line in head.split(b"\n") if not line.startswith(b"space origin")]
    path.write_bytes(b"\n".join(kept) + b"\n\n" + voxels)
    return path


def _in_private_syntax(_: Phantom, source: Path, new: Path) -> Path:
    """Write big-endian pixels with GE's transfer syntax for them."""
    for path in sorted(source.iterdir()):
        header = pydicom.dcmread(path)
        header.PixelData = header.pixel_array.astype(">u2").tobytes()
        header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        header.save_as(new / path.name)
        content = (new / path.name).read_bytes()
        uid = ExplicitVRLittleEndian.encode() + b"\0"
        private = b"1.2.840.113619.5.2".ljust(len(uid), b"\0")
        (new / path.name).write_bytes(content.replace(uid, private, 1))
    return new


def _with_structure_set(_: Phantom, source: Path, new: Path) -> Path:
    """Copy a series, with a structure set of its series UID that is sorted first."""
    for path in sorted(source.iterdir()):
        shutil.copy(path, new)
    header = pydicom.dcmread(path, stop_before_pixels=True)
    header.Modality, header.SOPClassUID = "RTSTRUCT", RTStructureSetStorage
    header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.UID(
        derive_uid("structures")
    )
    header.file_meta.MediaStorageSOPClassUID = RTStructureSetStorage
    for keyword in ("Rows", "Columns", "ImagePositionPatient"):
        del header[keyword]
    header.save_as(new / "0000_first.dcm")
    return new


ALTERED = (
    Altered("CT", "spacing of 3.0002 mm in the last 10 slices",
            _top(_set(PixelSpacing=[3.0002, 3.0002])), report="51"),
    Altered("CT", "spacing of 3.2 mm in the last 10 slices", _top(_set(PixelSpacing=[3.2, 3.2])),
            report="51"),
    Altered("CT", "orientation of the last 10 slices off by 1.5e-4",
            _top(_set(ImageOrientationPatient=[1, 1.5e-4, 0, -1.5e-4, 1, 0])), report="51"),
    Altered("CT", "another frame of reference in the last 10 slices",
            _top(_set(FrameOfReferenceUID=derive_uid("another"))), report="51"),
    Altered("CT", "no frame of reference in the last 10 slices",
            _top(lambda header, _: header.pop("FrameOfReferenceUID")), report="51"),
    Altered("CT", "a frame of reference UID with a leading zero",
            _slices(_set(FrameOfReferenceUID="1.2.03"))),
    Altered("CT", "one row more in the last 10 slices", _top(_one_row_more)),
    Altered("CT", "a frame of reference per slice",
            _slices(_set(FrameOfReferenceUID=lambda index: derive_uid("frame", str(index)))),
            report="04"),
    Altered("CT", "a series UID per slice",
            _slices(_set(SeriesInstanceUID=lambda index: derive_uid("series", str(index)))),
            report="05"),
    Altered("CT", "12 bits left-justified in 16 (HighBit 15)", _slices(_left_justified),
            report="03"),
    Altered("CT", "an overlay in bit 12 of the pixels", _slices(_with_overlay), report="02"),
    Altered("CT", "signed HU with PixelPaddingValue 0", _slices(_signed_with_padding_0),
            report="14"),
    Altered("CT", "body part CHEST", _slices(_set(BodyPartExamined="CHEST")), report="45"),
    Altered("CT", "GE's private transfer syntax, big endian", _in_private_syntax, report="17"),
    Altered("CT", "a structure set with the CT's series UID, sorted first", _with_structure_set,
            report="42"),
    Altered("CT", "NIfTI of stored values, padding -2000",
            _volume(lambda hu: _padded(hu, hu + 1024, -2000)), report="24"),
    Altered("CT", "NIfTI with the intercept subtracted twice", _volume(lambda hu: hu - 1024),
            report="24"),
    Altered("CT", "NIfTI of HU / 1000, padding -1000",
            _volume(lambda hu: _padded(hu, hu / 1000, -1000)), report="24"),
    Altered("CT", "NIfTI of HU times 16", _volume(lambda hu: hu * 16), report="24"),
    Altered("CT", "NRRD without space origin", _without_origin, report="21"),
    Altered("MR", "rescale intercept -3142", _slices(_with_intercept), report="26"),
    Altered("MR", "values of -700 at the corner of each slice", _slices(_negative),
            _with_negative_corner, report="26"),
)  # fmt: skip
"""All rows."""
