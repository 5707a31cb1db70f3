"""U2Fusion, one dense network for any pair of images.

Xu et al. 2022, "U2Fusion: a unified unsupervised image fusion network", IEEE Transactions on
Pattern Analysis and Machine Intelligence 44, doi:10.1109/TPAMI.2020.3012548.
"""

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from radfuse.networks.blocks.dense import DenseBlock, decoder
from radfuse.networks.blocks.layers import conv
from radfuse.networks.blocks.parameter_layouts import tensorflow_layers
from radfuse.networks.infrared_visible import InfraredVisible, Slot

WIDTH = 44
"""Output maps of the first convolution and of each layer of the dense block."""

DENSE_LAYERS = 5
"""Convolutions in the dense block."""

SLOPE = 0.2
"""Slope of the leaky ReLUs for negative values."""


class U2Fusion(InfraredVisible):
    """The network; input channels are the infrared and the visible image.

    The authors' program maps 0 to 0 and the maximum to 1; the images of Song et al. 2024
    (doi:10.1007/s13721-024-00449-2) are those with `stretch`.
    """

    def __init__(self, *, infrared: Slot = "mr", stretch: bool = False) -> None:
        super().__init__(infrared=infrared, stretch=stretch)
        leaky = nn.LeakyReLU(SLOPE)
        self.encoder = nn.Sequential(
            conv(2, WIDTH, 3, padding="reflect"), leaky, DenseBlock(WIDTH, DENSE_LAYERS, leaky)
        )
        self.decoder = decoder((DENSE_LAYERS + 1) * WIDTH, 128, 64, 32, 1, activation=leaky)

    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Images (N, 1, H, W) in [0, 1] to fused images of the same shape and range."""
        features = self.encoder(torch.cat([infrared, visible], dim=1))
        return torch.tanh(self.decoder(features)) / 2 + 0.5


LAYERS = {
    "encoder.0": "Generator.encoder.conv1_1",
    **{
        f"encoder.2.layers.{layer}": f"Generator.encoder.dense_block_conv{layer + 1}"
        for layer in range(DENSE_LAYERS)
    },
    "decoder.0": "Generator_1.decoder.conv2_1",
    "decoder.2": "Generator_1.decoder.conv2_2",
    "decoder.4": "Generator_1.decoder.conv2_3",
    "decoder.6": "Generator_1.decoder.conv2_4",
}
"""Names of the convolutions here, and in the authors' program."""


def published_parameters(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    """Parameters from the arrays of the authors' TensorFlow program."""
    return tensorflow_layers(arrays, LAYERS)
