"""The pixel data of DICOM files as values: rescaled, padding replaced by background."""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels.processing import apply_modality_lut

from radfuse.arrays import Float32Array
from radfuse.dicom.read.nuclear.attributes import attribute
from radfuse.dicom.read.nuclear.pet import is_reprojection, pet_notes, units_of
from radfuse.dicom.read.nuclear.spect import spect_notes
from radfuse.dicom.read.pixel_data.decode import native_values, stored_values
from radfuse.dicom.read.series import Slice
from radfuse.dicom.read.slice_plane import float_values, image_count, slice_names
from radfuse.errors import InputError
from radfuse.modality import MODALITIES, MR

GREYSCALE = ("MONOCHROME1", "MONOCHROME2", None)
"""Photometric interpretations of greyscale images; others are palettes and colours."""

MOSAIC = "MOSAIC"
"""Value of ImageType of an image that contains many slices."""

PERFUSION = "PERFUSION"
"""Value of ImageType of perfusion maps, whose RescaleType may be HU nevertheless."""

LOSSY = "01"
"""Value of LossyImageCompression of an image that lossy compression has changed."""

DISTORTION = {
    "DIS3D": "the scanner corrected the geometric distortion of its gradients in 3-D",
    "DIS2D": "the scanner corrected the geometric distortion of its gradients only within the "
    "slices; where there is a series with DIS3D, prefer it",
    "ND": "the scanner did not correct the geometric distortion of its gradients, which grows with "
    "the distance from the isocentre; where there is a series with DIS3D, prefer it",
}
"""Values of ImageType on distortion correction (conformance statement of Siemens syngo MR E11E;
other manufacturers document none)."""

MIN_PADDING_DISTANCE_HU = 200.0
"""From air down to padding: values nearer to the padding than to air are padding."""

MAX_STORED = 2.0**32
"""Stored values are smaller."""


def check_pixel_values(slices: tuple[Slice, ...]) -> None:
    """Raise `InputError` for images whose values are not those of one scan of their modality.

    Colour, palettes, mosaics, inverted MR, maps computed from a CT, projections and mixed units of
    a PET.
    """
    checks: tuple[tuple[Callable[[Dataset], object], str], ...] = (
        (_is_colour, "a colour image (SamplesPerPixel is not 1); give the original series"),
        (
            _is_not_grey,
            "not a greyscale image (PhotometricInterpretation); give the original series",
        ),
        (_is_inverted, "inverted values (MONOCHROME1); give the original series"),
        (_is_mosaic, "many slices in one image (ImageType MOSAIC); convert it to one per slice"),
        (is_reprojection, "projections of a volume (SeriesType REPROJECTION); give the volume"),
    )
    for is_unsuitable, problem in checks:
        if unsuitable := [one for one in slices if is_unsuitable(one.header)]:
            raise InputError(f"{slice_names(unsuitable)}: {problem}")
    if maps := [one for one in slices if _map_quantity(one.header)]:
        header = maps[0].header
        raise InputError(
            f"{slice_names(maps)}: values in {_map_quantity(header)}, not in "
            f"{MODALITIES[header.Modality].unit}; give the {header.Modality} itself"
        )
    if len(units := units_of(slices)) > 1:
        raise InputError(
            f"{slices[0].path.parent}: values in {len(units)} units ({attribute('Units')} is "
            f"{', '.join(one or 'empty' for one in units)}); export the series again"
        )


def _is_colour(header: Dataset) -> bool:
    return bool(header.get("SamplesPerPixel", 1) != 1)


def _is_not_grey(header: Dataset) -> bool:
    return header.get("PhotometricInterpretation") not in GREYSCALE


def _is_mosaic(header: Dataset) -> bool:
    return MOSAIC in (header.get("ImageType") or ())


def _is_inverted(header: Dataset) -> bool:
    """Whether values in arbitrary units decrease with brightness; HU are independent of it."""
    modality = MODALITIES.get(str(header.get("Modality")))
    kind = header.get("PhotometricInterpretation")
    return bool(modality and not modality.is_quantitative and kind == "MONOCHROME1")


def _map_quantity(header: Dataset) -> str:
    """Quantity of a CT whose values are not HU, such as electron density; empty for HU."""
    modality = MODALITIES.get(str(header.get("Modality")))
    if not (modality and modality.rescale_types):
        return ""
    if PERFUSION in (header.get("ImageType") or ()):
        return PERFUSION.lower()
    unit = str(header.get("RescaleType") or "").strip()
    return "" if re.fullmatch(modality.rescale_types, unit, re.IGNORECASE) else unit


def header_notes(slices: tuple[Slice, ...]) -> tuple[str, ...]:
    """Notes on distortion, units and corrections, lossy compression and missing attributes."""
    notes = [*_distortion_notes(slices), *pet_notes(slices), *spect_notes(slices[0].header)]
    if any(one.header.get("LossyImageCompression") == LOSSY for one in slices):
        notes.append(f"lossy compression (LossyImageCompression {LOSSY}) has changed values")
    if stripped := [one for one in slices if not one.header.file_meta.get("TransferSyntaxUID")]:
        notes.append(
            f"{image_count(stripped)}: TransferSyntaxUID is missing; the encoding was recognised "
            "by the content"
        )
    if unnamed := [one for one in slices if not one.header.get("SOPInstanceUID")]:
        notes.append(
            f"{image_count(unnamed)}: SOPInstanceUID is missing; written objects do not refer to "
            "these slices"
        )
    return tuple(notes)


