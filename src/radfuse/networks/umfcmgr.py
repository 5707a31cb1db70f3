"""UMF-CMGR, two streams of dense features with an interaction module.

Wang et al. 2022, "Unsupervised misaligned infrared and visible image fusion via cross-modality
image generation and registration", IJCAI, pp. 3508-3515, doi:10.24963/ijcai.2022/487. This is its
dual-path interaction fusion network (DIFN). The preceding networks for image generation and
registration are for images that are not registered yet.
"""

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from radfuse.networks.blocks.dense import DenseBlock, newest_first
from radfuse.networks.blocks.layers import conv
from radfuse.networks.blocks.parameter_layouts import tensor
from radfuse.networks.infrared_visible import InfraredVisible, Slot

WIDTH = 64
"""Feature maps of each stream, and output maps of each layer of a dense block."""

DENSE_LAYERS = 3
"""Convolutions in a dense block."""

SLOPE = 0.2
"""Slope of the leaky ReLUs for negative values."""

INITIAL_GREY = 0.1
"""Bias of the output before training: above black, where clipping leaves a gradient."""


class ResidualDenseBlock(nn.Module):
    """A dense block and a convolution 1x1, with a residual connection; no biases."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = DenseBlock(WIDTH, DENSE_LAYERS, nn.ReLU(), padding="zeros", bias=False)
        self.join = conv((DENSE_LAYERS + 1) * WIDTH, WIDTH, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, 64, H, W) to features of the same shape."""
        return features + self.join(self.dense(features))


class InteractionFusion(nn.Module):
    """The interaction fusion module (IFM): attention where both streams agree.

    Each stream becomes a weighted sum of itself and of itself times the attention; a convolution
    of the two gives the weights at each pixel.
    """

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key = conv(WIDTH, WIDTH, 3), conv(WIDTH, WIDTH, 3)
        self.weigh_infrared, self.weigh_visible = conv(2 * WIDTH, 2, 3), conv(2 * WIDTH, 2, 3)

    def forward(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Features (N, 64, H, W) of both streams to those of both together, (N, 128, H, W)."""
        attention = torch.sigmoid(self.query(infrared) * self.key(visible))
        streams = (infrared, self.weigh_infrared), (visible, self.weigh_visible)
        weighted = []
        for features, weigh in streams:
            attended = features * attention
            weights = weigh(torch.cat([features, attended], dim=1))  # (N, 2, H, W)
            weighted.append(features * weights[:, :1] + attended * weights[:, 1:])
        return torch.cat(weighted, dim=1)


class UMFCMGR(InfraredVisible):
    """The network: a stream for each image, their interaction, two convolutions to the output."""

    def __init__(self, *, infrared: Slot = "mr", stretch: bool = False) -> None:
        super().__init__(infrared=infrared, stretch=stretch)
        self.extract_infrared, self.extract_visible = (
            nn.Sequential(conv(1, WIDTH, 3), nn.LeakyReLU(SLOPE), ResidualDenseBlock())
            for _ in ("infrared", "visible")
        )
        self.interact = InteractionFusion()
        last = conv(WIDTH, 1, 3)
        last.bias = nn.Parameter(torch.tensor([INITIAL_GREY]))
        self.draw = nn.Sequential(conv(2 * WIDTH, WIDTH, 3), last)

    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Images (N, 1, H, W) in [0, 1] to fused images of the same shape in [-1, 1]."""
        features = self.interact(self.extract_infrared(infrared), self.extract_visible(visible))
        return torch.tanh(self.draw(features))


LAYERS = {
    "extract_infrared.0": "conv1_1.0",
    "extract_visible.0": "conv2_1.0",
    "interact.query": "fuse.query_conv",
    "interact.key": "fuse.key_conv",
    "interact.weigh_infrared": "fuse.gamma1",
    "interact.weigh_visible": "fuse.gamma2",
    "draw.0": "fuse_res",
    "draw.1": "out_conv",
}
"""Names of the convolutions with a bias here, and in the authors' program."""

DENSE = {
    f"{ours}.2.{layer}": f"{theirs}.0.{name}"
    for ours, theirs in {"extract_infrared": "ir_path", "extract_visible": "vi_path"}.items()
    for layer, name in {
        "dense.layers.0": "dense_layers.0.conv",
        "dense.layers.1": "dense_layers.1.conv",
        "dense.layers.2": "dense_layers.2.conv",
        "join": "conv_1x1",
    }.items()
}
"""Names of the convolutions without a bias here, and in the authors' program."""


def published_parameters(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    """Parameters from arrays with the names of the authors' PyTorch program.

    The authors do not publish their parameters. Those by a third party that retrained the network,
    https://github.com/HaodeShi/UMF-CMGR-retrain-and-test, verify the structure only.
    """
    parameters = {
        f"{ours}.{kind}": tensor(arrays[f"{theirs}.{kind}"])
        for ours, theirs in LAYERS.items()
        for kind in ("weight", "bias")
    }
    for ours, theirs in DENSE.items():
        weight = tensor(arrays[f"{theirs}.weight"])
        parameters[f"{ours}.weight"] = newest_first(weight, WIDTH)
    return parameters
