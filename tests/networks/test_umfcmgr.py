"""UMF-CMGR's fusion network as its authors' program has it."""

import pytest
import torch
from torch import Tensor, nn

from radfuse.networks.umfcmgr import UMFCMGR, InteractionFusion, ResidualDenseBlock

STREAM = [(1, 64, 3), (64, 64, 3), (128, 64, 3), (192, 64, 3), (256, 64, 1)]
INTERACTION = [(64, 64, 3), (64, 64, 3), (128, 2, 3), (128, 2, 3)]
"""Channels in, channels out and side of convolutions."""


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def network_of(seed: int = 3) -> UMFCMGR:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return UMFCMGR()


def test_convolutions_match_authors_with_zero_padding() -> None:
    layers = [layer for layer in network_of().modules() if isinstance(layer, nn.Conv2d)]
    found = [(layer.in_channels, layer.out_channels, layer.kernel_size[0]) for layer in layers]
    assert found == [*STREAM, *STREAM, *INTERACTION, (128, 64, 3), (64, 1, 3)]
    assert {layer.padding_mode for layer in layers} == {"zeros"}


def test_the_parameters_are_as_many_as_those_that_are_known() -> None:
    assert sum(tensor.numel() for tensor in network_of().parameters()) == 629_253


def test_residual_block_with_zero_join_is_identity_without_bias() -> None:
    block, features = ResidualDenseBlock(), draw(1, 64, 6, 5)
    assert {name.rsplit(".", 1)[1] for name, _ in block.named_parameters()} == {"weight"}
    nn.init.zeros_(block.join.weight)
    assert torch.equal(block(features), features)


@pytest.mark.parametrize(
    ("weights", "left"), [((1.0, 0.0), 1.0), ((0.0, 1.0), 0.5), ((2.0, 3.0), 3.5)]
)
def test_gated_stream_is_weighted_sum_of_itself_and_attention(
    weights: tuple[float, float], left: float
) -> None:
    module, streams = InteractionFusion(), (draw(1, 64, 6, 5), draw(1, 64, 6, 5, seed=2))
    for layer in (module.query, module.weigh_infrared, module.weigh_visible):
        nn.init.zeros_(layer.weight)
    nn.init.zeros_(module.query.bias)  # attention is 1/2 everywhere
    for layer in (module.weigh_infrared, module.weigh_visible):
        layer.bias.data = torch.tensor(weights)
    torch.testing.assert_close(module(*streams), left * torch.cat(streams, dim=1))


def test_attention_is_full_for_agreeing_and_zero_for_opposing() -> None:
    module, features = InteractionFusion(), draw(1, 64, 6, 5)
    for layer in (module.query, module.key, module.weigh_infrared, module.weigh_visible):
        nn.init.zeros_(layer.weight)
    for layer in (module.weigh_infrared, module.weigh_visible):
        layer.bias.data = torch.tensor([0.0, 1.0])  # of each stream, what attention leaves
    nn.init.constant_(module.query.bias, 10.0)
    for key, left in ((10.0, 1.0), (-10.0, 0.0)):
        nn.init.constant_(module.key.bias, key)
        expected = left * torch.cat([features, features], dim=1)
        torch.testing.assert_close(module(features, features), expected)


@pytest.mark.parametrize("seed", range(8))
def test_new_network_starts_between_black_and_white(seed: int) -> None:
    fused = network_of(seed)(draw(1, 13, 18), draw(1, 13, 18, seed=2))
    assert 0 < fused.min() <= fused.max() < 1
