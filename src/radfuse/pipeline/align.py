"""How CT and MR come to lie on each other: a search, a file, or the headers."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import SimpleITK as sitk

from radfuse.errors import UntrustedError
from radfuse.intensity import ct_head_mask
from radfuse.recipe import Recipe
from radfuse.registration.climb import DEFAULT_SEED, apart_mm, threads
from radfuse.registration.grids import centroid
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

    offer: str = ""
    """How good the headers' alignment is, where CT and MR share a frame of reference."""

    @property
    def identifier(self) -> str:
        """Names this alignment in record, QA sheet and DICOM: a hash of its matrix."""
        return hashlib.sha256(matrix_of(self.mr_from_ct).tobytes()).hexdigest()[:12]

    def facts(self) -> dict[str, Any]:
        """Plain JSON for the record."""
        return {
            "id": self.identifier,
            "origin": self.origin,
            "seed": DEFAULT_SEED,
            "mr_from_ct": matrix_of(self.mr_from_ct).tolist(),
            **({"one_frame_of_reference": self.offer} if self.offer else {}),
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


def _check_frames(ct: Series, mr: Series, recipe: Recipe) -> None:
    """Raise `UntrustedError` for headers that name two frames of reference, unless accepted."""
    frames = {series.frame_of_reference_uid for series in (ct, mr)} - {None}
    if len(frames) > 1 and not recipe.accept_registration:
        raise UntrustedError(
            "the headers are not to be trusted: CT and MR have different frames of reference; "
            f"leave out --no-register, or {WAYS_OUT}"
        )


def _aligned(ct: Series, mr: Series, recipe: Recipe, report: Callable[[str], None]) -> Alignment:
    if recipe.transform or not recipe.register_rigidly:
        given = (
            read_transform(recipe.transform, ct=ct, mr=mr)
            if recipe.transform
            else sitk.Euler3DTransform()
        )
        report("judging the given alignment")
        origin = "file" if recipe.transform else "headers"
        if origin == "headers":
            _check_frames(ct, mr, recipe)
        with threads(one=recipe.deterministic):
            return Alignment(given, assess(ct, mr, given), origin)
    rough = recipe.initial_transform
    initial = read_transform(rough, ct=ct, mr=mr) if rough else None
    found = register(ct, mr, initial=initial, deterministic=recipe.deterministic, report=report)
    offer = _headers_offer(ct, mr, found.mr_from_ct, recipe, report)
    return Alignment(found.mr_from_ct, found.quality, found.start, offer)


def _headers_offer(
    ct: Series,
    mr: Series,
    found: sitk.Transform,
    recipe: Recipe,
    report: Callable[[str], None],
) -> str:
    """What the headers' alignment is worth, where one scanner's frame holds both; else empty."""
    frames = {series.frame_of_reference_uid for series in (ct, mr)}
    if None in frames or len(frames) > 1:
        return ""
    report("judging the headers' alignment")
    by_headers = sitk.Euler3DTransform()
    with threads(one=recipe.deterministic):
        quality = assess(ct, mr, by_headers)
    apart = apart_mm(found, by_headers, centroid(ct_head_mask(ct.image)))
    return (
        f"CT and MR share a frame of reference; the headers' alignment is {quality.sentence()}, "
        f"{apart:.1f} mm from the one that was found; --no-register takes it instead"
    )
