"""Dense blocks, and plain convolutional decoders."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from radfuse.networks.blocks.layers import Padding, conv


class DenseBlock(nn.Module):
    """Convolutions 3x3; the input of each is the concatenated output of all before it.

    Huang et al. 2017, "Densely connected convolutional networks", doi:10.1109/CVPR.2017.243,
    without normalisation. Each layer adds as many maps as the block's input has.
    """

    def __init__(
        self,
        width: int,
        layers: int,
        activation: nn.Module,
        *,
        padding: Padding = "reflect",
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            conv(before * width, width, 3, padding=padding, bias=bias)
            for before in range(1, layers + 1)
        )
        self.activation = activation

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, H, W) to (N, (layers + 1) C, H, W), the last layer's first."""
        for layer in self.layers:
            features = torch.cat([self.activation(layer(features)), features], dim=1)
        return features


def newest_first(weight: Tensor, width: int) -> Tensor:
    """Reorder a weight (out, in, rows, columns) whose input maps have the last layer's last."""
    groups = weight.chunk(weight.shape[1] // width, dim=1)
    return torch.cat(groups[::-1], dim=1)


def decoder(*widths: int, activation: nn.Module) -> nn.Sequential:
    """Convolutions 3x3 from each width to the next; the last has no activation."""
    layers: list[nn.Module] = []
    for width_in, width_out in pairwise(widths):
        layers += [conv(width_in, width_out, 3, padding="reflect"), activation]
    return nn.Sequential(*layers[:-1])
