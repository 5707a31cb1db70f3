"""Alignment of a PET or SPECT with an MR or CT: by headers, a file, its own CT, or a search."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from radfuse.errors import GeometryError, RegistrationError
from radfuse.pipeline.align import (
    REMEDIES,
    PriorAlignment,
    align,
    alignment_identifier,
    is_refused,
    series_digest,
)
from radfuse.recipe import Recipe
from radfuse.registration.ct_to_ct import soft_tissue
from radfuse.registration.functional.assessment import assess_functional
from radfuse.registration.functional.search import register_functional
from radfuse.registration.optimizer import itk_threads
from radfuse.registration.transforms import canonicalize, matrix_of, read_transform
from radfuse.series import Series
from radfuse.verdict import Assessment

Report = Callable[[str], None]

SHARED_FRAME = "headers, one frame of reference"
"""Origin of the alignment of two images of one scanner."""


@dataclass(frozen=True)
class FunctionalAlignment:
    """The transform between an MR or CT and a PET or SPECT, its origin and its QA."""

    moving_from_fixed: sitk.Transform
    """Canonical, see `canonicalize`; maps an anatomical point to a functional one, LPS mm."""

    quality: Assessment
    origin: str
    """`file`, `headers`, `search`, `given` where a search started from a transform, or that of an
    alignment from before the fusion, such as `manual`."""

    inputs: tuple[str, ...] = ()
    """Digests of both images."""

    @property
    def identifier(self) -> str:
        """Names this alignment in record, QA sheet and DICOM: a hash of its inputs and matrix."""
        return alignment_identifier(self.inputs, self.moving_from_fixed)

    def facts(self) -> dict[str, Any]:
        """Plain JSON for the record."""
        return {
            "id": self.identifier,
            "origin": self.origin,
            "functional_from_anatomical": matrix_of(self.moving_from_fixed).tolist(),
            "quality": self.quality.as_dict(),
        }


def align_functional(
    anatomical: Series,
    functional: Series,
    recipe: Recipe,
    report: Report,
    prior: PriorAlignment | None = None,
) -> FunctionalAlignment:
    """Align the two; the transform maps an anatomical point to a functional one, LPS mm.

    By `prior`, where there is one; by a transform of the recipe; by the headers where the recipe
    says so, or where both are of one frame of reference, as of one scanner, and the alignment does
    not fail QA; else by a search.

    Raises
    ------
    RegistrationError
        QA failed, unless the recipe accepts that.
    """
    alignment = (
        _by_prior(anatomical, functional, recipe, report, prior)
        if prior
        else _given(anatomical, functional, recipe, report)
    )
    if alignment is None:
        initial = _transform(recipe.initial_transform, anatomical, functional, recipe)
        origin = "search" if initial is None else "given"
        alignment = _searched(anatomical, functional, recipe, report, initial, origin)
    if is_refused(alignment.quality.grade, recipe) and not recipe.accept_registration:
        raise RegistrationError(alignment.quality.sentence(), REMEDIES)
    return alignment


def _searched(
    anatomical: Series,
    functional: Series,
    recipe: Recipe,
    report: Report,
    initial: sitk.Transform | None,
    origin: str,
) -> FunctionalAlignment:
    report("optimize initial poses")
    found = register_functional(
        anatomical, functional, initial=initial, deterministic=recipe.deterministic, report=report
    )
    transform = found.functional_from_anatomical
    return _alignment(anatomical, functional, transform, found.quality, origin)


def _by_prior(
    anatomical: Series, functional: Series, recipe: Recipe, report: Report, prior: PriorAlignment
) -> FunctionalAlignment:
    transform = prior.mr_from_ct
    if prior.refine:
        origin = f"{prior.origin}, refined"
        return _searched(anatomical, functional, recipe, report, transform, origin)
    report("estimate the error of the given alignment")
    with itk_threads(single=recipe.deterministic):
        quality = assess_functional(anatomical, functional, transform)
    return _alignment(anatomical, functional, transform, quality, prior.origin)


def align_through_ct(
    ct: Series, own_ct: Series, recipe: Recipe, report: Report, prior: PriorAlignment | None = None
) -> FunctionalAlignment:
    """The alignment of a PET by the CT of its scanner, which is registered to the other CT.

    `prior` is that of the PET, in whose frame of reference its CT is.
    """
    report("register the CT of the PET")
    found = align(ct, soft_tissue(own_ct), recipe, report, prior)
    return FunctionalAlignment(found.mr_from_ct, found.quality, found.origin, found.inputs)


def ct_in_one_frame(functional: Series, own_ct: Series) -> Series:
    """The CT of a PET, with a note where a frame of reference is unknown.

    Raises `GeometryError` where they are not of one frame of reference.
    """
    frames = {one.frame_of_reference_uid for one in (functional, own_ct)}
    if len(frames - {None}) > 1:
        raise GeometryError(
            f"the {functional.modality} and its CT have different frames of reference, so they are "
            "not aligned; give the CT of the same examination, or leave out --pet-ct"
        )
    if None not in frames:
        return own_ct
    note = (
        f"a frame of reference is unknown; the {functional.modality} and the CT of its scanner are "
        "taken as aligned"
    )
    return replace(own_ct, notes=(*own_ct.notes, note))


def _given(
    anatomical: Series, functional: Series, recipe: Recipe, report: Report
) -> FunctionalAlignment | None:
    """The alignment without a search; None where one is needed."""
    transform = _transform(recipe.transform, anatomical, functional, recipe)
    frames = {anatomical.frame_of_reference_uid, functional.frame_of_reference_uid}
    is_shared = len(frames) == 1 and None not in frames
    if transform is not None:
        origin = "file"
    elif not recipe.register_rigidly:
        if len(frames - {None}) > 1 and not recipe.accept_registration:
            raise RegistrationError(
                f"{anatomical.modality} and {functional.modality} have different frames of "
                "reference, so their headers do not align them",
                f"leave out --no-register, or {REMEDIES}",
            )
        origin, transform = "headers", sitk.Euler3DTransform()
    elif is_shared and recipe.initial_transform is None:
        origin, transform = SHARED_FRAME, sitk.Euler3DTransform()
    else:
        return None
    report("estimate the error of the given alignment")
    with itk_threads(single=recipe.deterministic):
        quality = assess_functional(anatomical, functional, transform)
    if origin == SHARED_FRAME and is_refused(quality.grade, recipe):
        return None
    return _alignment(anatomical, functional, transform, quality, origin)


def _transform(
    path: Path | None, anatomical: Series, functional: Series, recipe: Recipe
) -> sitk.Transform | None:
    if path is None:
        return None
    return read_transform(
        path, ct=anatomical, mr=functional, accept_patients=recipe.accept_patients
    )


def _alignment(
    anatomical: Series,
    functional: Series,
    transform: sitk.Transform,
    quality: Assessment,
    origin: str,
) -> FunctionalAlignment:
    inputs = series_digest(anatomical), series_digest(functional)
    return FunctionalAlignment(canonicalize(transform), quality, origin, inputs)
