"""RFN-Nest, an autoencoder with nest connections and a residual fusion network at each scale.

Li et al. 2021, "RFN-Nest: an end-to-end residual fusion network for infrared and visible images",
Information Fusion, doi:10.1016/j.inffus.2021.02.023.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from radfuse.networks.blocks.layers import conv
from radfuse.networks.infrared_visible import InfraredVisible, Slot

FIRST_WIDTH = 16
"""Channels of the convolution before the encoder's blocks."""

WIDTHS = (64, 112, 160, 208)
"""Channels of features at each scale, finest first."""

WHITE = 255.0
"""Input and output are grey levels of eight bits."""

INITIAL_GREY = 2.0
"""Bias of the output before training: grey levels above 0, where the last ReLU has a gradient."""


def _layer(width_in: int, width_out: int, size: int) -> nn.Sequential:
    return nn.Sequential(conv(width_in, width_out, size, padding="reflect"), nn.ReLU())


def _block(width_in: int, width_out: int) -> nn.Sequential:
    """Block of encoder and decoder: 3x3 to half the channels, then 1x1."""
    return nn.Sequential(_layer(width_in, width_in // 2, 3), _layer(width_in // 2, width_out, 1))


class Encoder(nn.Module):
    """Images to features at four scales, each pooled from the one before."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = _layer(1, FIRST_WIDTH, 1)
        self.blocks = nn.ModuleList(
            _block(*widths) for widths in zip((FIRST_WIDTH, *WIDTHS), WIDTHS, strict=False)
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        """Images (N, 1, H, W) to features (N, C, H, W), (N, C, H / 2, W / 2) and so on.

        Where a side is odd, the last row or column is pooled by itself: halves are rounded up.
        """
        features = [self.blocks[0](self.enter(images))]
        for block in self.blocks[1:]:
            features.append(block(functional.max_pool2d(features[-1], 2, ceil_mode=True)))
        return features


class ResidualFusion(nn.Module):
    """RFN: a convolution of both features plus a deeper residual path."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.both = _layer(2 * width, width, 3)
        self.of_infrared, self.of_visible = _layer(width, width, 3), _layer(width, width, 3)
        self.residual = nn.Sequential(
            _layer(2 * width, width, 1), _layer(width, width, 3), _layer(width, width, 3)
        )

    def forward(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Features (N, C, H, W) of each source to fused features of the same shape."""
        separate = [self.of_infrared(infrared), self.of_visible(visible)]
        together = torch.cat([infrared, visible], dim=1)
        return self.both(together) + self.residual(torch.cat(separate, dim=1))


def _nest(*same_scale: Tensor, coarser: Tensor) -> Tensor:
    """All features of a scale and the upsampled ones of the next, concatenated."""
    rows, columns = same_scale[0].shape[-2:]
    doubled = functional.interpolate(coarser, scale_factor=2.0, mode="nearest")
    return torch.cat([*same_scale, doubled[..., :rows, :columns]], dim=1)


class NestDecoder(nn.Module):
    """Features at four scales to images; `db2_1` is the first decoder block at scale 2."""

    def __init__(self) -> None:
        super().__init__()
        one, two, three, four = WIDTHS
        self.db1_1 = _block(one + two, one)
        self.db2_1 = _block(two + three, two)
        self.db3_1 = _block(three + four, three)
        self.db1_2 = _block(2 * one + two, one)
        self.db2_2 = _block(2 * two + three, two)
        self.db1_3 = _block(3 * one + two, one)
        last = conv(one, 1, 1)
        last.bias = nn.Parameter(torch.tensor([INITIAL_GREY]))
        self.leave = nn.Sequential(last, nn.ReLU())

    def forward(self, features: list[Tensor]) -> Tensor:
        """Features of `Encoder` to images (N, 1, H, W)."""
        one, two, three, four = features
        x1_1 = self.db1_1(_nest(one, coarser=two))
        x2_1 = self.db2_1(_nest(two, coarser=three))
        x3_1 = self.db3_1(_nest(three, coarser=four))
        x1_2 = self.db1_2(_nest(one, x1_1, coarser=x2_1))
        x2_2 = self.db2_2(_nest(two, x2_1, coarser=x3_1))
        x1_3 = self.db1_3(_nest(one, x1_1, x1_2, coarser=x2_2))
        return self.leave(x1_3)


class RFNNest(InfraredVisible):
    """The network; `reconstruct` is trained first, then the RFNs alone through `fuse`.

    Reflect padding needs two pixels at the coarsest scale.
    """

    RANGE = (0.0, WHITE)
    MIN_SIDE = 9

    def __init__(self, *, infrared: Slot = "mr", stretch: bool = False) -> None:
        super().__init__(infrared=infrared, stretch=stretch)
        self.encoder, self.decoder = Encoder(), NestDecoder()
        self.fusion = nn.ModuleList(ResidualFusion(width) for width in WIDTHS)

    def reconstruct(self, image: Tensor) -> Tensor:
        """Rebuild images of shape (N, 1, H, W) in [0, 1], without the RFNs."""
        rebuilt: Tensor = self.decoder(self.encoder(WHITE * image))
        return rebuilt / WHITE

    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Images (N, 1, H, W) in [0, 255] to fused images, none below 0."""
        scales = zip(self.fusion, self.encoder(infrared), self.encoder(visible), strict=True)
        return self.decoder([rfn(*features) for rfn, *features in scales])
