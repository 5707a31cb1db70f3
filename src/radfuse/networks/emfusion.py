"""EMFusion, a dense network trained to keep surface and deep information of both images.

Xu and Ma 2021, "EMFusion: an unsupervised enhanced medical image fusion network", Information
Fusion 76, doi:10.1016/j.inffus.2021.06.001. This is its fusion network; the autoencoders whose
channels its loss compares are needed in training only.
"""

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from radfuse.networks.blocks.dense import DenseBlock, decoder
from radfuse.networks.blocks.layers import conv
from radfuse.networks.blocks.parameter_layouts import tensorflow_layers
from radfuse.networks.pair_network import PairNetwork

WIDTH = 32
"""Output maps of the first convolution and of each layer of the dense block."""

DENSE_LAYERS = 3
"""Convolutions in the dense block."""

SLOPE = 0.2
"""Slope of the leaky ReLUs for negative values."""


class EMFusion(PairNetwork):
    """The network; input channels are the CT and the MR."""

    def __init__(self, *, stretch: bool = False) -> None:
        super().__init__(stretch=stretch)
        leaky = nn.LeakyReLU(SLOPE)
        self.encoder = nn.Sequential(
            conv(2, WIDTH, 3, padding="reflect"), leaky, DenseBlock(WIDTH, DENSE_LAYERS, leaky)
        )
        self.decoder = decoder((DENSE_LAYERS + 1) * WIDTH, 64, 32, 1, activation=leaky)

    def fuse(self, functional: Tensor, anatomical: Tensor) -> Tensor:
        """Images (N, 1, H, W) in [0, 1] to fused images of the same shape and range."""
        features = self.encoder(torch.cat([functional, anatomical], dim=1))
        return torch.tanh(self.decoder(features)) / 2 + 0.5


LAYERS = {
    "encoder.0": "fnet.fuse.conv1",
    "encoder.2.layers.0": "fnet.fuse.conv2",
    "encoder.2.layers.1": "fnet.fuse.conv3",
    "encoder.2.layers.2": "fnet.fuse.conv4",
    "decoder.0": "fnet.fuse.conv6",
    "decoder.2": "fnet.fuse.conv7",
    "decoder.4": "fnet.fuse.conv8",
}
"""Names of the convolutions here, and in the authors' program."""


def published_parameters(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    """Parameters from the arrays of the authors' TensorFlow program."""
    return tensorflow_layers(arrays, LAYERS)
