"""Losses of the compared networks that build on an autoencoder."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from radfuse.networks.csf import INFRARED, VISIBLE
from radfuse.training.losses.autoencoder import ssim
from radfuse.training.losses.end_to_end import LAPLACIAN, filtered

SCALE_WEIGHTS = (1.0, 10.0, 100.0, 1000.0)
"""Of RFN-Nest's features at each scale, the finest first."""

MIN_CONTRAST = 1.0
"""In grey levels of 255; images of less contrast are stretched as if they had this much."""


@dataclass(frozen=True)
class RFNNestWeights:
    """Weights of the terms of `rfnnest_loss`."""

    detail: float = 700.0
    """Of 1 - SSIM to the visible image."""

    infrared: float = 6.0
    """Factor on the features of the infrared image in the target."""

    visible: float = 3.0
    """Factor on the features of the visible image in the target."""


def rfnnest_loss(
    fused: Tensor,
    visible: Tensor,
    features: Sequence[tuple[Tensor, Tensor, Tensor]],
    weights: RFNNestWeights,
) -> Tensor:
    """Detail of the visible image, and features of both at each scale.

    The second stage of Li et al. 2021, doi:10.1016/j.inffus.2021.02.023, with the weights of the
    authors' program. Images are (N, 1, H, W) in [0, 255]; `features` has the fused, the infrared
    and the visible ones, (N, C, h, w), of each scale. The target features are brighter
    than those of any source, so each image is stretched to the full range before the comparison.
    """
    detail = 1 - ssim(_stretched(fused), visible / 255)
    loss = weights.detail * detail
    for weight, (of_fused, of_infrared, of_visible) in zip(SCALE_WEIGHTS, features, strict=True):
        target = weights.infrared * of_infrared + weights.visible * of_visible
        loss = loss + weight * functional.mse_loss(of_fused, target)
    return loss


def _stretched(images: Tensor) -> Tensor:
    black, white = (
        limit(images, dim=(1, 2, 3), keepdim=True) for limit in (torch.amin, torch.amax)
    )
    return (images - black) / (white - black).clamp(min=MIN_CONTRAST)


def csf_classifier_loss(of_visible: Tensor, of_infrared: Tensor) -> tuple[Tensor, float]:
    """Cross-entropy of the logits (N, 2) of both classes, and the accuracy.

    The classifier of Xu et al. 2021 (CSF); as in the authors' program, with one sigmoid
    per class. That program trains on one random image of each pair.
    """
    logits = torch.cat([of_visible, of_infrared])
    classes = torch.tensor([VISIBLE] * len(of_visible) + [INFRARED] * len(of_infrared))
    labels = functional.one_hot(classes, 2).to(logits)
    correct = logits.argmax(dim=1) == classes.to(logits.device)
    loss = functional.binary_cross_entropy_with_logits(logits, labels)
    return loss, float(correct.to(logits.dtype).mean())


@dataclass(frozen=True)
class DFENetWeights:
    """Weights of the terms of `dfenet_loss`."""

    gradient: float = 0.5
    """Of the Laplacians, relative to the pixels."""


def dfenet_loss(reconstructed: Tensor, image: Tensor, weights: DFENetWeights) -> Tensor:
    """L1 of pixels and of Laplacians of reconstructed images (N, 1, H, W) in [0, 1].

    DFENet, Li et al. 2023, doi:10.1016/j.bspc.2022.104402. The authors' program stretches the
    reconstruction to the full range first; here the network has to learn the range.
    """
    error = reconstructed - image
    return error.abs().mean() + weights.gradient * filtered(error, LAPLACIAN).abs().mean()
