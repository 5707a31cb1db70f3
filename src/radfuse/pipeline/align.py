"""How CT and MR come to lie on each other: a search, a file, or the headers."""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import SimpleITK as sitk

from radfuse.errors import RegistrationError
from radfuse.intensity import head_mask
from radfuse.recipe import Recipe
from radfuse.registration.optimizer import DEFAULT_SEED, apart_mm, threads
from radfuse.registration.preprocessing import centroid
from radfuse.registration.quality import Quality, assess
from radfuse.registration.search import register
from radfuse.registration.transforms import matrix_of, read_transform, settled
from radfuse.series import Series

LOG = logging.getLogger(__name__)

REMEDIES = (
    "look at the QA sheet of a run with --accept-registration; try --initial-transform FILE with a "
    "rough alignment, made from landmarks for instance"
)
"""What to do about a registration that is not trusted."""

MANUAL = "manual"
"""Origin of an alignment that a person made."""


@dataclass(frozen=True)
class Given:
    """An alignment that is there before the fusion: made by hand, or kept from an earlier one."""

    mr_from_ct: sitk.Transform
    """Rigid; maps a CT point to an MR point, LPS mm."""

    origin: str
    """`manual`, or where the kept one came from."""

    refine: bool = False
    """Whether a search starts from it; else it is taken as it stands."""


@dataclass(frozen=True)
class Alignment:
    """Where the MR lies in the CT, how that is known and how far to trust it."""

    mr_from_ct: sitk.Transform
    """Settled: a file gives back the same."""

    quality: Quality
    origin: str
    """`headers`, `file`, `manual`, or the start that led the search to it."""

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


class RegistrationQAError(RegistrationError):
    """An alignment whose quality is below the threshold; a person may want to look at it."""

    def __init__(self, reason: str, remedies: str, alignment: Alignment) -> None:
        super().__init__(reason, remedies)
        self.alignment = alignment


def align(
    ct: Series,
    mr: Series,
    recipe: Recipe,
    report: Callable[[str], None],
    given: Given | None = None,
) -> Alignment:
    """Align two volumes as the recipe says, or as they are `given`, which goes before the recipe.

    Raises `RegistrationQAError` where the quality is below its threshold, whatever the origin
    of the alignment, unless the recipe accepts that.
    """
    alignment = _aligned(ct, mr, recipe, report, given or _given(ct, mr, recipe))
    LOG.info(
        "registration assessed",
        extra={"registration_id": alignment.identifier, **alignment.quality.as_dict()},
    )
    if not alignment.quality.trusted and not recipe.accept_registration:
        raise RegistrationQAError(alignment.quality.sentence(), REMEDIES, alignment)
    return alignment


def _given(ct: Series, mr: Series, recipe: Recipe) -> Given | None:
    """What the recipe gives: a file, a rough one to start from, the headers; else nothing."""
    if recipe.transform:
        return Given(read_transform(recipe.transform, ct=ct, mr=mr), "file")
    if recipe.initial_transform:
        rough = read_transform(recipe.initial_transform, ct=ct, mr=mr)
        return Given(rough, "given", refine=True)
    return None if recipe.register_rigidly else Given(sitk.Euler3DTransform(), "headers")


def _check_frames(ct: Series, mr: Series, recipe: Recipe) -> None:
    """Raise `RegistrationError` for headers that name two frames of reference, unless accepted."""
    frames = {series.frame_of_reference_uid for series in (ct, mr)} - {None}
    if len(frames) > 1 and not recipe.accept_registration:
        raise RegistrationError(
            "the headers are not to be trusted: CT and MR have different frames of reference",
            f"leave out --no-register, or {REMEDIES}",
        )


def _aligned(
    ct: Series,
    mr: Series,
    recipe: Recipe,
    report: Callable[[str], None],
    given: Given | None,
) -> Alignment:
    if given is not None and not given.refine:
        report("judging the given alignment")
        if given.origin == "headers":
            _check_frames(ct, mr, recipe)
        mr_from_ct = settled(given.mr_from_ct)
        with threads(one=recipe.deterministic):
            return Alignment(mr_from_ct, assess(ct, mr, mr_from_ct), given.origin)
    initial = given.mr_from_ct if given else None
    found = register(ct, mr, initial=initial, deterministic=recipe.deterministic, report=report)
    mr_from_ct = settled(found.mr_from_ct)
    offer = _headers_offer(ct, mr, mr_from_ct, recipe, report)
    origin = f"{given.origin}, refined" if given and given.origin == MANUAL else found.start
    return Alignment(mr_from_ct, found.quality, origin, offer)


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
    apart = apart_mm(found, by_headers, centroid(head_mask(ct.image, ct.modality)))
    return (
        f"CT and MR share a frame of reference; the headers' alignment is {quality.sentence()}, "
        f"{apart:.1f} mm from the one that was found; --no-register takes it instead"
    )
