"""A hierarchical vision transformer with global attention in each stage.

Dosovitskiy et al. 2021, "An image is worth 16x16 words: transformers for image recognition at
scale" (ICLR), with the overlapping patches and the stages of Wang et al. 2022, "PVT v2",
Computational Visual Media 8, doi:10.1007/s41095-022-0274-8.
"""

from torch import Tensor, nn
from torch.nn import functional

from radfuse.networks.blocks.layers import conv

EXPANSION = 4
"""Hidden width of the feed-forward part over that of the block."""

VARIANCE_EPSILON = 1e-6
"""Added to variances in divisors, except those of patches."""


class SelfAttention(nn.Module):
    """Attention of every token to every token, in heads."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.enter, self.leave = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (N, T, C) to tokens of the same shape."""
        parts = self.enter(tokens).unflatten(2, (3, self.heads, -1))  # (N, T, 3, heads, C / heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind()
        mixed = functional.scaled_dot_product_attention(query, key, value)  # (N, heads, T, C/heads)
        return self.leave(mixed.transpose(1, 2).flatten(2))


class TransformerBlock(nn.Module):
    """Self-attention, then a feed-forward part; each normalised and residual."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.Sequential(_norm(width), SelfAttention(width, heads))
        self.feed_forward = nn.Sequential(
            _norm(width), nn.Linear(width, EXPANSION * width), nn.GELU(),
            nn.Linear(EXPANSION * width, width),
        )  # fmt: skip

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (N, T, C) to tokens of the same shape."""
        tokens = tokens + self.attention(tokens)
        return tokens + self.feed_forward(tokens)


class TransformerStage(nn.Module):
    """Overlapping patches of an image or of features as tokens, then transformer blocks."""

    def __init__(
        self, width_in: int, width: int, *, patch: int, stride: int, depth: int, heads: int
    ) -> None:
        super().__init__()
        self.patches = conv(width_in, width, patch, stride=stride)
        self.patch_norm = nn.LayerNorm(width)
        self.blocks = nn.Sequential(*(TransformerBlock(width, heads) for _ in range(depth)))
        self.norm = _norm(width)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) to features (N, D, H / stride, W / stride), rounded up."""
        patches = self.patches(images)
        tokens = self.patch_norm(patches.flatten(2).transpose(1, 2))  # (N, T, D)
        mixed = self.norm(self.blocks(tokens)).transpose(1, 2)
        return mixed.reshape(patches.shape)


def _norm(width: int) -> nn.LayerNorm:
    return nn.LayerNorm(width, eps=VARIANCE_EPSILON)
