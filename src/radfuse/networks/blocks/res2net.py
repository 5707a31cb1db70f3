"""Bottlenecks of Res2Net: channel groups with increasing receptive fields in one layer.

Gao et al. 2021, "Res2Net: a new multi-scale backbone architecture", IEEE Transactions on Pattern
Analysis and Machine Intelligence 43, doi:10.1109/TPAMI.2019.2938758.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from radfuse.networks.blocks.layers import conv

GROUPS = 4
"""The paper's scale: all groups but the last are convolved."""

BASE_WIDTH = 26
"""Channels of a group in a bottleneck of 64."""


def _normalised(width_in: int, width_out: int, size: int) -> nn.Sequential:
    return nn.Sequential(conv(width_in, width_out, size, bias=False), nn.BatchNorm2d(width_out))


class Bottleneck(nn.Module):
    """1x1, groups of 3x3, and 1x1 beside a shortcut; one PReLU serves all its activations.

    The input of each group includes the output of the one before. In the `first` bottleneck of a
    stage groups are independent, and the last, not convolved, is averaged over 3x3 pixels.
    """

    def __init__(self, width: int, *, first: bool = False) -> None:
        super().__init__()
        part = width * BASE_WIDTH // 64
        self.first, self.activation = first, nn.PReLU()
        self.enter = _normalised(width, part * GROUPS, 1)
        self.groups = nn.ModuleList(_normalised(part, part, 3) for _ in range(GROUPS - 1))
        self.leave = _normalised(part * GROUPS, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, H, W) to features of the same shape."""
        *parts, last = self.activation(self.enter(features)).chunk(GROUPS, dim=1)
        outputs: list[Tensor] = []
        for group, part in zip(self.groups, parts, strict=True):
            alone = self.first or not outputs
            outputs.append(self.activation(group(part if alone else part + outputs[-1])))
        outputs.append(functional.avg_pool2d(last, 3, stride=1, padding=1) if self.first else last)
        return self.activation(self.leave(torch.cat(outputs, dim=1)) + features)


def stage(width: int, depth: int) -> nn.Sequential:
    """A sequence of bottlenecks: features (N, C, H, W) to features of the same shape."""
    return nn.Sequential(*(Bottleneck(width, first=index == 0) for index in range(depth)))
