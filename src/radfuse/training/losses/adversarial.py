"""Adversarial training: a discriminator separates fused images from sources.

By default fused from visible images by least squares with soft labels, as FusionGAN does, Ma et al.
2019, doi:10.1016/j.inffus.2018.09.004; from each source by logarithms for DDcGAN.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from radfuse.training.losses.end_to_end import NEIGHBOUR_DIFFERENCE, filtered

LabelRange = tuple[float, float]
"""Smallest and largest value of a soft label."""

REAL: LabelRange = (0.7, 1.2)
"""Target scores of visible images; the network is trained to reach them with its fused images."""

FAKE: LabelRange = (0.0, 0.3)
"""Target scores of fused images for the discriminator."""


HARD_REAL: LabelRange = (1.0, 1.0)
"""Target score of sources where labels are not soft."""

HARD_FAKE: LabelRange = (0.0, 0.0)
"""Target score of fused images where labels are not soft."""


def soft_labels(count: int, label: LabelRange, rng: np.random.Generator) -> Tensor:
    """Labels (N, 1), uniform over a range."""
    return torch.from_numpy(rng.uniform(*label, (count, 1)).astype(np.float32))


def least_squares_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """Mean squared difference of scores (N, K) and labels (N, 1)."""
    return (scores - labels.to(scores.device)).square().mean()


def log_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of scores (N, K) and labels (N, 1), both in [0, 1]."""
    return functional.binary_cross_entropy(scores, labels.to(scores.device).expand_as(scores))


def fused_and_visible(output: Any) -> tuple[Tensor, Tensor]:
    """The fused images (N, 1, H, W) of `fused_raw`, and the visible ones."""
    return output[0], output[2]


def fused_and_both(output: Any) -> tuple[Tensor, Tensor]:
    """The fused images of `fused_raw` twice, and both sources; (N, 2, H, W) each."""
    fused, first, second = output
    return fused.repeat(1, 2, 1, 1), torch.cat([first, second], dim=1)


@dataclass(frozen=True)
class AdversarialTraining:
    """The discriminator that a network is trained against, and its schedule."""

    make_discriminator: Callable[[], nn.Module]
    """Maps images (N, C, H, W) in the network's range to scores (N, C)."""

    crop: int
    """Side in pixels of the images that the discriminator takes."""

    steps: int = 2
    """Discriminator steps per step of the network."""

    judged: Callable[[Any], tuple[Tensor, Tensor]] = fused_and_visible
    """The fused and the real images (N, C, H, W) in what `forward` of the objective returns."""

    loss: Callable[[Tensor, Tensor], Tensor] = least_squares_loss
    """Of scores (N, C) and labels (N, 1)."""

    real: LabelRange = REAL
    fake: LabelRange = FAKE


@dataclass(frozen=True)
class DDcGANWeights:
    """Weights of the terms of `ddcgan_loss`."""

    content: float = 0.8
    """Of both terms, relative to the adversarial loss."""

    gradient: float = 1.2
    """Of the gradients of the MR, relative to the intensity of the CT."""


def ddcgan_loss(
    fused: Tensor, functional_image: Tensor, anatomical_image: Tensor, weights: DDcGANWeights
) -> Tensor:
    """Squared error to the functional image, absolute error of gradients to the anatomical one.

    The content loss of Ma et al. 2020, doi:10.1109/TIP.2020.2977573, for images (N, 1, H, W) in
    [0, 1] of one resolution; their functional image has a quarter of it, and they reduce the fused
    one for the comparison.
    """
    intensity = (fused - functional_image).square().mean()
    gradient = filtered(fused - anatomical_image, NEIGHBOUR_DIFFERENCE).abs().mean()
    return weights.content * (intensity + weights.gradient * gradient)
