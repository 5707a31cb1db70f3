"""Paths and files of the further images of a patient on the CT's grid."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from radfuse.dicom.write.derivation_context import DerivationContext
from radfuse.dicom.write.resampled import resample, write_resampled
from radfuse.dicom.write.spatial_registration import unwritable_reason, write_registration
from radfuse.intensity import head_range
from radfuse.io.volumes import write_volume
from radfuse.modality import MODALITIES
from radfuse.pipeline.functional.colours import COLOUR_SUFFIXES, write_fused_colours
from radfuse.pipeline.result import Result
from radfuse.pipeline.study.colours import FusedColours
from radfuse.registration.transforms import matrix_of, write_transform

TRANSFORM_ROLE, REGISTRATION_ROLE, COLOUR_ROLE = "{} transform", "{} registration", "{} in colour"
"""Roles in a record, by the label of an image; the role of the image is its label."""

NO_COLOUR_SUFFIXES = (".nii", ".nii.gz")
"""Files beside which nothing is written in colour."""

SERIES_NUMBERS = 10
"""Numbers of series for each further image."""


def further_paths(path: Path, suffix: str | None, labels: Sequence[str]) -> dict[str, Path]:
    """Path of each part of each further image, by its role.

    `path` is a folder (`suffix` None), or the file of the fused image, beside which they are
    written. A Spatial Registration is written into folders only.
    """
    paths: dict[str, Path] = {}
    for label in labels:
        transform = f"from-{label}_to-CT_mode-image_xfm.tfm"
        if suffix is None:
            paths[label] = path / f"{label}_on_CT"
            paths[TRANSFORM_ROLE.format(label)] = path / transform
            paths[REGISTRATION_ROLE.format(label)] = path / f"REG_{label}"
            if label in MODALITIES:  # a PET or SPECT; an MR has the label of its sequence
                paths[COLOUR_ROLE.format(label)] = path / f"COLOUR_CT_{label}"
            continue
        stem = path.name[: -len(suffix)]
        if label in MODALITIES and suffix in COLOUR_SUFFIXES:
            paths[COLOUR_ROLE.format(label)] = path.with_name(
                f"{stem}_space-CT_desc-colour_{label}{suffix}"
            )
        paths[label] = path.with_name(f"{stem}_space-CT_desc-resampled_{label}{suffix}")
        paths[TRANSFORM_ROLE.format(label)] = path.with_name(f"{stem}_{transform}")
    return paths


def write_further_volumes(where: Mapping[str, Path], result: Result) -> None:
    """Write each further image on the CT's grid (float32), its transform and its colours."""
    for one in result.further:
        moving_from_fixed = one.alignment.moving_from_fixed
        resampled = resample(one.series, result.ct.image, moving_from_fixed)
        write_volume(where[one.label], resampled)
        write_transform(where[TRANSFORM_ROLE.format(one.label)], moving_from_fixed)
        if one.colours and (path := where.get(COLOUR_ROLE.format(one.label))):
            write_volume(path, one.colours.image)


def write_further_dicom(
    where: Mapping[str, Path], result: Result, context: DerivationContext
) -> None:
    """Write each further image on the CT's grid as a series, its registration and transform."""
    for number, one in enumerate(result.further, 1):
        alignment = one.alignment
        own = replace(
            context,
            moving=one.series,
            moving_from_fixed=alignment.moving_from_fixed,
            verdict=alignment.quality.verdict,
            registration_id=alignment.identifier,
            alignment_source=alignment.origin,
            moving_range=head_range(one.series.image, one.series.modality),
            series_offset=SERIES_NUMBERS * number,
        )
        write_resampled(where[one.label], own)
        if not unwritable_reason(result.ct, one.series):
            ct_from_mr = matrix_of(alignment.moving_from_fixed.GetInverse())
            write_registration(where[REGISTRATION_ROLE.format(one.label)], own, ct_from_mr)
        if one.colours:
            _write_colour(where[COLOUR_ROLE.format(one.label)], one.colours, own)
        write_transform(where[TRANSFORM_ROLE.format(one.label)], alignment.moving_from_fixed)


def _write_colour(folder: Path, colours: FusedColours, context: DerivationContext) -> None:
    """Write a PET or SPECT over the CT, in colour."""
    recipe = colours.recipe
    own = replace(context, method=recipe.method)
    write_fused_colours(folder, colours.image, colours.scale, own, recipe)


def without_colours(written: Path, result: Result) -> tuple[str, ...]:
    """Why a PET or SPECT is not written in colour beside a file; empty where it is."""
    labels = [one.label for one in result.further if one.colours]
    if not labels or not written.name.lower().endswith(NO_COLOUR_SUFFIXES):
        return ()
    return (
        f"no {' and '.join(labels)} in colour: programs differ in how they read colour from NIfTI; "
        f"write to {', '.join(COLOUR_SUFFIXES)} or a folder for it",
    )
