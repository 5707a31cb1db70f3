"""Tasks, one after the other, each in a process of its own; what they tell is kept to be read."""

import logging
import multiprocessing
import queue
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

from radfuse.errors import InputError, RadfuseError
from radfuse.log import current_settings, since
from radfuse.service.jobs.containment import JOB_TIMEOUT_S, shown_paths
from radfuse.service.jobs.worker import INTERNAL, Task, do_in_process
from radfuse.service.stores.studies import State, Studies, Study, UnknownStudyError

LOG = logging.getLogger(__name__)

CANCELLED = "the run was cancelled; earlier results are as they were"
"""Said of a run that somebody stopped."""

LOOK_S = 0.1
"""How often a running task is asked for news, and a waiting one for a cancel."""

END_S = 5.0
"""How long a stopped process may take to end before it is killed."""


@dataclass
class Run:
    """One asked-for task and what it has told so far."""

    study: str
    task: Task

    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Kind and facts, the last one `done` or `error`."""

    cancelled: Event = field(default_factory=Event)
    ended: Event = field(default_factory=Event)

    def tell(self, kind: str, **facts: Any) -> None:
        """Add an event."""
        self.events.append((kind, facts))


class Work:
    """The tasks of a server: at most one runs, others wait their turn."""

    def __init__(self, studies: Studies) -> None:
        self._studies = studies
        self._runs: dict[str, Run] = {}
        self._waiting: queue.Queue[Run | None] = queue.Queue()
        self._lock = Lock()
        self._thread = Thread(target=self._work, name="radfuse tasks", daemon=True)
        self._thread.start()

    def start(self, study: Study, task: Task) -> Study:
        """Queue a task; raises `InputError` where one of the study is queued or runs already."""
        with self._lock:
            last = self._runs.get(study.id)
            if last is not None and not last.ended.is_set():
                raise InputError("this study is queued or runs already; cancel it first")
            message = study.message if task.kind == "prepare" else ""
            queued = self._studies.change(
                study.id, recipe=study.recipe, state="queued", message=message
            )
            run = Run(study.id, task)
            run.tell("stage", stage="waiting for its turn", share=None)
            self._runs[study.id] = run
            self._waiting.put(run)
        return queued

    def cancel(self, identifier: str) -> None:
        """Stop a task that is queued or runs; raises `InputError` where there is none."""
        run = self.run_of(identifier)
        if run is None or run.ended.is_set():
            raise InputError("nothing to cancel: this study is neither queued nor running")
        run.cancelled.set()

    def delete(self, identifier: str) -> None:
        """Remove a study, see `Studies.delete`; raises `InputError` while it is queued or runs."""
        with self._lock:
            run = self.run_of(identifier)
            if run is not None and not run.ended.is_set():
                raise InputError("this study is queued or runs; cancel it first")
            self._studies.delete(identifier)

    def run_of(self, identifier: str) -> Run | None:
        """The last run of a study since the server was started."""
        return self._runs.get(identifier)

    def close(self) -> None:
        """Stop all tasks; on return none runs."""
        for run in list(self._runs.values()):
            run.cancelled.set()
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (run := self._waiting.get()) is not None:
            try:
                self._one(run)
            except Exception as error:  # whatever it is, others wait for their turn
                self._give_up(run, error)
            finally:
                run.ended.set()

    def _one(self, run: Run) -> None:
        if run.cancelled.is_set():
            self._settle(run, "cancelled", {"error": CANCELLED})
            return
        study = self._studies.change(run.study, state="running")
        job, began = {"kind": run.task.kind, "study": run.study}, time.perf_counter()
        LOG.info("job started", extra=job)
        kind, content = self._watch(run, study, self._studies.place(run.study))
        self._settle(run, kind, content)
        LOG.info("job ended", extra={**job, "end": kind, "seconds": since(began)})

    def _settle(self, run: Run, kind: str, content: Any) -> None:
        """Say what a run has left, which is its result even where it was cancelled too late."""
        before = self._studies.get(run.study)
        state: State = "cancelled" if kind == "cancelled" else "failed"
        message = before.message if kind == "done" else content["error"]
        after = self._studies.settle(run.study, state, message)
        if after.outcome not in {None, before.outcome}:
            run.tell("done", outcome=after.outcome.model_dump(mode="json"))
        elif kind == "done":
            run.tell("done", outcome=None)
        else:
            run.tell("error", state=state, **{**content, "error": after.message})

    def _give_up(self, run: Run, error: Exception) -> None:
        """Tell of a run that a bug or the machine has ended."""
        ours = isinstance(error, RadfuseError)
        if not ours:
            with suppress(OSError):  # the terminal may be a file on a full disk
                traceback.print_exception(error)
        sentence = str(error) if ours else INTERNAL
        try:
            self._studies.settle(run.study, "failed", sentence)
        except Exception:  # a full disk, say
            with suppress(UnknownStudyError):
                self._studies.remember(run.study, "failed", sentence)
        run.tell("error", state="failed", error=sentence)

    def _watch(self, run: Run, study: Study, folder: Path) -> tuple[str, Any]:
        """Run a task to its end; returns `done`, `error` or `cancelled`, and its content."""
        spawn = multiprocessing.get_context("spawn")
        ours, theirs = spawn.Pipe(duplex=False)
        process = spawn.Process(
            target=do_in_process,
            args=(theirs, folder, study, run.task, current_settings()),
            daemon=True,
        )
        process.start()
        theirs.close()
        paths, silent_since = (study.ct, study.mr), time.monotonic()
        try:
            while not run.cancelled.is_set():
                if not ours.poll(LOOK_S):
                    if time.monotonic() - silent_since > JOB_TIMEOUT_S:
                        process.kill()
                        reason = f"stopped after {JOB_TIMEOUT_S:g} s without progress"
                        return "error", {"error": f"{shown_paths(*paths)}: {reason}"}
                    continue
                kind, content = ours.recv()
                silent_since = time.monotonic()
                if kind != "stage":
                    return kind, content
                run.tell("stage", stage=content[0], share=content[1])
        except EOFError:
            process.join(END_S)
            reason = f"the process that reads and fuses them ended (status {process.exitcode})"
            return "error", {
                "error": f"{shown_paths(*paths)}: {reason}; a file is damaged, or memory too small"
            }
        finally:
            if run.cancelled.is_set():
                process.terminate()
            process.join(END_S)
            process.kill()
            process.join()
            ours.close()
        return "cancelled", {"error": CANCELLED}
