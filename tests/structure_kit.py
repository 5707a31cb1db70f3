"""Series and structures for the tests of contours."""

import dataclasses
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from dicom_kit import Angles, volume, write
from radfuse.pipeline.read import read
from radfuse.series import Series
from radfuse.structures.label_maps import Structure

RED = (255, 0, 0)


def series_on_disk(
    folder: Path,
    *,
    modality: str = "CT",
    angles: Angles = (0.0, 0.0, 0.0),
    size: tuple[int, int, int] = (26, 22, 9),
    spacing: Angles = (0.9, 1.1, 2.5),
    origin: Angles = (-101.3, 57.25, -1234.567),
) -> Series:
    """A DICOM series, read back."""
    image = volume(modality, angles, spacing)
    low = int(sitk.GetArrayViewFromImage(image).min())
    values = np.random.default_rng(3).integers(low, 900, size[::-1]).astype(np.float32)
    values[:, 0, 0] = low
    bigger = sitk.GetImageFromArray(values)
    bigger.SetSpacing(spacing)
    bigger.SetOrigin(origin)
    bigger.SetDirection(image.GetDirection())
    return read(write(folder, bigger, modality), modality)


def blobs(shape: tuple[int, ...], seed: int, *, grain: float = 1.2, share: float = 0.4) -> NDArray:
    """A random mask with islands, holes and parts at the frame."""
    field = gaussian_filter(np.random.default_rng(seed).normal(size=shape), grain)
    return np.asarray(field > np.quantile(field, 1 - share))


def structure(mask: NDArray, series: Series, name: str = "GTVp", colour: Angles = RED) -> Structure:
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    image.CopyInformation(series.image)
    return Structure(name, image, colour)


def array(mask: sitk.Image) -> NDArray[np.bool_]:
    return np.asarray(sitk.GetArrayFromImage(mask) > 0)


def dice(one: NDArray, other: NDArray) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def regridded(series: Series, image: sitk.Image) -> Series:
    """The series as though its image had been resampled on reading."""
    return dataclasses.replace(series, image=image, regridded=True)
