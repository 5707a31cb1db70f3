"""SDNet, squeeze and decomposition: in training the fused image is decomposed into the sources.

Zhang and Ma 2021, "SDNet: a versatile squeeze-and-decomposition network for real-time image
fusion", International Journal of Computer Vision 129, doi:10.1007/s11263-021-01501-8. Details
that the paper leaves open follow the authors' published program.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from radfuse.networks.blocks.layers import conv
from radfuse.networks.blocks.parameter_layouts import tensor, tensorflow_kernel
from radfuse.networks.infrared_visible import InfraredVisible, Slot

WIDTH = 16
"""Feature maps of each layer of a path."""

LAYERS = 4
"""Densely connected layers of a path."""

FEATURES = 2 * LAYERS * WIDTH
"""Feature maps of both paths together."""

SLOPE = 0.2
"""Slope of the leaky ReLU for negative values."""


class DensePath(nn.Module):
    """Feature extraction of one source: four densely connected layers."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(conv(max(1, WIDTH * before), WIDTH, 3 if before else 5), _leaky())
            for before in range(LAYERS)
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        """Images (N, 1, H, W) to the features (N, 16, H, W) of each layer."""
        dense = [self.layers[0](image)]
        for layer in self.layers[1:]:
            dense.append(layer(torch.cat(dense, dim=1)))
        return dense


class SDNet(InfraredVisible):
    """The network; `fuse` squeezes two images into one, `decompose` restores them."""

    RANGE: ClassVar = (-1.0, 1.0)
    TRAINING_ONLY: ClassVar = ("expand", "rebuild_infrared", "rebuild_visible")

    def __init__(self, *, infrared: Slot = "mr", stretch: bool = False) -> None:
        super().__init__(infrared=infrared, stretch=stretch)
        self.extract_infrared, self.extract_visible = DensePath(), DensePath()
        self.squeeze = nn.Sequential(conv(FEATURES, 1, 1), nn.Tanh())
        self.expand = nn.Sequential(conv(1, FEATURES, 1), _leaky())
        self.rebuild_infrared, self.rebuild_visible = (
            nn.Sequential(
                conv(FEATURES, WIDTH, 3), _leaky(),
                conv(WIDTH, 4, 3), _leaky(),
                conv(4, 1, 3), nn.Tanh(),
            )
            for _ in ("infrared", "visible")
        )  # fmt: skip

    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Images (N, 1, H, W) in [-1, 1] to fused images likewise."""
        paths = self.extract_infrared(infrared), self.extract_visible(visible)
        features = [maps for layer in zip(*paths, strict=True) for maps in layer]
        return self.squeeze(torch.cat(features, dim=1))

    def decompose(self, fused: Tensor) -> tuple[Tensor, Tensor]:
        """Fused images (N, 1, H, W) in [-1, 1] to infrared and visible images likewise.

        For training only: the loss compares them with the sources, so that the fused image keeps
        the information of both.
        """
        features = self.expand(fused)
        return self.rebuild_infrared(features), self.rebuild_visible(features)


def _leaky() -> nn.LeakyReLU:
    return nn.LeakyReLU(SLOPE)


def published_parameters(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    """The parameters from the arrays of a published TensorFlow checkpoint."""
    layers = {"5_fuse": "squeeze.0", "6_sept": "expand.0"}
    for short, slot in {"ir": "infrared", "vi": "visible"}.items():
        layers |= {f"{1 + i}_{short}": f"extract_{slot}.layers.{i}.0" for i in range(LAYERS)}
        layers |= {f"{7 + i}_{short}": f"rebuild_{slot}.{2 * i}" for i in range(3)}
    parameters = {}
    for theirs, ours in layers.items():
        layer = f"fusion_model.layer{theirs}"
        parameters[f"{ours}.weight"] = tensorflow_kernel(arrays[f"{layer}.w{theirs}"])
        parameters[f"{ours}.bias"] = tensor(arrays[f"{layer}.b{theirs}"])
    return parameters
