"""The loss of MATR: structural similarity, and mutual information of regions."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from radfuse.training.losses.autoencoder import ssim

REGION_SIDE = 3
"""Side of the regions in pixels."""

MIN_REST = 1e-4
"""Added to the variances of what a fused image leaves unknown, a hundredth of the range squared:
less than that counts as known."""

MIN_REGION_VARIANCE = 1e-6
"""Added to the variances of regions of the fused image, so that their matrix can be inverted."""


def _regions(images: Tensor) -> Tensor:
    """Mean-free regions (N, 9, P) of images (N, 1, H, W), in double precision."""
    regions = functional.unfold(images.double(), REGION_SIDE)
    return regions - regions.mean(dim=2, keepdim=True)


def rest_information(source: Tensor, fused: Tensor) -> Tensor:
    """What the fused image does not tell of the regions of a source, (N,), in nats a pixel.

    The negative of the lower bound of regional mutual information, Zhao et al. 2019, "Region mutual
    information loss for semantic segmentation" (NeurIPS), of images (N, 1, H, W) in [0, 1]:
    log(det M) / 2, where M is the covariance of regions of the source, given those of the fused
    image. About 0 where the source is a linear function of the fused regions. Covariances are means
    over all regions of an image; that paper reduces images before.
    """
    of_source, of_fused = _regions(source), _regions(fused)
    count = of_source.shape[2]
    both = of_source @ of_fused.transpose(1, 2) / count
    identity = torch.eye(REGION_SIDE**2, dtype=both.dtype, device=both.device)
    fused_variance = of_fused @ of_fused.transpose(1, 2) / count + MIN_REGION_VARIANCE * identity
    known = both @ torch.linalg.solve(fused_variance, both.transpose(1, 2))
    rest = of_source @ of_source.transpose(1, 2) / count - known
    nats = torch.logdet(rest + MIN_REST * identity) / 2 / REGION_SIDE**2
    return nats - math.log(MIN_REST) / 2


@dataclass(frozen=True)
class MATRWeights:
    """Weights of the terms of `matr_loss`, relative to 1 - SSIM to each source."""

    functional: float = 1.0
    """Of the mutual information with the functional image, here the CT."""

    anatomical: float = 2.5
    """Of that with the MR."""


def matr_loss(
    fused: Tensor, functional_image: Tensor, anatomical_image: Tensor, weights: MATRWeights
) -> Tensor:
    """SSIM to both sources, and mutual information of regions; images in [0, 1].

    Tang et al. 2022, doi:10.1109/TIP.2022.3193288, with the weights of the authors' program.
    """
    loss = fused.new_zeros(())
    sources = ((functional_image, weights.functional), (anatomical_image, weights.anatomical))
    for source, weight in sources:
        rest = rest_information(source, fused).mean().to(fused.dtype)
        loss = loss + 1 - ssim(fused, source) + weight * rest
    return loss
