"""Decode pixel data: the stored values of each frame, in the bits that the header states."""

from collections.abc import Iterator
from pathlib import Path

import gdcm
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, FileDataset
from pydicom.encaps import generate_frames, get_frame
from pydicom.pixels.utils import pixel_array
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGExtended12Bit,
    UncompressedTransferSyntaxes,
)

from radfuse.dicom.read.pixel_data.extent import seek_last_pixels
from radfuse.dicom.read.pixel_data.frame_header import frame_header
from radfuse.dicom.read.safe_read import COMPRESSED, integer_of, open_dataset, reason_of, silenced
from radfuse.errors import InputError

ENCODINGS = {
    (True, True): ImplicitVRLittleEndian,
    (False, True): ExplicitVRLittleEndian,
    (False, False): ExplicitVRBigEndian,
}
"""Native transfer syntaxes by implicit VR and little endian."""


PIXEL_KEYWORDS = (
    "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation",
    "PlanarConfiguration", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "PixelData", "FloatPixelData", "DoubleFloatPixelData", "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
)  # fmt: skip
"""What decoding needs; the others were decoded when the folder was scanned."""

NATIVE_BITS = (8, 16)
"""BitsAllocated of native frames that are an array as they are."""


def stored_values(path: Path, frames: list[int | None]) -> Iterator[NDArray[np.integer]]:
    """Stored values of a file, or of some of its frames: BitsStored bits up to HighBit.

    Bits outside are overlays or scaling of old scanners (PS3.5 8.1.1, E.2 of 2003). Raises
    `InputError` for pixel data that are damaged or not supported.
    """
    dataset = open_dataset(path, pixels=True, specific_tags=PIXEL_KEYWORDS)
    _complete_syntax(dataset, path)
    low_bit, stored_bits = _bits(dataset, path)
    _check_frames(dataset, path, low_bit)
    if "BitsStored" in dataset:
        dataset.BitsStored = low_bit + stored_bits  # decoders zero the bits above, or shift them
    is_extended = dataset.file_meta.get("TransferSyntaxUID") == JPEGExtended12Bit
    decode = _jpeg_extended if is_extended else _by_pydicom
    decode = _native if _is_native(dataset) else decode
    for frame in frames:
        try:
            with silenced():
                stored = decode(dataset, frame)
        except Exception as error:  # decoders raise errors of many types at damaged data
            raise InputError(
                f"{path}: pixel data cannot be decoded: {reason_of(error)}; export it again"
            ) from error
        yield _in_bits(stored, low_bit, stored_bits)


def _in_bits(stored: NDArray[np.integer], low_bit: int, stored_bits: int) -> NDArray[np.integer]:
    """The values of the stored bits only; FloatPixelData are as they are."""
    unused = 8 * stored.itemsize - stored_bits
    if stored.dtype.kind not in "iu" or not unused:
        return stored
    return (stored << (unused - low_bit)) >> unused


def native_values(path: Path, header: Dataset) -> NDArray[np.integer] | None:
    """Stored values of a file with one native frame, which need not be parsed again.

    None for any other file, which `stored_values` reads.
    """
    if (layout := _native_layout(header)) is None or (header.get("NumberOfFrames") or 1) != 1:
        return None
    dtype, (rows, columns) = layout
    size = rows * columns * dtype.itemsize
    try:
        with path.open("rb") as file:
            if not seek_last_pixels(file, header.file_meta.TransferSyntaxUID, size):
                return None
            values = file.read(size)
    except OSError:
        return None
    stored = np.frombuffer(values, dtype, count=rows * columns).reshape(rows, columns)
    return _in_bits(stored, *_bits(header, path))


def _complete_syntax(dataset: FileDataset, path: Path) -> None:
    """Set a missing transfer syntax of native pixel data, whose encoding is that of the header.

    Raises `InputError` for encapsulated pixel data.
    """
    if dataset.file_meta.get("TransferSyntaxUID") or "PixelData" not in dataset:
        return
    if dataset["PixelData"].is_undefined_length:
        raise InputError(
            f"{path}: TransferSyntaxUID is missing, and the pixel data are compressed; export it "
            "again with file meta information"
        )
    implicit, little = dataset.original_encoding
    dataset.file_meta.TransferSyntaxUID = ENCODINGS[bool(implicit), bool(little)]


def _by_pydicom(dataset: Dataset, index: int | None) -> NDArray[np.integer]:
    return pixel_array(dataset, index=index, correct_unused_bits=False)


def _is_native(dataset: Dataset) -> bool:
    """Whether the pixel data are little endian grey values of 8 or 16 bits, and complete."""
    value, layout = dataset.get("PixelData"), _native_layout(dataset)
    frames = dataset.get("NumberOfFrames") or 1
    if layout is None or not isinstance(value, bytes) or not isinstance(frames, int):
        return False
    dtype, (rows, columns) = layout
    size = rows * columns * dtype.itemsize * frames
    return size <= len(value) <= size + 1


