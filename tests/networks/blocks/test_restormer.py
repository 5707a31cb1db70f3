"""Restormer's block: its norm, its attention between channels, its gated feed-forward part."""

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from radfuse.networks.blocks.restormer import (
    ChannelNorm,
    GatedFeedForward,
    RestormerBlock,
    TransposedAttention,
)


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def block() -> RestormerBlock:
    with torch.random.fork_rng():
        torch.manual_seed(6)
        return RestormerBlock(8, 2)


@pytest.mark.parametrize("size", [(1, 1), (5, 8), (13, 4)])
def test_the_block_keeps_the_shape(block: RestormerBlock, size: tuple[int, int]) -> None:
    assert block(draw(2, 8, *size)).shape == (2, 8, *size)


def test_the_norm_is_layer_normalisation_of_each_pixel() -> None:
    norm, features = ChannelNorm(8), draw(2, 8, 5, 6)
    norm.weight.data, norm.bias.data = draw(1, 8, 1, 1, seed=2), draw(1, 8, 1, 1, seed=3)
    library = nn.LayerNorm(8)
    library.weight.data, library.bias.data = norm.weight.data.ravel(), norm.bias.data.ravel()
    expected = library(features.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    torch.testing.assert_close(norm(features), expected)


def test_attention_mixes_channels_of_a_head_by_similarity() -> None:
    attention, features = TransposedAttention(8, 2), draw(1, 8, 5, 6)
    attention.temperature.data = torch.tensor([2.0, 0.5]).view(2, 1, 1)
    nn.init.dirac_(attention.leave.weight)
    nn.init.zeros_(attention.leave.bias)
    query, key, value = attention.enter(features)[0].detach().numpy().reshape(3, 2, 4, 30)
    for head, temperature in enumerate((2.0, 0.5)):
        lengths = [np.linalg.norm(part[head], axis=1, keepdims=True) for part in (query, key)]
        cosines = (query[head] / lengths[0]) @ (key[head] / lengths[1]).T
        weights = np.exp(temperature * cosines)
        weights /= weights.sum(axis=1, keepdims=True)
        found = attention(features)[0, 4 * head : 4 * head + 4].detach().numpy().reshape(4, 30)
        np.testing.assert_allclose(found, weights @ value[head], rtol=1e-4, atol=1e-5)


def test_attention_sums_pixels_as_exactly_as_double_precision() -> None:
    attention, features = TransposedAttention(8, 2), draw(1, 8, 300, 200)
    exact = copy.deepcopy(attention).double()(features.double())
    apart = (attention(features) - exact).abs().max() / exact.abs().max()
    assert apart < 1e-6


def test_silent_features_have_finite_attention() -> None:
    attention = TransposedAttention(8, 2)
    for layer in attention.enter:
        nn.init.zeros_(layer.bias)
    attention(torch.zeros(1, 8, 5, 6)).sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in attention.parameters())


def test_each_head_has_a_learnt_temperature() -> None:
    assert TransposedAttention(8, 4).temperature.shape == (4, 1, 1)
    assert isinstance(TransposedAttention(8, 4).temperature, nn.Parameter)


def test_feed_forward_is_wider_by_the_expansion_and_gated() -> None:
    part = GatedFeedForward(16)
    assert part.enter[0].out_channels == 2 * 42  # 42 = floor(2.66 * 16)
    nn.init.zeros_(part.enter[1].weight)
    nn.init.zeros_(part.enter[1].bias)
    nn.init.zeros_(part.leave.bias)
    assert (part(draw(1, 16, 5, 5)) == 0).all()


def test_with_silent_outputs_the_block_is_the_identity() -> None:
    block, features = RestormerBlock(8, 2), draw(1, 8, 5, 6)
    for layer in (block.attention[1].leave, block.feed_forward[1].leave):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    assert torch.equal(block(features), features)


def test_first_convolutions_are_1x1_then_depthwise_3x3(block: RestormerBlock) -> None:
    for part in (block.attention[1], block.feed_forward[1]):
        pointwise, depthwise = part.enter
        assert pointwise.kernel_size == (1, 1)
        assert depthwise.kernel_size == (3, 3)
        assert depthwise.groups == depthwise.in_channels == pointwise.out_channels