def _distortion_notes(slices: tuple[Slice, ...]) -> list[str]:
    """A note for each statement of an MR on distortion correction; none where it has none."""
    notes: list[str] = []
    if MODALITIES.get(str(slices[0].header.get("Modality"))) is not MR:
        return notes
    for value, meaning in DISTORTION.items():
        stating = [one for one in slices if value in (one.header.get("ImageType") or ())]
        if stating:
            some = "" if len(stating) == len(slices) else f"{image_count(stating)}: "
            notes.append(f"{some}ImageType {value}: {meaning}")
    return notes


def background_of(header: Dataset) -> float:
    """Value outside the field of view, in the unit of the modality: -1000 HU in a CT."""
    modality = MODALITIES.get(str(header.get("Modality")))
    return modality.background if modality else 0.0


def slice_values(slices: tuple[Slice, ...]) -> Iterator[tuple[int, Float32Array]]:
    """Index and values (rows, columns) of each slice, CT in HU, in the order of their files.

    Each file is opened once. Raises `InputError` for pixel data that cannot be decoded.
    """
    by_file: dict[Path, list[int]] = {}
    for index, one in enumerate(slices):
        by_file.setdefault(one.path, []).append(index)
    for path, indices in by_file.items():
        for index, stored in zip(
            indices, _stored(path, [slices[one] for one in indices]), strict=True
        ):
            header = slices[index].header
            if stored.shape != (header.Rows, header.Columns):
                raise InputError(
                    f"{slices[index].name}: its pixel data have the shape "
                    f"{' x '.join(map(str, stored.shape))}, expected {header.Rows} rows x "
                    f"{header.Columns} columns; export the series again"
                )
            yield index, _values(stored, slices[index])


def _stored(path: Path, slices: list[Slice]) -> Iterable[NDArray[np.integer]]:
    """Stored values of the slices of a file."""
    if slices[0].frame is None:
        values = native_values(path, slices[0].header)
        if values is not None:
            return [values]
    return stored_values(path, [one.frame for one in slices])


def _values(stored: NDArray[np.integer], one: Slice) -> Float32Array:
    """Rescaled values of one image; padding becomes background.

    A padding value that tissue has as well, such as 0 HU, pads nothing here: `hounsfield` replaces
    it outside the body. Far below air, lossy compression and interpolation change padding.
    """
    values = _rescaled(stored, one)
    padding = _padding_limits(stored.dtype, one)
    if not padding.size:
        return values
    modality, background = (
        MODALITIES.get(str(one.header.get("Modality"))),
        background_of(one.header),
    )
    unit_padding = _rescaled(padding, one)
    if modality and unit_padding.max() > modality.minimum_range[1]:
        return values
    mask = (stored >= padding.min()) & (stored <= padding.max())
    if background and unit_padding.max() < background - MIN_PADDING_DISTANCE_HU:
        mask |= values < (unit_padding.max() + background) / 2
    values[mask] = background
    return values


def _rescaled(stored: NDArray[np.integer], one: Slice) -> Float32Array:
    """Values in the unit of the modality: HU for a CT."""
    header = one.header
    if header.get("ModalityLUTSequence"):
        try:
            return np.array(apply_modality_lut(stored, header), np.float32)
        except (KeyError, AttributeError, TypeError, ValueError, NotImplementedError) as error:
            raise InputError(
                f"{one.name}: ModalityLUTSequence is damaged ({error}); export it again"
            ) from error
    modality = MODALITIES.get(str(header.get("Modality")))
    if modality and modality.is_quantitative and header.get("RescaleIntercept") in (None, ""):
        raise InputError(
            f"{one.name}: RescaleIntercept is missing, so the values of the {modality} are not in "
            f"{modality.unit}; export it again"
        )
    slope, intercept = (
        float_values(header, keyword)
        if header.get(keyword) not in (None, "")
        else np.array([default])
        for keyword, default in (("RescaleSlope", 1.0), ("RescaleIntercept", 0.0))
    )
    if not (slope.size == intercept.size == 1 and np.isfinite([slope, intercept]).all() and slope):
        raise InputError(
            f"{one.name}: RescaleSlope {header.get('RescaleSlope')} and RescaleIntercept "
            f"{header.get('RescaleIntercept')} are not usable numbers; export the series again"
        )
    if slope == 1 and intercept == round(float(intercept[0])) and stored.itemsize <= 2:
        shifted: Float32Array = np.add(stored, np.float32(intercept[0]), dtype=np.float32)
        return shifted  # exact, and faster
    return (stored * slope + intercept).astype(np.float32)


def _padding_limits(dtype: np.dtype[np.integer], one: Slice) -> NDArray[np.integer]:
    """Stored values of PixelPaddingValue and PixelPaddingRangeLimit; empty without padding.

    Scanners write a negative value as unsigned: its bits are right, its sign is not.
    """
    keywords = [keyword for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit")
                if one.header.get(keyword) not in (None, "", b"")]  # fmt: skip
    if "PixelPaddingValue" not in keywords:
        return np.zeros(0, dtype)
    limits = [float_values(one.header, keyword) for keyword in keywords]
    if not all(limit.size == 1 and abs(limit[0]) < MAX_STORED for limit in limits):
        values = " and ".join(f"{keyword} {one.header.get(keyword)}" for keyword in keywords)
        raise InputError(f"{one.name}: {values} is not a stored value; export the series again")
    whole = np.concatenate(limits).astype(np.int64)
    if dtype.kind == "u" and one.header.get("BitsStored"):
        whole &= (1 << int(one.header.BitsStored)) - 1  # as the pixels are
    return whole.astype(dtype)
