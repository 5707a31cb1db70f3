"""Validation: metrics of a network on pairs that it was not trained on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from radfuse.arrays import UInt8Array
from radfuse.errors import RadfuseError
from radfuse.intensity import grey_levels
from radfuse.io.image_pairs import ImagePair
from radfuse.metrics.catalogue import METRICS
from radfuse.metrics.measure import measure
from radfuse.metrics.profiles import PROFILES
from radfuse.networks.catalogue import NETWORKS
from radfuse.settings import checked_settings
from radfuse.training.losses.autoencoder import ssim
from radfuse.training.objectives import OBJECTIVES, fused_output
from radfuse.training.settings import Phase, TrainingSettings

LOSS = "loss"
"""Name of the objective's loss among the values of a validation."""

MIN_VALUE = 1e-6
"""Replaces values that are not positive, where a metric is divided by its goal."""


@dataclass(frozen=True)
class Validation:
    """The result of a validation."""

    values: dict[str, float]
    """Means over the pairs: the loss, the profile's metrics, for autoencoders `ssim_rebuilt`."""

    fused: UInt8Array
    """Fused images in 8 bits (N, H, W)."""


@torch.no_grad()
def validate(
    network: nn.Module, pairs: UInt8Array, settings: TrainingSettings, phase: Phase
) -> Validation:
    """Fuse pairs (N, 2, H, W), one at a time in full precision, and measure."""
    results = [_validate_pair(network.eval(), pair, settings, phase) for pair in pairs]
    names = results[0][0]
    values = {name: float(np.mean([values[name] for values, _ in results])) for name in names}
    return Validation(values, np.stack([fused for _, fused in results]))


def _validate_pair(
    network: Any, pair: UInt8Array, settings: TrainingSettings, phase: Phase
) -> tuple[dict[str, float], UInt8Array]:
    """Values of a pair (2, H, W), and its fused image."""
    images = _images(network, pair)
    fused = network(images[:, 0], images[:, 1])  # (1, H, W)
    levels = _grey_levels(fused)
    values = {}
    objective = OBJECTIVES[phase.objective]
    if NETWORKS[settings.network].is_autoencoder:
        single = images.transpose(0, 1)  # (2, 1, H, W)
        values["ssim_rebuilt"] = float(ssim(network.reconstruct(single).clamp(0, 1), single))
        images = single if objective.trains_autoencoder else images
    is_fused = objective.forward is fused_output
    output = fused if is_fused else objective.forward(network, images)
    weights = checked_settings(phase.weights, objective.weights, "weights")
    values[LOSS] = float(objective.loss(output, images, weights)[0])
    return values | measure(settings.profile, levels, *pair), levels


@torch.no_grad()
def fuse(network: nn.Module, pair: UInt8Array) -> UInt8Array:
    """The fused image (H, W) of a pair (2, H, W), in 8 bits; `RadfuseError` where it has NaN."""
    images = _images(network, pair)
    return _grey_levels(network(images[:, 0], images[:, 1]))


def mean_metrics(network: nn.Module, pairs: Iterable[ImagePair], profile: str) -> dict[str, float]:
    """Means of a profile's metrics over pairs, on 8-bit fused images."""
    rows = [
        measure(profile, fuse(network, np.stack([pair.ct, pair.mr])), pair.ct, pair.mr)
        for pair in pairs
    ]
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def _images(network: nn.Module, pair: UInt8Array) -> Tensor:
    device = next(network.parameters()).device
    return torch.from_numpy(pair / np.float32(255))[None].to(device)  # (1, 2, H, W)


def _grey_levels(fused: Tensor) -> UInt8Array:
    image = fused[0].cpu().numpy()
    if not np.isfinite(image).all():
        raise RadfuseError("the network's output has NaN or infinite values; lower learning_rate")
    return np.asarray(grey_levels(image), np.uint8)


def score(values: Mapping[str, float], settings: TrainingSettings) -> float:
    """The score of a validation, larger is better: the least metric / goal, or minus the loss."""
    if not settings.goals:
        return -values[LOSS]
    columns = PROFILES[settings.profile].columns
    shares = []
    for name, goal in settings.goals.items():
        share = max(values[name], MIN_VALUE) / goal
        larger_is_better = METRICS[columns[name].metric].larger_is_better
        shares.append(share if larger_is_better else 1 / share)
    return float(np.min(shares))  # NaN if one is


def is_better(score: float, best: float | None) -> bool:
    """Whether a score is finite and above the best so far, or that one is NaN or None."""
    return bool(np.isfinite(score)) and (best is None or not score <= best)
