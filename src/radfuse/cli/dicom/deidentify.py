"""`radfuse dicom deidentify`."""

from pathlib import Path

import click

from radfuse.cli.options import PATH, Stages, print_json
from radfuse.dicom.deidentify.files import PIXELS_WARNING, deidentify_folder
from radfuse.dicom.deidentify.headers import random_key


@click.command("deidentify")
@click.argument("path", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, help="A new folder.")
@click.option(
    "--key",
    metavar="TEXT",
    help="Secret key of UIDs and pseudonyms: the same key gives the same UIDs. By default "
    "a random key that is discarded.",
)
@click.option(
    "--accept-burned-in",
    is_flag=True,
    help="Also copy secondary captures and images with burned-in text.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def deidentify_command(
    *, path: Path, output: Path, key: str | None, accept_burned_in: bool, as_json: bool, quiet: bool
) -> None:
    """Create de-identified copies by the basic profile of DICOM PS3.15.

    Geometry and pixels are unchanged; UIDs are replaced consistently, so that references are
    kept. Either all files are copied or none.

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
        print_json({"files": len(copies.files), "other_files": copies.skipped,
                    "warning": PIXELS_WARNING})  # fmt: skip
        return
    click.echo(f"{len(copies.files)} files de-identified, {copies.skipped} other files skipped")
    click.echo(f"warning: {PIXELS_WARNING}")
