"""How values become colours, in words, and volumes in colour as DICOM."""

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from radfuse.dicom.read.nuclear.standard_uptake import uptake_scale, value_unit
from radfuse.dicom.write.colour_blend import colour_series
from radfuse.dicom.write.derivation_context import DerivationContext
from radfuse.errors import InputError
from radfuse.modality import PT
from radfuse.pipeline.functional.volume import ColourScale
from radfuse.recipe import Recipe
from radfuse.series import Series

COLOUR_SUFFIXES = (".nrrd", ".mha")
"""Formats of a fused volume in colour in one file; NIfTI programs differ in how they read RGB."""


def write_fused_colours(
    folder: Path, image: sitk.Image, scale: ColourScale, context: DerivationContext, recipe: Recipe
) -> None:
    """Write the slices of a volume in colour (RGB, uint8) as Secondary Capture.

    Errors are those of `write.write_slices`.
    """
    low, high = scale.uptake_range
    moving, unit = context.moving.modality, value_unit(context.moving.headers)

    def rgb_slice(index: int) -> NDArray[np.uint8]:
        plane = image[:, :, index : index + 1]
        return np.array(sitk.GetArrayViewFromImage(plane)[0], np.uint8)

    series = colour_series(
        folder, rgb_slice, context,
        label=context.method_label, contribution=f"Fusion by {context.method_label}",
        derivation=(
            f"{context.fixed.modality} and rigidly registered {moving} fused in colour by "
            f"{context.method_label}, colour map {recipe.colour_map} from {low:g} to {high:g} "
            f"{unit}".rstrip()
        ),
    )  # fmt: skip
    context.write(series)


def colour_facts(functional: Series, scale: ColourScale, recipe: Recipe) -> dict[str, Any]:
    """How values became colours, for a record."""
    low, high = scale.uptake_range
    code, unit = functional.modality.code, value_unit(functional.headers)
    facts: dict[str, Any] = {
        "Colour space": f"{recipe.colour_space}: {scale.space.summary}",
        f"Colours of the {code}": f"{recipe.colour_map}: {scale.colour_map.summary}",
        f"{code} values scaled to 0 and 1": f"{low:g} and {high:g} {unit}".strip(),
        f"Outside the {code} field of view": f"the {scale.anatomical.modality} alone, in grey",
    }
    if functional.modality is PT:
        facts["SUVbw"] = _standard_uptake(functional, high, deidentified=recipe.deidentify)
    return facts


def _standard_uptake(pet: Series, highest: float, *, deidentified: bool) -> str:
    """The highest value as SUVbw, or why it cannot be computed."""
    if not pet.headers:
        return "not computed: no DICOM headers"
    try:
        scale = uptake_scale(pet.headers)
    except InputError as error:
        if deidentified:
            return "not computed: de-identification removes what it needs, such as the weight"
        return f"not computed: {error}"
    return f"{scale.factor * highest:.3g} g/ml at the highest value; {scale.note}"
