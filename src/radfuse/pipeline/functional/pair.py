"""Fusion and registration of two images of one head, from paths, series or images in memory."""

from pathlib import Path

import SimpleITK as sitk

from radfuse.errors import InputError
from radfuse.intensity import window_named
from radfuse.methods.loading import method_info
from radfuse.modality import CT, MODALITIES, MR, PT, Modality
from radfuse.pipeline.arrays import Source, series_in_memory
from radfuse.pipeline.display.bars import Report, reporting
from radfuse.pipeline.functional.fuse import fuse_functional_volumes
from radfuse.pipeline.functional.result import FunctionalResult
from radfuse.pipeline.fuse import fuse_ct_mr
from radfuse.pipeline.images.functional import ColourResult, fuse_functional
from radfuse.pipeline.read import (
    check_pair,
    modalities_in,
    of_modality,
    read_by_recipe,
    read_pet_ct,
)
from radfuse.pipeline.result import Result
from radfuse.progress import ProgressCallback, no_progress
from radfuse.recipe import DEFAULT_FUNCTIONAL_METHOD, Box, Recipe
from radfuse.registration.ct_region import read_region
from radfuse.registration.optimizer import DEFAULT_SEED
from radfuse.registration.search import Registration
from radfuse.registration.search import register as search
from radfuse.series import Series

PAIRS = "give a CT and an MR, or an MR or CT and a PET or SPECT, in this order"
"""What is fused."""


def fuse(
    fixed: Source,
    moving: Source,
    output: Path | str | None = None,
    *,
    pet_ct: Series | Path | str | None = None,
    recipe: Recipe | None = None,
    overwrite: bool = False,
    report: Report = None,
) -> Result | FunctionalResult | ColourResult:
    """Fuse two images of one head: a CT with an MR, or an MR or CT with a PET or SPECT in colour.

    Parameters
    ----------
    fixed, moving
        Two volumes, or two 2-D images of one size; a volume is fused on the grid of `fixed`.
        Series, by `read` or `series_of`; paths; SimpleITK images; or 2-D arrays (rows, columns) of
        uint8, or of real numbers in [0, 1]. The DICOM headers of a path state what it is; anything
        without headers is a CT in HU and an MR.
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
    report
        True shows progress, None in a notebook only, False nowhere; or a function that is called
        with the name of a stage and its completed fraction, 0 to 1, or None.

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

    Examples
    --------
    >>> import radfuse
    >>> head = radfuse.datasets.phantom(spacing_mm=4.0)
    >>> result = radfuse.fuse(head.ct, head.mr, recipe=radfuse.Recipe(method="laplacian"))
    >>> result  # doctest: +ELLIPSIS
    <Result: CT and MR fused by laplacian, 52 x 62 x 42, QA passed, error up to ... mm>
    """
    recipe = recipe or Recipe()
    method_info(recipe.method)  # wrong names are reported before the work begins
    window_named(recipe.window)
    with reporting(report) as progress:
        progress("reading", None)
        first = _series(fixed, (CT, MR), recipe)
        second = _partner(moving, first, recipe)
        if second.modality.role == "functional":
            return fuse_colour(
                first, second, output,
                pet_ct=pet_ct, recipe=recipe, overwrite=overwrite, report=progress,
            )  # fmt: skip
        if pet_ct is not None:
            raise InputError("pet_ct is the CT of a PET's scanner; leave it out for a CT and an MR")
        return fuse_ct_mr(
            first, second, output, recipe=recipe, overwrite=overwrite, report=progress
        )


def _partner(moving: Source, first: Series, recipe: Recipe) -> Series:
    """The series that is fused with the first one; `InputError` for one that is not."""
    partners = [row for row in MODALITIES.values() if first.modality.code in row.registered_to]
    second = _series(moving, partners or (MR,), recipe)
    if second.modality not in partners:
        raise InputError(f"{first.modality} and {second.modality}: {PAIRS}")
    return second


def register(
    ct: Source,
    mr: Source,
    *,
    initial: sitk.Transform | None = None,
    roi: Box | Path | None = None,
    metric_mask: Path | None = None,
    deterministic: bool = False,
    seed: int = DEFAULT_SEED,
    report: Report = None,
) -> Registration:
    """Find the rigid transform that maps CT points to MR points, and estimate its error.

    A registration whose QA fails is returned, too: check `quality.grade`.

    Parameters
    ----------
    ct, mr
        Volumes of one head, in HU and in arbitrary units; as of `radfuse.fuse`.
    initial
        An approximate rigid transform, CT points to MR points, LPS mm; the search then starts only
        from it and rotations of it.
    roi
        Region that is registered, and whose error is estimated: a box, LPS mm of the CT (lowest and
        highest x, then y, then z), or the file of a mask on the CT.
    metric_mask
        File of a mask on the CT: only voxels inside count in the metric of the search; the error is
        that of the whole brain.
    deterministic
        One thread: the result is bit-identical, whatever the number of cores.
    seed
        Of the metric's samples, above 0.
    report
        As of `radfuse.fuse`.

    Raises
    ------
    InputError
        An input is no volume, is constant or shows no head, or is of another patient; `initial` is
        not rigid; too little of the MR's head is in a region.
    RegistrationError
        With no initial pose is enough of the MR inside the CT.

    Examples
    --------
    >>> import radfuse
    >>> head = radfuse.datasets.phantom(spacing_mm=4.0)
    >>> found = radfuse.register(head.ct, head.mr)
    >>> found.quality.grade
    'pass'
    >>> true_mm, found_mm = (
    ...     transform.TransformPoint(head.tumour_centre_mm)
    ...     for transform in (head.mr_from_ct, found.mr_from_ct)
    ... )
    >>> max(abs(a - b) for a, b in zip(true_mm, found_mm, strict=True)) < 1.0
    True
    """
    with reporting(report) as progress:
        progress("reading", None)
        ct_series = of_modality(_series(ct, (CT,), Recipe()), CT)
        mr_series = of_modality(_series(mr, (MR,), Recipe()), MR)
        check_pair(ct_series, mr_series)
        region, metric_region = (
            read_region(source, ct_series.image) if source else None
            for source in (roi, metric_mask)
        )
        return search(
            ct_series, mr_series,
            initial=initial, region=region, metric_region=metric_region,
            deterministic=deterministic, seed=seed,
            report=lambda stage: progress(f"registering: {stage}", None),
        )  # fmt: skip


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
    source: Source, wanted: tuple[Modality, ...] | list[Modality], recipe: Recipe
) -> Series:
    """A series of the first of the modalities that a path has; without headers, of a CT or MR."""
    if isinstance(source, Series):
        return source
    is_path = isinstance(source, Path | str)
    stated = modalities_in(Path(source)) if is_path else None
    if stated is None and wanted[0] not in (CT, MR):
        name, function = (source, "read(PATH") if is_path else ("an array", "series_of(ARRAY")
        raise InputError(
            f"{name}: no header states what it is; give radfuse.{function}, 'PT') for a PET, 'NM' "
            "for a SPECT"
        )
    modality = next((row for row in wanted if row.code in (stated or ())), wanted[0])
    if isinstance(source, Path | str):
        return read_by_recipe(source, modality, recipe)
    return series_in_memory(source, modality, recipe)
