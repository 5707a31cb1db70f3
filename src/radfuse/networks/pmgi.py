"""PMGI, a gradient path and an intensity path that exchange features.

Zhang et al. 2020, "Rethinking the image fusion: a fast unified image fusion network based on
proportional maintenance of gradient and intensity", AAAI Conference on Artificial Intelligence 34,
doi:10.1609/aaai.v34i07.6975. Details that the paper leaves
open follow the authors' published program.
"""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from radfuse.networks.blocks.layers import conv
from radfuse.networks.blocks.parameter_layouts import tensor, tensorflow_kernel
from radfuse.networks.infrared_visible import InfraredVisible, Slot

WIDTH = 16
"""Feature maps of each layer."""

SLOPE = 0.2
"""Slope of the leaky ReLU for negative values."""


class Layer(nn.Sequential):
    """Convolution, normalisation by the statistics of each image itself, leaky ReLU.

    The authors train with batch normalisation, but their test program uses the statistics of its
    input, one image.
    """

    def __init__(self, width_in: int, size: int) -> None:
        super().__init__(
            conv(width_in, WIDTH, size), nn.InstanceNorm2d(WIDTH, affine=True), nn.LeakyReLU(SLOPE)
        )


class Path(nn.Module):
    """The four layers of a path, and the two transfer layers on the features of both paths."""

    def __init__(self) -> None:
        super().__init__()
        self.layer1, self.layer2 = Layer(3, 5), Layer(WIDTH, 3)
        self.transfer2, self.transfer3 = Layer(2 * WIDTH, 1), Layer(2 * WIDTH, 1)
        self.layer3, self.layer4 = Layer(3 * WIDTH, 3), Layer(4 * WIDTH, 3)


class PMGI(InfraredVisible):
    """The network; infrared dominates the intensity path, visible the gradient path."""

    RANGE: ClassVar = (-1.0, 1.0)

    def __init__(self, *, infrared: Slot = "mr", stretch: bool = False) -> None:
        super().__init__(infrared=infrared, stretch=stretch)
        self.paths = nn.ModuleDict({"intensity": Path(), "gradient": Path()})
        self.join = nn.Sequential(conv(8 * WIDTH, 1, 1), nn.Tanh())

    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Images (N, 1, H, W) in [-1, 1] to fused images likewise."""
        layer1 = self._each("layer1", ([infrared, infrared, visible], [visible, visible, infrared]))
        layer2 = self._each("layer2", ([first] for first in layer1))
        shared = self._each("transfer2", (layer2, layer2))
        layer3 = self._each("layer3", zip(layer1, layer2, shared, strict=True))
        shared = self._each("transfer3", (layer3, layer3))
        layer4 = self._each("layer4", zip(layer1, layer2, layer3, shared, strict=True))
        return self.join(torch.cat([*layer1, *layer2, *layer3, *layer4], dim=1))

    def _each(self, layer: str, inputs: Iterable[Iterable[Tensor]]) -> list[Tensor]:
        """The outputs of a layer of both paths, (N, 16, H, W), for their inputs."""
        return [
            path.get_submodule(layer)(torch.cat(list(maps), dim=1))
            for path, maps in zip(self.paths.values(), inputs, strict=True)
        ]


def published_parameters(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    """The parameters from the arrays of a published TensorFlow checkpoint.

    Normalisation has no scale and shift: the authors' test program does not restore the trained
    ones.
    """
    layers = {"1": "layer1", "2": "layer2", "3": "layer3", "4": "layer4"}
    layers |= {"2_3": "transfer2", "3_4": "transfer3"}
    parameters = {"join.0.weight": tensorflow_kernel(arrays["fusion_model.layer5.w5"])}
    parameters["join.0.bias"] = tensor(arrays["fusion_model.layer5.b5"])
    for path, suffix in {"intensity": "", "gradient": "_vi"}.items():
        for theirs, ours in layers.items():
            layer, name = f"fusion_model.layer{theirs}{suffix}", f"paths.{path}.{ours}"
            parameters[f"{name}.0.weight"] = tensorflow_kernel(arrays[f"{layer}.w{theirs}{suffix}"])
            parameters[f"{name}.0.bias"] = tensor(arrays[f"{layer}.b{theirs}{suffix}"])
            parameters[f"{name}.1.weight"], parameters[f"{name}.1.bias"] = (
                torch.ones(WIDTH),
                torch.zeros(WIDTH),
            )
    return parameters
