"""STDFusionNet, salient target of the infrared image, background of the visible one.

Ma et al. 2021, "STDFusionNet: an infrared and visible image fusion network based on salient target
detection", IEEE Transactions on Instrumentation and Measurement 70, doi:10.1109/TIM.2021.3075747.
The mask of salient targets is used in training only.
"""

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from radfuse.networks.blocks.layers import conv
from radfuse.networks.blocks.parameter_layouts import tensor, tensorflow_kernel
from radfuse.networks.infrared_visible import InfraredVisible, Slot

SLOPE = 0.2
"""Slope of the leaky ReLUs for negative values."""


class ResidualBlock(nn.Module):
    """Convolutions 1x1, 3x3 and 1x1 and a shortcut; the caller applies the last activation."""

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            conv(width_in, width_in, 1), nn.LeakyReLU(SLOPE),
            conv(width_in, width_in, 3), nn.LeakyReLU(SLOPE),
            conv(width_in, width_out, 1),
        )  # fmt: skip
        self.shortcut = (
            nn.Identity() if width_in == width_out else conv(width_in, width_out, 1, bias=False)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, H, W) to features (N, D, H, W)."""
        return self.residual(features) + self.shortcut(features)


def _extraction() -> nn.Sequential:
    return nn.Sequential(
        conv(1, 16, 5), nn.LeakyReLU(SLOPE),
        ResidualBlock(16, 16), nn.LeakyReLU(SLOPE),
        ResidualBlock(16, 32), nn.LeakyReLU(SLOPE),
        ResidualBlock(32, 64), nn.LeakyReLU(SLOPE),
    )  # fmt: skip


class STDFusionNet(InfraredVisible):
    """Feature extraction of each source, and a feature reconstruction from both.

    As in the authors' program, two activations of the reconstruction are ELUs.
    """

    RANGE = (-1.0, 1.0)

    def __init__(self, *, infrared: Slot = "mr", stretch: bool = False) -> None:
        super().__init__(infrared=infrared, stretch=stretch)
        self.extract_infrared, self.extract_visible = _extraction(), _extraction()
        self.reconstruction = nn.Sequential(
            ResidualBlock(128, 64), nn.ELU(),
            ResidualBlock(64, 32), nn.ELU(),
            ResidualBlock(32, 16), nn.LeakyReLU(SLOPE),
            ResidualBlock(16, 1), nn.Tanh(),
        )  # fmt: skip

    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Images (N, 1, H, W) in [-1, 1] to fused images likewise."""
        features = [self.extract_visible(visible), self.extract_infrared(infrared)]
        return self.reconstruction(torch.cat(features, dim=1))


def published_parameters(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    """Parameters from the arrays of a published checkpoint; its outermost scope may have any name.

    Raises `KeyError` for a missing array.
    """
    published = {name.partition(".")[2]: array for name, array in arrays.items()}
    parameters: dict[str, Tensor] = {}
    for ours, theirs in _layers():
        parameters[f"{ours}.weight"] = tensorflow_kernel(published[f"{theirs}.w"])
        if not ours.endswith("shortcut"):
            parameters[f"{ours}.bias"] = tensor(published[f"{theirs}.b"])
    return parameters


def _layers() -> list[tuple[str, str]]:
    """Name of every convolution here, and in the authors' program."""
    layers, blocks = [], []
    for ours, theirs in (("extract_infrared", "ir"), ("extract_visible", "vi")):
        layers.append((f"{ours}.0", f"{theirs}_extraction_network.conv1"))
        for block in (1, 2, 3):
            blocks.append((f"{ours}.{2 * block}", f"{theirs}_extraction_network.block{block}"))
    for block in (1, 2, 3, 4):
        blocks.append((f"reconstruction.{2 * block - 2}", f"reconstruction_network.block{block}"))
    for ours, theirs in blocks:
        layers += [(f"{ours}.residual.{2 * i}", f"{theirs}.conv{i + 1}") for i in range(3)]
        if not theirs.endswith("extraction_network.block1"):
            layers.append((f"{ours}.shortcut", f"{theirs}.identity_conv"))
    return layers
