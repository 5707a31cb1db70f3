"""Alignment of all images of a patient: one registration for each frame of reference."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from radfuse.errors import RegistrationError
from radfuse.pipeline.align import PriorAlignment, align, is_refused
from radfuse.pipeline.functional.align import align_functional, align_through_ct
from radfuse.pipeline.result import FurtherImage
from radfuse.recipe import Recipe
from radfuse.series import Series

Report = Callable[[str], None]

SHARED = "shared"
"""Origin of an alignment that is that of another image of its frame of reference."""


ALIGNED = "aligned manually"
"""Note on an image with an alignment from before the fusion, which a search may have refined."""


class FurtherRegistrationError(RegistrationError):
    """Registration QA failed for an image that is not fused."""


@dataclass(frozen=True)
class FurtherSeries:
    """An image that is brought onto the CT's grid."""

    label: str
    series: Series

    through: Series | None = None
    """The CT of its scanner, in its frame of reference, which is registered instead of it."""

    prior: PriorAlignment | None = None
    """Its alignment, or where its search starts, instead of a search of its own."""

    @property
    def all_series(self) -> tuple[Series, ...]:
        """The image, and that CT."""
        return (self.series, self.through) if self.through else (self.series,)

    def changed(self, change: Callable[[Series], Series]) -> "FurtherSeries":
        """The same with each series changed."""
        through = change(self.through) if self.through else None
        return replace(self, series=change(self.series), through=through)


def align_further(
    ct: Series,
    fused: FurtherImage,
    further: Sequence[FurtherSeries],
    recipe: Recipe,
    report: Report,
) -> tuple[FurtherImage, ...]:
    """Align images with the CT; `fused` is the one that is fused with it, already aligned.

    Images of one frame of reference share one registration, which is assessed for each; where it
    does not hold for one, whose patient moved in between, that is registered by itself. Raises
    `RegistrationQAError` where registration QA failed for one of them, with its label.
    """
    recipe = recipe.model_copy(update={"transform": None, "initial_transform": None})
    aligned = [fused]
    for one in further:
        report(f"registering {one.label}")
        try:
            aligned.append(_aligned(ct, one, aligned, recipe, report))
        except RegistrationError as error:
            raise FurtherRegistrationError(
                f"{one.label}: {error.reason}", f"leave it out, or {error.args[1]}"
            ) from error
    return tuple(aligned[1:])


def _aligned(
    ct: Series, one: FurtherSeries, aligned: Sequence[FurtherImage], recipe: Recipe, report: Report
) -> FurtherImage:
    if one.through is not None:
        through_ct = align_through_ct(ct, one.through, recipe, report, one.prior)
        note = ALIGNED if one.prior else "registered by the CT of its scanner"
        return FurtherImage(one.label, one.series, through_ct, note, one.through)
    if one.series.modality.role == "functional":
        by_itself = align_functional(ct, one.series, recipe, report, one.prior)
        note = ALIGNED if one.prior else "registered by itself"
        return FurtherImage(one.label, one.series, by_itself, note)
    if one.prior is not None:
        return FurtherImage(
            one.label, one.series, align(ct, one.series, recipe, report, one.prior), ALIGNED
        )
    partner = _in_one_frame(one.series, aligned)
    if partner is not None:
        kept = PriorAlignment(partner.alignment.moving_from_fixed, SHARED)
        permissive = recipe.model_copy(update={"accept_registration": True})
        alignment = align(ct, one.series, permissive, report, kept)
        note = f"shares the registration of {partner.label}, in whose frame of reference it is"
        shared = FurtherImage(one.label, one.series, alignment, note)
        if not is_refused(alignment.quality.grade, recipe):
            return shared
    alignment = align(ct, one.series, recipe, report)
    if partner and is_refused(alignment.quality.grade, recipe):  # accepted by the recipe
        return shared
    moved = f"; that of {partner.label} does not fit, the patient moved" if partner else ""
    return FurtherImage(one.label, one.series, alignment, f"registered by itself{moved}")


def _in_one_frame(series: Series, aligned: Sequence[FurtherImage]) -> FurtherImage | None:
    """The first image in the same frame of reference; None without one."""
    frame = series.frame_of_reference_uid
    return next(
        (one for one in aligned if frame and one.series.frame_of_reference_uid == frame), None
    )
