"""`radfuse study`."""

from pathlib import Path

import click

from radfuse.cli.options import PATH, Stages, print_json
from radfuse.errors import InputError
from radfuse.intensity import WINDOWS
from radfuse.methods.catalogue import METHODS
from radfuse.phantom.head import DEFAULT_SEED
from radfuse.recipe import DEFAULT_WINDOW
from radfuse.record import NOTICE


@click.group("study")
def study_command() -> None:
    """Studies of what fusion is good for, with a known truth.

    Research use only. Not a medical device.
    """


@study_command.command("delineation")
@click.option("-o", "--output", type=PATH, required=True, help="Folder of this study.")
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
@click.option("--overwrite", is_flag=True, help="Begin anew where another study lies.")
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
    patients, whose tumours are known; regions are compared with them, with statistics. Stopped at
    any moment, the same command goes on where it was. A method that fails costs its own rows only.
    """
    try:
        from radfuse.benchmark.experiments.delineation_report import write_study  # noqa: PLC0415  # an extra
        from radfuse.benchmark.experiments.delineation_run import Study, run_delineation  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise InputError(f"{error.name} is missing; pip install radfuse[benchmark]") from error
    copies = {"copy_ct", "copy_mr"}
    rules = [name for name, one in METHODS.items() if not one.weights and name not in copies]
    named = {"tumours": tuple(dict.fromkeys(tumours))} if tumours else {}
    study = Study(output, seeds, tuple(dict.fromkeys(methods or rules)),
                  spacing_mm=spacing_mm, window=window, **named)  # fmt: skip
    try:
        with Stages(quiet=quiet) as report:
            findings = run_delineation(study, overwrite=overwrite, report=report)
            page = write_study(findings, output)
    except KeyboardInterrupt:
        click.echo("radfuse: stopped; the same command without --overwrite goes on", err=True)
        raise
    results = findings.results
    if as_json:
        means = results.rows[results.rows["metric"] == "Dice"].groupby("method")["value"].mean()
        print_json({"report": str(page), "rows": len(results.rows), "dice": means.to_dict(),
                    "failures": len(results.failures), "notice": NOTICE})  # fmt: skip
        return
    if len(results.failures):
        click.echo(f"{len(results.failures)} failures, see {output / 'failures.csv'}", err=True)
    click.echo(f"{page}\n{NOTICE}")
