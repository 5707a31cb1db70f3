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

LEAST_CONTRAST = 1.0
"""In grey levels of 255: an image with less than that is not stretched further."""


@dataclass(frozen=True)
class RFNNestWeights:
    """Of the parts of `rfnnest_loss`."""

    detail: float = 700.0
    """Of 1 - SSIM to the visible image."""

    infrared: float = 6.0
    """Times which the features of the infrared image are wanted."""

    visible: float = 3.0
    """Times which those of the visible one are."""


def rfnnest_loss(
    fused: Tensor,
    visible: Tensor,
    features: Sequence[tuple[Tensor, Tensor, Tensor]],
    weights: RFNNestWeights,
) -> Tensor:
    """Detail of the visible image, and features of both at each scale.

    The second stage of Li et al. 2021, doi:10.1016/j.inffus.2021.02.023, with the weights of the
    authors' program. Images are (N, 1, H, W) in [0, 255]; `features` has the fused, the infrared
    and the visible ones, (N, C, h, w), of each scale. The features that are wanted are brighter
    than any source, so each image is stretched to the full scale before it is compared.
    """
    detail = 1 - ssim(_stretched(fused), visible / 255)
    loss = weights.detail * detail
    for weight, (of_fused, of_infrared, of_visible) in zip(SCALE_WEIGHTS, features, strict=True):
        wanted = weights.infrared * of_infrared + weights.visible * of_visible
        loss = loss + weight * functional.mse_loss(of_fused, wanted)
    return loss


def _stretched(images: Tensor) -> Tensor:
    black, white = (
        limit(images, dim=(1, 2, 3), keepdim=True) for limit in (torch.amin, torch.amax)
    )
    return (images - black) / (white - black).clamp(min=LEAST_CONTRAST)


def csf_classifier_loss(of_visible: Tensor, of_infrared: Tensor) -> tuple[Tensor, float]:
    """Cross-entropy of both classes' logits (N, 2), and the share that is told apart.

    The classifier of Xu et al. 2021 (CSF); as in the authors' program each class by itself,
    through a sigmoid. That program shows it one image of each pair, by chance.
    """
    logits = torch.cat([of_visible, of_infrared])
    classes = torch.tensor([VISIBLE] * len(of_visible) + [INFRARED] * len(of_infrared))
    labels = functional.one_hot(classes, 2).to(logits)
    right = logits.argmax(dim=1) == classes.to(logits.device)
    loss = functional.binary_cross_entropy_with_logits(logits, labels)
    return loss, float(right.to(logits.dtype).mean())


@dataclass(frozen=True)
class DFENetWeights:
    """Of the parts of `dfenet_loss`."""

    gradient: float = 0.5
    """Of the Laplacians; the pixels are worth 1."""


def dfenet_loss(rebuilt: Tensor, image: Tensor, weights: DFENetWeights) -> Tensor:
    """L1 of pixels and of Laplacians of rebuilt images (N, 1, H, W) in [0, 1].

    DFENet, Li et al. 2023, doi:10.1016/j.bspc.2022.104402. The authors' program stretches what is
    rebuilt to the full scale before; here the network has to find the scale itself.
    """
    apart = rebuilt - image
    return apart.abs().mean() + weights.gradient * filtered(apart, LAPLACIAN).abs().mean()
