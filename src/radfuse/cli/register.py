"""`radfuse register`."""

from pathlib import Path
from typing import Any

import click

from radfuse.cli.options import (
    PATH,
    Stages,
    chosen_series,
    output_options,
    print_json,
    print_warnings,
    registration_options,
    series_options,
    show_identifiers_option,
)
from radfuse.errors import InputError
from radfuse.io.staging import refuse_existing, staging
from radfuse.modality import CT, MR
from radfuse.pipeline.align import align
from radfuse.pipeline.read import check_pair, read
from radfuse.recipe import make_recipe
from radfuse.record import NOTICE
from radfuse.registration.transforms import TRANSFORM_SUFFIXES, write_transform


@click.command("register")
@series_options
@click.option("-o", "--output", type=PATH, required=True, help="Transform to write, .tfm.")
@registration_options
@show_identifiers_option
@click.option("--overwrite", is_flag=True, help="Replace an earlier result.")
@output_options
def register_command(
    *,
    ct: Path | None,
    mr: Path | None,
    study: Path | None,
    output: Path,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    **settings: Any,
) -> None:
    """Register an MR to a CT rigidly and write an ITK transform.

    The transform maps CT points to MR points (LPS, mm), as ITK needs it to resample the MR onto the
    CT.

    Research use only. Not a medical device.
    """
    recipe = make_recipe(**settings)
    if output.suffix.lower() not in TRANSFORM_SUFFIXES:
        raise InputError(f"{output}: a transform is written to .tfm, .txt or .h5")
    refuse_existing([output], overwrite=overwrite)
    ct, mr, recipe = chosen_series(ct, mr, study, recipe)
    with Stages(quiet=quiet) as report:
        report("reading")
        ct_series = read(ct, CT, **recipe.ct_reading)
        mr_series = read(mr, MR, series_uid=recipe.mr_series)
        check_pair(
            ct_series,
            mr_series,
            accept_patients=recipe.accept_patients,
            show_identifiers=recipe.show_identifiers,
        )
        if not ct_series.is_volume:
            raise InputError(f"{ct}: a 2-D image has no geometry; give volumes")
        alignment = align(
            ct_series, mr_series, recipe, lambda stage: report(f"registering: {stage}")
        )
        with staging(output.parent) as stage:
            write_transform(stage.path_of(output), alignment.mr_from_ct)
    print_warnings(alignment.quality.warnings)
    if as_json:
        print_json({"written": str(output), **alignment.facts()})
        return
    notes = (*ct_series.notes, *mr_series.notes, *filter(None, [alignment.header_note]))
    for note in notes:
        click.echo(f"note: {note}")
    if alignment.quality.passed:
        click.echo(alignment.quality.sentence())
    click.echo(f"{output}\n{NOTICE}")
