"""Adversarial training: a rival network that tells fused images from visible ones.

Least squares with soft labels, Ma et al. 2019, doi:10.1016/j.inffus.2018.09.004.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

Label = tuple[float, float]
"""Least and greatest value of a soft label."""

REAL: Label = (0.7, 1.2)
"""What the rival is to say of visible images, and the network wants to hear of fused ones."""

FAKE: Label = (0.0, 0.3)
"""What the rival is to say of fused images."""


@dataclass(frozen=True)
class Contest:
    """Against whom a network is trained, and how."""

    rival: Callable[[], nn.Module]
    """Makes the rival: images (N, 1, H, W) in the network's range to scores (N, 1)."""

    crop: int
    """Side of the images that it judges."""

    steps: int = 2
    """It takes for each one of the network."""


def soft_labels(count: int, label: Label, rng: np.random.Generator) -> Tensor:
    """Labels (N, 1), even over a range."""
    return torch.from_numpy(rng.uniform(*label, (count, 1)).astype(np.float32))


def distance(scores: Tensor, labels: Tensor) -> Tensor:
    """Mean square by which scores (N, 1) miss their labels."""
    return (scores - labels.to(scores.device)).square().mean()
