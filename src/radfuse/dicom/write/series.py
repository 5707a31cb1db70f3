"""Write a volume as a DICOM series, one file per slice."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import MRImageStorage
from pydicom.valuerep import format_number_as_ds

from radfuse.dicom.uids import derive_uid
from radfuse.dicom.write.encoding import Elements, encoded, encoded_elements, encoded_pixels, joined
from radfuse.errors import GeometryError, InputError
from radfuse.io.staging import refuse_nonempty, staging
from radfuse.parallel import in_order

RGB_SLICE_DIMENSIONS = 3
"""Axes of a colour slice: rows, columns, samples."""

GEOMETRY_TOLERANCE_MM = 0.3
"""Largest distance between a corner by a slice's own geometry and by the image: all tolerances
of the reader together. A slice in the wrong order is off by a slice thickness."""

AXES_TOLERANCE = 1e-4
"""Largest deviation of the axes from orthonormal; the rounding of source headers is below."""

SliceAttributes = Callable[[int], Dataset]
"""Returns additional attributes of the slice with an index along the image's third axis."""


@dataclass(frozen=True)
class Rescale:
    """Stored values times slope plus intercept are the image's; written into each header."""

    slope: float = 1.0
    intercept: float = 0.0
    type: str = "HU"
    """RescaleType; none is written where it is empty."""


@dataclass(frozen=True)
class SliceSeries:
    """A series of slices that are computed one after the other, and where it is written."""

    folder: Path
    """Created; an existing folder must be empty unless it may be replaced."""

    stored_slice: Callable[[int], NDArray[np.generic]]
    """Returns the stored values of the slice with this index along the third axis: integers of
    16 bits (Y, X), or RGB of 8 bits (Y, X, 3)."""

    template: Dataset
    """See `write_series`."""

    rescale: Rescale | None = None
    own_attributes: SliceAttributes | None = None
    """Attributes of a slice that other series of the grid do not have."""


def write_series(
    folder: Path,
    image: sitk.Image,
    template: Dataset,
    *,
    rescale: Rescale | None = None,
    per_slice: SliceAttributes | None = None,
    overwrite: bool = False,
) -> tuple[Path, ...]:
    """Write a scalar volume as single-frame DICOM files, all or none; return their paths.

    Parameters
    ----------
    folder
        Created here; an existing folder must be empty unless `overwrite` replaces it.
    image
        Values are rounded and stored in 16 bits, signed if any is negative.
    template
        Patient, study, series, equipment and acquisition attributes, with SOPClassUID,
        SeriesInstanceUID and FrameOfReferenceUID. The slices' SOPInstanceUIDs are derived from the
        series', which therefore must be new for every new content.
    rescale
        How stored values become the image's. Without it they are the image's and no rescale is
        written, as the MR Image IOD requires.
    per_slice
        These attributes override the template's and the written geometry, whose digits they may
        change but not its values. Their values are written as they are: see `encoded`.

    Raises
    ------
    OutputError
        The folder contains files, or cannot be written to.
    GeometryError
        The image is not a right-handed orthogonal volume, or a slice's own geometry contradicts it.
    InputError
        A value is not finite or does not fit into 16 bits.
    """
    series = image_series(folder, image, template, rescale)
    return write_slices(image, series, per_slice=per_slice, overwrite=overwrite)


def image_series(
    folder: Path, image: sitk.Image, template: Dataset, rescale: Rescale | None = None
) -> SliceSeries:
    """The series of a scalar volume: options and errors of its values as `write_series`."""
    values = sitk.GetArrayViewFromImage(image)
    scale = rescale or Rescale()
    dtype = stored_dtype((float(values.min()), float(values.max())), scale, folder)

    def stored_slice(index: int) -> NDArray[np.generic]:
        return stored_values(sitk.GetArrayViewFromImage(image)[index], scale, dtype)

    return SliceSeries(folder, stored_slice, template, rescale)


