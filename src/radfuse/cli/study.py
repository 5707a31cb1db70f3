"""`radfuse study`."""

from pathlib import Path

import click

from radfuse.cli.options import PATH, Stages, print_json
from radfuse.data.phantom import DEFAULT_SEED
from radfuse.errors import InputError
from radfuse.intensity import WINDOWS
from radfuse.methods.catalogue import METHODS
from radfuse.recipe import DEFAULT_WINDOW
from radfuse.record import NOTICE


@click.group("study")
def study_command() -> None:
    """Studies of what fusion is good for, with a known truth.

    Research use only. Not a medical device.
    """


@study_command.command("delineation")
@click.option("-o", "--output", type=PATH, required=True, help="Folder for report.md and rows.csv.")
@click.option(
    "--seeds", type=click.IntRange(min=2), default=5, show_default=True,
    help=f"Made-up patients, from seed {DEFAULT_SEED} on.",
)  # fmt: skip
@click.option(
    "--method", "methods", multiple=True, metavar="NAME",
    help="A method or an ONNX file; may be given again  [default: all without a network]",
)  # fmt: skip
@click.option(
    "--tumour", "tumours", multiple=True, metavar="KIND",
    help="typical, small, faint or at-bone; may be given again  [default: all]",
)  # fmt: skip
@click.option(
    "--spacing", "spacing_mm", type=float, default=1.5, show_default=True, metavar="MM",
    help="Pixel of the made-up CTs.",
)  # fmt: skip
@click.option(
    "--window-preset", "window", type=click.Choice(list(WINDOWS)), default=DEFAULT_WINDOW,
    show_default=True, help="CT window of the fusion.",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace an earlier study.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def delineation_command(
    *,
    output: Path,
    seeds: int,
    methods: tuple[str, ...],
    tumours: tuple[str, ...],
    spacing_mm: float,
    window: str,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Measure whether fusion helps to find a tumour's border, and which method.

    From the same clicks the same rule grows a region on CT, MR and every fused image of made-up
    patients, whose tumours are known; regions are compared with them, with statistics.
    """
    try:
        from radfuse.benchmark.delineation import TUMOURS, run_delineation  # noqa: PLC0415
        from radfuse.benchmark.delineation_report import check_folder, write_study  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise InputError(f"{error.name} is missing; pip install radfuse[benchmark]") from error
    check_folder(output, overwrite=overwrite)
    copies = {"copy_ct", "copy_mr"}
    rules = [name for name, one in METHODS.items() if not one.weights and name not in copies]
    with Stages(quiet=quiet) as report:
        results = run_delineation(
            range(DEFAULT_SEED, DEFAULT_SEED + seeds),
            list(dict.fromkeys(methods or rules)),
            tumours=list(dict.fromkeys(tumours or TUMOURS)),
            spacing_mm=spacing_mm,
            window=window,
            report=report,
        )
        page = write_study(results, output)
    if as_json:
        rows = results.rows
        means = rows[rows["metric"] == "Dice"].groupby("method", sort=False)["value"].mean()
        print_json({"report": str(page), "rows": len(rows), "dice": means.to_dict(),
                    "notice": NOTICE})  # fmt: skip
        return
    click.echo(f"{page}\n{NOTICE}")
