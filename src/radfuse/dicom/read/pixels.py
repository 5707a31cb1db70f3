"""The pixels of DICOM files as values: decoded, rescaled, padding taken out."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels.processing import apply_modality_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import ExplicitVRLittleEndian, UncompressedTransferSyntaxes

from radfuse.arrays import Float32Array
from radfuse.dicom.read.frame_size import frame_size
from radfuse.dicom.read.grouping import names, numbers
from radfuse.dicom.read.safe_read import COMPRESSED, integer_of, open_dataset, reason_of, silenced
from radfuse.dicom.read.scan import Slice
from radfuse.errors import InputError
from radfuse.modality import MODALITIES

GREY = ("MONOCHROME1", "MONOCHROME2", None)
"""Photometric interpretations of scanners' images; palettes and colours are none."""


MOSAIC = "MOSAIC"
"""Value of ImageType of many slices in one picture."""

WIDEST_STORED = 2.0**32
"""No stored value is as large."""

PERFUSION = "PERFUSION"
"""Value of ImageType of such maps, whatever unit they claim."""


def check_values_of(slices: tuple[Slice, ...]) -> None:
    """Raise `InputError` for images in colour, of a palette, or of a CT that is a map, not HU."""
    if coloured := [one for one in slices if one.header.get("SamplesPerPixel", 1) != 1]:
        raise InputError(
            f"{names(coloured)}: a colour image, not the values of a scanner; give the original"
        )
    if strange := [one for one in slices
                   if one.header.get("PhotometricInterpretation") not in GREY]:  # fmt: skip
        raise InputError(f"{names(strange)}: no grey image of a scanner; give the original")
    if inverted := [one for one in slices if _is_inverted(one.header)]:
        raise InputError(
            f"{names(inverted)}: inverted grey (MONOCHROME1), not the values of an MR; give the "
            "original"
        )
    if mosaics := [one for one in slices if MOSAIC in (one.header.get("ImageType") or ())]:
        raise InputError(
            f"{names(mosaics)}: many slices in one picture (MOSAIC); convert them to one each first"
        )
    if maps := [one for one in slices if _map_of(one.header)]:
        raise InputError(
            f"{names(maps)}: values in {_map_of(maps[0].header)}, not HU; give the CT itself"
        )


def _is_inverted(header: Dataset) -> bool:
    """Whether values in arbitrary units run from white to black; a rescale makes a unit anyway."""
    modality = MODALITIES.get(header.get("Modality"))
    kind = header.get("PhotometricInterpretation")
    return bool(modality and not modality.is_quantitative and kind == "MONOCHROME1")


def _map_of(header: Dataset) -> str:
    """What a CT shows other than HU: electron density, blood flow, ...; empty for a CT in HU."""
    modality = MODALITIES.get(header.get("Modality"))
    if not (modality and modality.rescale_types):
        return ""
    if PERFUSION in (header.get("ImageType") or ()):
        return PERFUSION.lower()
    unit = str(header.get("RescaleType") or "").strip()
    return "" if re.fullmatch(modality.rescale_types, unit, re.IGNORECASE) else unit


def outside_value(header: Dataset) -> float:
    """Value outside the field of view, in the unit of the modality: -1000 HU in a CT."""
    modality = MODALITIES.get(header.get("Modality"))
    return modality.background if modality else 0.0


def planes_of(slices: tuple[Slice, ...]) -> Iterator[tuple[int, Float32Array]]:
    """Index and values (rows, columns) of each slice, file by file, each opened once.

    CT in HU. Raises `InputError` for what cannot be decoded.
    """
    by_file: dict[Path, list[int]] = {}
    for index, one in enumerate(slices):
        by_file.setdefault(one.path, []).append(index)
    for path, indices in by_file.items():
        frames = [slices[index].frame for index in indices]
        for index, stored in zip(indices, _stored(path, frames), strict=True):
            header = slices[index].header
            if stored.shape != (header.Rows, header.Columns):
                raise InputError(
                    f"{slices[index].name}: pixels of {'x'.join(map(str, stored.shape))}, the "
                    f"header says {header.Rows}x{header.Columns}; export the series again"
                )
            yield index, _values(stored, slices[index])


