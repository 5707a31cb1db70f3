"""The objectives by name: what a phase of training minimises."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from radfuse.metrics.catalogue import METRICS
from radfuse.training.losses import SSIM_WINDOW, autoencoder_loss
from radfuse.training.mfinet_losses import MetricWeights, mfinet_metric_loss, mfinet_paper_loss

Loss = tuple[Tensor, dict[str, float]]
"""The loss, and what else is worth a line in the log."""


@dataclass(frozen=True)
class NoWeights:
    """Of an objective whose parts are weighed by its paper."""


@dataclass(frozen=True)
class Objective:
    """What is minimised."""

    loss: Callable[[Tensor, Tensor, Any], Loss]
    """Called with the network's output, the images (N, C, H, W) and the weights."""

    weights: type[Any] = NoWeights
    """Dataclass of the weights of its parts."""

    rebuilds: bool = False
    """Whether it trains an autoencoder on single images (C = 1), output (N, 1, H, W); else a
    network on pairs (C = 2: CT, MR), output (N, H, W)."""

    smallest_side: int = SSIM_WINDOW
    """Of a crop, in pixels."""


def forward_of(objective: Objective, network: Any) -> Callable[[Tensor], Tensor]:
    """What the objective sees of a network: images (N, C, H, W) to its output."""

    def fuse(images: Tensor) -> Tensor:
        fused: Tensor = network(images[:, 0].contiguous(), images[:, 1].contiguous())
        return fused

    def rebuild(images: Tensor) -> Tensor:
        rebuilt: Tensor = network.reconstruct(images)
        return rebuilt

    return rebuild if objective.rebuilds else fuse


def _autoencoder(rebuilt: Tensor, images: Tensor, weights: NoWeights) -> Loss:  # noqa: ARG001
    return autoencoder_loss(rebuilt, images), {}


def _mfinet_paper(fused: Tensor, images: Tensor, weights: NoWeights) -> Loss:  # noqa: ARG001
    return mfinet_paper_loss(fused, images[:, 0], images[:, 1]), {}


def _mfinet_metrics(fused: Tensor, images: Tensor, weights: MetricWeights) -> Loss:
    return mfinet_metric_loss(fused, images[:, 0], images[:, 1], weights)


OBJECTIVES = {
    "autoencoder": Objective(_autoencoder, rebuilds=True),
    "mfinet_paper": Objective(_mfinet_paper),
    "mfinet_metrics": Objective(
        _mfinet_metrics, MetricWeights, smallest_side=METRICS["vif"].smallest_side
    ),
}
"""Every objective; its function says what it is made of."""
