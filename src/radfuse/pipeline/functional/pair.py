"""Fusion of two images of one head: a CT with an MR, or an MR or CT with a PET or SPECT."""

from pathlib import Path

from radfuse.errors import InputError
from radfuse.intensity import window_named
from radfuse.methods.loading import method_info
from radfuse.modality import CT, MODALITIES, MR, PT, Modality
from radfuse.pipeline.functional.fuse import fuse_functional_volumes
from radfuse.pipeline.functional.result import FunctionalResult
from radfuse.pipeline.fuse import fuse_ct_mr
from radfuse.pipeline.images.functional import ColourResult, fuse_functional
from radfuse.pipeline.read import modalities_in, read_by_recipe, read_pet_ct
from radfuse.pipeline.result import Result
from radfuse.progress import ProgressCallback, no_progress
from radfuse.recipe import DEFAULT_FUNCTIONAL_METHOD, Recipe
from radfuse.series import Series

PAIRS = "give a CT and an MR, or an MR or CT and a PET or SPECT, in this order"
"""What is fused."""


def fuse(
    fixed: Series | Path | str,
    moving: Series | Path | str,
    output: Path | str | None = None,
    *,
    pet_ct: Series | Path | str | None = None,
    recipe: Recipe | None = None,
    overwrite: bool = False,
    report: ProgressCallback = no_progress,
) -> Result | FunctionalResult | ColourResult:
    """Fuse two images of one head: a CT with an MR, or an MR or CT with a PET or SPECT in colour.

    Parameters
    ----------
    fixed, moving
        Two volumes, or two 2-D images of one size; a volume is fused on the grid of `fixed`.
        Series, by `read` or `series_of`, or paths: the DICOM headers state what they are, and files
        without headers are a CT and an MR.
    output
        For volumes a folder for DICOM, or a file: NIfTI, NRRD or MetaImage, in colour NRRD or
        MetaImage; for 2-D images a PNG file, or a folder for a CT with an MR. Nothing is written
        without it.
    pet_ct
        The CT of the scanner of a PET volume, which is registered instead of it.
    recipe
        Settings. Without a method, it is `signed_detail` for a CT with an MR, and `uptake_over_mr`
        for a PET or SPECT.
    overwrite
        Whether earlier results may be replaced.

    Returns
    -------
    A `Result` of a CT with an MR; with a PET or SPECT a `FunctionalResult` of volumes, a
    `ColourResult` of 2-D images.

    Raises
    ------
    InputError
        For input that cannot be fused.
    RegistrationError
        Where registration QA failed.
    OutputError
        Where the result cannot be written; nothing is changed.
    """
    recipe = recipe or Recipe()
    method_info(recipe.method)  # wrong names are reported before the work begins
    window_named(recipe.window)
    report("reading", None)
    first = _series(fixed, (CT, MR), recipe)
    partners = [row for row in MODALITIES.values() if first.modality.code in row.registered_to]
    second = _series(moving, partners or (MR,), recipe)
    if second.modality not in partners:
        raise InputError(f"{first.modality} and {second.modality}: {PAIRS}")
    if second.modality.role == "functional":
        return fuse_colour(
            first, second, output,
            pet_ct=pet_ct, recipe=recipe, overwrite=overwrite, report=report,
        )  # fmt: skip
    if pet_ct is not None:
        raise InputError("pet_ct is the CT of a PET's scanner; leave it out for a CT and an MR")
    return fuse_ct_mr(first, second, output, recipe=recipe, overwrite=overwrite, report=report)


def fuse_colour(
    anatomical: Series,
    functional: Series,
    output: Path | str | None = None,
    *,
    pet_ct: Series | Path | str | None = None,
    recipe: Recipe,
    overwrite: bool = False,
    report: ProgressCallback = no_progress,
) -> ColourResult | FunctionalResult:
    """The same for an MR or CT with a PET or SPECT."""
    if "method" not in recipe.model_fields_set:
        recipe = recipe.model_copy(update={"method": DEFAULT_FUNCTIONAL_METHOD})
    if pet_ct is not None and functional.modality is not PT:
        raise InputError(
            f"the CT of a PET is given with a {functional.modality}; leave out --pet-ct"
        )
    if functional.is_volume and anatomical.is_volume:
        return fuse_functional_volumes(
            anatomical, functional, output,
            own_ct=None if pet_ct is None else read_pet_ct(pet_ct, recipe),
            recipe=recipe, overwrite=overwrite, report=report,
        )  # fmt: skip
    if pet_ct is not None:
        raise InputError("the CT of a PET is for volumes; leave it out for 2-D images")
    return fuse_functional(
        anatomical, functional, output, recipe=recipe, overwrite=overwrite, report=report
    )


def _series(
    source: Series | Path | str, wanted: tuple[Modality, ...] | list[Modality], recipe: Recipe
) -> Series:
    """A series of the first of the modalities that a path has; without headers, of a CT or MR."""
    if isinstance(source, Series):
        return source
    stated = modalities_in(Path(source))
    if stated is None and wanted[0] not in (CT, MR):
        raise InputError(
            f"{source}: no header states what it is; give radfuse.read(PATH, 'PT') for a PET, 'NM' "
            "for a SPECT"
        )
    modality = next((row for row in wanted if row.code in (stated or ())), wanted[0])
    return read_by_recipe(source, modality, recipe)
