"""Channel attention, spatial attention, and the block that applies one after the other (CBAM).

Woo et al. 2018, "CBAM: convolutional block attention module", doi:10.1007/978-3-030-01234-2_1.
"""

import torch
from torch import Tensor, nn

from radfuse.networks.blocks.layers import conv, conv_by_phases

SPATIAL_WINDOW = 7
"""Kernel size of the spatial attention."""


class ChannelAttention(nn.Module):
    """Weights in [0, 1] for channels, from their means and maxima through one bottleneck."""

    def __init__(self, width: int, hidden: int, *, bias: bool = True) -> None:
        super().__init__()
        enter, leave = nn.Linear(width, hidden, bias=bias), nn.Linear(hidden, width, bias=bias)
        if bias:
            # with biases around 0, few hidden units can all stay inactive in training
            enter.bias = nn.Parameter(torch.ones(hidden))
        self.bottleneck = nn.Sequential(enter, nn.ReLU(), leave)

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, H, W) to weights (N, C, 1, 1)."""
        mean, maximum = features.mean(dim=(2, 3)), features.amax(dim=(2, 3))  # (N, C)
        weights = torch.sigmoid(self.bottleneck(mean) + self.bottleneck(maximum))
        return weights[:, :, None, None]


class SpatialAttention(nn.Module):
    """Weights in [0, 1] for pixels, from the mean and the maximum of their channels."""

    def __init__(self, *, bias: bool = True) -> None:
        super().__init__()
        self.window = conv(2, 1, SPATIAL_WINDOW, bias=bias)

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, H, W) to weights (N, 1, H, W)."""
        mean = features.mean(dim=1, keepdim=True)
        maximum = features.amax(dim=1, keepdim=True)
        return torch.sigmoid(conv_by_phases(self.window, torch.cat([mean, maximum], dim=1)))


class ConvolutionalAttention(nn.Module):
    """CBAM: features weighted by channel attention, then by spatial attention."""

    def __init__(self, width: int, hidden: int, *, bias: bool = True) -> None:
        super().__init__()
        self.channels = ChannelAttention(width, hidden, bias=bias)
        self.pixels = SpatialAttention(bias=bias)

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, H, W) to features of the same shape."""
        weighted = self.channels(features) * features
        return self.pixels(weighted) * weighted
