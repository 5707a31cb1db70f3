"""Run a benchmark, from its settings to its report."""

from pathlib import Path

from radfuse.benchmark.report.write import write_report
from radfuse.benchmark.results import Results
from radfuse.benchmark.run.collect import collect_results
from radfuse.benchmark.run.plan import make_plan
from radfuse.benchmark.run.runner import run
from radfuse.benchmark.settings import BenchmarkSettings
from radfuse.io.lock import locked_output
from radfuse.io.staging import staging
from radfuse.progress import ProgressCallback
from radfuse.recipe import DEFAULT_METHOD


def benchmark(
    settings: BenchmarkSettings, folder: Path, *, overwrite: bool, report: ProgressCallback
) -> tuple[Results, Path]:
    """Run or resume a benchmark and write its report; the results, and the path of report.html.

    Raises `InputError` for unknown cases or methods, `OutputError` for a folder that contains other
    files, is in use by another run, or cannot be written.
    """
    plan = make_plan(settings, folder, overwrite=overwrite)
    with locked_output(folder):
        run(plan, report)
        results = collect_results(plan)
        with staging(folder) as stage:
            results.rows.to_parquet(stage.folder / "rows.parquet", index=False)
        report("writing the report", None)
        path = write_report(
            results,
            folder / "report",
            reference=settings.reference or _usual_reference(results),
            shown_cases=settings.shown_cases,
            seed=settings.seed,
        )
    return results, path


def _usual_reference(results: Results) -> str:
    """The default method if it is compared, else the last one."""
    names = [one.name for one in results.methods]
    return DEFAULT_METHOD if DEFAULT_METHOD in names else names[-1]
