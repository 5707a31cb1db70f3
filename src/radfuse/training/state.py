"""The state of a training: all that changes while it runs."""

import copy
import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from radfuse.errors import InputError
from radfuse.networks.catalogue import make_network
from radfuse.training.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from radfuse.training.images import Pairs
from radfuse.training.objectives import OBJECTIVES
from radfuse.training.settings import Settings


@dataclass
class Counts:
    """The numbers of a state."""

    phase: int = 0
    step: int = 0
    """Steps done in the phase."""

    total: int = 0
    """Steps done in all phases."""

    usual_norm: float = 0.0
    """Running mean of the norm of the gradient."""

    best: float | None = None
    """Best score of validation in the phase."""

    stale: int = 0
    """Validations since."""

    sums: dict[str, float] = field(default_factory=dict)
    """Of loss and its parts since the last validation."""

    validated: dict[str, float] = field(default_factory=dict)
    """What the last validation found."""


@dataclass
class Rival:
    """A network that is trained against the one of the state."""

    network: nn.Module
    optimiser: torch.optim.Adam


@dataclass
class State:
    """All that changes while training: write it, read it, go on, and nothing differs."""

    network: nn.Module
    average: nn.Module
    """Running mean of the network."""

    optimiser: torch.optim.Adam
    rng: np.random.Generator
    history: list[dict[str, Any]]
    """Settings and images of every training that the network had; this one is the last."""

    counts: Counts = field(default_factory=Counts)
    rival: Rival | None = None
    """Of a phase whose objective has one, from its first step on."""

    def face(self, make: Callable[[], nn.Module]) -> Rival:
        """The rival; a new one, decided by the settings' seed, if there is none yet."""
        if self.rival is None:
            device = next(self.network.parameters()).device
            network = _seeded(make, self.history[-1]["settings"]["seed"], str(device)).train()
            self.rival = Rival(network, fresh_adam(network))
        return self.rival

    def begin_phase(self) -> None:
        """Go from the running mean into the next phase, with a fresh optimiser."""
        self.network.load_state_dict(self.average.state_dict())
        self.optimiser, self.rival = fresh_adam(self.network), None
        self.counts = Counts(self.counts.phase + 1, total=self.counts.total)

    def update_average(self, decay: float) -> None:
        """Draw the running mean nearer to the network; faster over the first steps."""
        step = self.counts.step
        update = get_ema_multi_avg_fn(min(decay, (1 + step) / (10 + step)))  # type: ignore[no-untyped-call]
        mean, now = (list[Tensor](m.parameters()) for m in (self.average, self.network))
        update(mean, now, None)
        with torch.no_grad():
            for old, new in zip(self.average.buffers(), self.network.buffers(), strict=True):
                old.copy_(new)

    def save(self, path: Path) -> None:
        """Write a checkpoint; raises as `write_checkpoint`."""
        parts = {part: dict(getattr(self, part).state_dict()) for part in ("network", "average")}
        parts["adam"] = _moments_of(self.optimiser)
        if self.rival:
            parts["rival"] = dict(self.rival.network.state_dict())
            parts["rival_adam"] = _moments_of(self.rival.optimiser)
        facts = {
            "counts": dataclasses.asdict(self.counts),
            "rng": self.rng.bit_generator.state,
            "history": self.history,
        }
        write_checkpoint(path, Checkpoint(parts, facts))

    def resume(self, path: Path) -> None:
        """Go back to a checkpoint of this training.

        Raises `InputError` where it is no checkpoint, or one of another training.
        """
        checkpoint = read_checkpoint(path)
        _refuse_another(path, checkpoint.facts, self.history[-1])
        for part in ("network", "average"):
            fill(getattr(self, part), checkpoint.parts[part], path)
        _fill_moments(self.optimiser, checkpoint.parts.get("adam", {}))
        self.rng.bit_generator.state = checkpoint.facts["rng"]
        self.counts = Counts(**checkpoint.facts["counts"])
        self.history = [*checkpoint.facts["history"][:-1], self.history[-1]]
        phase = self.history[-1]["settings"]["phases"][self.counts.phase]
        if contest := OBJECTIVES[phase["objective"]].contest:
            rival = self.face(contest.rival)
            fill(rival.network, checkpoint.parts["rival"], path)
            _fill_moments(rival.optimiser, checkpoint.parts["rival_adam"])

    def start_from(self, path: Path) -> None:
        """Take over the parameters, and the history, of an earlier training's checkpoint."""
        earlier = read_checkpoint(path)
        for network in (self.network, self.average):
            fill(network, earlier.parts["average"], path)
        self.history = [*earlier.facts["history"], *self.history]


def first_state(settings: Settings, pairs: Pairs, device: str = "cpu") -> State:
    """The state before the first step, decided by the settings' seed alone."""
    network = _seeded(
        lambda: make_network(settings.network, settings.network_options), settings.seed, device
    )
    return State(
        network,
        copy.deepcopy(network).eval().requires_grad_(False),
        fresh_adam(network),
        np.random.default_rng(settings.seed),
        [json.loads(json.dumps({"settings": dataclasses.asdict(settings), **pairs.facts()}))],
    )


def _seeded(make: Callable[[], nn.Module], seed: int, device: str) -> nn.Module:
    """A new network whose parameters a seed decides."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = make()
    return network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def fresh_adam(network: nn.Module) -> torch.optim.Adam:
    """An optimiser without memory; every step sets its rate."""
    return torch.optim.Adam(network.parameters(), lr=0.0, fused=True)


def fill(network: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    """Give a network the tensors of a file; `InputError` where they are another network's."""
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise InputError(f"{path}: a checkpoint of another network") from error


def _moments_of(optimiser: torch.optim.Adam) -> dict[str, Tensor]:
    """An optimiser's memory, by number of parameter and name."""
    return {
        f"{index}.{key}": value
        for index, moments in optimiser.state_dict()["state"].items()
        for key, value in moments.items()
    }


def _fill_moments(optimiser: torch.optim.Adam, tensors: dict[str, Tensor]) -> None:
    """Give an optimiser the memory of a file."""
    moments: dict[int, dict[str, Tensor]] = {}
    groups = optimiser.state_dict()["param_groups"]
    parameters = optimiser.param_groups[0]["params"]
    for name, tensor in tensors.items():
        index, key = name.split(".")
        moments.setdefault(int(index), {})[key] = _laid_out_as(parameters[int(index)], tensor)
    optimiser.load_state_dict({"state": moments, "param_groups": groups})


def _laid_out_as(parameter: Tensor, moment: Tensor) -> Tensor:
    """A moment in the memory layout of its parameter: the fused optimiser counts on it."""
    if moment.shape != parameter.shape:
        return moment
    return torch.empty_like(parameter, requires_grad=False).copy_(moment)


def _refuse_another(path: Path, facts: dict[str, Any], now: dict[str, Any]) -> None:
    """Raise `InputError` where a checkpoint's training differs in what has already happened."""
    before, begun = facts["history"][-1], facts["counts"]["phase"] + 1
    if before["images_sha256"] != now["images_sha256"]:
        raise InputError(f"{path}: begun with other images; choose another folder for this run")
    for name in now["settings"].keys() - {"export"}:
        old, new = before["settings"].get(name), now["settings"][name]
        if name == "phases":
            old, new = old[:begun], new[:begun]
        if old != new:
            raise InputError(
                f"{path}: begun with {name} = {old}, now {new}; choose another folder for this run"
            )
