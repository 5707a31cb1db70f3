"""One step of training."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from radfuse.arrays import UInt8Array
from radfuse.errors import RadfuseError
from radfuse.settings import checked_settings
from radfuse.training.distributed import Team
from radfuse.training.images import draw_crops
from radfuse.training.losses.adversarial import FAKE, REAL, Contest, Label, distance, soft_labels
from radfuse.training.objectives import OBJECTIVES, Loss, Output, forward_of, wake
from radfuse.training.settings import Phase, learning_rate
from radfuse.training.state import State

NORM_MEMORY = 0.98
"""Of the running mean of the gradient's norm."""

NORM_RELIEF = 1.05
"""By which that mean grows at a step that is not taken, so that not all are refused for ever."""


class Stepper:
    """Takes the steps of one phase."""

    def __init__(
        self, state: State, phase: Phase, pairs: UInt8Array, team: Team, seed: int
    ) -> None:
        objective = OBJECTIVES[phase.objective]
        weights = checked_settings(phase.weights, objective.weights, "weights")
        forward = forward_of(objective, wake(state.network, objective))
        self.forward = torch.compile(forward, dynamic=False) if phase.compile else forward
        self.loss: Callable[[Output, Tensor], Loss] = lambda output, images: objective.loss(
            output, images, weights
        )
        self.contest = objective.contest
        self.images = pairs.reshape(-1, 1, *pairs.shape[2:]) if objective.rebuilds else pairs
        self.epoch = len(pairs)
        self.state, self.phase, self.team, self.seed = state, phase, team, seed
        self.device = next(state.network.parameters()).device
        self.noise = torch.Generator(self.device)

    @property
    def rate(self) -> float:
        """Of the optimiser, at the last step."""
        rate: float = self.state.optimiser.param_groups[0]["lr"]
        return rate

    def step(self) -> float:
        """Take one step; the loss, or `RadfuseError` where it is not finite."""
        state, counts = self.state, self.state.counts
        for group in state.optimiser.param_groups:
            group["lr"] = learning_rate(self.phase, counts.step, self.epoch)
        self.noise.manual_seed((self.seed + counts.total) * self.team.size + self.team.rank)
        values = self._descend()
        self._refuse_infinite("the loss", values["loss"])
        values |= self._move()
        counts.step += 1
        counts.total += 1
        state.update_average(self.phase.average)
        for name, value in (values | {"steps": 1}).items():
            counts.sums[name] = counts.sums.get(name, 0) + value
        return values["loss"]

    def _descend(self) -> dict[str, float]:
        """Draw a batch and find its gradient."""
        drawn = self.team.share(draw_crops(self.images, self.phase, self.state.rng))
        images = drawn.to(self.device).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.phase.bfloat16):
            output = self.forward(images)
        output = _in_float32(output)
        loss, parts = self.loss(output, images)
        if self.contest:
            adversarial, of_rival = self._contend(self.contest, output[0], output[2])
            loss, parts = loss + adversarial, parts | of_rival
        self.state.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.team.average_gradients(self.state.network)
        for trained in (self.state, self.state.rival):
            if trained:
                self.team.average_statistics(trained.network)
        return self.team.average({"loss": loss.item(), **parts})

    def _contend(
        self, contest: Contest, fused: Tensor, real: Tensor
    ) -> tuple[Tensor, dict[str, float]]:
        """Let the rival learn to tell images (N, 1, H, W); how well it still tells the fused."""
        rival = self.state.face(contest.rival)
        for group in rival.optimiser.param_groups:
            group["lr"] = self.rate
        for _ in range(contest.steps):
            told = distance(rival.network(real), self._labels(REAL))
            told = told + distance(rival.network(fused.detach()), self._labels(FAKE))
            rival.optimiser.zero_grad()
            told.backward()  # type: ignore[no-untyped-call]
            self.team.average_gradients(rival.network)
            rival.optimiser.step()
        adversarial = distance(rival.network(fused), self._labels(REAL))
        return adversarial, {"adversarial": adversarial.item(), "rival": told.item()}

    def _labels(self, label: Label) -> Tensor:
        return self.team.share(soft_labels(self.phase.batch, label, self.state.rng))

    def _move(self) -> dict[str, float]:
        """Let the optimiser follow the gradient, unless that is out of all proportion."""
        phase, counts = self.phase, self.state.counts
        parameters = self.state.network.parameters()
        norm = float(nn.utils.clip_grad_norm_(parameters, phase.clip or math.inf))
        usual = counts.usual_norm or norm
        if not phase.outlier:
            self._refuse_infinite("the gradient", norm)
        elif not norm < phase.outlier * usual:  # nor where either is no number
            counts.usual_norm = usual * NORM_RELIEF
            return {"skipped": 1}
        self.state.optimiser.step()
        counts.usual_norm = NORM_MEMORY * usual + (1 - NORM_MEMORY) * norm
        return {}

    def _refuse_infinite(self, what: str, value: float) -> None:
        """Raise `RadfuseError` for a value that is not finite; no checkpoint has seen it."""
        if not math.isfinite(value):
            counts = self.state.counts
            raise RadfuseError(
                f"{what} is {value} at step {counts.step} of phase {counts.phase + 1}; lower "
                "learning_rate or set clip; the last checkpoint is intact"
            )


def _in_float32(output: Output) -> Output:
    """What an objective sees, tensors in tuples, in full precision."""
    if isinstance(output, Tensor):
        return output.float()
    return tuple(_in_float32(part) for part in output)


@contextmanager
def rounding_noise(network: nn.Module, share: float, noise: torch.Generator) -> Iterator[None]:
    """Within, every convolution of a network in training mode sees its input through noise."""

    def disturb(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        if not module.training:
            return None
        uniform = torch.rand(inputs[0].shape, generator=noise, device=noise.device)
        return (inputs[0] * (1 + share * (2 * uniform.to(inputs[0].dtype) - 1)),)

    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    hooks = [module.register_forward_pre_hook(disturb) for module in convolutions if share]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
