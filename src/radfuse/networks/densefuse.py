"""DenseFuse, an autoencoder with a dense block and a fusion layer between its halves.

Li and Wu 2019, "DenseFuse: a fusion approach to infrared and visible images", IEEE Transactions on
Image Processing 28, doi:10.1109/TIP.2018.2887342.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from radfuse.networks.blocks.dense import DenseBlock, decoder, newest_first
from radfuse.networks.blocks.layers import conv
from radfuse.networks.blocks.parameter_layouts import tensor, tensorflow_layers
from radfuse.networks.infrared_visible import InfraredVisible, Slot

Rule = Literal["addition", "average", "l1"]
"""Fusion of two feature maps: sum, mean, or weights by the share of the l1-norm."""

WIDTH = 16
"""Output maps of the first convolution and of each layer of the dense block."""

DENSE_LAYERS = 3
"""Convolutions in the dense block."""

MIN_NORM = 1e-6
"""Lower bound of the sum of l1-norms as divisor: features that are 0 in both give 0."""


def l1(first: Tensor, second: Tensor) -> Tensor:
    """Features (N, C, H, W) weighted at each pixel by the share of their l1-norm over channels.

    As in the authors' program; the paper averages the norm over 3x3 pixels before.
    """
    of_first, of_second = (maps.abs().sum(dim=1, keepdim=True) for maps in (first, second))
    weighted = of_first * first + of_second * second
    return weighted / (of_first + of_second).clamp(min=MIN_NORM)


RULES: dict[Rule, Callable[[Tensor, Tensor], Tensor]] = {
    "addition": torch.add,
    "average": lambda first, second: (first + second) / 2,
    "l1": l1,
}
"""`addition` is the rule of the authors' TensorFlow program, `average` of their PyTorch program."""


def encoder() -> nn.Sequential:
    """Images (N, 1, H, W) in [0, 255] to features (N, 64, H, W)."""
    relu = nn.ReLU()
    return nn.Sequential(
        conv(1, WIDTH, 3, padding="reflect"), relu, DenseBlock(WIDTH, DENSE_LAYERS, relu)
    )


class DenseFuse(InfraredVisible):
    """The network; `reconstruct` is trained, `fuse` merges the features of two images.

    `last_relu` ends it with a ReLU, as the authors' program in PyTorch does.
    """

    RANGE: ClassVar[tuple[float, float]] = (0.0, 255.0)

    def __init__(
        self,
        *,
        rule: Rule = "addition",
        last_relu: bool = False,
        infrared: Slot = "mr",
        stretch: bool = False,
    ) -> None:
        super().__init__(infrared=infrared, stretch=stretch)
        self.rule = RULES[rule]
        self.encoder = encoder()
        self.decoder = decoder(64, 64, 32, 16, 1, activation=nn.ReLU())
        if last_relu:
            self.decoder.append(nn.ReLU())

    def reconstruct(self, image: Tensor) -> Tensor:
        """Rebuild images of shape (N, 1, H, W) in [0, 1], without the fusion layer."""
        white = self.RANGE[1]
        return self.decoder(self.encoder(image * white)) / white

    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Images (N, 1, H, W) in [0, 255] to fused images of the same shape, not clipped."""
        features = self.rule(self.encoder(infrared), self.encoder(visible))
        return self.decoder(features)


TENSORFLOW_LAYERS = {
    "encoder.0": "encoder.conv1_1",
    "encoder.2.layers.0": "encoder.dense_block_conv1",
    "encoder.2.layers.1": "encoder.dense_block_conv2",
    "encoder.2.layers.2": "encoder.dense_block_conv3",
    "decoder.0": "decoder.conv2_1",
    "decoder.2": "decoder.conv2_2",
    "decoder.4": "decoder.conv2_3",
    "decoder.6": "decoder.conv2_4",
}
"""Names of the convolutions here, and in the TensorFlow program."""

TORCH_LAYERS = {
    "encoder.0": "conv1",
    "encoder.2.layers.0": "DB1.denseblock.0.dense_conv",
    "encoder.2.layers.1": "DB1.denseblock.1.dense_conv",
    "encoder.2.layers.2": "DB1.denseblock.2.dense_conv",
    "decoder.0": "conv2",
    "decoder.2": "conv3",
    "decoder.4": "conv4",
    "decoder.6": "conv5",
}
"""Names of the convolutions here, and in the PyTorch program."""

FED_DENSELY = ("encoder.2.layers.1", "encoder.2.layers.2", "decoder.0")
"""Convolutions whose input is the output of the dense block."""


def published_parameters(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    """Parameters from the arrays of either of the authors' programs, TensorFlow or PyTorch."""
    if "conv1.conv2d.weight" not in arrays:
        return tensorflow_layers(arrays, TENSORFLOW_LAYERS)
    parameters = {
        f"{ours}.{kind}": tensor(arrays[f"{theirs}.conv2d.{kind}"])
        for ours, theirs in TORCH_LAYERS.items()
        for kind in ("weight", "bias")
    }
    for layer in FED_DENSELY:
        parameters[f"{layer}.weight"] = newest_first(parameters[f"{layer}.weight"], WIDTH)
    return parameters
