"""A benchmark from its settings to its report."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from radfuse.benchmark.report.write import write_report
from radfuse.benchmark.results import Results
from radfuse.benchmark.run.collect import results_of
from radfuse.benchmark.run.output_folder import locked
from radfuse.benchmark.run.plan import make_plan
from radfuse.benchmark.run.runner import run
from radfuse.benchmark.run.tables import write_parquet
from radfuse.benchmark.settings import Settings


@dataclass(frozen=True)
class Outcome:
    """What a benchmark came to."""

    results: Results
    page: Path
    """The report to open."""


def benchmark(
    settings: Settings,
    folder: Path,
    *,
    overwrite: bool,
    report: Callable[[str, float | None], None],
) -> Outcome:
    """Do what is still to be done of a benchmark, and write its report anew.

    Raises `InputError` for cases or methods that cannot be found, `OutputError` for a folder that
    holds something else, that another run works in, or that cannot be written to.
    """
    plan = make_plan(settings, folder, overwrite=overwrite)
    with locked(folder):
        run(plan, report)
        results = results_of(plan)
        write_parquet(folder / "rows.parquet", results.rows)
        report("writing the report", None)
        page = write_report(
            results,
            folder / "report",
            reference=settings.reference or results.contestants[-1].name,
            pictured=settings.pictured,
            seed=settings.seed,
        )
    return Outcome(results, page)
