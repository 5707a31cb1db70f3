"""`radfuse dicom deidentify`."""

from pathlib import Path

import click

from radfuse.cli.options import PATH, Stages, print_json, show_identifiers_option
from radfuse.dicom.deidentify.files import PIXELS_WARNING, deidentify_folder
from radfuse.dicom.deidentify.headers import random_key


@click.command("deidentify")
@click.argument("path", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, help="A new folder.")
@click.option(
    "--key",
    metavar="TEXT",
    help="Secret from which UIDs and pseudonyms are made: the same key, the same UIDs. Without "
    "it a random one is taken and forgotten.",
)
@click.option(
    "--accept-burned-in",
    is_flag=True,
    help="Copy secondary captures, too, and images that have text burned in.",
)
@show_identifiers_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def deidentify_command(
    *,
    path: Path,
    output: Path,
    key: str | None,
    accept_burned_in: bool,
    show_identifiers: bool,  # noqa: ARG001  # read where errors become lines
    as_json: bool,
    quiet: bool,
) -> None:
    """Copy DICOM files without who the patient is, by the basic profile of DICOM PS3.15.

    Geometry and pixels stay as they are; UIDs change, and references still lead to where they
    led. All files are copied, or none.

    Research use only. Not a medical device.
    """
    with Stages(quiet=quiet) as report:
        copies = deidentify_folder(
            path,
            output,
            key.encode() if key else random_key(),
            accept_burned_in=accept_burned_in,
            report=report,
        )
    if as_json:
        print_json({"files": len(copies.files), "other_files": copies.others,
                    "warning": PIXELS_WARNING})  # fmt: skip
        return
    click.echo(f"{len(copies.files)} files de-identified, {copies.others} other files left out")
    click.echo(f"warning: {PIXELS_WARNING}")
