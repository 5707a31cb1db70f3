"""DeepFuse, shared convolutions for each image, their sum, convolutions to the output.

Prabhakar et al. 2017, "DeepFuse: a deep unsupervised approach for exposure fusion with extreme
exposure image pairs", IEEE International Conference on Computer Vision,
doi:10.1109/ICCV.2017.505. It fuses the luma of two exposures.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, ClassVar

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from radfuse.networks.blocks.layers import conv
from radfuse.networks.blocks.parameter_layouts import tensor
from radfuse.networks.pair_network import PairNetwork

EXTRACT_WIDTHS, EXTRACT_SIZES = (1, 32, 64), (3, 5)
"""Channels and sides of the convolutions of each image."""

REBUILD_WIDTHS, REBUILD_SIZES = (64, 64, 32, 16, 1), (7, 5, 5, 7)
"""Channels and sides of the convolutions after the sum."""

SLOPE = 0.01
"""Slope of the leaky ReLUs for negative values."""


def _layers(widths: tuple[int, ...], sizes: tuple[int, ...]) -> nn.Sequential:
    """Convolutions without biases, each followed by a leaky ReLU, the last one, too."""
    layers: list[nn.Module] = []
    for (width_in, width_out), size in zip(pairwise(widths), sizes, strict=True):
        layers += [conv(width_in, width_out, size, bias=False), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers)


class DeepFuse(PairNetwork):
    """The network; it favours neither image.

    Input is luma of 8 bits in whole levels from 16 to 235, as the authors' program converts it.
    """

    RANGE: ClassVar = (16.0, 235.0)

    def __init__(self, *, stretch: bool = False) -> None:
        super().__init__(stretch=stretch)
        self.extract = _layers(EXTRACT_WIDTHS, EXTRACT_SIZES)
        self.rebuild = _layers(REBUILD_WIDTHS, REBUILD_SIZES)

    def slots(self, ct: Tensor, mr: Tensor) -> tuple[Tensor, Tensor]:
        """Images (N, H, W) in [0, 1] as whole levels of luma, (N, 1, H, W)."""
        ct, mr = super().slots(ct, mr)
        return torch.round(ct), torch.round(mr)

    def fuse(self, first: Tensor, second: Tensor) -> Tensor:
        """Luma (N, 1, H, W) in [16, 235] to fused luma of the same shape, not clipped."""
        fused: Tensor = self.rebuild(self.extract(first) + self.extract(second))
        return fused


LAYERS = ("extract.0", "extract.2", "rebuild.0", "rebuild.2", "rebuild.4", "rebuild.6")
"""Convolutions in the order of the authors' arrays."""


def published_parameters(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    """Parameters from the arrays of the authors' Theano program, `arr_0` to `arr_5`.

    Its convolutions flip their kernels, those of torch do not.
    """
    return {
        f"{layer}.weight": tensor(arrays[f"arr_{number}"]).flip(2, 3)
        for number, layer in enumerate(LAYERS)
    }