def write_slices(
    grid: sitk.Image,
    *several: SliceSeries,
    per_slice: SliceAttributes | None = None,
    overwrite: bool = False,
) -> tuple[Path, ...]:
    """Write series of one grid, slice by slice; errors and `per_slice` as `write_series`.

    Parameters
    ----------
    grid
        A volume with the geometry of the slices; its values are not used.
    several
        Their folders have one parent, and appear together; their headers have one character set.
    """
    for series in several:
        _check_grid(grid, series.folder)
        if not overwrite:
            refuse_nonempty(series.folder, remedy="pass --overwrite or another --output")
    count = grid.GetSize()[2]
    digits = max(4, len(str(count)))
    names = [f"{number:0{digits}d}.dcm" for number in range(1, count + 1)]
    with staging(several[0].folder.parent) as stage:
        encoders = [(stage.path_of(one.folder), _SliceEncoder(one, grid)) for one in several]
        for draft, _ in encoders:
            draft.mkdir()

        def write(index: int) -> None:
            attributes = _slice_geometry(grid, index)
            if per_slice is not None:
                attributes.update(per_slice(index))
                _check_geometry(attributes, grid, index, several[0].folder)
            shared = encoded_elements(attributes, encoders[0][1].character_set)
            for draft, encoder in encoders:
                (draft / names[index]).write_bytes(encoder.file_bytes(index, shared))

        for _ in in_order(write, range(count)):
            pass
    return tuple(series.folder / name for series in several for name in names)


class _SliceEncoder:
    """Makes the files of a series; what they have in common is encoded once."""

    def __init__(self, series: SliceSeries, grid: sitk.Image) -> None:
        common = Dataset()
        common.update(series.template)
        if series.template.SOPClassUID == MRImageStorage:
            common.SpacingBetweenSlices = _decimal_string(grid.GetSpacing()[2])
        if series.rescale is not None:
            common.update(rescale_attributes(series.rescale))
        header = encoded(common)
        self.character_set = header.original_character_set
        self._series = series
        self._common = encoded_elements(header, self.character_set)
        self._pixel_attributes: Elements = {}

    def file_bytes(self, index: int, shared: Elements) -> bytes:
        """The file of a slice; `shared` are the attributes that all series of the grid have."""
        series = self._series
        stored = series.stored_slice(index)
        own = series.own_attributes(index) if series.own_attributes else Dataset()
        elements = {
            **self._common,
            **shared,
            **encoded_elements(own, self.character_set),
            **self._described(stored),
            **encoded_pixels(stored.tobytes(), _pixel_vr(stored)),
        }
        uid = derive_uid(series.template.SeriesInstanceUID, str(index))
        return joined(elements, series.template.SOPClassUID, uid)

    def _described(self, stored: NDArray[np.generic]) -> Elements:
        """The attributes of the pixels, which are those of the first slice."""
        if not self._pixel_attributes:
            self._pixel_attributes = encoded_elements(
                _pixel_description(stored), self.character_set
            )
        return self._pixel_attributes


def _check_grid(image: sitk.Image, folder: Path) -> None:
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise GeometryError(
            f"{folder}: a {image.GetDimension()}-D image of "
            f"{image.GetNumberOfComponentsPerPixel()} values per voxel cannot be written as a "
            "DICOM series; pass a scalar volume"
        )
    axes = np.reshape(image.GetDirection(), (3, 3))
    deviation = float(np.abs(axes.T @ axes - np.eye(3)).max())
    if deviation > AXES_TOLERANCE or np.linalg.det(axes) < 0:
        raise GeometryError(
            f"{folder}: axes {np.round(axes, 4).tolist()} are not a right-handed orthogonal "
            "system; resample the image onto one"
        )


def stored_dtype(value_range: tuple[float, float], rescale: Rescale, folder: Path) -> str:
    """The numpy type of stored values: little-endian 16 bits, signed if any value is negative.

    `value_range` is the lowest and the highest value. Raises `InputError` where it does not fit.
    """
    if not np.isfinite(value_range).all():
        raise InputError(f"{folder}: the image has NaN or infinite values; nothing was written")
    low, high = np.sort(np.rint((np.array(value_range) - rescale.intercept) / rescale.slope))
    dtype = "<i2" if low < 0 else "<u2"
    limits = np.iinfo(dtype)
    if low < limits.min or high > limits.max:
        raise InputError(
            f"{folder}: stored values from {low:g} to {high:g} do not fit into 16 bits "
            f"({limits.min} to {limits.max}); scale the image"
        )
    return dtype


