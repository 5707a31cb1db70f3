"""The loss of DeepFuse: MEF-SSIM, a metric of the fusion of exposures, as a loss."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from radfuse.metrics.mef_ssim import CANCELLED, MAX_POWER, PATCH_SIDE, STRENGTH_OFFSET
from radfuse.metrics.structural_similarity import STRUCTURE_FLOOR
from radfuse.training.losses.autoencoder import gaussian_blur

HIGHEST_CONSISTENCY = torch.atan(torch.tensor(MAX_POWER)).item() * 2 / torch.pi
"""Of two sources whose weights have the largest power."""


def _uniform(images: Tensor) -> Tensor:
    return functional.avg_pool2d(images, PATCH_SIDE, stride=1)


def _shares(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """What of each mean-free source goes into the desired patch of every window."""
    mean1, mean2, square1, square2, product = _uniform(
        torch.cat([first, second, first**2, second**2, first * second])
    ).chunk(5)
    variances = (square1 - mean1**2).clamp(min=0), (square2 - mean2**2).clamp(min=0)
    covariance = product - mean1 * mean2
    strengths = [PATCH_SIDE * variance.sqrt() + STRENGTH_OFFSET for variance in variances]
    power = _power(variances, covariance)
    of_unit = [(one / PATCH_SIDE) ** power / one for one in strengths]
    apart = of_unit[0] ** 2 * variances[0] + of_unit[1] ** 2 * variances[1]
    together = apart + 2 * of_unit[0] * of_unit[1] * covariance
    length = PATCH_SIDE * torch.where(together > CANCELLED * apart, together, 0).sqrt()
    scale = torch.where(length > 0, torch.maximum(*strengths) / length, 0)
    return of_unit[0] * scale, of_unit[1] * scale


def _power(variances: tuple[Tensor, Tensor], covariance: Tensor) -> Tensor:
    """Exponent of the weights: tan(pi R / 2), where R = 1 for sources of one structure."""
    total = variances[0].sqrt() + variances[1].sqrt()
    together = (variances[0] + variances[1] + 2 * covariance).clamp(min=0).sqrt()
    consistency = torch.where(total > 0, together / total, 1)
    return torch.tan(torch.pi / 2 * consistency.clamp(max=HIGHEST_CONSISTENCY))


def mef_ssim(fused: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """`metrics.mef_ssim.mef_ssim` of one scale, mean of images (N, 1, H, W) in grey levels.

    In double precision; images of 11 x 11 pixels or more.
    """
    fused, first, second = fused.double(), first.double(), second.double()
    with torch.no_grad():
        share1, share2 = _shares(first, second)
    desired = torch.cat([first, second])
    moments = torch.cat([fused, desired, fused**2, desired**2, first * second, fused * first,
                         fused * second])  # fmt: skip
    mean, mean1, mean2, square, square1, square2, both, with1, with2 = gaussian_blur(moments).chunk(
        9
    )
    variance = share1**2 * (square1 - mean1**2) + share2**2 * (square2 - mean2**2)
    variance = variance + 2 * share1 * share2 * (both - mean1 * mean2)
    covariance = share1 * (with1 - mean * mean1) + share2 * (with2 - mean * mean2)
    quality = 2 * covariance + STRUCTURE_FLOOR
    return (quality / (variance + square - mean**2 + STRUCTURE_FLOOR)).mean()


@dataclass(frozen=True)
class DeepFuseWeights:
    """Weight of the only term of `deepfuse_loss`."""

    structure: float = 100.0


def deepfuse_loss(fused: Tensor, first: Tensor, second: Tensor, weights: DeepFuseWeights) -> Tensor:
    """1 - MEF-SSIM of luma (N, 1, H, W) in [16, 235]: Eq. 9 of Prabhakar et al. 2017.

    doi:10.1109/ICCV.2017.505. It compares contrast and structure in windows, not brightness, which
    is why fused images are stretched to the full scale. The program weights the one term by 100.
    """
    return weights.structure * (1 - mef_ssim(fused, first, second)).to(fused.dtype)
