"""The loss of DRF: reconstructions of both images from shared features and from own ones."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from radfuse.training.losses.autoencoder import ssim
from radfuse.training.losses.end_to_end import LAPLACIAN, filtered

Both = tuple[Tensor, Tensor]
"""Of the first and of the second image."""

MIN_LENGTH = 0.02
"""Length of a feature vector below which its norm is rounded off to a parabola."""

MIN_COSINE = 1e-3
"""Added to the cosine of two feature vectors before it divides."""

NEIGHBOURHOOD = 3
"""Side in pixels of the windows in which activity is averaged."""


@dataclass(frozen=True)
class DRFWeights:
    """Weights of the terms of `drf_loss`; the first two are from the authors' program."""

    pixel: float = 100.0
    """Of the mean absolute error of own and crossed reconstructions."""

    shared: float = 10.0
    """Of that between the images made of the shared features of each alone."""

    structure: float = 10.0
    """Of 1 - SSIM of own and crossed reconstructions."""

    gradient: float = 10.0
    """Of the mean absolute error of Laplacians; a fifth for the crossed ones."""

    sparsity: float = 10.0
    """Of the group lasso of the features that each image has alone."""


CROSSED_GRADIENT = 0.2
"""Of crossed reconstructions, relative to own ones; from the authors' program."""


def _rounded_norm(features: Tensor) -> Tensor:
    """Length (N, H, W) of the vectors of features (N, C, H, W), differentiable at 0."""
    square = features.square().sum(dim=1)
    is_long = square >= MIN_LENGTH**2
    norm = torch.where(is_long, square, MIN_LENGTH**2).sqrt()
    return torch.where(is_long, norm, square / (2 * MIN_LENGTH) + MIN_LENGTH / 2)


def complementary_lasso(first: Tensor, second: Tensor) -> Tensor:
    """Group lasso of the features (N, C, H, W) of two images, at each pixel mostly of the weaker.

    Mean over features. The more alike the directions of both vectors, the softer the choice.
    """
    cosine = functional.cosine_similarity(first, second, dim=1).abs() + MIN_COSINE
    stronger = (
        functional.avg_pool2d(maps, NEIGHBOURHOOD, 1, NEIGHBOURHOOD // 2).abs().sum(dim=1)
        for maps in (first, second)
    )
    of_first, of_second = stronger
    share = torch.sigmoid((of_second - of_first) / cosine)
    weighted = share * _rounded_norm(first) + (1 - share) * _rounded_norm(second)
    return weighted.mean() / first.shape[1]


def drf_loss(
    own: Both, crossed: Both, shared: Both, alone: Both, sources: Both, weights: DRFWeights
) -> Tensor:
    """Own and crossed reconstructions, and sparse features alone; images (N, 1, H, W) in [0, 1].

    Each argument has a part for the first and for the second image: `own` is decoded from the
    shared features and those that the image has `alone`, (N, C, H, W), `crossed` from the shared
    features of the other image, `shared` from the shared features only. Wang et al. 2022,
    doi:10.3389/fnins.2022.937861; without a distance of VGG features, which were trained on
    photographs. Structure, gradient and sparsity have weights of this project.
    """
    loss = weights.shared * (shared[0] - shared[1]).abs().mean()
    for images, gradient in ((own, 1.0), (crossed, CROSSED_GRADIENT)):
        for image, source in zip(images, sources, strict=True):
            error = image - source
            edges = filtered(error, LAPLACIAN).abs().mean()
            loss = loss + weights.pixel * error.abs().mean()
            loss = loss + weights.structure * (1 - ssim(image, source))
            loss = loss + weights.gradient * gradient * edges
    return loss + weights.sparsity * complementary_lasso(*alone)
