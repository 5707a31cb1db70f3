"""A benchmark from its settings to its report."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from radfuse.benchmark.claim import locked
from radfuse.benchmark.outcome import results_of
from radfuse.benchmark.plan import make_plan
from radfuse.benchmark.report import write_report
from radfuse.benchmark.results import Results
from radfuse.benchmark.run import run
from radfuse.benchmark.settings import Settings
from radfuse.benchmark.store import write_parquet


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
