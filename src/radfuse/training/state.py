"""The state of a training: all that changes while it runs."""

import copy
import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from radfuse.networks.catalogue import make_network
from radfuse.training.dataset import TrainingPairs
from radfuse.training.settings import TrainingSettings


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
    """Best validation score in the phase."""

    stale: int = 0
    """Validations since the best one."""

    sums: dict[str, float] = field(default_factory=dict)
    """Sums of the loss and its parts since the last validation."""

    validated: dict[str, float] = field(default_factory=dict)
    """Values of the last validation."""


@dataclass
class DiscriminatorState:
    """The discriminator that the network is trained against."""

    network: nn.Module
    optimizer: torch.optim.Adam


@dataclass
class State:
    """All that changes while training; saved and resumed bit for bit."""

    network: nn.Module
    average: nn.Module
    """Exponential moving average of the network."""

    optimizer: torch.optim.Adam
    rng: np.random.Generator
    history: list[dict[str, Any]]
    """Settings and images of every training of the network; the last entry is this training."""

    counts: Counts = field(default_factory=Counts)
    discriminator: DiscriminatorState | None = None
    """Set from the first step of a phase whose objective is adversarial."""

    def ensure_discriminator(self, make: Callable[[], nn.Module]) -> DiscriminatorState:
        """The discriminator; made now, from the settings' seed, where there is none yet."""
        if self.discriminator is None:
            device = next(self.network.parameters()).device
            network = _seeded(make, self.history[-1]["settings"]["seed"], str(device)).train()
            self.discriminator = DiscriminatorState(network, fresh_adam(network))
        return self.discriminator

    def begin_phase(self) -> None:
        """Start the next phase from the moving average, with a fresh optimizer."""
        self.network.load_state_dict(self.average.state_dict())
        self.optimizer, self.discriminator = fresh_adam(self.network), None
        self.counts = Counts(self.counts.phase + 1, total=self.counts.total)

    def update_average(self, decay: float) -> None:
        """Move the average towards the network; faster over the first steps."""
        step = self.counts.step
        update = get_ema_multi_avg_fn(min(decay, (1 + step) / (10 + step)))  # type: ignore[no-untyped-call]
        mean, now = (list[Tensor](m.parameters()) for m in (self.average, self.network))
        update(mean, now, None)
        with torch.no_grad():
            for old, new in zip(self.average.buffers(), self.network.buffers(), strict=True):
                old.copy_(new)


def initial_state(settings: TrainingSettings, pairs: TrainingPairs, device: str = "cpu") -> State:
    """The state before the first step, decided by the settings' seed alone."""
    network = _seeded(
        lambda: make_network(settings.network, settings.network_options), settings.seed, device
    )
    return State(
        network,
        copy.deepcopy(network).eval().requires_grad_(False),
        fresh_adam(network),
        np.random.default_rng(settings.seed),
        [json.loads(json.dumps({"settings": dataclasses.asdict(settings), **pairs.summary()}))],
    )


def _seeded(make: Callable[[], nn.Module], seed: int, device: str) -> nn.Module:
    """A new network whose initial parameters depend on the seed alone."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = make()
    return network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]


def fresh_adam(network: nn.Module) -> torch.optim.Adam:
    """An optimizer without moments; every step sets its learning rate."""
    return torch.optim.Adam(network.parameters(), lr=0.0, fused=True)
