"""`radfuse benchmark`."""

from pathlib import Path
from typing import Any

import click

from radfuse.cli.options import PATH, output_options, print_json, resumable_stages
from radfuse.errors import needs_extra
from radfuse.methods.catalogue import usual_methods
from radfuse.metrics.profiles import PROFILES
from radfuse.recipe import DEFAULT_METHOD


@click.command("benchmark")
@click.argument("config", type=PATH, required=False)
@click.option("-o", "--output", type=PATH, required=True, help="Output folder.")
@click.option("--pairs", type=PATH, multiple=True, help="Folder with CT/NAME.png, MRI/NAME.png.")
@click.option("--data-set", metavar="NAME", help="Data set of these patients, as in model cards.")
@click.option(
    "--phantom",
    "phantoms",
    type=click.IntRange(min=0),
    multiple=True,
    help="Seed of a synthetic phantom; repeatable.",
)
@click.option(
    "--method",
    "methods",
    multiple=True,
    metavar="NAME",
    help="A method, ONNX file or folder of fused images; repeatable  [default: all methods]",
)
@click.option(
    "--profile",
    "profiles",
    type=click.Choice(list(PROFILES)),
    multiple=True,
    help="Metric profile; repeatable.",
)
@click.option(
    "--reference",
    metavar="NAME",
    help=f"Compare the others with this method  [default: {DEFAULT_METHOD}, else the last one]",
)
@click.option(
    "--repetitions", type=click.IntRange(min=0), help="Number of timed runs of each fusion."
)
@click.option(
    "--show-case",
    "shown_cases",
    multiple=True,
    metavar="CASE",
    help="Show images of this case in the report; repeatable  [default: three of CT and MR]",
)
@click.option("--overwrite", is_flag=True, help="Replace another benchmark in OUTPUT.")
@output_options
def benchmark_command(
    *, config: Path | None, output: Path, overwrite: bool, as_json: bool, quiet: bool, **named: Any
) -> None:
    """Compare fusion methods on many cases, with statistics and a report.

    CONFIG is a TOML file (see docs/howto/benchmark.md); options override its settings. The same
    command resumes a stopped benchmark. The failure of a method does not affect the others. The
    statistics account for within-patient correlation. The report is OUTPUT/report/report.html.
    """  # fmt: skip
    with needs_extra("benchmark"):
        from radfuse.benchmark.benchmark import benchmark  # noqa: PLC0415  # an extra
        from radfuse.benchmark.settings import BenchmarkSettings, changed, read_benchmark_settings  # noqa: PLC0415
    settings = (
        read_benchmark_settings(config) if config else BenchmarkSettings(methods=usual_methods())
    )
    given = {key: value for key, value in named.items() if value not in ((), None)}
    settings = changed(settings, **given)
    with resumable_stages(quiet=quiet) as report:
        results, path = benchmark(settings, output, overwrite=overwrite, report=report)
    summary = {
        "report": str(path),
        "rows": len(results.rows),
        "cases": results.rows["case"].nunique(),
        "failures": len(results.failures),
    }
    if as_json:
        print_json(summary)
        return
    if summary["failures"]:
        click.echo(f"{summary['failures']} failures, see {output / 'failures.csv'}", err=True)
    click.echo(path)
