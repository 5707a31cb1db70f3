"""The training loop."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from radfuse.errors import OutputError
from radfuse.training.checkpoint import BEST, LAST
from radfuse.training.distributed import ALONE, Team
from radfuse.training.images import Pairs
from radfuse.training.log import Journal
from radfuse.training.settings import Phase, Settings, steps_of
from radfuse.training.state import State
from radfuse.training.step import Stepper, rounding_noise
from radfuse.training.validation import score, validate

LOG = logging.getLogger(__name__)

SAVE_EVERY_S = 300.0
"""Seconds between checkpoints; validations leave one, too."""


@dataclass(frozen=True)
class Progress:
    """A step that is done."""

    phase: int
    step: int
    steps: int
    """Of the phase."""

    loss: float
    batch: int
    row: dict[str, Any] = field(default_factory=dict)
    """What the log has of it."""


def train(
    state: State,
    pairs: Pairs,
    settings: Settings,
    folder: Path,
    report: Callable[[Progress], None],
    *,
    team: Team = ALONE,
    save_every_s: float = SAVE_EVERY_S,
) -> State:
    """Train to the end of the last phase, resuming from the folder's checkpoint if it has one."""
    run = _Run(state, pairs, settings, folder, report, team, save_every_s)
    run.resume()
    while True:
        run.train_phase()
        if state.counts.phase + 1 == len(settings.phases):
            return state
        state.begin_phase()


@dataclass
class _Run:
    """What stays the same from step to step, and the state."""

    state: State
    pairs: Pairs
    settings: Settings
    folder: Path
    report: Callable[[Progress], None]
    team: Team
    save_every_s: float

    @property
    def phase(self) -> Phase:
        return self.settings.phases[self.state.counts.phase]

    def resume(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self.folder}: cannot be made: {error.strerror}") from error
        if (self.folder / LAST).exists():
            self.state.resume(self.folder / LAST)
        if self.team.leads:
            Journal(self.folder).rewind(self.state.counts.phase, self.state.counts.step)
        self.team.wait()

    def train_phase(self) -> None:
        """Train to the end of a phase, or until validation gets no better."""
        counts, phase = self.state.counts, self.phase
        steps = steps_of(phase, len(self.pairs.training))
        stepper = Stepper(self.state, phase, self.pairs.training, self.team, self.settings.seed)
        saved_s = noted_s = time.monotonic()
        with rounding_noise(self.state.network, phase.rounding_noise, stepper.noise):
            while counts.step < steps and not (phase.patience and counts.stale >= phase.patience):
                loss = stepper.step()
                row: dict[str, Any] = {}
                if counts.step % phase.validate_every == 0 or counts.step == steps:
                    row = self._look(stepper.rate, time.monotonic() - noted_s)
                    noted_s = time.monotonic()
                if row or time.monotonic() - saved_s >= self.save_every_s:
                    self._save(LAST)
                    saved_s = time.monotonic()
                self.report(Progress(counts.phase, counts.step, steps, loss, phase.batch, row))

    def _save(self, name: str) -> None:
        if self.team.leads:
            self.state.save(self.folder / name)

    def _look(self, rate: float, seconds: float) -> dict[str, Any]:
        """Validate, keep the best, write the log."""
        counts = self.state.counts
        done = counts.sums.pop("steps")
        row: dict[str, Any] = {
            "phase": counts.phase, "step": counts.step, "total": counts.total,
            "time": time.time(), "step_s": seconds / done, "rate": rate,
            "train": {name: total / done for name, total in counts.sums.items()}
            | {"norm": counts.usual_norm},
        }  # fmt: skip
        counts.sums = {}
        if len(self.pairs.validation):
            row["validation"] = self._validate()
        LOG.info("validated", extra={name: row[name] for name in ("phase", "step", "step_s")})
        if self.team.leads:
            Journal(self.folder).write(row)
        return row

    def _validate(self) -> dict[str, float]:
        counts, reached = self.state.counts, 0.0
        if self.team.leads:
            found = validate(self.state.average, self.pairs.validation, self.settings, self.phase)
            counts.validated, reached = found.values, score(found.values, self.settings)
            name = f"{counts.phase + 1}-{counts.step:06d}"
            Journal(self.folder).show(self.pairs.validation, found.fused, name)
        reached = self.team.told(reached)
        counts.stale += 1
        if counts.best is None or reached > counts.best:
            counts.best, counts.stale = reached, 0
            self._save(BEST)
        return counts.validated
