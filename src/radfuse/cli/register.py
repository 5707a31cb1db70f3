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
    registration_options,
    series_options,
    show_identifiers_option,
)
from radfuse.dicom.deidentify.identifiers import Identifiers, identifiers_in
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
    """Align an MR with a CT rigidly and write an ITK transform.

    The transform maps a CT point to the MR point of the same place in the head, LPS mm. That is
    the one with which ITK resamples the MR onto the CT.

    Research use only. Not a medical device.
    """
    recipe = make_recipe(**settings)
    if output.suffix.lower() not in TRANSFORM_SUFFIXES:
        raise InputError(f"{output}: a transform goes to .tfm, .txt or .h5")
    refuse_existing([output], overwrite=overwrite)
    ct, mr, recipe = chosen_series(ct, mr, study, recipe)
    with Stages(quiet=quiet) as report:
        report("reading")
        of_ct = read(ct, CT, series_uid=recipe.ct_series)
        of_mr = read(mr, MR, series_uid=recipe.mr_series)
        check_pair(
            of_ct,
            of_mr,
            accept_patients=recipe.accept_patients,
            show_identifiers=recipe.show_identifiers,
        )
        if not of_ct.is_volume:
            raise InputError(f"{ct}: a picture has no place in space; register volumes")
        alignment = align(of_ct, of_mr, recipe, lambda stage: report(f"registering: {stage}"))
        with staging(output.parent) as stage:
            write_transform(stage.place(output), alignment.mr_from_ct)
    identifiers = Identifiers() if recipe.show_identifiers else identifiers_in(of_ct, of_mr)
    written = identifiers.hide_in_path(output)
    if as_json:
        print_json({"written": written, **alignment.facts()})
        return
    notes = (*of_ct.notes, *of_mr.notes, *filter(None, [alignment.header_note]))
    for note in notes:
        click.echo(f"note: {identifiers.hide(note, [ct, mr])}")
    click.echo(f"{alignment.quality.sentence()}\n{written}\n{NOTICE}")
