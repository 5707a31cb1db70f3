"""The metrics of profile `mfinet2024` in torch, differentiable.

Each takes images (N, H, W) in [0, 1], is differentiable in the fused ones, and returns (N,). For
fused images of whole grey levels (multiples of 1/255) each equals the metric of the same name in
`radfuse.metrics`, whose constants it shares.
"""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from radfuse.metrics.entropy_mutual_information import LEVELS
from radfuse.metrics.gradients import SLOPE, SOBEL
from radfuse.metrics.image_levels import WHITE
from radfuse.metrics.qabf import PERCEPTIONS, Sigmoid
from radfuse.metrics.vif import MIN_VARIANCE, NOISE_VARIANCE, SCALES

FLAT = 1e-3
"""Edge strength in grey levels below which the orientation is undefined; the weakest edge of whole
grey levels has 1."""


def spatial_frequency(fused: Tensor) -> Tensor:
    """`metrics.spatial_frequency_gradient.sf` in grey levels."""
    image = fused * WHITE
    rows, columns = image.diff(dim=1), image.diff(dim=2)
    energy = rows.square().mean(dim=(1, 2)) + columns.square().mean(dim=(1, 2))
    return (energy + MIN_VARIANCE).sqrt()


def entropy_bits(counts: Tensor) -> Tensor:
    """Entropy in bits of histograms (N, B); counts below one pixel are taken as one in the log."""
    pixels = counts.sum(dim=1, keepdim=True)
    return -(counts / pixels * (counts.clamp(min=1) / pixels).log2()).sum(dim=1)


def _joint_counts(source: Tensor, fused: Tensor, width: int) -> Tensor:
    """Joint histograms (N, bins, bins); a fused pixel contributes to its two nearest bins."""
    bins = (LEVELS - 1) // width + 2
    position = (fused * WHITE).clamp(0, WHITE).flatten(1) / width  # (N, pixels)
    below = position.detach().floor()
    share = position - below
    of_source = (source * WHITE).round().flatten(1).long() // width
    first = of_source * bins + below.long()
    counts = fused.new_zeros(len(fused), bins**2)
    counts = counts.scatter_add(1, first, 1 - share).scatter_add(1, first + 1, share)
    return counts.view(-1, bins, bins)


def mutual_information(source: Tensor, fused: Tensor, *, width: int = 1) -> Tensor:
    """`metrics.entropy_mutual_information.mutual_information` in bits, triangular Parzen window.

    With bins of one grey level it is exact for whole levels and smaller between them. Its gradient
    reaches no further than one level, so that training starts with wider bins (`width` levels). The
    source's levels are rounded.
    """
    joint = _joint_counts(source, fused, width)
    of_both = entropy_bits(joint.flatten(1))
    return entropy_bits(joint.sum(dim=1)) + entropy_bits(joint.sum(dim=2)) - of_both


def _band(length: int, side: int, like: Tensor) -> Tensor:
    """Matrix (length - side + 1, length): each row is the Gaussian window, shifted by a pixel."""
    offsets = torch.arange(side, dtype=like.dtype, device=like.device) - side // 2
    line = torch.exp(-(offsets**2) / (2 * (side / 5) ** 2))
    rows = length - side + 1
    skewed = functional.pad(line / line.sum(), (0, rows)).repeat(rows)
    return skewed[: rows * length].view(rows, length)


def _window_means(images: Tensor, side: int) -> Tensor:
    """Gaussian window means of (N, H, W), for windows inside the image: two matrix products."""
    rows, columns = (_band(length, side, images) for length in images.shape[1:])
    return rows @ images @ columns.T


