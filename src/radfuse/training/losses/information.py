"""Losses that weight both sources by the information in them: EMFusion and FusionDN.

Images are (N, 1, H, W) in [0, 1]. "The authors' program" is their published code.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from radfuse.metrics.entropy_mutual_information import LEVELS
from radfuse.training.losses.autoencoder import ssim_map
from radfuse.training.losses.end_to_end import NEIGHBOUR_DIFFERENCE, filtered
from radfuse.training.losses.metrics import entropy_bits

BRIGHT = 0.85
"""Grey level above which EMFusion counts a value as bright: bone, or strong uptake of a tracer."""

BRIGHT_WEIGHT = 3.0
"""Of the share of the sum of bright values, relative to an entropy of one bit."""

EMFUSION_SCALE = 0.5
"""Divides EMFusion's information before the softmax, from the authors' program."""

FUSIONDN_SCALE = 15 / 12
"""Bits by which FusionDN's entropies differ where one weight is e times the other.

In the authors' program 12 entropies and a quality are added, and divided by 15.
"""


def entropy(images: Tensor) -> Tensor:
    """Entropy (N,) in bits of the 256 grey levels of images."""
    levels = (images * (LEVELS - 1)).round().long().clamp(0, LEVELS - 1).flatten(1)  # (N, H * W)
    counts = images.new_zeros(len(images), LEVELS)
    return entropy_bits(counts.scatter_add(1, levels, torch.ones_like(levels, dtype=images.dtype)))


def surface_information(images: Tensor) -> Tensor:
    """EMFusion's measure (N,) of images: entropy, and the sum of bright values over all pixels."""
    bright = torch.where(images > BRIGHT, images, 0).mean(dim=(1, 2, 3))
    return entropy(images) + BRIGHT_WEIGHT * bright


def _shares(first: Tensor, second: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """Softmax of two measures (N,)."""
    share = torch.sigmoid((first - second) / scale)
    return share, 1 - share


def _dissimilarity(fused: Tensor, source: Tensor) -> Tensor:
    return 1 - ssim_map(fused, source).mean(dim=(1, 2, 3))


@dataclass(frozen=True)
class EMFusionWeights:
    """Weights of the terms of `emfusion_loss`."""

    pixel: float = 10.0
    """Of the mean squared error, relative to 1 - SSIM."""


def emfusion_loss(fused: Tensor, first: Tensor, second: Tensor, weights: EMFusionWeights) -> Tensor:
    """SSIM and squared error against both sources, weighted by their surface information.

    The surface-level constraint of Xu and Ma 2021, doi:10.1016/j.inffus.2021.06.001. Its deep-level
    constraint, 0.5 times a distance in the unique channels of two autoencoders that are trained
    before, is left out.
    """
    shares = _shares(surface_information(first), surface_information(second), EMFUSION_SCALE)
    loss = fused.new_zeros(())
    for share, source in zip(shares, (first, second), strict=True):
        pixel = (fused - source).square().mean(dim=(1, 2, 3))
        loss = loss + (share * (_dissimilarity(fused, source) + weights.pixel * pixel)).mean()
    return loss


@dataclass(frozen=True)
class FusionDNWeights:
    """Weights of the terms of `fusiondn_loss`."""

    gradient: float = 1800.0
    """Of the mean squared error of gradients, relative to 1 - SSIM; from the authors' program."""


def fusiondn_loss(fused: Tensor, first: Tensor, second: Tensor, weights: FusionDNWeights) -> Tensor:
    """SSIM and squared error of gradients against both sources, weighted by their entropy.

    Xu et al. 2020, doi:10.1609/aaai.v34i07.6936. Left out, as their networks were trained on
    photographs and are not part of this project: the quality that is added to the entropy, and 4e-5
    times a distance of VGG-16 features; also elastic weight consolidation, for there is one task.
    """
    shares = _shares(entropy(first), entropy(second), FUSIONDN_SCALE)
    loss = fused.new_zeros(())
    for share, source in zip(shares, (first, second), strict=True):
        gradient = filtered(fused - source, NEIGHBOUR_DIFFERENCE).square().mean(dim=(1, 2, 3))
        loss = loss + (share * (_dissimilarity(fused, source) + weights.gradient * gradient)).mean()
    return loss
