"""Structural similarity, and the loss of autoencoders made of it."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

SSIM_WINDOW = 11
"""Side of the Gaussian window in pixels (Wang et al. 2004, 10.1109/TIP.2003.819861)."""

SSIM_SIGMA = 1.5
"""Standard deviation of that window in pixels."""

SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2
"""Stabilisers for images in [0, 1]."""


def gaussian_blur(image: Tensor) -> Tensor:
    """Means of images (N, 1, H, W) in Gaussian windows, for each window wholly inside."""
    offsets = torch.arange(SSIM_WINDOW, dtype=image.dtype, device=image.device) - SSIM_WINDOW // 2
    line = torch.exp(-(offsets**2) / (2 * SSIM_SIGMA**2)) / (SSIM_SIGMA * math.sqrt(2 * math.pi))
    line = line / line.sum()
    rows = functional.conv2d(image, line.view(1, 1, 1, -1))
    return functional.conv2d(rows, line.view(1, 1, -1, 1))


def ssim_map(first: Tensor, second: Tensor) -> Tensor:
    """Structural similarity of images (N, 1, H, W) in [0, 1] at each window wholly inside."""
    moments = torch.cat([first, second, first**2, second**2, first * second])
    mean1, mean2, square1, square2, product = gaussian_blur(moments).chunk(5)
    variance1, variance2 = square1 - mean1**2, square2 - mean2**2
    covariance = product - mean1 * mean2
    similarity = (2 * mean1 * mean2 + SSIM_C1) * (2 * covariance + SSIM_C2)
    return similarity / ((mean1**2 + mean2**2 + SSIM_C1) * (variance1 + variance2 + SSIM_C2))


def ssim(first: Tensor, second: Tensor) -> Tensor:
    """Mean structural similarity of images (N, 1, H, W) in [0, 1]."""
    return ssim_map(first, second).mean()


@dataclass(frozen=True)
class AutoencoderWeights:
    """Weights of the terms of `autoencoder_loss`."""

    structure: float = 1.0
    """Of 1 - SSIM."""

    pixel: float = 1.0
    """Of the mean squared error of images in [0, 1]; 65,025 for papers that write 1 for images in
    [0, 255]."""


def autoencoder_loss(
    reconstructed: Tensor, image: Tensor, weights: AutoencoderWeights = AutoencoderWeights()
) -> Tensor:
    """(1 - SSIM) + MSE of a reconstructed image: Eq. 4-6 of Chen et al. 2024 (Res2Fusion)."""
    structure = weights.structure * (1 - ssim(reconstructed, image))
    return structure + weights.pixel * functional.mse_loss(reconstructed, image)
