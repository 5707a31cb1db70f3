"""`radfuse demo`."""

from pathlib import Path

import click

from radfuse.cli.options import PATH, Stages, output_options, print_json
from radfuse.io.staging import refuse_existing
from radfuse.modality import CT, MR, PT
from radfuse.phantom.dicom import write_functional, write_phantom
from radfuse.phantom.head import (
    DEFAULT_SEED,
    DEFAULT_SPACING_MM,
    Phantom,
    draw_layers,
    make_phantom,
)
from radfuse.phantom.uptake import FDG, scan_uptake
from radfuse.pipeline.functional.pair import fuse_colour
from radfuse.pipeline.fuse import fuse_ct_mr
from radfuse.pipeline.read import read
from radfuse.recipe import DEFAULT_FUNCTIONAL_METHOD, DEFAULT_METHOD, make_recipe
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
@click.option("--pet", "with_pet", is_flag=True, help="Add a PET; fuse it with the MR in colour.")
@click.option(
    "--method",
    metavar="NAME",
    help=f"[default: {DEFAULT_METHOD}; with --pet {DEFAULT_FUNCTIONAL_METHOD}]",
)
@click.option("--overwrite", is_flag=True, help="Replace an earlier demo.")
@output_options
def demo_command(
    *,
    output: Path,
    seed: int,
    spacing_mm: float,
    with_pet: bool,
    method: str | None,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Generate a synthetic phantom, write CT and MR as DICOM, read, register and fuse them.

    With --pet, a PET is written, too, and fused with the MR in colour instead of the CT.

    Research use only. Not a medical device.
    """
    modalities = (CT, MR, PT) if with_pet else (CT, MR)
    folders = [output / part for part in (*(one.code for one in modalities), "fused")]
    refuse_existing(folders, overwrite=overwrite)
    recipe = make_recipe(
        method=method or (DEFAULT_FUNCTIONAL_METHOD if with_pet else DEFAULT_METHOD)
    )
    with Stages(quiet=quiet) as report:
        report("generating the phantom")
        phantom = make_phantom(seed, spacing_mm=spacing_mm)
        report("writing DICOM")
        ct, mr = write_phantom(phantom, output, overwrite=overwrite)
        if with_pet:
            pet = _write_pet(phantom, output, spacing_mm, overwrite=overwrite)
            pair = read(mr, MR), read(pet, PT)
            coloured = fuse_colour(
                *pair, folders[-1], recipe=recipe, overwrite=overwrite, report=report
            )
            record, written = coloured.record, coloured.written
        else:
            result = fuse_ct_mr(
                ct, mr, folders[-1], recipe=recipe, overwrite=overwrite, report=report
            )
            record, written = result.record, result.written
    if as_json:
        print_json({"written": str(written), **record.model_dump(mode="json")})
        return
    for modality, folder in zip(modalities, folders, strict=False):
        click.echo(f"{f'{modality} series':<15}{folder}")
    click.echo(f"{'fused series':<15}{written}")
    click.echo(f"check the QA   {folders[-1] / 'qa.html'}\n{NOTICE}")


def _write_pet(phantom: Phantom, output: Path, spacing_mm: float, *, overwrite: bool) -> Path:
    """Write an FDG-PET of the phantom as DICOM."""
    layers = draw_layers(phantom.seed, spacing_mm=spacing_mm)
    scan = scan_uptake(layers, FDG, phantom.seed)
    return write_functional(phantom, scan.series, output, overwrite=overwrite)
