"""CBAM's attention over channels and over pixels."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from radfuse.networks.blocks.attention import (
    ChannelAttention,
    ConvolutionalAttention,
    SpatialAttention,
)


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def block() -> ConvolutionalAttention:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return ConvolutionalAttention(6, 3)


def test_channel_weights_are_one_number_each_in_unit_interval(
    block: ConvolutionalAttention,
) -> None:
    weights = block.channels(draw(2, 6, 9, 8))
    assert weights.shape == (2, 6, 1, 1)
    assert 0 < weights.min() <= weights.max() < 1


def test_weights_of_pixels_are_one_number_a_pixel_in_zero_to_one(
    block: ConvolutionalAttention,
) -> None:
    weights = block.pixels(draw(2, 6, 9, 8))
    assert weights.shape == (2, 1, 9, 8)
    assert 0 < weights.min() <= weights.max() < 1


def test_channel_attention_ignores_position(block: ConvolutionalAttention) -> None:
    features = draw(1, 6, 9, 8)
    moved = features.flatten(2)[..., torch.randperm(72)].view_as(features)
    torch.testing.assert_close(block.channels(moved), block.channels(features))


def test_channel_attention_sums_bottlenecks_of_mean_and_max() -> None:
    attention, features = ChannelAttention(6, 3), draw(1, 6, 9, 8)
    first, _, last = attention.bottleneck
    assert isinstance(first, nn.Linear)
    assert isinstance(last, nn.Linear)

    def bottleneck(pooled: np.ndarray) -> np.ndarray:
        inside = first.weight.detach().numpy() @ pooled + first.bias.detach().numpy()
        outside = last.weight.detach().numpy() @ np.maximum(inside, 0)
        return np.asarray(outside + last.bias.detach().numpy())

    x = features[0].numpy()
    logits = bottleneck(x.mean(axis=(1, 2))) + bottleneck(x.max(axis=(1, 2)))
    expected = 1 / (1 + np.exp(-logits))
    np.testing.assert_allclose(attention(features).detach().ravel(), expected, rtol=1e-5)


def test_spatial_attention_uses_only_channel_mean_and_max() -> None:
    attention, features = SpatialAttention(), draw(1, 6, 9, 8)
    torch.testing.assert_close(attention(features[:, [3, 1, 0, 5, 4, 2]]), attention(features))
    two = torch.stack([features.mean(dim=1), features.amax(dim=1)], dim=1)
    torch.testing.assert_close(attention(features), torch.sigmoid(attention.window(two)))


def test_channels_are_weighted_before_pixels(block: ConvolutionalAttention) -> None:
    features = draw(1, 6, 9, 8)
    weighed = features * block.channels(features)
    torch.testing.assert_close(block(features), weighed * block.pixels(weighed))


def test_attention_only_weakens(block: ConvolutionalAttention) -> None:
    features = draw(1, 6, 9, 8)
    assert (block(features).abs() <= features.abs()).all()
