"""Tokens that see all others, and stages that halve an image."""

import pytest
import torch
from torch import Tensor

from radfuse.networks.blocks.vision_transformer import SelfAttention, TransformerStage


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_attention_does_not_see_the_order_of_tokens() -> None:
    torch.manual_seed(3)
    attention, tokens, order = SelfAttention(8, 2), draw(2, 6, 8), torch.randperm(6)
    torch.testing.assert_close(attention(tokens)[:, order], attention(tokens[:, order]))


@pytest.mark.parametrize(("side", "stride", "expected"), [(33, 4, 9), (32, 4, 8), (9, 2, 5)])
def test_a_stage_of_the_transformer_divides_sides_rounded_up(
    side: int, stride: int, expected: int
) -> None:
    part = TransformerStage(2, 8, patch=3, stride=stride, depth=1, heads=2)
    assert part(draw(1, 2, side, 2 * stride)).shape == (1, 8, expected, 2)
