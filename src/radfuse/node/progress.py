"""How far the jobs that run are, and how long those took that have ended; in memory alone."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock


@dataclass
class RunningJob:
    """A job that runs."""

    began: float = field(default_factory=time.monotonic)
    stage: str = "starting"
    fraction: float | None = None
    """Completed part of the stage, 0 to 1, where it is known."""
    has_ended: bool = False
    """Whether it counts: a job that is stopped runs again."""

    def report(self, stage: str, fraction: float | None = None) -> None:
        """Called as the job goes on."""
        self.stage, self.fraction = stage, fraction

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.began


class Progress:
    """The jobs that run, and totals since the start of the process."""

    def __init__(self) -> None:
        self._running: dict[str, RunningJob] = {}
        self._seconds, self._ended, self._lock = 0.0, 0, Lock()

    @contextmanager
    def running(self, identity: str) -> Iterator[RunningJob]:
        """A job while it runs."""
        job = RunningJob()
        with self._lock:
            self._running[identity] = job
        try:
            yield job
        finally:
            with self._lock:
                del self._running[identity]
                if job.has_ended:
                    self._seconds, self._ended = self._seconds + job.seconds, self._ended + 1

    def find(self, identity: str) -> RunningJob | None:
        """A job that runs now."""
        with self._lock:
            return self._running.get(identity)

    def totals(self) -> tuple[float, int]:
        """Seconds of all jobs that have ended, and their number."""
        with self._lock:
            return self._seconds, self._ended
