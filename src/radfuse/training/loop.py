"""The training loop."""

import logging
import math
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
    max_s: float = math.inf,
) -> State:
    """Train to the end of the last phase, resuming from the folder's checkpoint if it has one.

    After `max_s` seconds it stops with a checkpoint: see `is_complete`.
    """
    end_s = time.monotonic() + max_s
    loop = _Loop(state, pairs, settings, folder, report, processes, save_every_s, end_s)
    loop.resume()
    while True:
        loop.train_phase()
        if state.counts.phase + 1 == len(settings.phases) or not loop.is_phase_complete:
            return state
        state.begin_phase()


def is_complete(state: State, pairs: TrainingPairs, settings: TrainingSettings) -> bool:
    """Whether a training has reached the end of its last phase."""
    is_last = state.counts.phase + 1 == len(settings.phases)
    return is_last and _is_phase_complete(state, pairs, settings)


def _is_phase_complete(state: State, pairs: TrainingPairs, settings: TrainingSettings) -> bool:
    counts, phase = state.counts, settings.phases[state.counts.phase]
    has_stopped_early = bool(phase.patience) and counts.stale >= phase.patience
    return counts.step >= steps_of(phase, len(pairs.training)) or has_stopped_early


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
    end_s: float

    @property
    def is_phase_complete(self) -> bool:
        return _is_phase_complete(self.state, self.pairs, self.settings)

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
            is_over = False
            while not (self.is_phase_complete or is_over):
                loss = trainer.step()
                row: dict[str, Any] = {}
                if counts.step % phase.validate_every == 0 or counts.step == steps:
                    row = self._log_row(trainer.learning_rate, time.monotonic() - validated_s)
                    validated_s = time.monotonic()
                is_over = self._is_out_of_time()
                is_due = is_over or time.monotonic() - saved_s >= self.save_every_s
                if row or is_due or interrupted.is_set():
                    self._save(LAST_CHECKPOINT)
                    saved_s = time.monotonic()
                if interrupted.is_set():
                    raise KeyboardInterrupt
                self.report(StepProgress(counts.phase, counts.step, steps, loss, phase.batch, row))

    def _is_out_of_time(self) -> bool:
        """Whether the time is over, by the clock of the first process."""
        if math.isinf(self.end_s):
            return False
        return bool(self.processes.broadcast(float(time.monotonic() >= self.end_s)))

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
