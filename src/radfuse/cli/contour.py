"""`radfuse contour`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from radfuse.cli.options import PATH, Command, Stages, output_options, print_json
from radfuse.errors import InputError
from radfuse.pipeline.contour import (
    Acceptance,
    Outcome,
    read_contours,
    transfer_contours,
    write_contours,
)
from radfuse.record import NOTICE

HOLES = click.option(
    "--holes",
    type=click.Choice(["keyhole", "xor"]),
    default="keyhole",
    show_default=True,
    help="A hole by a channel to the outer contour, or by contours that exclude each other.",
)
NAME = click.option(
    "--name",
    "named",
    multiple=True,
    metavar="LABEL=NAME",
    help="Name of a label, such as 1=GTVp; may be given again  [default: FILE.json beside it]",
)
CT_SERIES = click.option("--ct-series", metavar="UID", help="Which CT, where a folder has several.")
OVERWRITE = click.option("--overwrite", is_flag=True, help="Replace an earlier result.")


def acceptance_options(command: Command) -> Command:
    """What the user vouches for."""
    for option in (
        click.option(
            "--accept-frame", is_flag=True,
            help="Go on though the structures name another frame of reference than the image.",
        ),
        click.option(
            "--accept-patients", is_flag=True,
            help="Go on though the headers name different patients.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


@click.group("contour")
def contour_command() -> None:
    """Structures between masks and RT Structure Sets, and from the MR to the CT.

    Research use only. Not a medical device.
    """


@contour_command.command("write")
@click.option("--ct", type=PATH, required=True, help="CT: DICOM folder.")
@click.option(
    "--mask", type=PATH, required=True, help="Mask or label map on the CT's grid: NIfTI, NRRD, MHA."
)
@click.option("-o", "--output", type=PATH, required=True, help="Structure set to write, .dcm.")
@NAME
@HOLES
@click.option(
    "--algorithm",
    type=click.Choice(["MANUAL", "SEMIAUTOMATIC", "AUTOMATIC"], case_sensitive=False),
    help="How the structures came about, where it is known.",
)
@CT_SERIES
@OVERWRITE
@output_options
def write_command(
    *,
    ct: Path,
    mask: Path,
    output: Path,
    named: tuple[str, ...],
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Write a mask or label map as an RT Structure Set that refers to the CT's slices."""
    _run(
        "writing contours",
        lambda: write_contours(
            ct,
            mask,
            output,
            names=names_of(named),
            **options,
        ),
        as_json=as_json,
        quiet=quiet,
    )


@contour_command.command("read")
@click.option("--structures", type=PATH, required=True, help="RT Structure Set, a DICOM file.")
@click.option("--image", type=PATH, required=True, help="DICOM folder of the series it is on.")
@click.option(
    "-o", "--output", type=PATH, required=True,
    help="Label map (.nii.gz .nii .nrrd .mha), or a folder for one mask a structure.",
)  # fmt: skip
@click.option(
    "--modality", type=click.Choice(["CT", "MR"]), help="Of the image  [default: CT, else MR]"
)
@click.option("--series", "series_uid", metavar="UID", help="Which, where a folder has several.")
@acceptance_options
@OVERWRITE
@output_options
def read_command(
    *,
    structures: Path,
    image: Path,
    output: Path,
    accept_frame: bool,
    accept_patients: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Write the structures of an RT Structure Set as a label map, with a JSON of their names."""
    accept = Acceptance(patients=accept_patients, frame=accept_frame)
    _run(
        "reading contours",
        lambda: read_contours(structures, image, output, accept=accept, **options),
        as_json=as_json,
        quiet=quiet,
    )


@contour_command.command("transfer")
@click.option(
    "--structures", type=PATH, required=True, help="RT Structure Set on the MR, or a label map."
)
@click.option("--ct", type=PATH, required=True, help="CT: DICOM folder.")
@click.option("--mr", type=PATH, required=True, help="MR: DICOM folder; a volume for a label map.")
@click.option(
    "--transform", type=PATH, required=True, metavar="FILE",
    help="Where the MR lies: CT point to MR point, as `radfuse register` writes it.",
)  # fmt: skip
@click.option("-o", "--output", type=PATH, required=True, help="Structure set to write, .dcm.")
@NAME
@HOLES
@CT_SERIES
@click.option("--mr-series", metavar="UID", help="Which MR, where a folder has several.")
@acceptance_options
@OVERWRITE
@output_options
def transfer_command(
    *,
    structures: Path,
    ct: Path,
    mr: Path,
    transform: Path,
    output: Path,
    named: tuple[str, ...],
    accept_frame: bool,
    accept_patients: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Write structures drawn on the MR as an RT Structure Set on the CT."""
    accept = Acceptance(patients=accept_patients, frame=accept_frame)
    _run(
        "transferring contours",
        lambda: transfer_contours(
            structures, ct, mr, transform, output,
            names=names_of(named), accept=accept, **options,
        ),
        as_json=as_json,
        quiet=quiet,
    )  # fmt: skip


def names_of(named: tuple[str, ...]) -> dict[int, str]:
    """Names by label, of words such as 1=GTVp."""
    names: dict[int, str] = {}
    for word in named:
        label, equals, name = word.partition("=")
        if not (equals and name and label.isascii() and label.isdigit() and int(label)):
            raise InputError(f"--name {word}: give LABEL=NAME, such as 1=GTVp")
        if int(label) in names:
            raise InputError(f"--name {word}: label {label} has the name {names[int(label)]} too")
        names[int(label)] = name
    return names


def _run(stage: str, work: Callable[[], Outcome], *, as_json: bool, quiet: bool) -> None:
    with Stages(quiet=quiet) as report:
        report(stage)
        outcome = work()
    if as_json:
        print_json(
            {
                "written": str(outcome.output),
                "structures": list(outcome.structures),
                "notes": list(outcome.notes),
                "notice": NOTICE,
            }
        )
        return
    for facts in outcome.structures:
        click.echo(f"{facts['name']}  {facts['volume_cm3']:.3f} cm3")
    for note in outcome.notes:
        click.echo(f"note: {note}")
    click.echo(f"{outcome.output}\n{NOTICE}")
