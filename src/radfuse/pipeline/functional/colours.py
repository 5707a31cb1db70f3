"""Write a volume fused in colour as DICOM."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from radfuse.dicom.write.colour_blend import write_colour
from radfuse.dicom.write.derivation_context import DerivationContext
from radfuse.pipeline.functional.volume import ColourScale
from radfuse.recipe import Recipe


def write_fused_colours(
    folder: Path, image: sitk.Image, scale: ColourScale, context: DerivationContext, recipe: Recipe
) -> None:
    """Write the slices of a volume in colour (RGB, uint8) as Secondary Capture.

    Errors are those of `write_colour`.
    """
    low, high = scale.uptake_range
    moving = context.moving.modality

    def rgb_slice(index: int) -> NDArray[np.uint8]:
        plane = image[:, :, index : index + 1]
        return np.array(sitk.GetArrayViewFromImage(plane)[0], np.uint8)

    write_colour(
        folder, rgb_slice, context,
        label=context.method_label, contribution=f"Fusion by {context.method_label}",
        derivation=(
            f"{context.fixed.modality} and rigidly registered {moving} fused in colour by "
            f"{context.method_label}, colour map {recipe.colour_map} from {low:g} to {high:g} "
            f"{moving.unit}".rstrip()
        ),
    )  # fmt: skip
