"""Alignment of CT and MR: by a search, a file, or the headers, with registration QA."""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from radfuse.errors import GeometryError, RegistrationError
from radfuse.intensity import head_mask
from radfuse.io.volume_checks import registered_size_problem
from radfuse.recipe import Recipe
from radfuse.record import digest
from radfuse.registration.ct_region import read_region
from radfuse.registration.optimizer import DEFAULT_SEED, itk_threads, mean_displacement_mm
from radfuse.registration.preprocessing import centroid
from radfuse.registration.qa.assessment import assess
from radfuse.registration.qa.quality import Quality
from radfuse.registration.search import register
from radfuse.registration.transforms import canonicalize, matrix_of, read_transform
from radfuse.series import Series
from radfuse.verdict import Grade

LOG = logging.getLogger(__name__)

REMEDIES = (
    "check the QA sheet of a run with --accept-registration, or pass an approximate transform, for "
    "example from landmarks, with --initial-transform FILE"
)
"""Suggestions where registration QA failed."""

INSPECT_REMEDY = "inspect the QA sheet of a run without --require-pass"
"""Suggestion where a registration that is to be inspected is refused."""

MANUAL = "manual"
"""Origin of an alignment made by a person."""


@dataclass(frozen=True)
class PriorAlignment:
    """An alignment from before the fusion: made manually, or kept from an earlier fusion."""

    mr_from_ct: sitk.Transform
    """Rigid; maps a CT point to a point of the MR, or of another image, LPS mm."""

    origin: str
    """`manual`, or the origin of the kept one."""

    refine: bool = False
    """Whether a search starts from it; else it is used unchanged."""


@dataclass(frozen=True, repr=False)
class Alignment:
    """The transform between CT and MR, its origin and its estimated error.

    Examples
    --------
    >>> import radfuse
    >>> head = radfuse.datasets.phantom(spacing_mm=4.0)
    >>> result = radfuse.fuse(head.ct, head.mr)
    >>> assert isinstance(result, radfuse.Result)
    >>> assert result.alignment  # a volume has one
    >>> result.alignment.quality.grade, result.alignment.mr_from_ct.GetDimension()
    ('pass', 3)
    """

    mr_from_ct: sitk.Transform
    """Canonical, see `canonicalize`; maps a CT point to an MR point, LPS mm."""

    quality: Quality
    """The estimated error in mm and the grade."""

    origin: str
    """`headers`, `file`, `manual`, or the initial pose of the search that led to it."""

    inputs: tuple[str, ...] = ()
    """Digests of CT and MR: of their files, or of the values of an image without files."""

    metric_region: str = ""
    """The region of the CT that counted in the metric of the search; empty for the whole head."""

    header_note: str = ""
    """QA of the headers' alignment, where CT and MR share a frame of reference."""

    def __repr__(self) -> str:
        """One line: where it is from, and the result of QA."""
        return f"<Alignment: from {self.origin}, {self.quality.short()}>"

    @property
    def moving_from_fixed(self) -> sitk.Transform:
        """Another name of `mr_from_ct`, for alignments of whatever modalities."""
        return self.mr_from_ct

    @property
    def identifier(self) -> str:
        """Names this alignment in record, QA sheet and DICOM: a hash of its inputs and matrix."""
        return alignment_identifier(self.inputs, self.mr_from_ct)

    def facts(self) -> dict[str, Any]:
        """Plain JSON for the record."""
        return {
            "id": self.identifier,
            "origin": self.origin,
            "seed": DEFAULT_SEED,
            **({"metric_region": self.metric_region} if self.metric_region else {}),
            "mr_from_ct": matrix_of(self.mr_from_ct).tolist(),
            **({"header_alignment": self.header_note} if self.header_note else {}),
            "quality": self.quality.as_dict(),
        }


def alignment_identifier(inputs: tuple[str, ...], transform: sitk.Transform) -> str:
    """A hash of the digests of both images and of the matrix."""
    digests = "".join(inputs).encode()
    return hashlib.sha256(digests + matrix_of(transform).tobytes()).hexdigest()[:12]


class RegistrationQAError(RegistrationError):
    """Registration QA failed; has the alignment, for a person to inspect."""

    def __init__(self, reason: str, remedies: str, alignment: Alignment) -> None:
        super().__init__(reason, remedies)
        self.alignment = alignment


