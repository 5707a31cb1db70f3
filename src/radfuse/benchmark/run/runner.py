"""Run a benchmark: fuse every case by every method, then measure; stop and go on at will."""

import logging
import os
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from time import perf_counter
from typing import Any

import numpy as np

from radfuse.benchmark.image_pairs import Case, Sources
from radfuse.benchmark.run.methods import Entrant
from radfuse.benchmark.run.plan import Plan
from radfuse.benchmark.run.work_items import (
    Unit,
    fused_path,
    measure_unit,
    read_fused,
    write_fused,
    write_levels,
)
from radfuse.errors import InputError, OutputError, RadfuseError
from radfuse.progress import ProgressCallback

LOG = logging.getLogger(__name__)

Rows = list[tuple[Any, ...]]

ALONE_S = 3.0
"""Seconds of measuring before others help: about what it takes to start them."""


def run(plan: Plan, report: ProgressCallback, *, alone_s: float = ALONE_S) -> None:
    """Do what is still to be done; a killed run is taken up where it stopped.

    After `alone_s` seconds of measuring, processes on all cores take the rest.
    """
    plan.failures.path.unlink(missing_ok=True)
    plan.rows.recover()
    plan.speed.recover()
    _forget_stale(plan)
    _fuse_all(plan, report)
    _measure_all(plan, report, alone_s)
    LOG.info("benchmark run", extra={"cases": len(plan.cases), "methods": len(plan.entrants)})


def _forget_stale(plan: Plan) -> None:
    """Drop what is known of images that are gone or changed: they are made and measured again."""
    gone = {
        (entrant.contestant.name, case.name)
        for entrant in plan.entrants
        for case in plan.cases
        if _is_stale(plan, entrant, case)
    }
    for table in (plan.rows, plan.speed):
        table.drop({unit for unit in table.done() if unit[-2:] in gone})


def _is_stale(plan: Plan, entrant: Entrant, case: Case) -> bool:
    """Whether there is no fused image, or another one than in the folder that it is read from."""
    kept = fused_path(plan.fused(entrant.contestant.name), case.name)
    if kept is None or entrant.folder is None:
        return kept is None
    theirs = fused_path(entrant.folder, case.name)
    is_same = theirs is not None and _is_equal(theirs, kept)
    if not is_same:
        kept.unlink()
    return not is_same


def _is_equal(first: Path, second: Path) -> bool:
    try:
        return np.array_equal(read_fused(first), read_fused(second))
    except InputError:
        return False


def _fuse_all(plan: Plan, report: ProgressCallback) -> None:
    """Keep each case in 8 bits, and its fused images; one case is in memory at a time."""
    timed = plan.speed.done()
    for index, case in enumerate(plan.cases):
        report("fusing", index / len(plan.cases))
        waiting = [entrant for entrant in plan.entrants if _is_waiting(plan, case, entrant, timed)]
        if not waiting and plan.sources(case.name).is_file():
            continue
        sources = _loaded(plan, case, waiting)
        if sources is None:
            continue
        write_levels(plan.sources(case.name), sources)
        for entrant in waiting:
            with _noted(plan, entrant.contestant.name, case.name):
                _fuse(plan, case, sources, entrant)


def _loaded(plan: Plan, case: Case, waiting: Sequence[Entrant]) -> Sources | None:
    """The images of a case; without them it costs the rows of all methods that wait for it."""
    try:
        return case.load()
    except Exception as error:  # a damaged file fails in whatever way it likes
        failing = waiting if plan.sources(case.name).is_file() else plan.entrants
        message = f"the case cannot be loaded: {reason(error)}"
        plan.failures.append((one.contestant.name, case.name, message) for one in failing)
        return None


def _is_waiting(plan: Plan, case: Case, entrant: Entrant, timed: set[tuple[str, ...]]) -> bool:
    name = entrant.contestant.name
    is_to_time = entrant.folder is None and plan.settings.repetitions > 0
    return fused_path(plan.fused(name), case.name) is None or (
        is_to_time and (name, case.name) not in timed
    )


def _fuse(plan: Plan, case: Case, sources: Sources, entrant: Entrant) -> None:
    """Fuse a case, then time the same again: the first time, a graph is compiled."""
    name = entrant.contestant.name
    write_fused(plan.fused(name), case.name, entrant.fuse(case, sources))
    seconds = []
    for _ in range(plan.settings.repetitions if entrant.folder is None else 0):
        start = perf_counter()
        entrant.fuse(case, sources)
        seconds.append(perf_counter() - start)
    if seconds:
        unit = (name, case.name, *sources.ct.shape)
        plan.speed.append((*unit, turn, spent) for turn, spent in enumerate(seconds))


@contextmanager
def _noted(plan: Plan, method: str, case: str) -> Iterator[None]:
    """Note a failure and go on: a method that fails costs its own rows only."""
    try:
        yield
    except OutputError:
        raise
    except Exception as error:  # somebody's graph fails in whatever way it likes
        plan.failures.append([(method, case, reason(error))])


def reason(error: Exception) -> str:
    """Why something failed, in a line of `failures.csv`."""
    if isinstance(error, RadfuseError):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _measure_all(plan: Plan, report: ProgressCallback, alone_s: float) -> None:
    """Measure and add the rows in the order of the plan."""
    done = plan.rows.done()
    units = [unit for unit in _units(plan) if unit.key not in done]
    with closing(_findings(units, alone_s)) as findings:
        for index, unit in enumerate(units):
            report("measuring", index / len(units))
            found = next(findings)
            if isinstance(found, str):
                plan.failures.append([(unit.method, unit.case, f"profile {unit.profile}: {found}")])
            else:
                plan.rows.append(found)


def _findings(units: Sequence[Unit], alone_s: float) -> Generator[Rows | str]:
    """What `_measured` says of each unit: of the first ones here, of the others on all cores."""
    start = perf_counter()
    for place, unit in enumerate(units):
        if perf_counter() - start >= alone_s:
            yield from _by_workers(units[place:])
            return
        yield _measured(unit)


def _by_workers(units: Sequence[Unit]) -> Generator[Rows | str]:
    workers = min(os.cpu_count() or 1, len(units))
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _end_with_parent)
    try:
        yield from pool.map(_measured, units)
    except BrokenProcessPool as error:
        raise RadfuseError(
            "a measuring process was killed, perhaps for want of memory; the same command goes on"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """Let a worker end when the run is killed: nobody else would tell it."""

    def watch() -> None:
        if parent := parent_process():
            parent.join()
            os._exit(1)

    Thread(target=watch, daemon=True).start()


def _measured(unit: Unit) -> Rows | str:
    """Rows of a unit, or why there are none."""
    try:
        return measure_unit(unit)
    except Exception as error:
        return reason(error)


def _units(plan: Plan) -> Iterator[Unit]:
    for case in plan.cases:
        if not plan.sources(case.name).is_file():
            continue  # its failure is noted already
        for name in (entrant.contestant.name for entrant in plan.entrants):
            if fused := fused_path(plan.fused(name), case.name):
                for profile in plan.settings.profiles:
                    yield Unit(
                        profile=profile,
                        method=name,
                        case=case.name,
                        patient=case.patient,
                        fused=fused,
                        sources=plan.sources(case.name),
                        every=plan.settings.every,
                    )
