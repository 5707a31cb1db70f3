"""MSDNet, DenseFuse with features of three scales.

Song, Wu and Li 2019, "MSDNet for medical image fusion", International Conference on Image and
Graphics (ICIG), pp. 278-288.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from radfuse.networks.blocks.dense import decoder
from radfuse.networks.blocks.layers import conv
from radfuse.networks.blocks.parameter_layouts import tensorflow_layers
from radfuse.networks.densefuse import encoder, l1
from radfuse.networks.infrared_visible import InfraredVisible, Slot

CHANNELS = 64
"""Maps after the dense block, and maps of each scale."""

SCALES = (1, 3, 5)
"""Kernel sizes of the parallel convolutions after the dense block."""


class MSDNet(InfraredVisible):
    """The network; `reconstruct` is trained, `fuse` merges the features of two images.

    Features are merged at each scale separately, by their shares of the l1-norm.
    """

    RANGE: ClassVar[tuple[float, float]] = (0.0, 255.0)

    def __init__(self, *, infrared: Slot = "mr", stretch: bool = False) -> None:
        super().__init__(infrared=infrared, stretch=stretch)
        self.encoder = encoder()
        self.scales = nn.ModuleList(
            nn.Sequential(conv(CHANNELS, CHANNELS, side, padding="reflect"), nn.ReLU())
            for side in SCALES
        )
        self.decoder = decoder(len(SCALES) * CHANNELS, 64, 32, 16, 1, activation=nn.ReLU())

    def features(self, image: Tensor) -> list[Tensor]:
        """Images (N, 1, H, W) in [0, 255] to features (N, 64, H, W) of each scale."""
        dense = self.encoder(image)
        return [scale(dense) for scale in self.scales]

    def reconstruct(self, image: Tensor) -> Tensor:
        """Rebuild images of shape (N, 1, H, W) in [0, 1], without the fusion layer."""
        white = self.RANGE[1]
        return self.decoder(torch.cat(self.features(image * white), dim=1)) / white

    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Images (N, 1, H, W) in [0, 255] to fused images of the same shape, not clipped."""
        scales = zip(self.features(infrared), self.features(visible), strict=True)
        return self.decoder(torch.cat([l1(*scale) for scale in scales], dim=1))


LAYERS = {
    "encoder.0": "encoder.conv1",
    "encoder.2.layers.0": "encoder.dense_block_conv2",
    "encoder.2.layers.1": "encoder.dense_block_conv3",
    "encoder.2.layers.2": "encoder.dense_block_conv4",
    "scales.0.0": "encoder.conv5_1",
    "scales.1.0": "encoder.conv5_2",
    "scales.2.0": "encoder.conv5_3",
    "decoder.0": "decoder.conv6",
    "decoder.2": "decoder.conv7",
    "decoder.4": "decoder.conv8",
    "decoder.6": "decoder.conv9",
}
"""Names of the convolutions here, and in the authors' program."""


def published_parameters(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    """Parameters from the arrays of the authors' TensorFlow program."""
    return tensorflow_layers(arrays, LAYERS)
