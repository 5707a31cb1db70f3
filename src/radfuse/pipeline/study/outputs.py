"""Paths and files of the further images of a patient on the CT's grid."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from radfuse.dicom.write.derivation_context import DerivationContext
from radfuse.dicom.write.resampled import resample, write_resampled
from radfuse.dicom.write.spatial_registration import unwritable_reason, write_registration
from radfuse.intensity import head_range
from radfuse.io.volumes import write_volume
from radfuse.methods.loading import load_method
from radfuse.modality import MODALITIES
from radfuse.pipeline.functional.colours import write_fused_colours
from radfuse.pipeline.functional.volume import colour_scale, fuse_in_colour
from radfuse.pipeline.result import FurtherImage, Result
from radfuse.recipe import DEFAULT_FUNCTIONAL_METHOD, Recipe
from radfuse.registration.transforms import matrix_of, write_transform

TRANSFORM_ROLE, REGISTRATION_ROLE, COLOUR_ROLE = "{} transform", "{} registration", "{} in colour"
"""Roles in a record, by the label of an image; the role of the image is its label."""

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
        paths[label] = path.with_name(f"{stem}_space-CT_desc-resampled_{label}{suffix}")
        paths[TRANSFORM_ROLE.format(label)] = path.with_name(f"{stem}_{transform}")
    return paths


def write_further_volumes(where: Mapping[str, Path], result: Result) -> None:
    """Write each further image on the CT's grid (float32), and its transform."""
    for one in result.further:
        moving_from_fixed = one.alignment.moving_from_fixed
        resampled = resample(one.series, result.ct.image, moving_from_fixed)
        write_volume(where[one.label], resampled)
        write_transform(where[TRANSFORM_ROLE.format(one.label)], moving_from_fixed)


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
        if COLOUR_ROLE.format(one.label) in where:
            _write_colour(where[COLOUR_ROLE.format(one.label)], result, one, own)
        write_transform(where[TRANSFORM_ROLE.format(one.label)], alignment.moving_from_fixed)


def _write_colour(
    folder: Path, result: Result, one: FurtherImage, context: DerivationContext
) -> None:
    """Write a PET or SPECT over the CT, in colour by the default method and colour map."""
    recipe = Recipe(method=DEFAULT_FUNCTIONAL_METHOD)
    scale = colour_scale(result.ct, one.series, one.alignment.moving_from_fixed, recipe)
    method = load_method(recipe.method)
    image, _ = fuse_in_colour(one.series, one.alignment.moving_from_fixed, scale, method)
    write_fused_colours(folder, image, scale, replace(context, method=recipe.method), recipe)
