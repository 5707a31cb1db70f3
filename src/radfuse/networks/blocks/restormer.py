"""The transformer block of Restormer: attention between channels, linear in the number of pixels.

Zamir et al. 2022, "Restormer: efficient transformer for high-resolution image restoration",
doi:10.1109/CVPR52688.2022.00564.
"""

from collections.abc import Iterable, Iterator
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from radfuse.networks.blocks.layers import conv

EXPANSION = 2.66
"""Hidden width of the feed-forward part over that of the block."""

VARIANCE_EPSILON = 1e-5
"""Added to variances in divisors."""


MIN_LENGTH = 1e-12
"""Least divisor of vectors that are normalised."""


def _depthwise(width: int) -> nn.Conv2d:
    return nn.Conv2d(width, width, 3, padding=1, groups=width)


def _parts(enter: nn.Sequential, features: Tensor, count: int) -> Iterator[Tensor]:
    """Equal parts of the output maps of `enter`, each convolved alone: engines copy chunks."""
    pointwise, depthwise = cast("Iterable[nn.Conv2d]", enter)
    width = pointwise.out_channels // count
    biases = cast("Tensor", pointwise.bias), cast("Tensor", depthwise.bias)
    for start in range(0, count * width, width):
        part = slice(start, start + width)
        maps = functional.conv2d(features, pointwise.weight[part], biases[0][part])
        yield functional.conv2d(
            maps, depthwise.weight[part], biases[1][part], padding=1, groups=width
        )


def _products(first: Tensor, second: Tensor) -> Tensor:
    """Scalar products of the channels of two (N, H, W, C), as vectors over pixels: (N, C, C).

    Rows by themselves, then their sum: one sum over all pixels would round forty times as much.
    """
    return (first.transpose(2, 3) @ second).sum(dim=1)


def _lengths(features: Tensor) -> Tensor:
    """Lengths of the channels of (N, H, W, C), as vectors over pixels: (N, C)."""
    squares = _products(features, features).diagonal(dim1=1, dim2=2)
    return squares.clamp_min(MIN_LENGTH**2).sqrt()


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
        query, key, value = (
            part.permute(0, 2, 3, 1)  # (N, H, W, C)
            for part in _parts(self.enter, features, 3)
        )
        cosines = _products(query, key) / _lengths(query)[:, :, None] / _lengths(key)[:, None, :]
        attention = self._within_heads(cosines).softmax(dim=-1)  # (N, C, C)
        mixed = value.reshape(count, -1, width) @ attention.transpose(1, 2)
        return self.leave(mixed.reshape(count, rows, columns, width).permute(0, 3, 1, 2))

    def _within_heads(self, cosines: Tensor) -> Tensor:
        """Logits: cosines times the temperature of their head, of two heads minus infinity."""
        width = cosines.shape[1]
        head = torch.arange(self.heads).repeat_interleave(width // self.heads)
        logits = cosines * self.temperature[head, :, 0]
        apart = head[:, None] != head[None, :]
        return logits.masked_fill(apart.to(logits.device), -torch.inf)


class GatedFeedForward(nn.Module):
    """Two parallel depthwise convolutions; the GELU of one gates the other."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = int(width * EXPANSION)
        self.enter = nn.Sequential(conv(width, 2 * hidden, 1), _depthwise(2 * hidden))
        self.leave = conv(hidden, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, H, W) to features of the same shape."""
        gate, value = _parts(self.enter, features, 2)
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
