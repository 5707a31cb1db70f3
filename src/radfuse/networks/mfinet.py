"""MFINet, two streams of dense feature extraction that exchange features by attention.

Song et al. 2024, "CT and MRI image fusion via multimodal feature interaction network", Network
Modeling Analysis in Health Informatics and Bioinformatics 13:13, doi:10.1007/s13721-024-00449-2.
The names in capitals below are that paper's; `Choices` has what it leaves open.
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from radfuse.networks.blocks.attention import ChannelAttention, ConvolutionalAttention
from radfuse.networks.blocks.gated_channels import GatedChannels
from radfuse.networks.blocks.layers import conv, conv_by_phases, conv_of_parts
from radfuse.networks.blocks.restormer import RestormerBlock

UNITS = 3
"""GFEUs in a DFEM."""

PAIRS = 3
"""Pairs of DFEMs, one DFEM for each source."""

STRIDE = 2
"""Stride between images and features."""

SHARES = 2
"""Output maps of the reconstructor: weights of CT and MR at each pixel."""

MARGIN = 0.1
"""By how much the sigmoid of a share exceeds [0, 1] before it is clipped."""


@dataclass(frozen=True)
class Choices:
    """What the paper leaves open, each with the reason for its value; then parts for ablation."""

    width: int = 16
    """Channels of features. They have half the rows and columns of the images: the same detail
    for a quarter of the work, and twice the receptive field."""

    heads: int = 2
    """Heads of the transposed attention, of eight channels each."""

    restormer_blocks: int = 1
    """Restormer blocks in the SFE of each source; the depth is in the DFEMs."""

    hidden: int = 4
    """Width of the bottleneck of channel attention."""

    reconstructor_width: int = 16
    """Channels of the reconstructor at the resolution of the images."""

    min_ct_gain: float = 0.05
    """Lower bound of the gain of the CT: its contribution in soft tissue, as in `bone_blend`."""

    initial_shares: tuple[float, float] = (0.1, 0.95)
    """Weights of CT and MR before training: nearly the MR, where gradients do not vanish."""

    branches: tuple[int, ...] = (1, 2, 3)
    """GNBs in each branch of a GFEU, as in the paper's figure."""

    gated: bool = True
    """Whether branches have GNBs; without them only convolutions and ReLUs."""

    enhanced: bool = True
    """Whether GFEUs end with feature enhancement, CBAM."""

    interacting: bool = True
    """Whether the streams exchange features before the reconstructor."""


def _shares(logits: Tensor) -> Tensor:
    """Shares in [0, 1], both ends included: a stretched sigmoid, clipped.

    Louizos et al. 2018, "Learning sparse neural networks through L0 regularization". With a linear
    function instead, the logits grew without bound in training.
    """
    return (torch.sigmoid(logits) * (1 + 2 * MARGIN) - MARGIN).clamp(0, 1)


class GatedBranch(nn.Sequential):
    """A chain of convolution 3x3, GNB and ReLU."""

    def __init__(self, gates: int, choices: Choices) -> None:
        width = choices.width
        super().__init__(
            *(
                layer
                for _ in range(gates)
                for layer in (
                    conv(width, width, 3),
                    GatedChannels(width) if choices.gated else nn.Identity(),
                    nn.ReLU(),
                )
            )
        )


class FeatureUnit(nn.Module):
    """GFEU: branches of 1, 2 and 3 GNBs, a convolution 1x1 over them, CBAM."""

    def __init__(self, choices: Choices) -> None:
        super().__init__()
        width, branches = choices.width, choices.branches
        self.branches = nn.ModuleList(GatedBranch(gates, choices) for gates in branches)
        self.join = conv(len(branches) * width, width, 1)
        self.enhance = (
            ConvolutionalAttention(width, choices.hidden) if choices.enhanced else nn.Identity()
        )

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, H, W) to features of the same shape."""
        joined = conv_of_parts(self.join, [branch(features) for branch in self.branches])
        return self.enhance(joined)


class DenseModule(nn.Module):
    """DFEM: three GFEUs, each followed by a convolution 1x1 of all features before; residual."""

    def __init__(self, choices: Choices) -> None:
        super().__init__()
        width = choices.width
        self.units = nn.ModuleList(FeatureUnit(choices) for _ in range(UNITS))
        self.joins = nn.ModuleList(conv((2 + unit) * width, width, 1) for unit in range(UNITS))

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, H, W) to features of the same shape."""
        dense, joined = [features], features
        for unit, join in zip(self.units, self.joins, strict=True):
            dense.append(unit(joined))
            joined = conv_of_parts(cast("nn.Conv2d", join), dense)
        return features + joined


