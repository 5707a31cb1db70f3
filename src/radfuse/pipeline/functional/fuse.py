"""Fusion of a PET or SPECT volume with an MR or CT volume in colour."""

from pathlib import Path

from radfuse.dicom.read.nuclear.pet import attenuation_warnings
from radfuse.errors import InputError
from radfuse.methods.loading import check_options, load_method, method_info
from radfuse.pipeline.functional.align import (
    FunctionalAlignment,
    align_functional,
    align_through_ct,
    ct_in_one_frame,
)
from radfuse.pipeline.functional.colours import colour_facts
from radfuse.pipeline.functional.outputs import check_output, write_functional_result
from radfuse.pipeline.functional.result import FunctionalResult
from radfuse.pipeline.functional.volume import colour_scale, fuse_in_colour
from radfuse.pipeline.fuse import (
    StageTimer,
    method_facts,
    recorded_input,
    recorded_pet_ct,
    recorded_recipe,
    without_identity,
)
from radfuse.pipeline.read import check_pair
from radfuse.progress import ProgressCallback, no_progress
from radfuse.recipe import DEFAULT_OPACITY, DEFAULT_WINDOW, Recipe
from radfuse.record import Input, Record, library_versions, now, platform_name
from radfuse.series import Series

DEFAULT_BITS = 8
"""Of a recipe; each channel has as many."""

FULL_LEVEL = 255
"""The stored value of a fused 1.0 in each channel."""


def fuse_functional_volumes(
    anatomical: Series,
    functional: Series,
    output: Path | str | None = None,
    *,
    own_ct: Series | None = None,
    recipe: Recipe,
    overwrite: bool = False,
    report: ProgressCallback = no_progress,
) -> FunctionalResult:
    """Fuse a PET or SPECT with an MR or CT of one head, in colour on the grid of the latter.

    Parameters
    ----------
    anatomical, functional
        Volumes.
    output
        A folder for DICOM (fused colours, the functional image on the anatomical grid, the
        registration), or a NRRD or MetaImage file in colour. Nothing is written without it.
    own_ct
        The CT of the scanner of a PET, which is registered to the anatomical CT instead of it.
    recipe
        The method, which is called with luminance and anatomical image; colour space, colour map
        and registration.

    Raises
    ------
    InputError
        For images that cannot be fused.
    RegistrationError
        Where registration QA failed.
    OutputError
        Where the result cannot be written; nothing is changed.
    """
    timer = StageTimer(report)
    check_options(recipe.method, recipe.options, recipe.device)
    method_info(recipe.method)
    _refuse_options_without_effect(recipe, is_through_ct=own_ct is not None)
    for series in (functional, *([own_ct] if own_ct else [])):
        check_pair(
            anatomical, series, accept_patients=recipe.accept_patients,
            show_identifiers=recipe.show_identifiers,
        )  # fmt: skip
    sources = [own_ct.source] if own_ct else []
    target = check_output(output, anatomical, functional, sources=sources, overwrite=overwrite)
    own_ct = ct_in_one_frame(functional, own_ct) if own_ct else None
    if recipe.deidentify:
        deidentified, recipe = without_identity(recipe)
        anatomical, functional = deidentified(anatomical), deidentified(functional)
        own_ct = deidentified(own_ct) if own_ct else None
    with timer.stage("registering"):
        alignment = _aligned(anatomical, functional, own_ct, recipe, timer)
    method = load_method(recipe.method, recipe.options, device=recipe.device)
    with timer.stage("fusing"):
        transform = alignment.moving_from_fixed
        scale = colour_scale(anatomical, functional, transform, recipe)
        image, region = fuse_in_colour(
            functional, transform, scale, method,
            lambda done, count: timer.report("fusing", done / count),
        )  # fmt: skip
    record = Record(
        created=now(),
        recipe=recorded_recipe(recipe),
        inputs=_inputs(anatomical, functional, own_ct, recipe),
        method=method_facts(recipe, method),
        scaling={**colour_facts(functional, scale, recipe), "Fused 1.0 is stored as": FULL_LEVEL},
        registration=alignment.facts(),
        warnings=(*alignment.quality.warnings, *attenuation_warnings(functional.headers)),
        seconds=timer.seconds,
        versions=library_versions(),
        platform=platform_name(),
    )
    result = FunctionalResult(image, anatomical, functional, record, alignment, region, scale)
    if target is None:
        return result
    with timer.stage("writing"):
        return write_functional_result(target, result)


def _refuse_options_without_effect(recipe: Recipe, *, is_through_ct: bool) -> None:
    """Raise `InputError` for settings of a CT with an MR; a region holds for two CT."""
    values = {
        "--outputs": recipe.outputs is not None,
        "--window": recipe.window != DEFAULT_WINDOW,
        "--opacity": recipe.opacity != DEFAULT_OPACITY,
        "--bits": recipe.bits != DEFAULT_BITS,
        "--roi": recipe.roi is not None and not is_through_ct,
        "--metric-mask": recipe.metric_mask is not None and not is_through_ct,
    }
    for option, is_given in values.items():
        if is_given:
            raise InputError(f"{option} is for a CT with an MR; leave it out for PET and SPECT")


def _inputs(
    anatomical: Series, functional: Series, own_ct: Series | None, recipe: Recipe
) -> tuple[Input, ...]:
    shown = recipe.show_identifiers
    pair = tuple(recorded_input(one, shown=shown) for one in (anatomical, functional))
    return (*pair, recorded_pet_ct(own_ct, shown=shown)) if own_ct else pair


def _aligned(
    anatomical: Series, functional: Series, own_ct: Series | None, recipe: Recipe, timer: StageTimer
) -> FunctionalAlignment:
    def report(stage: str) -> None:
        timer.report(f"registering: {stage}", None)

    if own_ct is None:
        return align_functional(anatomical, functional, recipe, report)
    return align_through_ct(anatomical, own_ct, recipe, report)