def align(
    ct: Series,
    mr: Series,
    recipe: Recipe,
    report: Callable[[str], None],
    prior: PriorAlignment | None = None,
) -> Alignment:
    """Align two volumes by the recipe, or by `prior`, which takes precedence.

    Raises `RegistrationQAError` where registration QA failed, whatever the origin of the alignment,
    unless the recipe accepts that; `GeometryError` for a volume of too few slices.
    """
    for series in (ct, mr):
        if problem := registered_size_problem(series.image.GetSize()):
            raise GeometryError(f"{series.source}: {problem}")
    alignment = _aligned(ct, mr, recipe, report, prior or _recipe_prior(ct, mr, recipe))
    LOG.info(
        "registration assessed",
        extra={"registration_id": alignment.identifier, **alignment.quality.as_dict()},
    )
    if is_refused(alignment.quality.grade, recipe) and not recipe.accept_registration:
        remedies = REMEDIES if alignment.quality.grade == "refuse" else INSPECT_REMEDY
        raise RegistrationQAError(alignment.quality.sentence(), remedies, alignment)
    return alignment


def is_refused(grade: Grade, recipe: Recipe) -> bool:
    """Whether a registration of this grade is not used, unless the recipe accepts it."""
    return grade == "refuse" or (grade == "inspect" and recipe.require_pass)


def _recipe_prior(ct: Series, mr: Series, recipe: Recipe) -> PriorAlignment | None:
    """The alignment that the recipe names: a file, an initial one, the headers; else None."""
    if recipe.transform:
        return PriorAlignment(_read_transform(recipe.transform, ct, mr, recipe), "file")
    if recipe.initial_transform:
        rough = _read_transform(recipe.initial_transform, ct, mr, recipe)
        return PriorAlignment(rough, "given", refine=True)
    return None if recipe.register_rigidly else PriorAlignment(sitk.Euler3DTransform(), "headers")


def _read_transform(path: Path, ct: Series, mr: Series, recipe: Recipe) -> sitk.Transform:
    return read_transform(path, ct=ct, mr=mr, accept_patients=recipe.accept_patients)


def _check_frames(ct: Series, mr: Series, recipe: Recipe) -> None:
    """Raise `RegistrationError` for headers that name two frames of reference, unless accepted."""
    frames = {series.frame_of_reference_uid for series in (ct, mr)} - {None}
    if len(frames) > 1 and not recipe.accept_registration:
        raise RegistrationError(
            "CT and MR have different frames of reference, so their headers do not align them",
            f"leave out --no-register, or {REMEDIES}",
        )


def _aligned(
    ct: Series,
    mr: Series,
    recipe: Recipe,
    report: Callable[[str], None],
    prior: PriorAlignment | None,
) -> Alignment:
    region, metric_region = (
        read_region(source, ct.image) if source else None
        for source in (recipe.roi, recipe.metric_mask)
    )
    if prior is not None and not prior.refine:
        report("estimate the error of the given alignment")
        if prior.origin == "headers":
            _check_frames(ct, mr, recipe)
        mr_from_ct = canonicalize(prior.mr_from_ct)
        with itk_threads(single=recipe.deterministic):
            quality = assess(ct, mr, mr_from_ct, region)
        return Alignment(mr_from_ct, quality, prior.origin, (series_digest(ct), series_digest(mr)))
    initial = prior.mr_from_ct if prior else None
    registration = register(
        ct, mr, initial=initial, region=region, metric_region=metric_region,
        deterministic=recipe.deterministic, report=report,
    )  # fmt: skip
    mr_from_ct = canonicalize(registration.mr_from_ct)
    header_note = _header_note(ct, mr, mr_from_ct, recipe, report)
    is_manual = prior is not None and prior.origin == MANUAL
    origin = f"{MANUAL}, refined" if is_manual else registration.initial_pose
    inputs = (series_digest(ct), series_digest(mr))
    masked = metric_region.name if metric_region else ""
    return Alignment(mr_from_ct, registration.quality, origin, inputs, masked, header_note)


def series_digest(series: Series) -> str:
    """SHA-256 of the files of a series, or of the values of an image without files."""
    if series.files:
        return digest(series.files)
    return hashlib.sha256(sitk.GetArrayFromImage(series.image).tobytes()).hexdigest()


def _header_note(
    ct: Series,
    mr: Series,
    mr_from_ct: sitk.Transform,
    recipe: Recipe,
    report: Callable[[str], None],
) -> str:
    """QA of the headers' alignment, where both share a frame of reference; else empty.

    It is of the whole brain also with a region, which may be outside the MR by the headers.
    """
    frames = {series.frame_of_reference_uid for series in (ct, mr)}
    if None in frames or len(frames) > 1:
        return ""
    report("estimate the error of the headers' alignment")
    by_headers = sitk.Euler3DTransform()
    with itk_threads(single=recipe.deterministic):
        quality = assess(ct, mr, by_headers)
    centre = centroid(head_mask(ct.image, ct.modality))
    distance_mm = mean_displacement_mm(mr_from_ct, by_headers, centre)
    return (
        "CT and MR share a frame of reference; the headers' alignment is "
        f"{distance_mm:.1f} mm away, {quality.sentence()}; pass --no-register to use it"
    )