class ParallelPair(nn.Module):
    """A DFEM for each source."""

    def __init__(self, choices: Choices) -> None:
        super().__init__()
        self.of_ct, self.of_mr = DenseModule(choices), DenseModule(choices)

    def forward(self, ct: Tensor, mr: Tensor) -> tuple[Tensor, Tensor]:
        """Features of CT and MR (N, C, H, W) to features of the same shapes."""
        return self.of_ct(ct), self.of_mr(mr)


class InteractingPair(ParallelPair):
    """A DFEM for each source, then channel attention from each stream into the other."""

    def __init__(self, choices: Choices) -> None:
        super().__init__(choices)
        self.pick_ct, self.pick_mr = (
            ChannelAttention(choices.width, choices.hidden) for _ in ("ct", "mr")
        )

    def forward(self, ct: Tensor, mr: Tensor) -> tuple[Tensor, Tensor]:
        """Features of CT and MR (N, C, H, W) to features of the same shapes."""
        ct, mr = super().forward(ct, mr)
        return ct + self.pick_mr(mr) * mr, mr + self.pick_ct(ct) * ct


class Reconstructor(nn.Module):
    """Maps features of both streams and the images to the logits of shares."""

    def __init__(self, choices: Choices) -> None:
        super().__init__()
        width = choices.reconstructor_width
        self.enlarge = nn.Sequential(
            conv(2 * choices.width, STRIDE**2 * width, 3), nn.ReLU(), nn.PixelShuffle(STRIDE)
        )
        self.refine = nn.Sequential(conv(width + 2, width, 3), nn.ReLU())
        self.draw = conv(width, SHARES, 3)
        nn.init.normal_(self.draw.weight, std=1e-3)
        first = (torch.tensor(choices.initial_shares) + MARGIN) / (1 + 2 * MARGIN)
        self.draw.bias = nn.Parameter(torch.logit(first))

    def forward(self, features: Tensor, images: Tensor) -> Tensor:
        """Features (N, 2C, H/2, W/2), rounded up, and images (N, 2, H, W) to (N, 2, H, W)."""
        rows, columns = images.shape[2:]
        large = self.enlarge(features)[:, :, :rows, :columns]
        refine, relu = self.refine
        refined = relu(conv_of_parts(cast("nn.Conv2d", refine), [large, images]))
        return conv_by_phases(self.draw, refined)


class MFINet(nn.Module):
    """The network: SFE, three interacting pairs of DFEMs, reconstructor.

    `forward` takes CT and MR of shape (N, H, W) in [0, 1] and returns the fused images likewise:
    the sum of CT and MR, weighted at each pixel by the reconstructor's shares. Shares can be 0 and
    1, so the network can copy a source; where both sources are black, so is the fused image, and
    nowhere is it brighter than their sum.
    """

    def __init__(self, choices: Choices | None = None) -> None:
        super().__init__()
        choices = choices or Choices()
        self.extract_ct, self.extract_mr = (
            nn.Sequential(
                conv(1, choices.width, 3, stride=STRIDE),
                *(
                    RestormerBlock(choices.width, choices.heads)
                    for _ in range(choices.restormer_blocks)
                ),
            )
            for _ in ("ct", "mr")
        )
        pair = InteractingPair if choices.interacting else ParallelPair
        self.pairs = nn.ModuleList(pair(choices) for _ in range(PAIRS))
        self.reconstruct = Reconstructor(choices)
        self.min_ct_gain = choices.min_ct_gain

    def forward(self, ct: Tensor, mr: Tensor) -> Tensor:
        """Fuse images (N, H, W) in [0, 1]."""
        images = torch.stack([ct, mr], dim=1)  # (N, 2, H, W)
        of_ct, of_mr = self.extract_ct(images[:, :1]), self.extract_mr(images[:, 1:])
        for pair in self.pairs:
            of_ct, of_mr = pair(of_ct, of_mr)
        logits = self.reconstruct(torch.cat([of_ct, of_mr], dim=1), images)
        ct_share, mr_share = _shares(logits).unbind(dim=1)  # (N, H, W)
        ct_gain = self.min_ct_gain + (1 - self.min_ct_gain) * ct_share
        return (ct_gain * ct + mr_share * mr).clamp(0, 1)
