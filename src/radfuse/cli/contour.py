"""`radfuse contour`."""

import math
from collections.abc import Callable
from dataclasses import asdict
from functools import wraps
from typing import Any

import click

from radfuse.cli.options import PATH, Command, Stages, output_options, print_json
from radfuse.errors import InputError
from radfuse.metrics.segmentation_agreement import TOLERANCE_MM, Agreement
from radfuse.modality import ANATOMICAL
from radfuse.pipeline.compare_structures import StructureAgreement, compare_contours
from radfuse.pipeline.structures import (
    ContourResult,
    Overrides,
    read_contours,
    transfer_contours,
    write_contours,
)
from radfuse.record import NOTICE

CT_FOLDER = click.option("--ct", type=PATH, required=True, help="CT: DICOM folder.")
CT_SERIES = click.option("--ct-series", metavar="UID", help="CT series, if a folder has several.")
STRUCTURE_SET_OUTPUT = click.option(
    "-o", "--output", type=PATH, required=True, help="Structure set to write, .dcm."
)
HOLES = click.option(
    "--holes",
    type=click.Choice(["keyhole", "xor"]),
    default="keyhole",
    show_default=True,
    help="Write a hole as a channel to the outer contour, or as a contour combined by XOR.",
)
SMOOTH = click.option(
    "--smooth", is_flag=True, help="Smooth contours within 0.3 pixel; they enclose the same pixels."
)
MODALITY = click.option(
    "--modality",
    type=click.Choice([row.code for row in ANATOMICAL]),
    help="Of the image.  [default: CT, else MR]",
)
SERIES = click.option(
    "--series", "series_uid", metavar="UID", help="Image series, if the folder has several."
)
OVERWRITE = click.option("--overwrite", is_flag=True, help="Replace an earlier result.")


def parse_names(words: tuple[str, ...]) -> dict[int, str]:
    """Names by label, from words such as 1=GTVp."""
    names: dict[int, str] = {}
    for word in words:
        label, equals, name = word.partition("=")
        if not (equals and name and label.isascii() and label.isdigit() and int(label)):
            raise InputError(f"--name {word}: give LABEL=NAME, such as 1=GTVp")
        if int(label) in names:
            raise InputError(
                f"--name {word}: label {label} already has the name {names[int(label)]}"
            )
        names[int(label)] = name
    return names


NAMES = click.option(
    "--name",
    "names",
    multiple=True,
    metavar="LABEL=NAME",
    callback=lambda _context, _parameter, words: parse_names(words),
    help="Name of a label, such as 1=GTVp; repeatable.  [default: from FILE.json beside the file]",
)


def override_options(command: Command) -> Command:
    """`--accept-frame`, `--accept-patients`; the command receives them as `overrides`."""

    @wraps(command)
    def with_overrides(*, accept_frame: bool, accept_patients: bool, **options: Any) -> Any:
        overrides = Overrides(patients=accept_patients, frame=accept_frame)
        return command(overrides=overrides, **options)

    frame = click.option(
        "--accept-frame", is_flag=True,
        help="Continue if structures and image have different frames of reference.",
    )  # fmt: skip
    patients = click.option(
        "--accept-patients", is_flag=True, help="Continue if the headers name different patients."
    )
    return patients(frame(with_overrides))


def prints_result(stage: str) -> Callable[[Callable[..., ContourResult]], Command]:
    """Show progress while a command runs, then print its result; adds `--json` and `--quiet`."""

    def decorate(command: Callable[..., ContourResult]) -> Command:
        @wraps(command)
        def run(*, as_json: bool, quiet: bool, **options: Any) -> None:
            with Stages(quiet=quiet) as report:
                report(stage)
                result = command(**options)
            if as_json:
                _print_json(result.structures, result.notes, written=str(result.output))
                return
            for summary in result.structures:
                click.echo(f"{summary['name']}  {summary['volume_cm3']:.3f} cm3")
            _print_notes(result.notes)
            click.echo(f"{result.output}\n{NOTICE}")

        return output_options(run)

    return decorate


def _print_json(
    structures: tuple[dict[str, Any], ...], notes: tuple[str, ...], **more: object
) -> None:
    print_json({**more, "structures": structures, "notes": notes, "notice": NOTICE})


def _print_notes(notes: tuple[str, ...]) -> None:
    for note in notes:
        click.echo(f"note: {note}")


@click.group("contour")
def contour_command() -> None:
    """Convert structures between masks and RT Structure Sets, transfer and compare them.

    Research use only. Not a medical device.
    """


