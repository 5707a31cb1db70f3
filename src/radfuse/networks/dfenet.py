"""DFENet, an autoencoder whose encoder has a convolutional branch and a transformer.

Li et al. 2023, "DFENet: a dual-branch feature enhanced network integrating transformers and
convolutional feature learning for multimodal medical image fusion", Biomedical Signal Processing
and Control 80, doi:10.1016/j.bspc.2022.104402. Layers are those of the authors' program.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from radfuse.networks.blocks.attention import ConvolutionalAttention
from radfuse.networks.blocks.layers import conv
from radfuse.networks.blocks.res2net import stage
from radfuse.networks.blocks.vision_transformer import TransformerStage
from radfuse.networks.infrared_visible import InfraredVisible, Slot

FIRST_WIDTH = 32
"""Output maps of the convolution before the three parallel paths."""

PARALLEL = ((1, 64), (3, 96), (5, 128))
"""Kernel size and output maps of the dilated convolutions, each before a stage of Res2Net."""

BOTTLENECKS = 4
"""Bottlenecks of each such stage."""

DILATION = 2
"""Dilation of those convolutions and of the decoder's."""

WIDTHS, DEPTHS, HEADS = (64, 128, 256, 512), (3, 4, 6, 3), (1, 2, 4, 8)
"""Of the transformer's stages, finest first."""

FEATURES = sum(width for _, width in PARALLEL) + WIDTHS[0]
"""Maps of the encoder: those of the convolutional branch, and of the transformer's finest stage."""

PATCHES = ((7, 4), (3, 2), (3, 2), (3, 2))
"""Side and stride of each stage's patches."""

REDUCTION = 16
"""Channels over hidden units of the channel attention."""

WINDOW = 3
"""Side of the neighbourhood of the local energy."""


def _layer(width_in: int, width_out: int, size: int, dilation: int = 1) -> nn.Sequential:
    layer = conv(width_in, width_out, size, dilation=dilation, padding="reflect")
    return nn.Sequential(layer, nn.PReLU())


class ConvolutionalBranch(nn.Module):
    """Three parallel paths with different kernel sizes, each with a stage of Res2Net."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Sequential(conv(1, FIRST_WIDTH, 3), nn.PReLU())
        self.parallel = nn.ModuleList(
            nn.Sequential(_layer(FIRST_WIDTH, width, side, DILATION), stage(width, BOTTLENECKS))
            for side, width in PARALLEL
        )

    def forward(self, image: Tensor) -> Tensor:
        """Images (N, 1, H, W) to features (N, 288, H, W)."""
        entered = self.enter(image)
        features = torch.cat([branch(entered) for branch in self.parallel], dim=1)
        return image * features + features


def _resized(features: Tensor, like: Tensor) -> Tensor:
    """Features, resized bicubically to the rows and columns of others."""
    size = like.shape[-2:]
    return functional.interpolate(features, size=size, mode="bicubic", align_corners=True)


def _joined(features: Tensor, *coarser: Tensor) -> Tensor:
    return torch.cat([features, *(_resized(maps, features) for maps in coarser)], dim=1)


class TransformerBranch(nn.Module):
    """Features of a transformer at four scales, merged from coarse to fine."""

    def __init__(self) -> None:
        super().__init__()
        one, two, three, four = WIDTHS
        self.stages = nn.ModuleList(
            TransformerStage(width_in, width, patch=patch, stride=stride, depth=depth, heads=heads)
            for width_in, width, (patch, stride), depth, heads in zip(
                (1, *WIDTHS), WIDTHS, PATCHES, DEPTHS, HEADS, strict=False
            )
        )
        self.four_to_three = _layer(four, three, 3)
        self.four_to_two, self.four_to_one = _layer(four, two, 3), _layer(four, one, 3)
        self.three = _layer(2 * three, 2 * three, 1)
        self.three_to_two, self.three_to_one = (_layer(2 * three, width, 3) for width in (two, one))
        self.two, self.two_to_one = _layer(3 * two, 3 * two, 1), _layer(3 * two, one, 3)
        self.one, self.leave = _layer(4 * one, 4 * one, 3), _layer(4 * one, one, 3)
        self.attention = ConvolutionalAttention(one, one // REDUCTION, bias=False)

    def forward(self, image: Tensor) -> Tensor:
        """Images (N, 1, H, W) to features (N, 64, H, W)."""
        scales = [image]
        for part in self.stages:
            scales.append(part(scales[-1]))
        _, one, two, three, four = scales
        three = self.three(_joined(three, self.four_to_three(four)))
        two = self.two(_joined(two, self.four_to_two(four), self.three_to_two(three)))
        coarser = self.four_to_one(four), self.three_to_one(three), self.two_to_one(two)
        one = self.one(_joined(one, *coarser))
        whole = _resized(one, image)
        return self.attention(self.leave(image * whole + whole))


class Encoder(nn.Module):
    """Both branches, and attention over their features."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutional, self.transformer = ConvolutionalBranch(), TransformerBranch()
        self.attention = ConvolutionalAttention(FEATURES, FEATURES // REDUCTION, bias=False)

    def forward(self, image: Tensor) -> Tensor:
        """Images (N, 1, H, W) to features (N, 352, H, W)."""
        both = torch.cat([self.convolutional(image), self.transformer(image)], dim=1)
        return self.attention(both)


class Decoder(nn.Module):
    """Dilated convolutions; inputs of the third and fourth are the outputs of the two before."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = (_layer(width, 64, 3, DILATION) for width in (FEATURES, 64))
        self.third, self.fourth = (_layer(128, 64, 3, DILATION) for _ in range(2))
        self.leave = conv(64, 1, 3, padding="reflect")

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, 352, H, W) to images (N, 1, H, W)."""
        first = self.first(features)
        second = self.second(first)
        third = self.third(torch.cat([first, second], dim=1))
        return self.leave(self.fourth(torch.cat([second, third], dim=1)))


def local_energy(first: Tensor, second: Tensor) -> Tensor:
    """Choose, of features (N, C, H, W), those of larger local energy; of equals, the second's.

    The energy is the mean of squares over 3x3 points, then the maximum over 3x3 points: the rule
    of the authors' program for CT and MR.
    """
    of_first, of_second = (
        functional.max_pool2d(
            functional.avg_pool2d(features.square(), WINDOW, stride=1, padding=WINDOW // 2),
            WINDOW, stride=1, padding=WINDOW // 2,
        )
        for features in (first, second)
    )  # fmt: skip
    return torch.where(of_first > of_second, first, second)


class DFENet(InfraredVisible):
    """The network; `reconstruct` is trained, `fuse` merges the features of two images.

    The authors' program takes the MR first, which here is the infrared slot, and images of
    256x256; here reflect padding needs two pixels at the coarsest scale.
    """

    RANGE = (0.0, 1.0)
    MIN_SIDE = 33

    def __init__(self, *, infrared: Slot = "mr", stretch: bool = False) -> None:
        super().__init__(infrared=infrared, stretch=stretch)
        self.encoder, self.decoder = Encoder(), Decoder()

    def reconstruct(self, image: Tensor) -> Tensor:
        """Rebuild images of shape (N, 1, H, W) in [0, 1], without the fusion rule."""
        return self.decoder(self.encoder(image))

    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Images (N, 1, H, W) in [0, 1] to fused images of the same shape, not clipped."""
        features = self.encoder(torch.cat([infrared, visible]))  # (2N, 352, H, W)
        count = infrared.shape[0]  # len() would fix the batch size of an exported graph
        return self.decoder(local_energy(features[:count], features[count:]))
