"""Validation: how well a network fuses pairs that it was not trained on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from radfuse.errors import RadfuseError
from radfuse.intensity import grey_levels
from radfuse.metrics.catalogue import METRICS
from radfuse.metrics.measure import measure
from radfuse.metrics.profiles import PROFILES
from radfuse.networks.catalogue import NETWORKS
from radfuse.settings import checked_settings
from radfuse.training.losses import ssim
from radfuse.training.objectives import OBJECTIVES, forward_of
from radfuse.training.settings import Phase, Settings

Grey = NDArray[np.uint8]

LOSS = "loss"
"""Name of the objective among the values of a validation."""

SMALLEST_VALUE = 1e-6
"""Stands for metrics that are not positive, where one is compared with its goal."""


@dataclass(frozen=True)
class Validation:
    """What a validation found."""

    values: dict[str, float]
    """Means over the pairs: the loss, the profile's metrics, for autoencoders `ssim_rebuilt`."""

    fused: Grey
    """Fused images in 8 bits (N, H, W)."""


@torch.no_grad()
def validate(network: nn.Module, pairs: Grey, settings: Settings, phase: Phase) -> Validation:
    """Fuse pairs (N, 2, H, W), one at a time in full precision, and measure."""
    network.eval()
    fused = np.stack([fuse(network, pair) for pair in pairs])
    rows = [_values(network, pair, settings, phase) for pair in pairs]
    for row, image, (ct, mr) in zip(rows, fused, pairs, strict=True):
        row.update(measure(settings.profile, image, ct, mr))
    values = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    return Validation(values, fused)


@torch.no_grad()
def fuse(network: nn.Module, pair: Grey) -> Grey:
    """The fused image (H, W) of a pair (2, H, W), in 8 bits; `RadfuseError` where it has NaN."""
    images = _tensor(network, pair)
    fused = network(images[:, 0], images[:, 1])[0].float().cpu().numpy()
    if not np.isfinite(fused).all():
        raise RadfuseError("the network's output has NaN or infinite values; lower learning_rate")
    return np.asarray(grey_levels(fused), np.uint8)


def _tensor(network: nn.Module, pair: Grey) -> Tensor:
    device = next(network.parameters()).device
    return torch.from_numpy(pair / np.float32(255))[None].to(device)  # (1, 2, H, W)


def _values(network: nn.Module, pair: Grey, settings: Settings, phase: Phase) -> dict[str, float]:
    """The loss of a pair; SSIM of CT and MR rebuilt where the network can."""
    objective = OBJECTIVES[phase.objective]
    weights = checked_settings(phase.weights, objective.weights, "weights")
    images = _tensor(network, pair)
    alone = images.transpose(0, 1)  # (2, 1, H, W)
    seen = alone if objective.rebuilds else images
    loss, _ = objective.loss(forward_of(objective, network)(seen), seen, weights)
    values = {LOSS: float(loss)}
    if NETWORKS[settings.network].rebuilds:
        rebuild: Any = network.reconstruct
        values["ssim_rebuilt"] = float(ssim(rebuild(alone).clamp(0, 1), alone))
    return values


def score(values: Mapping[str, float], settings: Settings) -> float:
    """How good a validation is, larger is better: the worst share of a goal, or minus the loss."""
    if not settings.goals:
        return -values[LOSS]
    columns = PROFILES[settings.profile].columns
    shares = []
    for name, goal in settings.goals.items():
        share = max(values[name], SMALLEST_VALUE) / goal
        larger_is_better = METRICS[columns[name].metric].larger_is_better
        shares.append(share if larger_is_better else 1 / share)
    return min(shares)
