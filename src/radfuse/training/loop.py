"""The training loop."""

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from radfuse.errors import OutputError
from radfuse.training.checkpoint import BEST_CHECKPOINT, LAST_CHECKPOINT
from radfuse.training.dataset import TrainingPairs
from radfuse.training.distributed import SINGLE_PROCESS, ProcessGroup
from radfuse.training.log import TrainingLog
from radfuse.training.resume import resume, save_state
from radfuse.training.settings import Phase, TrainingSettings, steps_of
from radfuse.training.state import State
from radfuse.training.step import PhaseTrainer, rounding_noise
from radfuse.training.validation import is_better, score, validate

LOG = logging.getLogger(__name__)

SAVE_EVERY_S = 300.0
"""Longest time in seconds between two checkpoints; every validation writes one, too."""


@dataclass(frozen=True)
class StepProgress:
    """A step that was taken."""

    phase: int
    step: int
    steps: int
    """Of the phase."""

    loss: float
    batch: int
    row: dict[str, Any] = field(default_factory=dict)
    """Its line of the log; empty for steps without one."""


ProgressReport = Callable[[StepProgress], None]


def train(
    state: State,
    pairs: TrainingPairs,
    settings: TrainingSettings,
    folder: Path,
    report: ProgressReport,
    *,
    processes: ProcessGroup = SINGLE_PROCESS,
    save_every_s: float = SAVE_EVERY_S,
) -> State:
    """Train to the end of the last phase, resuming from the folder's checkpoint if it has one."""
    loop = _Loop(state, pairs, settings, folder, report, processes, save_every_s)
    loop.resume()
    while True:
        loop.train_phase()
        if state.counts.phase + 1 == len(settings.phases):
            return state
        state.begin_phase()


@dataclass
class _Loop:
    """The arguments of `train`."""

    state: State
    pairs: TrainingPairs
    settings: TrainingSettings
    folder: Path
    report: ProgressReport
    processes: ProcessGroup
    save_every_s: float

    @property
    def phase(self) -> Phase:
        return self.settings.phases[self.state.counts.phase]

    def resume(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self.folder}: cannot be made: {error.strerror}") from error
        if (self.folder / LAST_CHECKPOINT).exists():
            resume(self.state, self.folder / LAST_CHECKPOINT)
        if self.processes.is_main:
            TrainingLog(self.folder).truncate(self.state.counts.phase, self.state.counts.step)
        self.processes.barrier()

    def train_phase(self) -> None:
        """Train to the end of a phase, or until validation stops improving."""
        counts, phase = self.state.counts, self.phase
        steps = steps_of(phase, len(self.pairs.training))
        trainer = PhaseTrainer(
            self.state, phase, self.pairs.training, self.processes, self.settings.seed
        )
        saved_s = validated_s = time.monotonic()
        with (
            rounding_noise(self.state.network, phase.rounding_noise, trainer.noise),
            deferred_interrupt() as interrupted,
        ):
            while counts.step < steps and not (phase.patience and counts.stale >= phase.patience):
                loss = trainer.step()
                row: dict[str, Any] = {}
                if counts.step % phase.validate_every == 0 or counts.step == steps:
                    row = self._log_row(trainer.learning_rate, time.monotonic() - validated_s)
                    validated_s = time.monotonic()
                is_due = time.monotonic() - saved_s >= self.save_every_s
                if row or is_due or interrupted.is_set():
                    self._save(LAST_CHECKPOINT)
                    saved_s = time.monotonic()
                if interrupted.is_set():
                    raise KeyboardInterrupt
                self.report(StepProgress(counts.phase, counts.step, steps, loss, phase.batch, row))

    def _save(self, name: str) -> None:
        if self.processes.is_main:
            save_state(self.state, self.folder / name)

    def _log_row(self, learning_rate: float, seconds: float) -> dict[str, Any]:
        """Validate, keep the best state, write the log; the row of the log."""
        counts = self.state.counts
        steps = counts.sums.pop("steps")
        row: dict[str, Any] = {
            "phase": counts.phase, "step": counts.step, "total": counts.total,
            "time": time.time(), "step_s": seconds / steps, "rate": learning_rate,
            "train": {name: total / steps for name, total in counts.sums.items()}
            | {"norm": counts.usual_norm},
        }  # fmt: skip
        counts.sums = {}
        if len(self.pairs.validation):
            row["validation"] = self._validate()
        LOG.info("validated", extra={name: row[name] for name in ("phase", "step", "step_s")})
        if self.processes.is_main:
            TrainingLog(self.folder).write(row)
        return row

    def _validate(self) -> dict[str, float]:
        counts, reached = self.state.counts, 0.0
        if self.processes.is_main:
            validation = validate(
                self.state.average, self.pairs.validation, self.settings, self.phase
            )
            counts.validated = validation.values
            reached = score(validation.values, self.settings)
            name = f"{counts.phase + 1}-{counts.step:06d}"
            TrainingLog(self.folder).write_samples(self.pairs.validation, validation.fused, name)
        reached = self.processes.broadcast(reached)
        counts.stale += 1
        if is_better(reached, counts.best):
            counts.best, counts.stale = reached, 0
            self._save(BEST_CHECKPOINT)
        return counts.validated


@contextmanager
def deferred_interrupt() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets, so that a step is completed; a second one interrupts."""
    interrupted, before = threading.Event(), signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before == signal.SIG_IGN:
        yield interrupted
        return

    def on_interrupt(*_: object) -> None:
        interrupted.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)
