"""Run a benchmark, from its settings to its report."""

from collections.abc import Sequence
from pathlib import Path

from radfuse.benchmark.report.write import write_report
from radfuse.benchmark.results import Results
from radfuse.benchmark.run.collect import collect_results
from radfuse.benchmark.run.plan import Plan, make_plan
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
            shown_cases=_shown_cases(plan),
            seed=settings.seed,
        )
    return results, path


def _shown_cases(plan: Plan) -> Sequence[str]:
    """Those of the settings, else the first, the middle and the last of CT and MR."""
    if plan.settings.shown_cases is not None:
        return plan.settings.shown_cases
    if plan.settings.functional is not None:
        return ()
    names = [case.name for case in plan.cases]
    return list(dict.fromkeys(names[at] for at in (0, len(names) // 2, -1)))


def _usual_reference(results: Results) -> str:
    """The default method if it is compared, else the last one."""
    names = [one.name for one in results.methods]
    return DEFAULT_METHOD if DEFAULT_METHOD in names else names[-1]
