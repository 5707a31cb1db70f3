"""`radfuse contour`."""

import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from radfuse.cli.options import PATH, Command, Stages, output_options, print_json
from radfuse.errors import InputError
from radfuse.metrics.segmentation_agreement import TOLERANCE_MM, Agreement
from radfuse.modality import FUSED
from radfuse.pipeline.compare_structures import Compared, compare_contours
from radfuse.pipeline.structures import (
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
    """Structures: masks and RT Structure Sets, from the MR to the CT, compared.

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
    "--modality", type=click.Choice([row.code for row in FUSED]),
    help="Of the image  [default: CT, else MR]",
)  # fmt: skip
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


@contour_command.command("compare")
@click.argument("first", type=PATH)
@click.argument("reference", type=PATH)
@click.option("--image", type=PATH, help="DICOM folder of the series that structure sets are on.")
@click.option(
    "--modality", type=click.Choice([row.code for row in FUSED]),
    help="Of the image  [default: CT, else MR]",
)  # fmt: skip
@click.option("--series", "series_uid", metavar="UID", help="Which, where a folder has several.")
@click.option(
    "--tolerance", "tolerance_mm", type=click.FloatRange(min=0), default=TOLERANCE_MM,
    show_default=True, metavar="MM", help="Surfaces this near agree, for the surface Dice.",
)  # fmt: skip
@NAME
@acceptance_options
@output_options
def compare_command(
    *,
    first: Path,
    reference: Path,
    tolerance_mm: float,
    named: tuple[str, ...],
    accept_frame: bool,
    accept_patients: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Measure how far structures agree with those of the same names in a reference.

    FIRST and REFERENCE are RT Structure Sets, label maps or masks; structure sets need --image.
    The added path is the contour of the reference that FIRST lacks, slice by slice: what is to be
    drawn anew. All else is the same the other way round.
    """
    accept = Acceptance(patients=accept_patients, frame=accept_frame)
    with Stages(quiet=quiet) as report:
        report("comparing contours")
        found = compare_contours(
            first, reference, names=names_of(named), accept=accept, tolerance_mm=tolerance_mm,
            **options,
        )  # fmt: skip
    if as_json:
        print_json(
            {
                "tolerance_mm": tolerance_mm,
                "structures": [_agreement_facts(one) for one in found.structures],
                "notes": list(found.notes),
                "notice": NOTICE,
            }
        )
        return
    for one in found.structures:
        click.echo("\n  ".join([one.name, *_agreement_lines(one.agreement, tolerance_mm)]))
    for note in found.notes:
        click.echo(f"note: {note}")
    click.echo(NOTICE)


def _agreement_facts(compared: Compared) -> dict[str, Any]:
    """Plain JSON, null for what is not defined."""
    agreement = compared.agreement
    values = asdict(agreement) | {"volume_difference_cm3": agreement.volume_difference_cm3}
    return {"name": compared.name} | {
        key: None if math.isnan(value) else value for key, value in values.items()
    }


def _agreement_lines(found: Agreement, tolerance_mm: float) -> list[str]:
    added = f"{found.added_path_mm:.1f} mm of {found.reference_path_mm:.1f} mm"
    volumes = f"{found.volume_cm3:.3f} cm3, reference {found.reference_volume_cm3:.3f} cm3"
    return [
        f"Dice                      {found.dice:.4f}",
        f"Jaccard                   {found.jaccard:.4f}",
        f"surface Dice at {f'{tolerance_mm:g} mm':<10}{found.surface_dice:.4f}",
        f"95 % Hausdorff distance   {found.hausdorff_95_mm:.2f} mm",
        f"Hausdorff distance        {found.hausdorff_mm:.2f} mm",
        f"mean surface distance     {found.mean_distance_mm:.2f} mm",
        f"volume                    {volumes}, difference {found.volume_difference_cm3:+.3f} cm3",
        f"added path length         {added}",
    ]


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