def stored_values(values: NDArray[np.generic], rescale: Rescale, dtype: str) -> NDArray[np.generic]:
    """The stored values of a slice (Y, X)."""
    if (rescale.slope, rescale.intercept) != (1, 0):
        values = (values.astype(np.float64) - rescale.intercept) / rescale.slope
    whole = values if values.dtype.kind in "iu" else np.rint(values)
    return whole.astype(dtype)


def _decimal_string(value: float) -> str:
    """A DS value of at most 16 characters; lengths keep 1e-9 mm, cosines 1e-12."""
    return format_number_as_ds(round(float(value), 12) + 0.0)


def _slice_geometry(image: sitk.Image, index: int) -> Dataset:
    axes = np.reshape(image.GetDirection(), (3, 3))
    column_step, row_step, slice_step = image.GetSpacing()
    attributes = Dataset()
    attributes.InstanceNumber = index + 1
    position = image.TransformIndexToPhysicalPoint((0, 0, index))
    attributes.ImagePositionPatient = [_decimal_string(part) for part in position]
    attributes.ImageOrientationPatient = [_decimal_string(part) for part in axes.T[:2].ravel()]
    attributes.PixelSpacing = [_decimal_string(row_step), _decimal_string(column_step)]
    attributes.SliceThickness = _decimal_string(slice_step)
    return attributes


def rescale_attributes(rescale: Rescale) -> Dataset:
    """The attributes of a rescale."""
    attributes = Dataset()
    attributes.RescaleIntercept = _decimal_string(rescale.intercept)
    attributes.RescaleSlope = format_number_as_ds(rescale.slope)
    if rescale.type:
        attributes.RescaleType = rescale.type
    return attributes


def _check_geometry(header: Dataset, image: sitk.Image, index: int, folder: Path) -> None:
    """Raise `GeometryError` where a header's geometry contradicts the image at a corner."""
    columns, rows, _ = image.GetSize()
    position, cosines = (
        np.array(header.ImagePositionPatient),
        np.array(header.ImageOrientationPatient),
    )
    row_step, column_step = header.PixelSpacing
    for column, row in ((0, 0), (columns - 1, 0), (0, rows - 1)):
        by_header = position + cosines[:3] * column_step * column + cosines[3:] * row_step * row
        by_image = image.TransformIndexToPhysicalPoint((column, row, index))
        distance_mm = float(np.linalg.norm(by_header - by_image))
        if distance_mm > GEOMETRY_TOLERANCE_MM:
            raise GeometryError(
                f"{folder}: the header of slice {index + 1} has a corner {distance_mm:.3g} mm "
                "from its position in the image; pass the headers in the image's order of slices"
            )


def pixel_attributes(stored: NDArray[np.generic]) -> Dataset:
    """Stored values, (Y, X) grey or (Y, X, 3) colour, and the attributes that describe them."""
    attributes = _pixel_description(stored)
    attributes.PixelData = stored.tobytes()
    attributes["PixelData"].VR = _pixel_vr(stored)
    return attributes


def _pixel_description(stored: NDArray[np.generic]) -> Dataset:
    """The attributes that describe stored values, (Y, X) grey or (Y, X, 3) colour."""
    is_rgb = stored.ndim == RGB_SLICE_DIMENSIONS
    attributes = Dataset()
    attributes.SamplesPerPixel = stored.shape[2] if is_rgb else 1
    attributes.PhotometricInterpretation = "RGB" if is_rgb else "MONOCHROME2"
    if is_rgb:
        attributes.PlanarConfiguration = 0
    attributes.Rows, attributes.Columns = stored.shape[:2]
    attributes.BitsAllocated = attributes.BitsStored = 8 * stored.itemsize
    attributes.HighBit = attributes.BitsStored - 1
    attributes.PixelRepresentation = int(stored.dtype.kind == "i")
    return attributes


def _pixel_vr(stored: NDArray[np.generic]) -> str:
    """The value representation of stored values: bytes or words."""
    return "OB" if stored.ndim == RGB_SLICE_DIMENSIONS else "OW"
