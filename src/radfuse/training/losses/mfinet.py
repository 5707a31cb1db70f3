"""Losses of MFINet: that of its paper, and one made of the metrics of the benchmark.

Images are (N, H, W) in [0, 1].
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from radfuse.methods.bone_blend import CT_SHARE
from radfuse.training.losses.autoencoder import ssim
from radfuse.training.losses.metrics import (
    edge_transfer,
    mutual_information,
    spatial_frequency,
    vifp,
)

INTENSITY_WEIGHT, STRUCTURE_WEIGHT, GRADIENT_WEIGHT = 10.0, 100.0, 1.0
"""Weights of Song et al. 2024, in the order of Eq. 1."""

MIN_TISSUE = 20 / 255
"""Grey level of an MR above which there is tissue, not air or compact bone."""

COARSE_BINS = (2, 4, 8)
"""Widths in grey levels of the wider bins."""

MIN_FIDELITY = 1e-4
"""Added to the product of two VIFs, so that the square root is differentiable at 0."""


def _forward_differences(image: Tensor) -> Tensor:
    """Differences (2, N, H, W) to the next column and row, 0 in the last ones."""
    across = functional.pad(image.diff(dim=2), (0, 1))
    down = functional.pad(image.diff(dim=1), (0, 0, 0, 1))
    return torch.stack([across, down])


def mfinet_paper_loss(fused: Tensor, ct: Tensor, mr: Tensor) -> Tensor:
    """Eq. 1-4 of Song et al. 2024, doi:10.1007/s13721-024-00449-2.

    Intensity and structural similarity against the maximum of both sources; gradients against the
    source gradient of larger magnitude, with its sign.
    """
    brighter = torch.maximum(ct, mr)
    of_ct, of_mr = _forward_differences(ct), _forward_differences(mr)
    steeper = torch.where(of_ct.abs() > of_mr.abs(), of_ct, of_mr)
    intensity = (fused - brighter).abs().mean()
    structure = 1 - ssim(fused.unsqueeze(1), brighter.unsqueeze(1))
    gradient = (_forward_differences(fused) - steeper).abs().mean()
    weighted = INTENSITY_WEIGHT * intensity + STRUCTURE_WEIGHT * structure
    return weighted + GRADIENT_WEIGHT * gradient


def bone_level(ct: Tensor, mr: Tensor) -> Tensor:
    """Threshold (N, 1, 1) of the CT for bone: halfway from soft tissue to white.

    The CTs have different windows; in some the whole brain is brighter than
    `methods.bone_blend.BONE_LEVEL`. Soft tissue is the median of the CT where the MR has signal.
    """
    tissue = (mr > MIN_TISSUE) & (ct > 0) & (ct < 1)
    level = torch.where(tissue, ct, torch.nan).flatten(1).nanmedian(dim=1).values.nan_to_num(0)
    return (level.view(-1, 1, 1) + 1) / 2


def bone_target(ct: Tensor, mr: Tensor) -> Tensor:
    """The method `bone_blend` with a bone level per image: the target of the fused images."""
    bone = functional.max_pool2d((ct > bone_level(ct, mr)).to(ct.dtype), 3, stride=1, padding=1)
    return torch.where(bone > 0, torch.maximum(ct, mr), (mr + CT_SHARE * ct).clamp(max=1))


@dataclass(frozen=True)
class MetricWeights:
    """Weights of the terms of `mfinet_metric_loss`."""

    information: float = 0.6
    """Of the mutual information in bits."""

    coarse_information: float = 0.4
    """Of its mean over histograms of wider bins, whose gradients reach further."""

    fidelity: float = 0.4
    """Of twice the geometric mean of VIF to both sources; their sum, the metric, is largest for a
    copy of one source."""

    edges: float = 10.0
    """Of Qabf."""

    frequency: float = 5.0
    """Of the relative deviation of the spatial frequency from the range below."""

    min_frequency: float = 0.97
    """Smallest ratio of spatial frequency to that of the target without penalty."""

    max_frequency: float = 1.04
    """Largest ratio without penalty; more is speckle and dark rims."""

    intensity: float = 25.0
    """Of the mean absolute difference to the target: keeps bone white and tissue like the MR."""


def _information(fused: Tensor, ct: Tensor, mr: Tensor, width: int) -> Tensor:
    of_ct, of_mr = (mutual_information(source, fused, width=width) for source in (ct, mr))
    return (of_ct + of_mr).mean()


def mfinet_metric_loss(
    fused: Tensor, ct: Tensor, mr: Tensor, weights: MetricWeights
) -> tuple[Tensor, dict[str, float]]:
    """The loss (lower is better), and the mean of each metric in it."""
    target = bone_target(ct, mr)
    information = _information(fused, ct, mr, 1)
    coarse = torch.stack([_information(fused, ct, mr, width) for width in COARSE_BINS]).mean()
    of_ct, of_mr = vifp(ct, fused), vifp(mr, fused)
    balanced = 2 * (of_ct * of_mr + MIN_FIDELITY).sqrt().mean()
    edges = edge_transfer(fused, ct, mr).mean()
    frequency = spatial_frequency(fused)
    ratio = frequency / spatial_frequency(target).clamp(min=1)
    missing = (weights.min_frequency - ratio).clamp(min=0)
    excess = (ratio - weights.max_frequency).clamp(min=0)
    intensity = (fused - target).abs().mean()
    loss = weights.frequency * (missing + excess).mean() + weights.intensity * intensity
    loss = loss - weights.information * information - weights.coarse_information * coarse
    loss = loss - weights.fidelity * balanced - weights.edges * edges
    fidelity = (of_ct + of_mr).mean()
    parts = {"MI": information, "SF": frequency.mean(), "VIF": fidelity, "Qabf": edges}
    return loss, {name: float(part.detach()) for name, part in (parts | {"L1": intensity}).items()}
