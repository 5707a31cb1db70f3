"""Prepare a training: settings, pairs, device, processes and initial state."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from radfuse.errors import InputError
from radfuse.training.checkpoint import find_checkpoint
from radfuse.training.dataset import TrainingPairs, read_training_pairs
from radfuse.training.distributed import ProcessGroup, process_group
from radfuse.training.loop import ProgressReport, is_complete, train
from radfuse.training.resume import start_from
from radfuse.training.settings import TrainingSettings, read_training_settings
from radfuse.training.state import State, initial_state


@dataclass(frozen=True)
class TrainingRun:
    """All that a training needs."""

    state: State
    pairs: TrainingPairs
    settings: TrainingSettings
    processes: ProcessGroup

    def train(
        self, folder: Path, report: ProgressReport, *, save_every_s: float, max_s: float = math.inf
    ) -> State:
        """Train, as `loop.train`."""
        return train(
            self.state, self.pairs, self.settings, folder, report,
            processes=self.processes, save_every_s=save_every_s, max_s=max_s,
        )  # fmt: skip

    @property
    def is_complete(self) -> bool:
        """Whether the training has reached the end of its last phase."""
        return is_complete(self.state, self.pairs, self.settings)


@contextmanager
def prepare_training(
    config: Path, *, data: Path, start: Path | None = None, device: str = "auto"
) -> Iterator[TrainingRun]:
    """A training by the settings of a file, on the pairs of a folder.

    `start` is a run's folder or a checkpoint to take the parameters from. Raises as
    `read_training_settings`, `read_training_pairs` and `read_checkpoint`.
    """
    settings = read_training_settings(config)
    pairs = read_training_pairs(data, settings.validation_patients, settings.export.data_set)
    available = available_device(device)
    with process_group(available) as processes:
        state = initial_state(settings, pairs, available)
        if start is not None:
            start_from(state, find_checkpoint(start))
        yield TrainingRun(state, pairs, settings, processes)


def available_device(name: str) -> str:
    """`cpu` or `cuda` for `auto`; `InputError` for `cuda` on a machine without it."""
    has_cuda = torch.cuda.is_available()
    if name == "cuda" and not has_cuda:
        raise InputError("no CUDA device here; use --device cpu")
    return ("cuda" if has_cuda else "cpu") if name == "auto" else name
