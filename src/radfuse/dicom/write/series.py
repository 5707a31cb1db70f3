"""Write a volume as a DICOM series of one file a slice."""

import copy
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage
from pydicom.valuerep import format_number_as_ds

from radfuse.errors import GeometryError, InputError, OutputError
from radfuse.io.staging import staging

UID_NAMESPACE = uuid.UUID("6f0a7c1e-5d0b-4d5c-9a55-0c6f8a1b7e42")
"""Keeps the derived UIDs apart from anybody else's."""

IMPLEMENTATION_VERSION = "RADFUSE"
"""Names the writer in the file meta information, at most 16 characters."""

COLOUR_DIMENSIONS = 3
"""Axes of a slice in colour: rows, columns, samples."""

GEOMETRY_TOLERANCE_MM = 0.3
"""How far a slice's own geometry may place a corner from where the image has it: what
`stack` tolerates on reading, together; a wrong slice is off by a slice's thickness."""

AXES_TOLERANCE = 1e-4
"""How far the axes may be from orthonormal; the rounding of source headers is within."""

SliceCallback = Callable[[int, int], None]
"""Told after each slice how many are done, of how many."""


@dataclass(frozen=True)
class Rescale:
    """Stored values times slope plus intercept are the image's, written into each header."""

    slope: float = 1.0
    intercept: float = 0.0
    type: str = "HU"


def derive_uid(*parts: str) -> str:
    """The UID of some words: the same words give the same UID, on any machine.

    It has the form 2.25.N of PS3.5 annex B.2, N a name-based UUID. What is derived must name all
    that a result depends on, for two different images may never share a UID.
    """
    return f"2.25.{uuid.uuid5(UID_NAMESPACE, json.dumps(parts)).int}"


def fresh_uid() -> str:
    """A UID that nobody has had before: 2.25.N with a random UUID."""
    return f"2.25.{uuid.uuid4().int}"


IMPLEMENTATION_CLASS_UID = UID(derive_uid("radfuse", "implementation class"))
"""Names this writer in the file meta information."""


def write_series(
    folder: Path,
    image: sitk.Image,
    template: Dataset,
    *,
    rescale: Rescale | None = None,
    per_slice: Callable[[int], Dataset] | None = None,
    overwrite: bool = False,
    report: SliceCallback | None = None,
) -> tuple[Path, ...]:
    """Write a scalar volume as single-frame DICOM files, all of them or none; return their paths.

    Parameters
    ----------
    folder
        Made by this; a folder that exists must be empty unless `overwrite` replaces it.
    image
        Values are rounded and stored in 16 bits, signed if any is negative.
    template
        Patient, study, series, equipment and acquisition attributes, with SOPClassUID,
        SeriesInstanceUID and FrameOfReferenceUID. The slices' SOPInstanceUIDs are derived from the
        series', which therefore must be new for every new content.
    rescale
        How stored values become the image's; without it they are the image's and no rescale is
        written, as the MR object wants it.
    per_slice
        More attributes for the slice with this index along the image's third axis. They win over
        the template's and over the written geometry, which they may state in other digits but
        may not change.
    report
        Called after each slice.

    Raises
    ------
    OutputError
        The folder has files already, or cannot be written to.
    GeometryError
        The image is no right-handed orthogonal volume, or a slice's own geometry contradicts it.
    InputError
        A value is not finite or does not fit into 16 bits.
    """
    values = sitk.GetArrayViewFromImage(image)
    scale = rescale or Rescale()
    kind = stored_type((float(values.min()), float(values.max())), scale, folder)
    return write_planes(
        folder, image, lambda index: stored_values(values[index], scale, kind), template,
        rescale=rescale, per_slice=per_slice, overwrite=overwrite, report=report,
    )  # fmt: skip


def write_planes(
    folder: Path,
    grid: sitk.Image,
    plane: Callable[[int], NDArray[np.generic]],
    template: Dataset,
    *,
    rescale: Rescale | None = None,
    per_slice: Callable[[int], Dataset] | None = None,
    overwrite: bool = False,
    report: SliceCallback | None = None,
) -> tuple[Path, ...]:
    """Write slices that are made one after the other, as `write_series` does.

    Parameters
    ----------
    grid
        A volume whose geometry the slices have; its values are not looked at.
    plane
        Gives the stored values of the slice with this index along the third axis: whole numbers
        of 16 bits (Y, X), or of 8 bits, red, green and blue (Y, X, 3).

    Raises
    ------
    OutputError, GeometryError
        As `write_series` does.
    """
    _check_grid(grid, folder)
    if folder.exists() and not overwrite and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder} exists; pass --overwrite or another --output")
    count = grid.GetSize()[2]
    digits = max(4, len(str(count)))
    names = [f"{number:0{digits}d}.dcm" for number in range(1, count + 1)]
    with staging(folder.parent) as stage:
        draft = stage.place(folder)
        draft.mkdir()
        for index, name in enumerate(names):
            header = copy.deepcopy(template)
            header.update(_slice_attributes(grid, index, template))
            if rescale is not None:
                header.update(_rescale_attributes(rescale))
            if per_slice is not None:
                header.update(per_slice(index))
                _check_place(header, grid, index, folder)
            _put_pixels(header, plane(index))
            (draft / name).write_bytes(encoded(header))
            if report is not None:
                report(index + 1, count)
    return tuple(folder / name for name in names)