@contour_command.command("write")
@CT_FOLDER
@click.option(
    "--mask", "labels", type=PATH, required=True,
    help="Mask or label map on the CT's grid: NIfTI, NRRD, MHA.",
)  # fmt: skip
@STRUCTURE_SET_OUTPUT
@NAMES
@HOLES
@SMOOTH
@click.option(
    "--algorithm",
    type=click.Choice(["MANUAL", "SEMIAUTOMATIC", "AUTOMATIC"], case_sensitive=False),
    help="How the structures were generated, if known.",
)
@CT_SERIES
@OVERWRITE
@prints_result("writing contours")
def write_command(**options: Any) -> ContourResult:
    """Write a mask or label map as an RT Structure Set that refers to the CT's slices."""
    return write_contours(**options)


@contour_command.command("read")
@click.option("--structures", type=PATH, required=True, help="RT Structure Set, a DICOM file.")
@click.option(
    "--image", type=PATH, required=True,
    help="DICOM folder of the series on which the structures were drawn.",
)  # fmt: skip
@click.option(
    "-o", "--output", type=PATH, required=True,
    help="Label map (.nii.gz .nii .nrrd .mha), or a folder for one mask per structure.",
)  # fmt: skip
@MODALITY
@SERIES
@OVERWRITE
@prints_result("reading contours")
@override_options
def read_command(**options: Any) -> ContourResult:
    """Write the structures of an RT Structure Set as a label map, with a JSON list of names."""
    return read_contours(**options)


@contour_command.command("transfer")
@click.option(
    "--structures", type=PATH, required=True, help="RT Structure Set on the MR, or a label map."
)
@CT_FOLDER
@click.option(
    "--mr", type=PATH, required=True, help="MR: DICOM folder; also a volume for a label map."
)
@click.option(
    "--transform", type=PATH, required=True, metavar="FILE",
    help="Transform that maps CT points to MR points, as written by `radfuse register`.",
)  # fmt: skip
@STRUCTURE_SET_OUTPUT
@NAMES
@HOLES
@SMOOTH
@CT_SERIES
@click.option("--mr-series", metavar="UID", help="MR series, if a folder has several.")
@OVERWRITE
@prints_result("transferring contours")
@override_options
def transfer_command(**options: Any) -> ContourResult:
    """Write structures drawn on the MR as an RT Structure Set on the CT."""
    return transfer_contours(**options)


@contour_command.command("compare")
@click.argument("first", type=PATH)
@click.argument("reference", type=PATH)
@click.option(
    "--image", type=PATH, help="DICOM folder of the series on which structure sets were drawn."
)
@MODALITY
@SERIES
@click.option(
    "--tolerance", "tolerance_mm", type=click.FloatRange(min=0), default=TOLERANCE_MM,
    show_default=True, metavar="MM", help="Tolerance of the surface Dice.",
)  # fmt: skip
@NAMES
@output_options
@override_options
def compare_command(*, tolerance_mm: float, as_json: bool, quiet: bool, **options: Any) -> None:
    """Measure the agreement of structures with those of the same names in a reference.

    FIRST and REFERENCE are RT Structure Sets, label maps or masks; structure sets need --image.
    The added path length is the length of the reference contours, slice by slice, that FIRST lacks
    and that a correction has to draw. All other values are symmetric.
    """
    with Stages(quiet=quiet) as report:
        report("comparing contours")
        comparison = compare_contours(tolerance_mm=tolerance_mm, **options)
    if as_json:
        structures = tuple(map(_agreement_json, comparison.structures))
        _print_json(structures, comparison.notes, tolerance_mm=tolerance_mm)
        return
    for one in comparison.structures:
        click.echo("\n  ".join([one.name, *_agreement_lines(one.agreement, tolerance_mm)]))
    _print_notes(comparison.notes)
    click.echo(NOTICE)


def _agreement_json(compared: StructureAgreement) -> dict[str, Any]:
    """Plain JSON, null for undefined values."""
    agreement = compared.agreement
    values = asdict(agreement) | {"volume_difference_cm3": agreement.volume_difference_cm3}
    return {"name": compared.name} | {
        key: None if math.isnan(value) else value for key, value in values.items()
    }


def _agreement_lines(agreement: Agreement, tolerance_mm: float) -> list[str]:
    added = f"{agreement.added_path_mm:.1f} mm of {agreement.reference_path_mm:.1f} mm"
    volumes = f"{agreement.volume_cm3:.3f} cm3, reference {agreement.reference_volume_cm3:.3f} cm3"
    difference = f"{agreement.volume_difference_cm3:+.3f} cm3"
    return [
        f"Dice                      {agreement.dice:.4f}",
        f"Jaccard                   {agreement.jaccard:.4f}",
        f"surface Dice at {f'{tolerance_mm:g} mm':<10}{agreement.surface_dice:.4f}",
        f"95 % Hausdorff distance   {agreement.hausdorff_95_mm:.2f} mm",
        f"Hausdorff distance        {agreement.hausdorff_mm:.2f} mm",
        f"mean surface distance     {agreement.mean_distance_mm:.2f} mm",
        f"volume                    {volumes}, difference {difference}",
        f"added path length         {added}",
    ]
