"""Adversarial training: a discriminator separates fused images from visible ones.

Least squares with soft labels, Ma et al. 2019, doi:10.1016/j.inffus.2018.09.004.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

LabelRange = tuple[float, float]
"""Smallest and largest value of a soft label."""

REAL: LabelRange = (0.7, 1.2)
"""Target scores of visible images; the network is trained to reach them with its fused images."""

FAKE: LabelRange = (0.0, 0.3)
"""Target scores of fused images for the discriminator."""


@dataclass(frozen=True)
class AdversarialTraining:
    """The discriminator that a network is trained against, and its schedule."""

    make_discriminator: Callable[[], nn.Module]
    """Maps images (N, 1, H, W) in the network's range to scores (N, 1)."""

    crop: int
    """Side in pixels of the images that the discriminator takes."""

    steps: int = 2
    """Discriminator steps per step of the network."""


def soft_labels(count: int, label: LabelRange, rng: np.random.Generator) -> Tensor:
    """Labels (N, 1), uniform over a range."""
    return torch.from_numpy(rng.uniform(*label, (count, 1)).astype(np.float32))


def least_squares_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """Mean squared difference of scores (N, 1) and labels (N, 1)."""
    return (scores - labels.to(scores.device)).square().mean()
