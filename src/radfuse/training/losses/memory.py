"""The loss of MUFusion: to the more active source, and to what the network fused before."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from radfuse.training.losses.autoencoder import ssim, ssim_map
from radfuse.training.losses.end_to_end import LAPLACIAN, filtered

SCALES = 3
"""Levels of the pyramid that replaces three blocks of VGG-19 in the activity."""

NEIGHBOURHOOD = 3
"""Side in pixels of the windows in which activity is averaged."""


@dataclass(frozen=True)
class MUFusionWeights:
    """Weights of the terms of `mufusion_loss`, relative to the squared error of pixels."""

    structure: float = 10.0
    """Of 1 - SSIM."""

    gradient: float = 10.0
    """Of the squared error of Laplacians."""


def activity(images: Tensor) -> Tensor:
    """Activity of images (N, 1, H, W), of the same shape: local mean Laplacians of three scales.

    The paper takes the sum of feature maps of VGG-19, whose parameters, trained on photographs, are
    not part of this project.
    """
    total, reduced = torch.zeros_like(images), images
    for _ in range(SCALES):
        edges = filtered(functional.pad(reduced, (1,) * 4, mode="replicate"), LAPLACIAN).abs()
        total = total + functional.interpolate(
            edges[..., 1:-1, 1:-1], size=images.shape[2:], mode="bilinear"
        )
        reduced = functional.avg_pool2d(reduced, 2, ceil_mode=True)
    return functional.avg_pool2d(total, NEIGHBOURHOOD, stride=1, padding=NEIGHBOURHOOD // 2)


def _distance(first: Tensor, second: Tensor, weights: MUFusionWeights) -> Tensor:
    difference = first - second
    edges = filtered(difference, LAPLACIAN)
    distance = difference.square().mean() + weights.gradient * edges.square().mean()
    return distance + weights.structure * (1 - ssim(first, second))


def mufusion_loss(
    fused: Tensor, first: Tensor, second: Tensor, memory: Tensor | None, weights: MUFusionWeights
) -> Tensor:
    """Distances to the more active source at each pixel, and to the memory; images in [0, 1].

    Cheng et al. 2023, doi:10.1016/j.inffus.2022.11.010, with the weights of the authors' program.
    `memory`, (N, 1, H, W), are images that the network fused of the same pairs before; without it,
    and in the first epoch of the paper, it is the fused ones. The more similar of the two to the
    sources, fused or memory, has the larger weight.
    """
    memory = fused.detach() if memory is None else memory
    first_leads = (activity(first) > activity(second)).to(fused.dtype)
    content = fused.new_zeros(())
    for mask, source in ((first_leads, first), (1 - first_leads, second)):
        content = content + _distance(mask * fused, mask * source, weights)
    with torch.no_grad():
        now, before = (
            torch.stack([ssim_map(image, source).mean() for source in (first, second)]).sum()
            for image in (fused, memory)
        )
        share = torch.sigmoid(now - before)
    return share * content + (1 - share) * _distance(fused, memory, weights)
