"""Changes of an image alone, for `calibration_cases.py`: as scanners and users make them."""

from collections.abc import Callable

import numpy as np
import SimpleITK as sitk

from radfuse.arrays import image_on

Change = Callable[[sitk.Image], sitk.Image]


def slab(axis: int, first_mm: float, last_mm: float) -> Change:
    """Slices of an MR from `first_mm` to `last_mm` along an axis, from the top, left or front."""

    def cut(image: sitk.Image) -> sitk.Image:
        size, step = image.GetSize()[axis], image.GetSpacing()[axis]
        first, last = (round(mm / step) for mm in (first_mm, last_mm))
        if axis == 2:
            first, last = size - last, size - first
        index = [slice(None)] * 3
        index[axis] = slice(max(first, 0), min(last, size))
        return image[tuple(index)]

    return cut


def mirrored(image: sitk.Image) -> sitk.Image:
    """Swap left and right of a volume whose first axis is left-right."""
    swapped = sitk.Flip(image, [True, False, False])
    swapped.CopyInformation(image)
    return swapped


def stored(axes: str) -> Change:
    """The same volume with another order of its axes, for example PIR."""
    return lambda image: sitk.DICOMOrient(image, axes)


def oblique(angle_deg: float) -> Change:
    """The volume resampled on slices that are rotated about all axes."""

    def reslice(image: sitk.Image) -> sitk.Image:
        centre = image.TransformContinuousIndexToPhysicalPoint(
            [(n - 1) / 2 for n in image.GetSize()]
        )
        rotation = sitk.Euler3DTransform((0, 0, 0), *[np.radians(angle_deg)] * 3)
        axes = np.reshape(rotation.GetMatrix(), (3, 3)) @ np.reshape(image.GetDirection(), (3, 3))
        half = (np.array(image.GetSize()) - 1) / 2 * image.GetSpacing()
        return sitk.Resample(
            image, image.GetSize(), sitk.Transform(), sitk.sitkLinear,
            (np.array(centre) - axes @ half).tolist(), image.GetSpacing(), axes.ravel().tolist(), 0,
        )  # fmt: skip

    return reslice


def thick(factor: int) -> Change:
    """Slices averaged."""
    return lambda image: sitk.BinShrink(image, [1, 1, factor])


def noisy(share: float) -> Change:
    """Noise, as a share of the largest percentile."""

    def add(image: sitk.Image) -> sitk.Image:
        values = sitk.GetArrayFromImage(image)
        sigma = share * np.percentile(values, 99)
        noise = np.random.default_rng(5).normal(0, sigma, (2, *values.shape))
        return image_on(image, np.hypot(values + noise[0], noise[1]).astype(np.float32))

    return add


def biased(depth: float) -> Change:
    """A coil at the front: the signal falls to `1 - depth` at the back."""

    def shade(image: sitk.Image) -> sitk.Image:
        values = sitk.GetArrayFromImage(image)
        fall = np.linspace(1, 1 - depth, values.shape[1], dtype=np.float32)[None, :, None]
        return image_on(image, values * fall)

    return shade


def inverted(image: sitk.Image) -> sitk.Image:
    """Dark where it was bright, inside the head."""
    values = sitk.GetArrayFromImage(image)
    top = np.percentile(values, 99)
    return image_on(
        image, np.where(values > 0.12 * top, np.clip(1.15 * top - values, 0, None), values)
    )


def interpolated(averaged: int, inserted: int) -> Change:
    """Slices averaged, and slices inserted between them by linear interpolation."""
    return lambda image: sitk.Expand(thick(averaged)(image), [1, 1, inserted], sitk.sitkLinear)


def ghosted(share: float) -> Change:
    """Copies shifted by half the field of view along the phase encoding direction, the rows."""

    def add(image: sitk.Image) -> sitk.Image:
        values = sitk.GetArrayFromImage(image)
        copy = np.roll(values, values.shape[1] // 2, axis=1)
        return image_on(image, (values + share * copy).astype(np.float32))

    return add


def shaded(depth: float) -> Change:
    """A small coil at the left: the signal falls by `depth` within some 60 mm."""

    def shade(image: sitk.Image) -> sitk.Image:
        values = sitk.GetArrayFromImage(image)
        along_mm = np.arange(values.shape[2])[::-1] * image.GetSpacing()[0]
        fall = 1 - depth * (1 - np.exp(-along_mm / 60))
        return image_on(image, (values * fall).astype(np.float32))

    return shade


def padded(margin_mm: float, value: float) -> Change:
    """A larger field of view along the rows and columns."""

    def pad(image: sitk.Image) -> sitk.Image:
        voxels = [round(margin_mm / step) for step in image.GetSpacing()[:2]] + [0]
        return sitk.ConstantPad(image, voxels, voxels, value)

    return pad
