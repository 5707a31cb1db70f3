"""Run a benchmark: fuse every case by every method, then measure; can be stopped and resumed."""

import logging
import os
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from functools import partial
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from time import perf_counter
from typing import Any

import numpy as np

from radfuse.benchmark.case import Case, Sources
from radfuse.benchmark.functional.fuse import read_fused_in_colour
from radfuse.benchmark.run.methods import BenchmarkMethod
from radfuse.benchmark.run.plan import Plan
from radfuse.benchmark.run.work_items import (
    WorkItem,
    forget_images,
    fused_path,
    measure_item,
    read_fused,
    write_fused,
    write_sources,
)
from radfuse.errors import InputError, OutputError, RadfuseError
from radfuse.progress import ProgressCallback

LOG = logging.getLogger(__name__)

Rows = list[tuple[Any, ...]]

SINGLE_PROCESS_S = 3.0
"""Seconds of measuring before worker processes start: about the time that starting them takes."""


def run(
    plan: Plan, report: ProgressCallback, *, single_process_s: float = SINGLE_PROCESS_S
) -> None:
    """Run what is not done yet; a killed run resumes where it stopped.

    After `single_process_s` seconds of measuring, processes on all cores measure the rest.
    """
    plan.failures.path.unlink(missing_ok=True)
    plan.rows.recover()
    plan.speed.recover()
    if plan.findings:
        plan.findings.recover()
    _drop_stale_rows(plan)
    _fuse_all(plan, report)
    _measure_all(plan, report, single_process_s)
    LOG.info("benchmark run", extra={"cases": len(plan.cases), "methods": len(plan.methods)})


def _drop_stale_rows(plan: Plan) -> None:
    """Remove rows of fused images that are missing or have changed, to measure them again."""
    stale = {
        (method.name, case.name)
        for method in plan.methods
        for case in plan.cases
        if _is_stale(plan, method, case)
    }
    for table in (plan.rows, plan.speed):
        table.drop({key for key in table.finished_keys() if key[-2:] in stale})


def _is_stale(plan: Plan, method: BenchmarkMethod, case: Case) -> bool:
    """Whether the fused image is missing, or differs from that in the method's folder."""
    ours = fused_path(plan.fused(method.name), case.name)
    if ours is None or method.folder is None:
        return ours is None
    external = fused_path(method.folder, case.name)
    in_colour = plan.settings.functional is not None
    is_same = external is not None and _is_equal(external, ours, in_colour=in_colour)
    if not is_same:
        ours.unlink()
    return not is_same


def _is_equal(first: Path, second: Path, *, in_colour: bool) -> bool:
    read = read_fused_in_colour if in_colour else read_fused
    try:
        return np.array_equal(read(first), read(second))
    except InputError:
        return False


def _fuse_all(plan: Plan, report: ProgressCallback) -> None:
    """Write sources and fused images of each case; one case is in memory at a time."""
    timed = plan.speed.finished_keys()
    findings = plan.findings.waiting(case.name for case in plan.cases) if plan.findings else {}
    for index, case in enumerate(plan.cases):
        report("fusing", index / len(plan.cases))
        waiting = [method for method in plan.methods if _is_waiting(plan, case, method, timed)]
        left = findings.get(case.name, {})
        needing = [one for one in plan.methods if one in waiting or one.name in left]
        if not needing and plan.sources(case.name).is_file():
            continue
        sources = _load_sources(plan, case, needing)
        if sources is None:
            continue
        write_sources(plan.sources(case.name), sources)
        for method in waiting:
            with _record_failure(plan, method.name, case.name):
                _fuse(plan, case, sources, method)
        if plan.findings and left:
            failed = partial(_record_findings_failure, plan, case.name)
            plan.findings.measure(case, sources, left, failed)


def _load_sources(plan: Plan, case: Case, waiting: Sequence[BenchmarkMethod]) -> Sources | None:
    """The source images of a case; where they fail to load, so do all methods that need them."""
    try:
        return case.load()
    except Exception as error:  # damaged files raise any exception
        failing = waiting if plan.sources(case.name).is_file() else plan.methods
        message = f"the case cannot be loaded: {reason(error)}"
        plan.failures.append((one.name, case.name, message) for one in failing)
        return None


