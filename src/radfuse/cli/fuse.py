"""`radfuse fuse`."""

from pathlib import Path
from typing import Any

import click

from radfuse.cli.options import (
    PATH,
    Stages,
    chosen_series,
    named_options,
    named_values,
    output_options,
    print_json,
    print_warnings,
    registration_options,
    series_options,
    show_identifiers_option,
)
from radfuse.intensity import WINDOWS
from radfuse.pipeline.fuse import fuse
from radfuse.recipe import DEFAULT_METHOD, DEFAULT_OPACITY, DEFAULT_WINDOW, make_recipe
from radfuse.record import NOTICE


@click.command("fuse")
@series_options
@click.option(
    "-o",
    "--output",
    type=PATH,
    required=True,
    help="A folder (DICOM), or a file: .nii.gz, .nrrd, .mha for volumes, .png for 2-D images.",
)
@click.option(
    "--method",
    default=DEFAULT_METHOD,
    show_default=True,
    metavar="NAME",
    help="A name of `radfuse methods`, or the path of an ONNX file.",
)
@named_values("Set an option of the method, see `radfuse methods NAME`")
@click.option(
    "--window-preset",
    "preset",
    type=click.Choice(list(WINDOWS)),
    default=DEFAULT_WINDOW,
    show_default=True,
    help="CT window.",
)
@click.option(
    "--window", type=(float, float), metavar="W L", help="CT window: width and level, HU."
)
@click.option(
    "--transform",
    type=PATH,
    metavar="FILE",
    help="Use this transform (CT to MR points, or a DICOM REG) instead of registering.",
)
@click.option(
    "--no-register", is_flag=True, help="Use the coordinates of the headers instead of registering."
)
@registration_options
@click.option(
    "--precision",
    type=click.Choice(["f32", "bf16"]),
    help="Short for --option precision=VALUE, of methods with a network  [default: f32]",
)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option(
    "--bits",
    type=click.Choice(["8", "16"]),
    default="8",
    show_default=True,
    help="Bit depth of a fused 2-D image.",
)
@click.option(
    "--outputs",
    multiple=True,
    metavar="NAME,...",
    help="Outputs: fused, mr, colour, registration; default: all into a folder, else fused.",
)
@click.option(
    "--opacity",
    type=float,
    default=DEFAULT_OPACITY,
    show_default=True,
    metavar="0..1",
    help="Opacity of the MR over the CT in colour.",
)
@click.option(
    "--deidentify", is_flag=True, help="De-identify all outputs, by the DICOM Basic Profile."
)
@show_identifiers_option
@click.option("--overwrite", is_flag=True, help="Replace earlier results.")
@output_options
def fuse_command(
    *,
    ct: Path | None,
    mr: Path | None,
    study: Path | None,
    output: Path,
    preset: str,
    window: tuple[float, float] | None,
    no_register: bool,
    options: tuple[str, ...],
    precision: str | None,
    bits: str,
    outputs: tuple[str, ...],
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    **settings: Any,
) -> None:
    """Fuse a CT and an MR of one head into one image on the CT's grid.

    A folder as output gets one DICOM series each for the fused image in grey, the MR on the CT's
    grid, the MR in colour over the CT, and the registration, and with them the record (JSON), the
    transform, the mask of the MR field of view and a QA sheet (HTML). Review the QA sheet before
    you use the result.

    Research use only. Not a medical device.
    """  # fmt: skip
    recipe = make_recipe(
        window=window or preset,
        register_rigidly=not no_register,
        options=named_options(options) | ({"precision": precision} if precision else {}),
        bits=int(bits),
        outputs=[name for names in outputs for name in names.split(",")] or None,
        **settings,
    )
    ct, mr, recipe = chosen_series(ct, mr, study, recipe)
    with Stages(quiet=quiet) as report:
        result = fuse(ct, mr, output, recipe=recipe, overwrite=overwrite, report=report)
    print_warnings(result.record.warnings)
    if as_json:
        print_json({"written": str(result.written), **result.record.model_dump(mode="json")})
        return
    notes = [note for source in result.record.inputs for note in source.notes]
    for note in (*notes, *result.record.left_out):
        click.echo(f"note: {note}")
    if result.alignment:
        if result.alignment.quality.passed:
            click.echo(result.alignment.quality.sentence())
        if result.alignment.header_note:
            click.echo(f"note: {result.alignment.header_note}")
    click.echo(f"{result.written}\n{NOTICE}")
