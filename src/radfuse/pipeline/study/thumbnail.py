"""Thumbnails of series: the middle slice, windowed, as a small PNG."""

import io

import numpy as np
import SimpleITK as sitk
from PIL import Image

from radfuse.arrays import Float32Array
from radfuse.dicom.read.pixels import slice_values
from radfuse.dicom.read.series import VolumeSlices
from radfuse.dicom.read.slice_geometry import slice_geometry
from radfuse.intensity import both_windows

SIDE = 96
"""Pixels of the longer side of a thumbnail."""

PERCENTILES = (1.0, 99.5)
"""Of the values of a slice, which become black and white; a CT has a fixed window."""


def volume_thumbnail(volume: VolumeSlices, *, is_ct: bool) -> bytes:
    """PNG of the middle slice of a volume, as it was acquired; raises the errors of the readers."""
    geometry = slice_geometry(volume)
    middle = geometry.slices[len(geometry.slices) // 2]
    _, values = next(slice_values((middle,)))
    return thumbnail(values, geometry.spacing_mm[:2], is_ct=is_ct)


def image_thumbnail(image: sitk.Image, *, is_ct: bool) -> bytes:
    """PNG of the middle axial slice of a volume, posterior below and left on the right."""
    upright = sitk.DICOMOrient(image, "LPS")
    values = sitk.GetArrayViewFromImage(upright[:, :, upright.GetSize()[2] // 2])
    return thumbnail(values.astype(np.float32), upright.GetSpacing()[:2], is_ct=is_ct)


def thumbnail(values: Float32Array, spacing_mm: tuple[float, ...], *, is_ct: bool) -> bytes:
    """PNG of a slice (rows, columns) with the spacing of its columns and rows."""
    grey = both_windows(values) if is_ct else _scaled(values)
    rows, columns = values.shape
    width, height = columns * spacing_mm[0], rows * spacing_mm[1]
    scale = SIDE / max(width, height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    packed = io.BytesIO()
    shown = Image.fromarray(np.rint(grey * 255).astype(np.uint8)).resize(size, Image.Resampling.BOX)
    shown.save(packed, "PNG", optimize=True)
    return packed.getvalue()


def _scaled(values: Float32Array) -> Float32Array:
    low, high = np.percentile(values, PERCENTILES)
    scaled: Float32Array = np.clip((values - low) / max(high - low, 1e-6), 0, 1)
    return scaled.astype(np.float32)