def _is_waiting(
    plan: Plan, case: Case, method: BenchmarkMethod, timed: set[tuple[str, ...]]
) -> bool:
    name = method.name
    is_to_time = method.folder is None and plan.settings.repetitions > 0
    return fused_path(plan.fused(name), case.name) is None or (
        is_to_time and (name, case.name) not in timed
    )


def _fuse(plan: Plan, case: Case, sources: Sources, method: BenchmarkMethod) -> None:
    """Fuse a case, then time it again: the first run includes compiling a graph."""
    name = method.name
    write_fused(plan.fused(name), case.name, method.fuse(case, sources))
    seconds = []
    for _ in range(plan.settings.repetitions if method.folder is None else 0):
        start = perf_counter()
        method.fuse(case, sources)
        seconds.append(perf_counter() - start)
    if seconds:
        key = (name, case.name, *sources.ct.shape)
        plan.speed.append((*key, repetition, time) for repetition, time in enumerate(seconds))


@contextmanager
def _record_failure(plan: Plan, method: str, case: str) -> Iterator[None]:
    """Record a failure and continue: other methods are not affected."""
    try:
        yield
    except OutputError:
        raise
    except Exception as error:  # external graphs raise any exception
        plan.failures.append([(method, case, reason(error))])


def _record_findings_failure(plan: Plan, case: str, method: str, error: Exception) -> None:
    plan.failures.append([(method, case, f"findings: {reason(error)}")])


def reason(error: Exception) -> str:
    """The reason of a failure, for a line of `failures.csv`."""
    if isinstance(error, RadfuseError):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _measure_all(plan: Plan, report: ProgressCallback, single_process_s: float) -> None:
    """Measure, and append the rows in the order of the plan."""
    measured = plan.rows.finished_keys()
    items = [item for item in _work_items(plan) if item.key not in measured]
    with closing(_measured_items(items, single_process_s)) as results:
        for index, item in enumerate(items):
            report("measuring", index / len(items))
            rows = next(results)
            if isinstance(rows, str):
                plan.failures.append([(item.method, item.case, f"profile {item.profile}: {rows}")])
            else:
                plan.rows.append(rows)


def _measured_items(items: Sequence[WorkItem], single_process_s: float) -> Generator[Rows | str]:
    """Rows or failure of each item: of the first ones in this process, then on all cores."""
    start = perf_counter()
    for index, item in enumerate(items):
        if perf_counter() - start >= single_process_s:
            forget_images()
            yield from _measure_in_workers(items[index:])
            return
        yield _try_measure(item)
    forget_images()


def _measure_in_workers(items: Sequence[WorkItem]) -> Generator[Rows | str]:
    workers = min(os.cpu_count() or 1, len(items))
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _end_with_parent)
    try:
        # The profiles of a fused image are neighbours, and share what is derived from it.
        yield from pool.map(_try_measure, items, chunksize=len({item.profile for item in items}))
    except BrokenProcessPool as error:
        raise RadfuseError(
            "a measuring process was killed, perhaps out of memory; the same command resumes"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """Exit a worker process when its parent is killed."""

    def watch() -> None:
        if parent := parent_process():
            parent.join()
            os._exit(1)

    Thread(target=watch, daemon=True).start()


def _try_measure(item: WorkItem) -> Rows | str:
    """Rows of a work item, or the reason of its failure."""
    try:
        return measure_item(item)
    except Exception as error:
        return reason(error)


def _work_items(plan: Plan) -> Iterator[WorkItem]:
    for case in plan.cases:
        if not plan.sources(case.name).is_file():
            continue  # its failure is recorded already
        for name in (method.name for method in plan.methods):
            if fused := fused_path(plan.fused(name), case.name):
                for profile in plan.settings.profiles:
                    yield WorkItem(
                        profile=profile,
                        method=name,
                        case=case.name,
                        patient=case.patient,
                        fused=fused,
                        sources=plan.sources(case.name),
                        slice_step=plan.settings.slice_step,
                    )
