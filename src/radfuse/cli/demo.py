"""`radfuse demo`."""

from pathlib import Path

import click

from radfuse.cli.options import PATH, Stages, output_options, print_json
from radfuse.io.staging import refuse_existing
from radfuse.modality import CT, MR
from radfuse.phantom.dicom import write_phantom
from radfuse.phantom.head import DEFAULT_SEED, DEFAULT_SPACING_MM, make_phantom
from radfuse.pipeline.fuse import fuse
from radfuse.recipe import DEFAULT_METHOD, make_recipe
from radfuse.record import NOTICE


@click.command("demo")
@click.option(
    "-o", "--output", type=PATH, default=Path("radfuse-demo"), show_default=True, help="Folder."
)
@click.option("--seed", type=int, default=DEFAULT_SEED, show_default=True, help="Which phantom.")
@click.option(
    "--spacing", "spacing_mm", type=float, default=DEFAULT_SPACING_MM, show_default=True,
    metavar="MM", help="Pixel spacing of its CT.",
)  # fmt: skip
@click.option("--method", default=DEFAULT_METHOD, show_default=True, metavar="NAME")
@click.option("--overwrite", is_flag=True, help="Replace an earlier demo.")
@output_options
def demo_command(
    *,
    output: Path,
    seed: int,
    spacing_mm: float,
    method: str,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Generate a synthetic phantom, write CT and MR as DICOM, read, register and fuse them.

    Research use only. Not a medical device.
    """
    folders = [output / part for part in (CT.code, MR.code, "fused")]
    refuse_existing(folders, overwrite=overwrite)
    with Stages(quiet=quiet) as report:
        report("generating the phantom")
        phantom = make_phantom(seed, spacing_mm=spacing_mm)
        report("writing DICOM")
        ct, mr = write_phantom(phantom, output, overwrite=overwrite)
        recipe = make_recipe(method=method)
        result = fuse(ct, mr, folders[2], recipe=recipe, overwrite=overwrite, report=report)
    if as_json:
        print_json({"written": str(result.written), **result.record.model_dump(mode="json")})
        return
    click.echo(f"CT series      {ct}\nMR series      {mr}\nfused series   {result.written}")
    click.echo(f"check the QA   {folders[2] / 'qa.html'}\n{NOTICE}")
