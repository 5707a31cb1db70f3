"""The QA sheet of a fusion in colour."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from radfuse.arrays import Float32Array
from radfuse.pipeline.functional.result import FunctionalResult
from radfuse.pipeline.qa.content import axial_cuts, mask_centre
from radfuse.pipeline.qa.sheet import OUTLINE, PLANES, Sides, border, oriented_cuts, write_qa_sheet

LIMITS = (
    "one rigid transform for the whole head, at the resolution of the functional image; what its "
    "verdict does not judge is stated above"
)
"""Limits of a registration, whatever its verdict."""

OUTLINE_VALUE = 0.35
"""Uptake of the outline that is drawn over the anatomical image: about the surface of the brain."""


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


def write_functional_sheet(path: Path, result: FunctionalResult) -> None:
    """Write the QA sheet: the central planes, then axial slices, and the tables."""
    region, anatomical = result.region, result.anatomical.image
    planes = [_plane(result, *cut) for cut in enumerate(mask_centre(region.fov_mask))]
    axial = [
        _plane(result, *cut, name=name) for name, cut in axial_cuts(anatomical, region).items()
    ]
    write_qa_sheet(
        path,
        sorted(planes, key=lambda plane: plane.name) + axial,
        _sections(result),
        warning=" ".join(result.record.warnings),
        pair=(str(result.anatomical.modality), str(result.functional.modality)),
        prefix="functional_",
    )


def _plane(result: FunctionalResult, axis: int, index: int, name: str = "") -> ColourPlane:
    """The plane of the fused box at an index along an axis: slices, rows, columns."""
    box = list(result.region.box)
    box[axis] = slice(box[axis].start + index, box[axis].start + index + 1)
    where = tuple(box[::-1])
    grid = result.anatomical.image[where]
    uptake, _ = result.scale.uptake(
        result.functional.image, grid, result.alignment.moving_from_fixed
    )
    colours = result.scale.colour_map.colours(uptake)
    fused = sitk.GetArrayFromImage(result.image[where]).astype(np.float32) / 255
    channels = [*np.moveaxis(colours, -1, 0), *np.moveaxis(fused, -1, 0)]
    shown, cuts, pixel_mm = oriented_cuts(grid, [result.scale.grey(grid), uptake, *channels])
    levels = [np.rint(255 * np.clip(cut, 0, 1)).astype(np.uint8) for cut in cuts]
    return ColourPlane(
        name=name or shown,
        sides=PLANES[shown],
        pixel_mm=pixel_mm,
        codes=(str(result.anatomical.modality), str(result.functional.modality)),
        grey=levels[0],
        colours=np.stack(levels[2:5], axis=-1),
        fused=np.stack(levels[5:8], axis=-1),
        uptake=cuts[1],
    )


def _sections(result: FunctionalResult) -> dict[str, dict[str, str]]:
    """Headings, with the table of each."""
    record = result.record
    created = f"{record.created:%Y-%m-%d %H:%M} UTC by radfuse {record.versions['radfuse']}"
    datasets = {}
    for source in record.inputs:
        size, spacing = (
            " x ".join(f"{value:.4g}" for value in values)
            for values in (source.size, source.spacing_mm)
        )
        datasets[source.role] = f"{source.source}: {size}, {spacing} mm"
        if source.notes:
            datasets[f"Notes on the {source.role}"] = "; ".join(source.notes)
    alignment = result.alignment
    registration = {
        "Registration": alignment.quality.sentence(),
        "Registration ID": alignment.identifier,
        "Alignment source": alignment.origin,
        "Limits": LIMITS,
    }
    fusion = {"Method": f"{record.recipe.method}: {record.method['summary']}"}
    fusion |= {key: str(value) for key, value in record.scaling.items()}
    return {
        "Datasets": datasets,
        "Registration": registration,
        "Fusion": {**fusion, "Created": created},
    }
