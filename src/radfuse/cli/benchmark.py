"""`radfuse benchmark`."""

from pathlib import Path
from typing import Any

import click

from radfuse.cli.options import PATH, Stages, print_json
from radfuse.errors import InputError
from radfuse.methods.catalogue import METHODS
from radfuse.metrics.profiles import PROFILES


@click.command("benchmark")
@click.argument("config", type=PATH, required=False)
@click.option("-o", "--output", type=PATH, required=True, help="Folder of this benchmark.")
@click.option("--pairs", type=PATH, multiple=True, help="Folder with CT/NAME.png, MRI/NAME.png.")
@click.option(
    "--phantom",
    "phantoms",
    type=click.IntRange(min=0),
    multiple=True,
    help="Seed of a made-up patient.",
)
@click.option(
    "--method",
    "methods",
    multiple=True,
    metavar="NAME",
    help="A method, an ONNX file, or a folder of fused images; all methods if none is named.",
)
@click.option(
    "--profile",
    "profiles",
    type=click.Choice(list(PROFILES)),
    multiple=True,
    help="Convention of the metrics; may be given again.",
)
@click.option("--reference", metavar="NAME", help="Compare the others with this method.")
@click.option("--repetitions", type=click.IntRange(min=0), help="Time each fusion so often.")
@click.option("--pictured", multiple=True, metavar="CASE", help="Show this case in the report.")
@click.option("--overwrite", is_flag=True, help="Begin anew where another benchmark lies.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def benchmark_command(
    *, config: Path | None, output: Path, overwrite: bool, as_json: bool, quiet: bool, **named: Any
) -> None:
    """Compare fusion methods on many cases, with statistics and a report.

    CONFIG is a TOML file (see docs/howto/benchmark.md); options take the place of what it says.
    Stopped at any moment, the same command goes on where it was. A method that fails costs its own
    rows only. The report is OUTPUT/report/report.html.
    """  # fmt: skip
    try:
        from radfuse.benchmark.benchmark import benchmark  # noqa: PLC0415  # an extra
        from radfuse.benchmark.settings import Settings, changed, read_settings  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise InputError(f"{error.name} is missing; pip install radfuse[benchmark]") from error
    settings = read_settings(config) if config else Settings(methods=tuple(METHODS))
    given = {key: value for key, value in named.items() if value not in ((), None)}
    settings = changed(settings, **given)
    try:
        with Stages(quiet=quiet) as report:
            outcome = benchmark(settings, output, overwrite=overwrite, report=report)
    except KeyboardInterrupt:
        click.echo("radfuse: stopped; the same command without --overwrite goes on", err=True)
        raise
    facts = {
        "report": str(outcome.page),
        "rows": len(outcome.results.rows),
        "cases": outcome.results.rows["case"].nunique(),
        "failures": len(outcome.results.failures),
    }
    if as_json:
        print_json(facts)
        return
    if facts["failures"]:
        click.echo(f"{facts['failures']} failures, see {output / 'failures.csv'}", err=True)
    click.echo(outcome.page)