def _stored(path: Path, frames: list[int | None]) -> Iterator[NDArray[np.integer]]:
    """Stored values of a file or of some of its frames."""
    dataset = open_dataset(path, pixels=True)
    _check_frames(dataset, path)
    for frame in frames:
        try:
            with silenced():
                stored = pixel_array(dataset, index=frame)
        except Exception as error:  # a decoder raises whatever it likes at a damaged file
            raise InputError(f"{path}: pixels damaged or truncated: {reason_of(error)}") from error
        yield stored


def _check_frames(dataset: Dataset, path: Path) -> None:
    """Raise `InputError` for compressed frames that are not those of the header.

    Decoders give an image of scrambled rows, or abort, where a frame has another size.
    """
    syntax = str(dataset.file_meta.get("TransferSyntaxUID") or ExplicitVRLittleEndian)
    if "PixelData" not in dataset or syntax in UncompressedTransferSyntaxes:
        return
    if syntax not in COMPRESSED:
        raise InputError(f"{path}: transfer syntax {syntax} is not supported; convert it first")
    rows, columns, stated = (
        integer_of(dataset, keyword, path, 1) for keyword in ("Rows", "Columns", "NumberOfFrames")
    )
    try:
        sizes = [*map(frame_size, generate_frames(dataset.PixelData, number_of_frames=stated))]
    except Exception as error:  # pydicom raises errors of many types at damaged items
        raise InputError(f"{path}: damaged: {reason_of(error)}; export it again") from error
    if len(sizes) != stated:
        raise InputError(f"{path}: {len(sizes)} compressed frames, its header says {stated}")
    for size in sizes:
        if size not in {None, (rows, columns)}:
            raise InputError(
                f"{path}: a compressed frame has (rows, columns) {size}, its header says "
                f"{(rows, columns)}; export it again"
            )


def _values(stored: NDArray[np.integer], one: Slice) -> Float32Array:
    """Rescaled values of one image; padding becomes air."""
    values = _rescaled(stored, one)
    values[_padding(stored, one)] = outside_value(one.header)
    return values


def _rescaled(stored: NDArray[np.integer], one: Slice) -> Float32Array:
    """Values in the unit of the series: HU for a CT."""
    header = one.header
    if header.get("ModalityLUTSequence"):
        try:
            return np.array(apply_modality_lut(stored, header), np.float32)
        except (KeyError, AttributeError, TypeError, ValueError, NotImplementedError) as error:
            raise InputError(
                f"{one.name}: its modality lookup table is damaged ({error}); export it again"
            ) from error
    modality = MODALITIES.get(header.get("Modality"))
    if modality and modality.is_quantitative and header.get("RescaleIntercept") in (None, ""):
        raise InputError(
            f"{one.name}: {modality} without RescaleIntercept, so its values are not in "
            f"{modality.unit}; export it again"
        )
    slope, intercept = (
        numbers(header, keyword) if header.get(keyword) not in (None, "") else np.array([default])
        for keyword, default in (("RescaleSlope", 1.0), ("RescaleIntercept", 0.0))
    )
    if not (slope.size == intercept.size == 1 and np.isfinite([slope, intercept]).all() and slope):
        raise InputError(
            f"{one.name}: RescaleSlope {header.get('RescaleSlope')} and RescaleIntercept "
            f"{header.get('RescaleIntercept')} make no values; export the series again"
        )
    return (stored * slope + intercept).astype(np.float32)


def _padding(stored: NDArray[np.integer], one: Slice) -> NDArray[np.bool_]:
    """Where nothing was measured, by PixelPaddingValue and PixelPaddingRangeLimit.

    Scanners write a negative value as unsigned: it has the right bits, not the right sign.
    """
    keywords = [keyword for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit")
                if one.header.get(keyword) not in (None, "", b"")]  # fmt: skip
    if "PixelPaddingValue" not in keywords:
        return np.zeros(stored.shape, np.bool_)
    ends = [numbers(one.header, keyword) for keyword in keywords]
    if not all(end.size == 1 and abs(end[0]) < WIDEST_STORED for end in ends):
        said = " and ".join(f"{keyword} {one.header.get(keyword)}" for keyword in keywords)
        raise InputError(f"{one.name}: {said} is no number; export the series again")
    told = np.concatenate(ends).astype(np.int64)
    if stored.dtype.kind == "u" and one.header.get("BitsStored"):
        told &= (1 << int(one.header.BitsStored)) - 1  # as the pixels are
    bits = told.astype(stored.dtype)
    return np.asarray((stored >= bits.min()) & (stored <= bits.max()))
