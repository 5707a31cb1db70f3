"""IFCNN, two convolutions for each image, an elementwise rule, two convolutions to the output.

Zhang et al. 2020, "IFCNN: a general image fusion framework based on convolutional neural network",
Information Fusion 54, doi:10.1016/j.inffus.2019.07.011. Its images have three colours; grey images
are given as three equal ones, and the output is the luma of the three.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from radfuse.networks.blocks.layers import conv
from radfuse.networks.blocks.parameter_layouts import tensor, torch_batch_norms
from radfuse.networks.pair_network import PairNetwork

Rule = Literal["max", "mean", "sum"]
"""Fusion of two feature maps, pixel by pixel."""

RULES: dict[Rule, Callable[[Tensor, Tensor], Tensor]] = {
    "max": torch.maximum,
    "mean": lambda first, second: (first + second) / 2,
    "sum": torch.add,
}
"""`max` is the authors' rule for medical images; parameters are trained for each rule."""

WIDTH = 64
"""Feature maps of each layer."""

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue."""


def _block() -> nn.Sequential:
    """Convolution 3x3 without bias, batch normalisation, ReLU."""
    return nn.Sequential(
        conv(WIDTH, WIDTH, 3, padding="replicate", bias=False), nn.BatchNorm2d(WIDTH), nn.ReLU()
    )


def luma(colours: Tensor) -> Tensor:
    """Colours (N, 3, H, W) as grey (N, 1, H, W)."""
    return (colours * colours.new_tensor(LUMA)[:, None, None]).sum(dim=1, keepdim=True)


class IFCNN(PairNetwork):
    """The network; it favours neither image.

    The authors' program clips each colour, truncates it to 8 bits and converts the result to grey.
    """

    def __init__(self, *, rule: Rule = "max", stretch: bool = False) -> None:
        super().__init__(stretch=stretch)
        self.rule = RULES[rule]
        self.enter = conv(3, WIDTH, 7, padding="replicate", bias=False)
        self.extract, self.rebuild = _block(), _block()
        self.leave = conv(WIDTH, 3, 1)

    def forward(self, ct: Tensor, mr: Tensor) -> Tensor:
        """Fuse images (N, H, W) in [0, 1]; each colour is clipped before the conversion to grey."""
        colours = self.colours(*self.slots(ct, mr)).clamp(0, 1)
        return self.scaled(luma(colours).squeeze(1))

    def fuse(self, first: Tensor, second: Tensor) -> Tensor:
        """Images (N, 1, H, W) in [0, 1] to fused images of the same shape, not clipped."""
        return luma(self.colours(first, second))

    def colours(self, first: Tensor, second: Tensor) -> Tensor:
        """Grey images (N, 1, H, W) in [0, 1] to red, green and blue (N, 3, H, W), not clipped."""
        features = (self.extract(self.enter(x.repeat(1, 3, 1, 1))) for x in (first, second))
        fused: Tensor = self.leave(self.rebuild(self.rule(*features)))
        return fused


LAYERS = {"enter": "conv1", "extract.0": "conv2.conv", "rebuild.0": "conv3.conv", "leave": "conv4"}
"""Names of the convolutions here, and in the authors' program."""

NORMALISATIONS = {"extract.1": "conv2.bn", "rebuild.1": "conv3.bn"}
"""Names of the batch normalisations here, and in the authors' program."""


def published_parameters(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    """Parameters from the arrays of the authors' PyTorch program, for any of the rules."""
    parameters = {
        f"{ours}.weight": tensor(arrays[f"{theirs}.weight"]) for ours, theirs in LAYERS.items()
    }
    parameters["leave.bias"] = tensor(arrays["conv4.bias"])
    return parameters | torch_batch_norms(arrays, NORMALISATIONS)
