"""Planes of a fused image as PNG: axial, coronal and sagittal through one point."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from PIL import Image

PANEL_PX = 256
"""Height of the tallest plane; all planes of a volume have one scale."""

Sides = tuple[str, str, str, str]
"""Letters for left, right, top and bottom of an image; empty where unknown."""

PLANES: dict[str, Sides] = {
    "axial": ("R", "L", "A", "P"),
    "coronal": ("R", "L", "S", "I"),
    "sagittal": ("A", "P", "S", "I"),
}
"""Planes across the third, second and first axis of LPS, in radiological orientation."""


@dataclass(frozen=True)
class Panel:
    """One image with its name and the letters at its sides."""

    name: str
    sides: Sides
    url: str
    """A PNG with square pixels, as a data URL."""


def volume_panels(image: sitk.Image, white: float, centre: Sequence[int]) -> list[Panel]:
    """The three planes of a volume, grey or RGB, through a voxel (column, row, slice).

    `white` is the stored value of white. The patient's left is on the right of the images.
    """
    cuts = [_cut(image, axis, centre[axis]) for axis in (2, 1, 0)]
    tallest_mm = max(len(values) * height_mm for _, values, (height_mm, _) in cuts)
    panels = {
        name: Panel(name, PLANES[name], _png_url(values / white, pixel_mm, PANEL_PX / tallest_mm))
        for name, values, pixel_mm in cuts
    }
    return [panels[name] for name in PLANES]


def image_panel(values: NDArray[np.floating]) -> Panel:
    """A 2-D image in [0, 1], (rows, columns) or RGB, as it was given."""
    return Panel("", ("",) * 4, _png_url(values, (1.0, 1.0), PANEL_PX / len(values)))


def _cut(image: sitk.Image, axis: int, index: int) -> tuple[str, NDArray[Any], tuple[float, float]]:
    """Name, values and size of the pixels of a plane across an axis of the grid."""
    part: list[slice] = [slice(None)] * 3
    part[axis] = slice(index, index + 1)
    plane = sitk.DICOMOrient(image[tuple(part)], "LPS")
    across = plane.GetSize()[::-1].index(1)
    name = list(PLANES)[across]
    downwards = 1 if name == "axial" else -1  # superior is above
    values = sitk.GetArrayFromImage(plane).take(0, across)[::downwards]
    height_mm, width_mm = np.delete(plane.GetSpacing()[::-1], across)
    return name, values, (float(height_mm), float(width_mm))


def _png_url(values: NDArray[np.floating], pixel_mm: tuple[float, float], px_per_mm: float) -> str:
    """Values in [0, 1] as a PNG; `pixel_mm` are height and width of a pixel."""
    levels = np.rint(255 * np.clip(values, 0, 1)).astype(np.uint8)
    rows, columns = levels.shape[:2]
    size = (columns * pixel_mm[1] * px_per_mm, rows * pixel_mm[0] * px_per_mm)
    width, height = (max(1, round(one)) for one in size)
    stream = BytesIO()
    scaled = Image.fromarray(levels).resize((width, height), Image.Resampling.BICUBIC)
    scaled.save(stream, "PNG")
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"
