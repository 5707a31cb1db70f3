"""`radfuse experiment`."""

from pathlib import Path
from typing import Any

import click

from radfuse.cli.options import PATH, output_options, print_json, resumable_stages
from radfuse.errors import needs_extra
from radfuse.intensity import WINDOWS
from radfuse.methods.catalogue import METHODS
from radfuse.phantom.findings import FIRST_REPORTING_SEED, TUNING_SEEDS
from radfuse.phantom.head import DEFAULT_SEED
from radfuse.recipe import DEFAULT_METHOD, DEFAULT_WINDOW
from radfuse.record import NOTICE


@click.group("experiment")
def experiment_command() -> None:
    """Evaluate fusion against ground truth.

    Research use only. Not a medical device.
    """


@experiment_command.command("delineation")
@click.option("-o", "--output", type=PATH, required=True, help="Output folder.")
@click.option(
    "--seeds", type=click.IntRange(min=2), default=5, show_default=True,
    help=f"Number of synthetic phantoms, from seed {DEFAULT_SEED} on.",
)  # fmt: skip
@click.option(
    "--method", "methods", multiple=True, metavar="NAME",
    help="A method or an ONNX file; repeatable  [default: all without a network]",
)  # fmt: skip
@click.option(
    "--tumour", "tumours", multiple=True, metavar="KIND",
    help="typical, small, faint, at-bone or calcified; repeatable  [default: all]",
)  # fmt: skip
@click.option(
    "--spacing", "spacing_mm", type=float, default=1.5, show_default=True, metavar="MM",
    help="Pixel spacing of the phantoms' CT.",
)  # fmt: skip
@click.option(
    "--window-preset", "window", type=click.Choice(list(WINDOWS)), default=DEFAULT_WINDOW,
    show_default=True, help="CT window of the fusion.",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace another experiment in OUTPUT.")
@output_options
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
    """Measure which images help to find a tumour's border: CT, MR or fused.

    From the same seed points the same algorithm grows a region on CT, MR and every fused image of
    synthetic phantoms; the regions are compared with the true tumours. The same command resumes a
    stopped experiment. The failure of a method does not affect the others.
    """
    with needs_extra("benchmark"):
        from radfuse.benchmark.experiments import delineation_report, delineation_run  # noqa: PLC0415  # an extra
    kinds = {"tumours": tuple(dict.fromkeys(tumours))} if tumours else {}
    experiment = delineation_run.DelineationExperiment(
        output, seeds, tuple(dict.fromkeys(methods)) or _rules(),
        spacing_mm=spacing_mm, window=window, **kinds,
    )  # fmt: skip
    with resumable_stages(quiet=quiet) as report:
        outcome = delineation_run.run_delineation(experiment, overwrite=overwrite, report=report)
        path = delineation_report.write_delineation_report(outcome, output)
    results = outcome.results
    if as_json:
        means = results.rows[results.rows["metric"] == "Dice"].groupby("method")["value"].mean()
        print_json({"report": str(path), "rows": len(results.rows), "dice": means.to_dict(),
                    "failures": len(results.failures), "notice": NOTICE})  # fmt: skip
        return
    if len(results.failures):
        click.echo(f"{len(results.failures)} failures, see {output / 'failures.csv'}", err=True)
    click.echo(f"{path}\n{NOTICE}")


@experiment_command.command("findings")
@click.option("-o", "--output", type=PATH, required=True, help="Output folder.")
@click.option(
    "--seeds", type=click.IntRange(min=1), default=5, show_default=True,
    help=f"Number of synthetic phantoms, from seed {FIRST_REPORTING_SEED} on.",
)  # fmt: skip
@click.option(
    "--placements", type=click.IntRange(min=1), default=2, show_default=True,
    help="Findings of each kind in each phantom.",
)  # fmt: skip
@click.option(
    "--method", "methods", multiple=True, metavar="NAME",
    help="A method or an ONNX file; repeatable  [default: all without a network, and "
    f"{DEFAULT_METHOD}]",
)  # fmt: skip
@click.option(
    "--kind", "kinds", multiple=True, metavar="KIND",
    help="A kind of finding (docs/findings.md); repeatable  [default: all]",
)  # fmt: skip
@click.option(
    "--spacing", "spacing_mm", type=float, default=1.2, show_default=True, metavar="MM",
    help="Pixel spacing of the phantoms' CT.",
)  # fmt: skip
@click.option(
    "--window-preset", "window", type=click.Choice(list(WINDOWS)), default=DEFAULT_WINDOW,
    show_default=True, help="CT window of the fusion.",
)  # fmt: skip
@click.option(
    "--tuning", "is_tuning", is_flag=True,
    help=f"Use the seeds from {TUNING_SEEDS[0]} to {TUNING_SEEDS[-1]}, to tune a method.",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace another experiment in OUTPUT.")
@output_options
def findings_command(
    *, output: Path, methods: tuple[str, ...], kinds: tuple[str, ...], overwrite: bool,
    as_json: bool, quiet: bool, seeds: int, **options: Any,
) -> None:  # fmt: skip
    """Measure which findings a fused image keeps: calcification, blood, metastasis and others.

    Findings are inserted into the CT or the MR of synthetic phantoms, which every method fuses with
    them and without them. The same command resumes a stopped experiment. The failure of a method
    does not affect the others.
    """
    with needs_extra("benchmark"):
        from radfuse.benchmark.experiments import findings_report, findings_run  # noqa: PLC0415  # an extra
    names = tuple(dict.fromkeys(methods or (*_rules(), DEFAULT_METHOD)))
    experiment = findings_run.FindingsExperiment(output, seeds, names, kinds, **options)
    with resumable_stages(quiet=quiet) as report:
        outcome = findings_run.run_findings(experiment, overwrite=overwrite, report=report)
        path = findings_report.write_findings_report(outcome, output)
    rows = outcome.findings.rows
    if as_json:
        kept = (rows["verdict"] == "kept").groupby(rows["method"]).mean()
        print_json({"report": str(path), "rows": len(rows), "kept": kept.to_dict(),
                    "failures": len(outcome.failures), "notice": NOTICE})  # fmt: skip
        return
    if len(outcome.failures):
        click.echo(f"{len(outcome.failures)} failures, see {output / 'failures.csv'}", err=True)
    click.echo(f"{path}\n{NOTICE}")


def _rules() -> tuple[str, ...]:
    """Baselines and rules of this project, a pyramid and a wavelet; no copies of a source."""
    copies, transforms = {"copy_ct", "copy_mr"}, {"laplacian", "dwt"}
    rules = {name for name, one in METHODS.items() if one.family in ("baseline", "bone and detail")}
    return tuple(name for name in METHODS if name in (rules | transforms) - copies)