def _check_grid(image: sitk.Image, folder: Path) -> None:
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise GeometryError(
            f"{folder}: a {image.GetDimension()}-D image of "
            f"{image.GetNumberOfComponentsPerPixel()} values a voxel cannot be written as a DICOM "
            "series; it takes a scalar volume"
        )
    axes = np.reshape(image.GetDirection(), (3, 3))
    off = float(np.abs(axes.T @ axes - np.eye(3)).max())
    if off > AXES_TOLERANCE or np.linalg.det(axes) < 0:
        raise GeometryError(
            f"{folder}: axes {np.round(axes, 4).tolist()} are not a right-handed orthogonal "
            "system; resample the image onto one"
        )


def stored_type(ends: tuple[float, float], rescale: Rescale, folder: Path) -> str:
    """Little-endian 16 bits, signed if any stored value is negative.

    `ends` are the lowest and highest value. Raises `InputError` for what does not fit.
    """
    if not np.isfinite(ends).all():
        raise InputError(f"{folder}: the image has NaN or infinite values; nothing was written")
    low, high = np.sort(np.rint((np.array(ends) - rescale.intercept) / rescale.slope))
    kind = "<i2" if low < 0 else "<u2"
    limits = np.iinfo(kind)
    if low < limits.min or high > limits.max:
        raise InputError(
            f"{folder}: stored values from {low:g} to {high:g} do not fit into 16 bits "
            f"({limits.min} to {limits.max}); scale the image"
        )
    return kind


def stored_values(plane: NDArray[np.generic], rescale: Rescale, kind: str) -> NDArray[np.generic]:
    """What is written for a slice (Y, X) of values."""
    scaled = (plane.astype(np.float64) - rescale.intercept) / rescale.slope
    stored: NDArray[np.generic] = np.rint(scaled).astype(kind)
    return stored


def _decimal(value: float) -> str:
    """A decimal string of at most 16 characters; lengths keep 1e-9 mm, cosines 1e-12."""
    return format_number_as_ds(round(float(value), 12) + 0.0)


def _slice_attributes(image: sitk.Image, index: int, template: Dataset) -> Dataset:
    axes = np.reshape(image.GetDirection(), (3, 3))
    across, down, between = image.GetSpacing()
    attributes = Dataset()
    attributes.SOPInstanceUID = derive_uid(template.SeriesInstanceUID, str(index))
    attributes.InstanceNumber = index + 1
    place = image.TransformIndexToPhysicalPoint((0, 0, index))
    attributes.ImagePositionPatient = [_decimal(part) for part in place]
    attributes.ImageOrientationPatient = [_decimal(part) for part in axes.T[:2].ravel()]
    attributes.PixelSpacing = [_decimal(down), _decimal(across)]
    attributes.SliceThickness = _decimal(between)
    if template.SOPClassUID == MRImageStorage:
        attributes.SpacingBetweenSlices = _decimal(between)
    return attributes


def _rescale_attributes(rescale: Rescale) -> Dataset:
    attributes = Dataset()
    attributes.RescaleIntercept = _decimal(rescale.intercept)
    attributes.RescaleSlope = format_number_as_ds(rescale.slope)
    attributes.RescaleType = rescale.type
    return attributes


def _check_place(header: Dataset, image: sitk.Image, index: int, folder: Path) -> None:
    """Raise `GeometryError` where a header's geometry puts a corner of its slice elsewhere."""
    columns, rows, _ = image.GetSize()
    position, along = (
        np.array(header.ImagePositionPatient),
        np.array(header.ImageOrientationPatient),
    )
    down, across = header.PixelSpacing
    for column, row in ((0, 0), (columns - 1, 0), (0, rows - 1)):
        said = position + along[:3] * across * column + along[3:] * down * row
        meant = image.TransformIndexToPhysicalPoint((column, row, index))
        apart = float(np.linalg.norm(said - meant))
        if apart > GEOMETRY_TOLERANCE_MM:
            raise GeometryError(
                f"{folder}: the header given for slice {index + 1} places a corner {apart:.3g} mm "
                "from where the image has it; give the headers in the image's order of slices"
            )


def _put_pixels(header: Dataset, plane: NDArray[np.generic]) -> None:
    """Set stored values, (Y, X) in grey or (Y, X, 3) in colour, and what describes them."""
    coloured = plane.ndim == COLOUR_DIMENSIONS
    header.SamplesPerPixel = plane.shape[2] if coloured else 1
    header.PhotometricInterpretation = "RGB" if coloured else "MONOCHROME2"
    if coloured:
        header.PlanarConfiguration = 0
    header.Rows, header.Columns = plane.shape[:2]
    header.BitsAllocated = header.BitsStored = 8 * plane.itemsize
    header.HighBit = header.BitsStored - 1
    header.PixelRepresentation = int(plane.dtype.kind == "i")
    header.PixelData = plane.tobytes()
    header["PixelData"].VR = "OB" if coloured else "OW"


def encoded(header: Dataset) -> bytes:
    """The bytes of a DICOM file with these attributes."""
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.file_meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    header.file_meta.ImplementationVersionName = IMPLEMENTATION_VERSION
    buffer = BytesIO()  # a full disk then shows as what it is, not as an element that failed
    dcmwrite(buffer, header, enforce_file_format=True)
    return buffer.getvalue()
