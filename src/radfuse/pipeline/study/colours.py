"""A PET or SPECT of a patient over the CT, in colour."""

from dataclasses import dataclass

import SimpleITK as sitk

from radfuse.methods.loading import load_method
from radfuse.pipeline.functional.volume import ColourScale, colour_scale, fuse_in_colour
from radfuse.recipe import DEFAULT_FUNCTIONAL_METHOD, Recipe
from radfuse.series import Series


@dataclass(frozen=True)
class FusedColours:
    """A functional volume fused with the CT."""

    image: sitk.Image
    """RGB, three components of uint8, on the CT's grid."""

    scale: ColourScale
    recipe: Recipe
    """Its method is the default one of PET and SPECT."""


def fuse_over_ct(
    ct: Series, functional: Series, functional_from_ct: sitk.Transform, recipe: Recipe
) -> FusedColours:
    """Fuse an aligned PET or SPECT with the CT, in the colour map and colour space of a recipe.

    Raises `InputError` where there is no uptake in the head.
    """
    own = Recipe(
        method=DEFAULT_FUNCTIONAL_METHOD,
        colour_map=recipe.colour_map,
        colour_space=recipe.colour_space,
    )
    scale = colour_scale(ct, functional, functional_from_ct, own)
    image, _ = fuse_in_colour(functional, functional_from_ct, scale, load_method(own.method))
    return FusedColours(image, scale, own)
