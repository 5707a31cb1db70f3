"""How CT and MR come to lie on each other: a search, a file, or the headers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import SimpleITK as sitk

from radfuse.errors import UntrustedError
from radfuse.recipe import Recipe
from radfuse.registration.climb import threads
from radfuse.registration.quality import Quality, assess
from radfuse.registration.rigid import register
from radfuse.registration.transform import matrix_of, read_transform
from radfuse.series import Series

WAYS_OUT = (
    "look at the QA sheet of a run with --accept-registration; try --initial-transform FILE with a "
    "rough alignment, made from landmarks for instance"
)
"""What to do about a registration that is not trusted."""


@dataclass(frozen=True)
class Alignment:
    """Where the MR lies in the CT, how that is known and how far to trust it."""

    mr_from_ct: sitk.Transform
    quality: Quality
    origin: str
    """`headers`, `file`, or the start that led the search to it."""

    def facts(self) -> dict[str, Any]:
        """Plain JSON for the record."""
        return {
            "origin": self.origin,
            "mr_from_ct": matrix_of(self.mr_from_ct).tolist(),
            "quality": self.quality.as_dict(),
        }


def align(ct: Series, mr: Series, recipe: Recipe, report: Callable[[str], None]) -> Alignment:
    """Align two volumes as the recipe says.

    Raises `UntrustedError` where the quality is below its threshold, whatever the origin of the
    alignment, unless the recipe accepts that.
    """
    alignment = _aligned(ct, mr, recipe, report)
    if not alignment.quality.trusted and not recipe.accept_registration:
        raise UntrustedError(f"{alignment.quality.sentence()}; {WAYS_OUT}")
    return alignment


def _aligned(ct: Series, mr: Series, recipe: Recipe, report: Callable[[str], None]) -> Alignment:
    if recipe.transform or not recipe.register_rigidly:
        given = read_transform(recipe.transform) if recipe.transform else sitk.Euler3DTransform()
        report("judging the given alignment")
        origin = "file" if recipe.transform else "headers"
        with threads(one=recipe.deterministic):
            return Alignment(given, assess(ct, mr, given), origin)
    initial = read_transform(recipe.initial_transform) if recipe.initial_transform else None
    found = register(ct, mr, initial=initial, deterministic=recipe.deterministic, report=report)
    return Alignment(found.mr_from_ct, found.quality, found.start)
