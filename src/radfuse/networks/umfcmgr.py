"""UMF-CMGR, two streams of dense features that meet in attention.

Wang et al. 2022, "Unsupervised misaligned infrared and visible image fusion via cross-modality
image generation and registration", IJCAI, pages 3508-3515, doi:10.24963/ijcai.2022/487. This is its
dual-path interaction fusion network (DIFN). The parts before it, which draw an infrared image from
the visible one and register the two by it, are for images that are not registered.
"""

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from radfuse.networks.blocks.dense import DenseBlock, newest_first
from radfuse.networks.blocks.layers import conv
from radfuse.networks.blocks.published import tensor
from radfuse.networks.infrared import InfraredVisible, Modality

WIDTH = 64
"""Maps of each stream, and maps that each layer of a dense block draws."""

DENSE_LAYERS = 3
"""Convolutions in a dense block."""

SLOPE = 0.2
"""Of the leaky ReLUs below 0."""

FIRST_GREY = 0.1
"""Drawn, about, before training; from darker than black no gradient would come back."""


class ResidualDenseBlock(nn.Module):
    """A dense block, all of it joined by a convolution 1x1, added to what came in; no biases."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = DenseBlock(WIDTH, DENSE_LAYERS, nn.ReLU(), padding="zeros", bias=False)
        self.join = conv((DENSE_LAYERS + 1) * WIDTH, WIDTH, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, 64, H, W) to features of the same shape."""
        joined: Tensor = features + self.join(self.dense(features))
        return joined


class InteractionFusion(nn.Module):
    """The interaction fusion module (IFM): attention where both streams agree.

    Each stream becomes a sum of itself and of what the attention leaves of it, both weighed at
    each pixel by a convolution of the two.
    """

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key = conv(WIDTH, WIDTH, 3), conv(WIDTH, WIDTH, 3)
        self.weigh_infrared, self.weigh_visible = conv(2 * WIDTH, 2, 3), conv(2 * WIDTH, 2, 3)

    def forward(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Features (N, 64, H, W) of both streams to those of both together, (N, 128, H, W)."""
        attention = torch.sigmoid(self.query(infrared) * self.key(visible))
        streams = (infrared, self.weigh_infrared), (visible, self.weigh_visible)
        weighed = []
        for features, weigh in streams:
            attended = features * attention
            weights = weigh(torch.cat([features, attended], dim=1))  # (N, 2, H, W)
            weighed.append(features * weights[:, :1] + attended * weights[:, 1:])
        return torch.cat(weighed, dim=1)


class UMFCMGR(InfraredVisible):
    """The network: a stream an image, their interaction, and two convolutions that draw."""

    def __init__(self, *, infrared: Modality = "mr", stretch: bool = False) -> None:
        super().__init__(infrared=infrared, stretch=stretch)
        self.extract_infrared, self.extract_visible = (
            nn.Sequential(conv(1, WIDTH, 3), nn.LeakyReLU(SLOPE), ResidualDenseBlock())
            for _ in ("infrared", "visible")
        )
        self.interact = InteractionFusion()
        last = conv(WIDTH, 1, 3)
        last.bias = nn.Parameter(torch.tensor([FIRST_GREY]))
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
"""Our names of convolutions with a bias, and the authors'."""

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
"""Our names of convolutions without a bias, and the authors'."""


def published_parameters(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    """Parameters from arrays by the names of the authors' program, in PyTorch.

    The authors' own are not in their repository. The known ones were retrained by a third
    party, https://github.com/HaodeShi/UMF-CMGR-retrain-and-test, and prove the structure only.
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
