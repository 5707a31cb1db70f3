"""Where a training begins: settings, pairs, device, team and first state."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from radfuse.errors import InputError
from radfuse.training.checkpoint import checkpoint_of
from radfuse.training.distributed import Team, joined_team
from radfuse.training.images import Pairs, read_training_pairs
from radfuse.training.loop import Progress, train
from radfuse.training.settings import Settings, read_settings
from radfuse.training.state import State, first_state


@dataclass(frozen=True)
class Beginning:
    """All that a training needs."""

    state: State
    pairs: Pairs
    settings: Settings
    team: Team

    def train(
        self, folder: Path, report: Callable[[Progress], None], *, save_every_s: float
    ) -> State:
        """Train, as `loop.train`."""
        return train(
            self.state, self.pairs, self.settings, folder, report,
            team=self.team, save_every_s=save_every_s,
        )  # fmt: skip


@contextmanager
def begin(
    config: Path, *, data: Path, start: Path | None = None, device: str = "auto"
) -> Iterator[Beginning]:
    """A training as settings in a file say, on the pairs of a folder.

    `start` is a run or a checkpoint to take the parameters from. Raises as `read_settings`,
    `read_training_pairs` and `read_checkpoint`.
    """
    settings = read_settings(config)
    pairs = read_training_pairs(data, settings.validation_patients)
    chosen = chosen_device(device)
    with joined_team(chosen) as team:
        state = first_state(settings, pairs, chosen)
        if start is not None:
            state.start_from(checkpoint_of(start))
        yield Beginning(state, pairs, settings, team)


def chosen_device(name: str) -> str:
    """`cpu` or `cuda` for `auto`; `InputError` for a `cuda` that is not there."""
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise InputError("no CUDA device here; use --device cpu")
    return ("cuda" if there else "cpu") if name == "auto" else name
