"""Fusions, one after the other, each in a process of its own; what they tell is kept to be read."""

import multiprocessing
import queue
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

from radfuse.errors import InputError, RadfuseError
from radfuse.service.fusion import fuse_in_process
from radfuse.service.studies import Outcome, Studies, Study

CANCELLED = "the run was cancelled; earlier results are as they were"
"""Said of a run that somebody stopped."""

LOOK_S = 0.1
"""How often a running fusion is asked for news, and a waiting one for a cancel."""

END_S = 5.0
"""How long a stopped process may take to end before it is killed."""


@dataclass
class Run:
    """One asked-for fusion and what it has told so far."""

    study: str
    keep: bool
    """Whether the study's last registration is kept."""

    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Kind and facts, the last one `done` or `error`."""

    cancelled: Event = field(default_factory=Event)
    ended: Event = field(default_factory=Event)

    def tell(self, kind: str, **facts: Any) -> None:
        """Add an event."""
        self.events.append((kind, facts))


class Work:
    """The fusions of a server: at most one runs, others wait their turn."""

    def __init__(self, studies: Studies) -> None:
        self._studies = studies
        self._runs: dict[str, Run] = {}
        self._waiting: queue.Queue[Run | None] = queue.Queue()
        self._lock = Lock()
        self._thread = Thread(target=self._work, name="radfuse fusions", daemon=True)
        self._thread.start()

    def start(self, study: Study, *, keep: bool) -> Study:
        """Queue a fusion; raises `InputError` where one is queued or runs already.

        A sign-off of an earlier result is taken back: it spoke of what will no longer be there.
        """
        with self._lock:
            last = self._runs.get(study.id)
            if last is not None and not last.ended.is_set():
                raise InputError("this study is queued or runs already; cancel it first")
            queued = self._studies.change(
                study.id, recipe=study.recipe, state="queued", message="", signoff=None
            )
            run = Run(study.id, keep)
            run.tell("stage", stage="waiting for its turn", share=None)
            self._runs[study.id] = run
            self._waiting.put(run)
        return queued

    def cancel(self, identifier: str) -> None:
        """Stop a fusion that is queued or runs; raises `InputError` where there is none."""
        run = self.run_of(identifier)
        if run is None or run.ended.is_set():
            raise InputError("nothing to cancel: this study is neither queued nor running")
        run.cancelled.set()

    def run_of(self, identifier: str) -> Run | None:
        """The last run of a study since the server was started."""
        return self._runs.get(identifier)

    def close(self) -> None:
        """Stop all fusions; on return none runs."""
        for run in list(self._runs.values()):
            run.cancelled.set()
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (run := self._waiting.get()) is not None:
            try:
                self._one(run)
            except RadfuseError as error:  # its folder was deleted, say
                run.tell("error", state="failed", error=str(error))
            finally:
                run.ended.set()

    def _one(self, run: Run) -> None:
        if run.cancelled.is_set():
            self._end(run, "cancelled", CANCELLED)
            return
        study = self._studies.change(run.study, state="running")
        kind, content = self._watch(run, study, self._studies.place(run.study))
        self._studies.sweep(run.study)
        if kind == "done":
            outcome = Outcome.model_validate(content)
            self._studies.change(run.study, state="done", outcome=outcome)
            run.tell("done", outcome=content)
        else:
            self._end(run, "cancelled" if kind == "cancelled" else "failed", content)

    def _end(self, run: Run, state: str, message: str) -> None:
        self._studies.change(run.study, state=state, message=message)
        run.tell("error", state=state, error=message)

    def _watch(self, run: Run, study: Study, folder: Path) -> tuple[str, Any]:
        """Run a fusion to its end; returns `done`, `error` or `cancelled`, and its content."""
        spawn = multiprocessing.get_context("spawn")
        ours, theirs = spawn.Pipe(duplex=False)
        process = spawn.Process(
            target=fuse_in_process,
            args=(theirs, folder, study),
            kwargs={"keep": run.keep},
            daemon=True,
        )
        process.start()
        theirs.close()
        try:
            while not run.cancelled.is_set():
                if not ours.poll(LOOK_S):
                    continue
                kind, content = ours.recv()
                if kind != "stage":
                    return kind, content
                run.tell("stage", stage=content[0], share=content[1])
        except EOFError:
            process.join(END_S)
            return "error", (
                f"the fusion's process ended without a word (exit status {process.exitcode}); "
                "was there too little memory?"
            )
        finally:
            if run.cancelled.is_set():
                process.terminate()
            process.join(END_S)
            process.kill()
            ours.close()
        return "cancelled", CANCELLED