def _scale_information(source: Tensor, image: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Information preserved in images and that of their sources, at one scale; (N,) each."""
    moments = torch.cat([source, image, source**2, image**2, source * image])
    mean1, mean2, square1, square2, product = _window_means(moments, side).chunk(5)
    variance1 = (square1 - mean1**2).clamp(min=0)
    variance2 = (square2 - mean2**2).clamp(min=0)
    covariance = product - mean1 * mean2
    variance1 = torch.where(variance1 < MIN_VARIANCE, 0, variance1)
    gain = (covariance / (variance1 + MIN_VARIANCE)).clamp(min=0)
    gain = torch.where((variance1 < MIN_VARIANCE) | (variance2 < MIN_VARIANCE), 0, gain)
    rest = (variance2 - gain * covariance).clamp(min=MIN_VARIANCE)
    kept = torch.log10(1 + gain**2 * variance1 / (rest + NOISE_VARIANCE)).sum(dim=(1, 2))
    return kept, torch.log10(1 + variance1 / NOISE_VARIANCE).sum(dim=(1, 2))


def vifp(source: Tensor, image: Tensor) -> Tensor:
    """`metrics.vif.vifp`, for images of 41 x 41 pixels or more; a constant source gives 1.

    In double precision: the variances are small differences of large squares.
    """
    first, second = (part.double() * WHITE for part in (source, image))
    kept = total = first.new_zeros(len(first))
    for scale in range(SCALES):
        side = 2 ** (SCALES - scale) + 1
        if scale > 0:
            first, second = (_window_means(part, side)[:, ::2, ::2] for part in (first, second))
        of_scale = _scale_information(first, second, side)
        kept, total = kept + of_scale[0], total + of_scale[1]
    return torch.where(total > 0, kept / total.clamp(min=MIN_VARIANCE), 1).to(image.dtype)


def _edges(images: Tensor) -> tuple[Tensor, Tensor]:
    """Edge strength and orientation in radians, rows counted upwards; padded with 0."""
    sobel = np.outer(SOBEL, SLOPE)
    across_kernel = torch.tensor(sobel, dtype=images.dtype, device=images.device)
    kernels = torch.stack([across_kernel, -across_kernel.T]).unsqueeze(1)
    gradients = functional.conv2d(WHITE * images.unsqueeze(1), kernels, padding=1)
    across, up = gradients.unbind(dim=1)
    flat = across.square() + up.square() < FLAT**2
    across, up = across.masked_fill(flat, 0), torch.where(flat, FLAT, up)
    strength = torch.hypot(across, up).masked_fill(flat, 0)
    # folding into the right half plane first keeps the gradient finite where across is 0
    side = torch.where(across < 0, -1, 1)
    angle = torch.atan2(side * up, side * across)
    return strength, torch.where(across == 0, angle.abs(), angle)


def _preservation(source: tuple[Tensor, Tensor], fused: tuple[Tensor, Tensor]) -> Tensor:
    """Q^AF: preservation of each edge of a source, in [0, 1]."""
    (strength, angle), (strength_f, angle_f) = source, fused
    weaker, stronger = torch.minimum(strength, strength_f), torch.maximum(strength, strength_f)
    ratio = weaker / stronger.clamp(min=FLAT)
    ratio = torch.where(weaker == stronger, weaker.detach(), ratio)  # as in the metric
    agreement = 1 - (angle - angle_f).abs() / (math.pi / 2)
    perception = PERCEPTIONS["xydeas2000"]
    return _perceived(perception.strength, ratio) * _perceived(perception.angle, agreement)


def _perceived(sigmoid: Sigmoid, share: Tensor) -> Tensor:
    return sigmoid.gain * torch.sigmoid(-sigmoid.slope * (share - sigmoid.centre))


def edge_transfer(fused: Tensor, ct: Tensor, mr: Tensor) -> Tensor:
    """`metrics.qabf.qabf`; two sources without any edge give 0."""
    edges_f, edges_ct, edges_mr = _edges(fused), _edges(ct), _edges(mr)
    kept = _preservation(edges_ct, edges_f) * edges_ct[0]
    kept = (kept + _preservation(edges_mr, edges_f) * edges_mr[0]).sum(dim=(1, 2))
    return kept / (edges_ct[0] + edges_mr[0]).sum(dim=(1, 2)).clamp(min=FLAT)