def _native_layout(header: Dataset) -> tuple[np.dtype[np.integer], tuple[int, int]] | None:
    """Type, rows and columns of little endian grey values of 8 or 16 bits; None for others."""
    numbers = [header.get(one) for one in ("Rows", "Columns", "BitsAllocated")]
    if not all(isinstance(one, int) for one in numbers):
        return None
    rows, columns, bits = numbers
    signed = header.get("PixelRepresentation")
    syntax = getattr(header, "file_meta", {}).get("TransferSyntaxUID")
    is_native = (
        syntax in (ImplicitVRLittleEndian, ExplicitVRLittleEndian)
        and header.get("SamplesPerPixel") == 1
        and header.get("PhotometricInterpretation") in ("MONOCHROME1", "MONOCHROME2")
        and bits in NATIVE_BITS
        and signed in (0, 1)
        and min(rows, columns) > 0
    )
    return (
        (np.dtype(f"<{'i' if signed else 'u'}{bits // 8}"), (rows, columns)) if is_native else None
    )


def _native(dataset: Dataset, index: int | None) -> NDArray[np.integer]:
    """A frame of native pixel data, which is not copied; equal to that of pydicom, and faster."""
    dtype = np.dtype(f"<{'i' if dataset.PixelRepresentation else 'u'}{dataset.BitsAllocated // 8}")
    count = dataset.Rows * dataset.Columns
    offset = (index or 0) * count * dtype.itemsize
    frame = np.frombuffer(dataset.PixelData, dtype, count=count, offset=offset)
    return frame.reshape(dataset.Rows, dataset.Columns)


def _jpeg_extended(dataset: Dataset, index: int | None) -> NDArray[np.integer]:
    """A frame of JPEG processes 2 and 4, 8 or 12 bits: GDCM decodes them, pydicom does not ask it.

    The result is equal to that of DCMTK.
    """
    encoded = get_frame(
        dataset.PixelData, index or 0, number_of_frames=int(dataset.get("NumberOfFrames") or 1)
    )
    header = frame_header(encoded)
    if header is None:
        raise ValueError("no JPEG frame")
    fragment, fragments = gdcm.Fragment(), gdcm.SequenceOfFragments.New()
    fragment.SetByteStringValue(encoded)
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((header.columns, header.rows, 1))
    image.SetDataElement(element)
    image.SetPhotometricInterpretation(
        gdcm.PhotometricInterpretation(gdcm.PhotometricInterpretation.MONOCHROME2)
    )
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGExtendedProcess2_4))
    image.SetPixelFormat(gdcm.PixelFormat(1, header.bits, header.bits, header.bits - 1, 0))
    values = image.GetBuffer().encode("utf-8", "surrogateescape")
    container = "u1" if header.bits == 8 else "<u2"
    signed = "i" if dataset.get("PixelRepresentation") else "u"
    plain = np.frombuffer(values, container).reshape(header.rows, header.columns)
    return plain.astype(f"{signed}{int(dataset.BitsAllocated) // 8}")


def _bits(dataset: Dataset, path: Path) -> tuple[int, int]:
    """The lowest stored bit and the number of stored bits; `InputError` outside BitsAllocated."""
    allocated = integer_of(dataset, "BitsAllocated", path)
    stored = integer_of(dataset, "BitsStored", path, allocated)
    high = integer_of(dataset, "HighBit", path, stored - 1)
    if not 0 < stored <= high + 1 <= allocated:
        raise InputError(
            f"{path}: BitsAllocated {allocated}, BitsStored {stored} and HighBit {high} contradict "
            "each other; export it again"
        )
    return high + 1 - stored, stored


def _check_frames(dataset: Dataset, path: Path, low_bit: int) -> None:
    """Raise `InputError` if number, size or bits of compressed frames differ from the header.

    Decoders return scrambled rows, or abort, for a frame of another size.
    """
    syntax = UID(str(dataset.file_meta.get("TransferSyntaxUID") or ExplicitVRLittleEndian))
    if "PixelData" not in dataset or syntax in UncompressedTransferSyntaxes:
        return
    if syntax not in COMPRESSED:
        name = "" if syntax.name == syntax else f" ({syntax.name})"
        raise InputError(
            f"{path}: transfer syntax {syntax}{name} is not supported; convert it to Explicit VR "
            "Little Endian first"
        )
    rows, columns, stated = (
        integer_of(dataset, keyword, path, 1) for keyword in ("Rows", "Columns", "NumberOfFrames")
    )
    try:
        frames = generate_frames(dataset.PixelData, number_of_frames=stated)
        headers = [*map(frame_header, frames)]
    except Exception as error:  # pydicom raises errors of many types at damaged items
        raise InputError(f"{path}: damaged: {reason_of(error)}; export it again") from error
    if len(headers) != stated:
        raise InputError(
            f"{path}: {len(headers)} compressed frames, NumberOfFrames is {stated}; export it again"
        )
    for frame in filter(None, headers):
        if (frame.rows, frame.columns) != (rows, columns):
            raise InputError(
                f"{path}: a compressed frame has {frame.rows} rows and {frame.columns} columns, "
                f"the header says {rows} and {columns}; export it again"
            )
        if low_bit and frame.bits <= dataset.HighBit:
            raise InputError(
                f"{path}: HighBit is {dataset.HighBit}, a compressed frame has {frame.bits} bits; "
                "export it again"
            )
