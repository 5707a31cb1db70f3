"""Planes of the QA sheet with a PET or SPECT in colour."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from radfuse.arrays import Box, Float32Array
from radfuse.dicom.read.nuclear.standard_uptake import value_unit
from radfuse.pipeline.display.planes import PLANES, Sides
from radfuse.pipeline.functional.volume import ColourScale
from radfuse.pipeline.qa.sheet import OUTLINE, ColourBar, border, oriented_cuts
from radfuse.series import Series

OUTLINE_VALUE = 0.35
"""Uptake of the outline that is drawn over the anatomical image: about the surface of the brain."""

BAR_COLOURS = 256
"""Of a colour bar."""


@dataclass(frozen=True)
class ColourPlane:
    """One plane: anatomical image in grey, uptake and fused image in colour; 8 bits."""

    name: str
    sides: Sides
    pixel_mm: tuple[float, float]
    codes: tuple[str, str]
    """Modalities of the anatomical and the functional image."""

    grey: NDArray[np.uint8]
    colours: NDArray[np.uint8]
    fused: NDArray[np.uint8]
    uptake: Float32Array
    bar: ColourBar
    crosshair: tuple[float, float] | None = None

    def panels(self) -> Mapping[str, NDArray[np.uint8]]:
        """Both images, the fused one, and the outline of the uptake over the anatomical one."""
        anatomical, functional = self.codes
        grey = np.repeat(self.grey[..., None], 3, axis=2)
        outlined = grey.copy()
        outlined[border(self.uptake > OUTLINE_VALUE)] = OUTLINE
        return {
            anatomical: grey,
            functional: self.colours,
            "fused": self.fused,
            f"{anatomical} with the outline of {OUTLINE_VALUE:.0%} of the {functional}": outlined,
        }


def colour_plane(
    functional: Series,
    functional_from_anatomical: sitk.Transform,
    scale: ColourScale,
    fused: sitk.Image,
    box: Box,
    axis: int,
    index: int,
) -> ColourPlane:
    """The plane of a box at an index along an axis: slices, rows, columns.

    `fused` is RGB on the whole grid of the anatomical image. The name is that of the plane.
    """
    part = list(box)
    part[axis] = slice(box[axis].start + index, box[axis].start + index + 1)
    where = tuple(part[::-1])
    anatomical = scale.anatomical
    grid = anatomical.image[where]
    uptake, _ = scale.uptake(functional.image, grid, functional_from_anatomical)
    colours = scale.colour_map.colours(uptake)
    shown = sitk.GetArrayFromImage(fused[where]).astype(np.float32) / 255
    channels = [*np.moveaxis(colours, -1, 0), *np.moveaxis(shown, -1, 0)]
    name, cuts, pixel_mm = oriented_cuts(grid, [scale.grey(grid), uptake, *channels])
    levels = [np.rint(255 * np.clip(cut, 0, 1)).astype(np.uint8) for cut in cuts]
    return ColourPlane(
        name=name,
        sides=PLANES[name],
        pixel_mm=pixel_mm,
        codes=(str(anatomical.modality), str(functional.modality)),
        grey=levels[0],
        colours=np.stack(levels[2:5], axis=-1),
        fused=np.stack(levels[5:8], axis=-1),
        uptake=cuts[1],
        bar=_colour_bar(scale, functional),
    )


def _colour_bar(scale: ColourScale, functional: Series) -> ColourBar:
    colours = scale.colour_map.colours(np.linspace(0, 1, BAR_COLOURS, dtype=np.float32))
    low, high = (_shown(value, value_unit(functional.headers)) for value in scale.uptake_range)
    return ColourBar(np.rint(255 * colours).astype(np.uint8), low, high)


def _shown(value: float, unit: str) -> str:
    """Four digits, without an exponent where there are fewer than ten."""
    return f"{float(f'{value:.4g}'):.10g} {unit}".strip()
