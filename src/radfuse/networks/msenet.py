"""MSENet, an autoencoder of three dilated paths that fuses what is unique to either image.

Li, Li, Fu and Peng 2022, "MSENet: a multi-scale enhanced network based on unique features guidance
for medical image fusion", Biomedical Signal Processing and Control 74, 103534,
doi:10.1016/j.bspc.2022.103534. No code was published and only the abstract is public. It says: a
dense encoder of three dilated paths with filters of different sizes; a module that fuses and
enhances unique features only, without a further rule; a decoder of six convolutions with one skip
connection. Decided here:

* The filters are 3x3, dilated by 1, 2 and 3, so that they reach over 3, 5 and 7 pixels. Each path
  is a dense block of three convolutions of 16 maps on 16 maps of a first convolution.
* Features are not negative. Common to both images is the smaller of two features; unique to an
  image is what it has above that. The common part with the unique parts added is the larger
  feature, and computed as that.
* The skip connection leads from the first convolution, fused alike, to the fourth of the decoder.
* ReLU, mirrored borders, images in [0, 1], and the loss of an autoencoder, 1 - SSIM and MSE.
"""

from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn

from radfuse.networks.blocks.layers import conv
from radfuse.networks.pair_network import PairNetwork

WIDTH = 16
"""Maps of the first convolution, and of each convolution of a path."""

DILATIONS = (1, 2, 3)
"""Of the paths."""

DEPTH = 3
"""Convolutions of a path."""

WIDTHS_BEFORE = (len(DILATIONS) * (DEPTH + 1) * WIDTH, 64, 48, 32)
"""Maps before and after the first three convolutions of the decoder."""

WIDTHS_AFTER = (32 + WIDTH, 32, WIDTH, 1)
"""Maps before and after its other three; the first takes the skip connection, too."""


class DilatedPath(nn.Module):
    """A dense block of dilated convolutions."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            conv(before * WIDTH, WIDTH, 3, dilation=dilation, padding="reflect")
            for before in range(1, DEPTH + 1)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, 16, H, W) to (N, 64, H, W), themselves among them."""
        for layer in self.layers:
            features = torch.cat([features, torch.relu(layer(features))], dim=1)
        return features


def fuse_unique(first: Tensor, second: Tensor) -> Tensor:
    """The larger features: what two have in common, and what is unique to either."""
    return torch.maximum(first, second)


def _layers(*widths: int) -> nn.Sequential:
    layers = [conv(*pair, 3, padding="reflect") for pair in pairwise(widths)]
    return nn.Sequential(*(part for layer in layers for part in (layer, nn.ReLU())))


class MSENet(PairNetwork):
    """The network; `reconstruct` is trained, `fuse` merges the features of two images.

    It favours neither image.
    """

    MIN_SIDE: ClassVar[int] = DILATIONS[-1] + 1

    def __init__(self, *, stretch: bool = False) -> None:
        super().__init__(stretch=stretch)
        self.enter = conv(1, WIDTH, 3, padding="reflect")
        self.paths = nn.ModuleList(DilatedPath(dilation) for dilation in DILATIONS)
        self.before = _layers(*WIDTHS_BEFORE)
        self.after = _layers(*WIDTHS_AFTER)[:-1]

    def features(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Images (N, 1, H, W) to features (N, 16, H, W) for the skip, (N, 192, H, W) of paths."""
        skip = torch.relu(self.enter(image))
        return skip, torch.cat([path(skip) for path in self.paths], dim=1)

    def decode(self, skip: Tensor, deep: Tensor) -> Tensor:
        """Features as of `features` to images (N, 1, H, W)."""
        image: Tensor = self.after(torch.cat([self.before(deep), skip], dim=1))
        return image

    def reconstruct(self, image: Tensor) -> Tensor:
        """Rebuild images of shape (N, 1, H, W) in [0, 1], without the fusion."""
        return self.decode(*self.features(image))

    def fuse(self, first: Tensor, second: Tensor) -> Tensor:
        """Images (N, 1, H, W) in [0, 1] to fused images of the same shape, not clipped."""
        pairs = zip(self.features(first), self.features(second), strict=True)
        skip, deep = (fuse_unique(*pair) for pair in pairs)
        return self.decode(skip, deep)
