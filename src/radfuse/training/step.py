"""One step of training."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from radfuse.arrays import UInt8Array
from radfuse.errors import RadfuseError
from radfuse.settings import checked_settings
from radfuse.training.dataset import draw_crops
from radfuse.training.distributed import ProcessGroup
from radfuse.training.losses.adversarial import AdversarialTraining, LabelRange, soft_labels
from radfuse.training.objectives import OBJECTIVES, Loss, Output, forward_of, set_training_mode
from radfuse.training.settings import Phase, learning_rate
from radfuse.training.state import State

NORM_DECAY = 0.98
"""Decay of the running mean of the gradient's norm."""

SKIPPED_NORM_GROWTH = 1.05
"""Factor on that mean at a skipped step, so that steps are not skipped for ever."""


class PhaseTrainer:
    """Takes the steps of one phase."""

    def __init__(
        self, state: State, phase: Phase, pairs: UInt8Array, processes: ProcessGroup, seed: int
    ) -> None:
        objective = OBJECTIVES[phase.objective]
        weights = checked_settings(phase.weights, objective.weights, "weights")
        forward = forward_of(objective, set_training_mode(state.network, objective))
        self.forward = torch.compile(forward, dynamic=False) if phase.compile else forward
        self.loss: Callable[[Output, Tensor], Loss] = lambda output, images: objective.loss(
            output, images, weights
        )
        self.adversarial, self.remembers = objective.adversarial, objective.remembers
        self.average = forward_of(objective, state.average)
        self.images = (
            pairs.reshape(-1, 1, *pairs.shape[2:]) if objective.trains_autoencoder else pairs
        )
        self.epoch = len(pairs)
        self.state, self.phase, self.processes, self.seed = state, phase, processes, seed
        self.device = next(state.network.parameters()).device
        self.noise = torch.Generator(self.device)

    @property
    def learning_rate(self) -> float:
        """The optimizer's learning rate at the last step."""
        return self.state.optimizer.param_groups[0]["lr"]

    def step(self) -> float:
        """Take one step; returns the loss, raises `RadfuseError` where it is not finite."""
        state, counts = self.state, self.state.counts
        for group in state.optimizer.param_groups:
            group["lr"] = learning_rate(self.phase, counts.step, self.epoch)
        step_seed = self.seed + counts.total
        self.noise.manual_seed(step_seed * self.processes.world_size + self.processes.rank)
        values = self._compute_gradients()
        self._check_finite("the loss", values["loss"])
        values |= self._update_parameters()
        counts.step += 1
        counts.total += 1
        state.update_average(self.phase.ema_decay)
        for name, value in (values | {"steps": 1}).items():
            counts.sums[name] = counts.sums.get(name, 0) + value
        return values["loss"]

    def _compute_gradients(self) -> dict[str, float]:
        """Draw a batch and backpropagate its loss; the loss and its parts."""
        batch = self.processes.shard(draw_crops(self.images, self.phase, self.state.rng))
        images = batch.to(self.device).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.phase.bfloat16):
            output = self.forward(images)
        output = _in_float32(output)
        if self.remembers:
            with torch.no_grad():
                output = (*output, self.average(images)[0])
        loss, parts = self.loss(output, images)
        if self.adversarial:
            judged = self.adversarial.judged(output)
            term, adversarial_parts = self._adversarial_loss(self.adversarial, *judged)
            loss, parts = loss + term, parts | adversarial_parts
        self.state.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.processes.average_gradients(self.state.network)
        for trained in (self.state, self.state.discriminator):
            if trained:
                self.processes.average_batch_norm(trained.network)
        return self.processes.average({"loss": loss.item(), **parts})

    def _adversarial_loss(
        self, adversarial: AdversarialTraining, fused: Tensor, real: Tensor
    ) -> tuple[Tensor, dict[str, float]]:
        """Train the discriminator on images (N, C, H, W), then score the fused ones with it."""
        discriminator = self.state.ensure_discriminator(adversarial.make_discriminator)
        for group in discriminator.optimizer.param_groups:
            group["lr"] = self.learning_rate
        for _ in range(adversarial.steps):
            scores = discriminator.network(real)
            loss = adversarial.loss(scores, self._labels(adversarial.real))
            fake_scores = discriminator.network(fused.detach())
            loss = loss + adversarial.loss(fake_scores, self._labels(adversarial.fake))
            discriminator.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.processes.average_gradients(discriminator.network)
            discriminator.optimizer.step()
        term = adversarial.loss(discriminator.network(fused), self._labels(adversarial.real))
        return term, {"adversarial": term.item(), "discriminator": loss.item()}

    def _labels(self, label: LabelRange) -> Tensor:
        return self.processes.shard(soft_labels(self.phase.batch, label, self.state.rng))

    def _update_parameters(self) -> dict[str, float]:
        """Let the optimizer take its step, unless the gradient is an outlier."""
        phase, counts = self.phase, self.state.counts
        parameters = self.state.network.parameters()
        norm = float(nn.utils.clip_grad_norm_(parameters, phase.clip or math.inf))
        usual = counts.usual_norm or norm
        if not phase.outlier:
            self._check_finite("the gradient", norm)
        elif not norm < phase.outlier * usual:  # also where either is NaN
            counts.usual_norm = usual * SKIPPED_NORM_GROWTH
            return {"skipped": 1}
        self.state.optimizer.step()
        counts.usual_norm = NORM_DECAY * usual + (1 - NORM_DECAY) * norm
        return {}

    def _check_finite(self, what: str, value: float) -> None:
        """Raise `RadfuseError` for a value that is not finite; no checkpoint contains it."""
        if not math.isfinite(value):
            counts = self.state.counts
            raise RadfuseError(
                f"{what} is {value} at step {counts.step} of phase {counts.phase + 1}; lower "
                "learning_rate or set clip; the last checkpoint is intact"
            )


def _in_float32(output: Output) -> Output:
    """A network's output, a tensor or nested tuples of tensors, in full precision."""
    if isinstance(output, Tensor):
        return output.float()
    return tuple(_in_float32(part) for part in output)


@contextmanager
def rounding_noise(network: nn.Module, share: float, noise: torch.Generator) -> Iterator[None]:
    """Within, noise is added to the input of every convolution of a network in training mode."""

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
