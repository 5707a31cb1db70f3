"""The transformer block of Restormer: attention between channels, linear in the number of pixels.

Zamir et al. 2022, "Restormer: efficient transformer for high-resolution image restoration",
doi:10.1109/CVPR52688.2022.00564.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from radfuse.networks.blocks.layers import conv

EXPANSION = 2.66
"""Hidden width of the feed-forward part over that of the block."""

VARIANCE_EPSILON = 1e-5
"""Added to variances in divisors."""


def _depthwise(width: int) -> nn.Conv2d:
    return nn.Conv2d(width, width, 3, padding=1, groups=width)


class ChannelNorm(nn.Module):
    """Layer normalisation of each pixel over its channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, width, 1, 1))
        self.bias = nn.Parameter(torch.zeros(1, width, 1, 1))

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, H, W) to features of the same shape."""
        centred = features - features.mean(dim=1, keepdim=True)
        variance = centred.square().mean(dim=1, keepdim=True)
        return centred * (variance + VARIANCE_EPSILON).rsqrt() * self.weight + self.bias


class TransposedAttention(nn.Module):
    """Attention of channels to channels, in heads, from similarities summed over all pixels."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.enter = nn.Sequential(conv(width, 3 * width, 1), _depthwise(3 * width))
        self.leave = conv(width, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, H, W) to features of the same shape."""
        count, width, rows, columns = features.shape
        parts = self.enter(features).reshape(count, 3, self.heads, width // self.heads, -1)
        query, key, value = parts.unbind(dim=1)  # each (N, heads, C / heads, H W)
        query, key = (functional.normalize(part, dim=-1) for part in (query, key))
        attention = (query @ key.transpose(-2, -1) * self.temperature).softmax(dim=-1)
        mixed = (attention @ value).reshape(count, width, rows, columns)
        return self.leave(mixed)


class GatedFeedForward(nn.Module):
    """Two parallel depthwise convolutions; the GELU of one gates the other."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = int(width * EXPANSION)
        self.enter = nn.Sequential(conv(width, 2 * hidden, 1), _depthwise(2 * hidden))
        self.leave = conv(hidden, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, H, W) to features of the same shape."""
        gate, value = self.enter(features).chunk(2, dim=1)
        return self.leave(functional.gelu(gate) * value)


class RestormerBlock(nn.Module):
    """Transposed attention, then a gated feed-forward part; each normalised and residual."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.Sequential(ChannelNorm(width), TransposedAttention(width, heads))
        self.feed_forward = nn.Sequential(ChannelNorm(width), GatedFeedForward(width))

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, H, W) to features of the same shape."""
        features = features + self.attention(features)
        return features + self.feed_forward(features)
