"""Fusion in colour of any PET or SPECT with any MR or CT: 2-D images and volumes."""

from pathlib import Path

from radfuse.errors import InputError
from radfuse.pipeline.functional.fuse import fuse_functional_volumes
from radfuse.pipeline.functional.result import FunctionalResult
from radfuse.pipeline.images.functional import ColourResult, fuse_functional
from radfuse.progress import ProgressCallback, no_progress
from radfuse.recipe import DEFAULT_FUNCTIONAL_METHOD, Recipe
from radfuse.series import Series


def fuse_colour(
    anatomical: Series,
    functional: Series,
    output: Path | str | None = None,
    *,
    own_ct: Series | None = None,
    recipe: Recipe | None = None,
    overwrite: bool = False,
    report: ProgressCallback = no_progress,
) -> ColourResult | FunctionalResult:
    """Fuse a PET or SPECT with an MR or CT of one head, in colour.

    Parameters
    ----------
    anatomical, functional
        Two volumes, or two 2-D images of one size, by `read` or `series_of`.
    output
        For volumes a folder for DICOM, or a NRRD or MetaImage file; for 2-D images a PNG file.
        Nothing is written without it.
    own_ct
        The CT of the scanner of a PET volume, which is registered instead of it.
    recipe
        Settings; by default those of a recipe with the method `uptake_over_mr`.
    overwrite
        Whether earlier results may be replaced.

    Raises
    ------
    InputError
        For input that cannot be fused.
    RegistrationError
        Where registration QA failed.
    OutputError
        Where the result cannot be written; nothing is changed.
    """
    recipe = recipe or Recipe(method=DEFAULT_FUNCTIONAL_METHOD)
    roles = [one.modality.role for one in (anatomical, functional)]
    if roles != ["anatomical", "functional"]:
        raise InputError(
            f"{anatomical.modality} and {functional.modality}: give an MR or CT, then a PET or "
            "SPECT"
        )
    if functional.is_volume and anatomical.is_volume:
        return fuse_functional_volumes(
            anatomical, functional, output,
            own_ct=own_ct, recipe=recipe, overwrite=overwrite, report=report,
        )  # fmt: skip
    if own_ct is not None:
        raise InputError("the CT of a PET is for volumes; leave it out for 2-D images")
    return fuse_functional(
        anatomical, functional, output, recipe=recipe, overwrite=overwrite, report=report
    )
