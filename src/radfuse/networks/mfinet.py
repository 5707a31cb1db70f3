"""MFINet, two streams of dense feature extraction that hand each other what they attend to.

Song et al. 2024, "CT and MRI image fusion via multimodal feature interaction network", Network
Modeling Analysis in Health Informatics and Bioinformatics 13:13, doi:10.1007/s13721-024-00449-2.
The names in capitals below are that paper's; what it leaves open is chosen in `Choices`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from radfuse.networks.blocks.attention import ChannelAttention, ConvolutionalAttention
from radfuse.networks.blocks.gate import GatedChannels
from radfuse.networks.blocks.layers import conv
from radfuse.networks.blocks.restormer import RestormerBlock

UNITS = 3
"""GFEUs in a DFEM."""

PAIRS = 3
"""Pairs of DFEMs, one of the pair a modality."""

STRIDE = 2
"""Between images and features."""

SHARES = 2
"""Maps that the reconstructor draws: what each pixel takes of the CT and of the MR."""

MARGIN = 0.1
"""By which the sigmoid of a share exceeds 0 and 1 before it is clipped to them."""


@dataclass(frozen=True)
class Choices:
    """What the paper leaves open, each with the reason for its value; last, parts to leave out."""

    width: int = 16
    """Channels of features. They have half the rows and columns of the images: the same detail
    for a quarter of the work, and every convolution sees twice as far."""

    heads: int = 2
    """Of the transposed attention: eight channels each, fewer say little about similarity."""

    restormer_blocks: int = 1
    """Of the SFE of a modality: the features are shallow, the depth is in the DFEMs."""

    hidden: int = 4
    """Width of the bottleneck of channel attention."""

    reconstructor_width: int = 16
    """Channels of the reconstructor at the resolution of the images."""

    least_ct: float = 0.05
    """Least gain of the CT: so much of it shines through the MR in soft tissue, as in the rule
    `bone_blend`, and evenly."""

    first_shares: tuple[float, float] = (0.1, 0.95)
    """What is taken of CT and MR before training: about the MR, where a gradient still flows."""

    branches: tuple[int, ...] = (1, 2, 3)
    """GNBs in each branch of a GFEU; so many chains are drawn in the paper's figure."""

    gated: bool = True
    """Whether GNBs gate; if not, the branches have convolutions only."""

    enhanced: bool = True
    """Whether GFEUs end with their feature enhancement, CBAM."""

    interacting: bool = True
    """Whether the streams hand each other features before the reconstructor."""


def _shares(logits: Tensor) -> Tensor:
    """Shares in [0, 1] that reach both ends: a stretched sigmoid, cut off.

    Louizos et al. 2018, "Learning sparse neural networks through L0 regularization". Its slope
    fades before the ends: with a straight line instead, the logits grew without end.
    """
    return (torch.sigmoid(logits) * (1 + 2 * MARGIN) - MARGIN).clamp(0, 1)


class GatedBranch(nn.Sequential):
    """A chain of GNBs, each after a convolution 3x3 for it to gate, and a ReLU."""

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
        joined = self.join(torch.cat([branch(features) for branch in self.branches], dim=1))
        enhanced: Tensor = self.enhance(joined)
        return enhanced


class DenseModule(nn.Module):
    """DFEM: three GFEUs, each followed by a convolution 1x1 over all before it; residual."""

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
            joined = join(torch.cat(dense, dim=1))
        return features + joined


class ParallelPair(nn.Module):
    """A DFEM a modality."""

    def __init__(self, choices: Choices) -> None:
        super().__init__()
        self.of_ct, self.of_mr = DenseModule(choices), DenseModule(choices)

    def forward(self, ct: Tensor, mr: Tensor) -> tuple[Tensor, Tensor]:
        """Features of CT and MR (N, C, H, W) to features of the same shapes."""
        return self.of_ct(ct), self.of_mr(mr)


class InteractingPair(ParallelPair):
    """A DFEM a modality; each stream then takes in what channel attention picks of the other."""

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
    """Features of both streams and the images themselves to the logits of shares."""

    def __init__(self, choices: Choices) -> None:
        super().__init__()
        width = choices.reconstructor_width
        self.enlarge = nn.Sequential(
            conv(2 * choices.width, STRIDE**2 * width, 3), nn.ReLU(), nn.PixelShuffle(STRIDE)
        )
        self.refine = nn.Sequential(conv(width + 2, width, 3), nn.ReLU())
        self.draw = conv(width, SHARES, 3)
        nn.init.normal_(self.draw.weight, std=1e-3)
        first = (torch.tensor(choices.first_shares) + MARGIN) / (1 + 2 * MARGIN)
        self.draw.bias = nn.Parameter(torch.logit(first))

    def forward(self, features: Tensor, images: Tensor) -> Tensor:
        """Features (N, 2C, H/2, W/2), rounded up, and images (N, 2, H, W) to (N, 2, H, W)."""
        rows, columns = images.shape[2:]
        large = self.enlarge(features)[:, :, :rows, :columns]
        logits: Tensor = self.draw(self.refine(torch.cat([large, images], dim=1)))
        return logits


class MFINet(nn.Module):
    """The network: SFE, three interacting pairs of DFEMs, reconstructor.

    `forward` takes CT and MR of shape (N, H, W) in [0, 1] and returns the fused images likewise:
    their sum, each weighed by the share that the reconstructor draws for each pixel. Shares end at
    exactly 0 and 1, so the network can copy a source; where both sources are black the fused image
    is, too, and nowhere is it brighter than their sum: it invents nothing.
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
        self.least_ct = choices.least_ct

    def forward(self, ct: Tensor, mr: Tensor) -> Tensor:
        """Fuse images (N, H, W) in [0, 1]."""
        images = torch.stack([ct, mr], dim=1)  # (N, 2, H, W)
        of_ct, of_mr = self.extract_ct(images[:, :1]), self.extract_mr(images[:, 1:])
        for pair in self.pairs:
            of_ct, of_mr = pair(of_ct, of_mr)
        logits = self.reconstruct(torch.cat([of_ct, of_mr], dim=1), images)
        ct_share, mr_share = _shares(logits).unbind(dim=1)  # (N, H, W)
        ct_gain = self.least_ct + (1 - self.least_ct) * ct_share
        return (ct_gain * ct + mr_share * mr).clamp(0, 1)
