"""FusionGAN: a generator that fuses, and a discriminator that trains it.

Ma et al. 2019, "FusionGAN: a generative adversarial network for infrared and visible image fusion",
Information Fusion, doi:10.1016/j.inffus.2018.09.004.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from radfuse.networks.infrared_visible import InfraredVisible, Slot

SLOPE = 0.2
"""Slope of the leaky ReLUs for negative values."""

MARGIN = 6
"""Pixels that the unpadded convolutions, two 5x5 and two 3x3, remove at each side."""

PATCH = 120
"""Side of the discriminator's patches."""

FEATURE_SIDE = 6
"""Side of the features after its four convolutions of a patch: 120, 59, 29, 14, 6."""


def _normalised(width_in: int, width_out: int, size: int, stride: int = 1) -> nn.Sequential:
    """Convolution without padding, and without biases, which the normalisation would cancel."""
    return nn.Sequential(
        nn.Conv2d(width_in, width_out, size, stride=stride, bias=False),
        nn.BatchNorm2d(width_out),
        nn.LeakyReLU(SLOPE),
    )


class FusionGAN(InfraredVisible):
    """The generator: five convolutions of both sources, without padding.

    In training, batch normalisation uses the statistics of the batch; in evaluation their running
    averages, so that an image is fused alike in any batch. The authors' test program uses the
    statistics of the image itself, so that one end of an image changes grey levels at the other.
    """

    RANGE = (-1.0, 1.0)

    def __init__(self, *, infrared: Slot = "mr", stretch: bool = False) -> None:
        super().__init__(infrared=infrared, stretch=stretch)
        self.generator = nn.Sequential(
            _normalised(2, 256, 5),
            _normalised(256, 128, 5),
            _normalised(128, 64, 3),
            _normalised(64, 32, 3),
            nn.Conv2d(32, 1, 1),
            nn.Tanh(),
        )

    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Images (N, 1, H, W) in [-1, 1] to fused images likewise; edge pixels are replicated."""
        sources = torch.cat([infrared, visible], dim=1)
        return self.generator(functional.pad(sources, (MARGIN,) * 4, mode="replicate"))


class Discriminator(nn.Module):
    """Classifies patches as visible or fused; used in training only."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 32, 3, stride=2), nn.LeakyReLU(SLOPE),
            _normalised(32, 64, 3, stride=2),
            _normalised(64, 128, 3, stride=2),
            _normalised(128, 256, 3, stride=2),
            nn.Flatten(),
            nn.Linear(256 * FEATURE_SIDE**2, 1),
        )  # fmt: skip

    def forward(self, patches: Tensor) -> Tensor:
        """Patches (N, 1, 120, 120) in [-1, 1] to scores (N, 1): 1 for visible, 0 for fused."""
        return self.layers(patches)
