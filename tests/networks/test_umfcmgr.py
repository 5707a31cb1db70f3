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


def test_the_convolutions_are_those_of_the_authors_with_air_outside_the_image() -> None:
    layers = [layer for layer in network_of().modules() if isinstance(layer, nn.Conv2d)]
    found = [(layer.in_channels, layer.out_channels, layer.kernel_size[0]) for layer in layers]
    assert found == [*STREAM, *STREAM, *INTERACTION, (128, 64, 3), (64, 1, 3)]
    assert {layer.padding_mode for layer in layers} == {"zeros"}


def test_the_parameters_are_as_many_as_those_that_are_known() -> None:
    assert sum(tensor.numel() for tensor in network_of().parameters()) == 629_253


def test_a_residual_block_has_no_bias_and_with_a_silent_join_it_is_the_identity() -> None:
    block, features = ResidualDenseBlock(), draw(1, 64, 6, 5)
    assert {name.rsplit(".", 1)[1] for name, _ in block.named_parameters()} == {"weight"}
    nn.init.zeros_(block.join.weight)
    assert torch.equal(block(features), features)


@pytest.mark.parametrize(
    ("weights", "left"), [((1.0, 0.0), 1.0), ((0.0, 1.0), 0.5), ((2.0, 3.0), 3.5)]
)
def test_a_stream_becomes_a_weighed_sum_of_itself_and_of_what_attention_leaves(
    weights: tuple[float, float], left: float
) -> None:
    module, streams = InteractionFusion(), (draw(1, 64, 6, 5), draw(1, 64, 6, 5, seed=2))
    for layer in (module.query, module.weigh_infrared, module.weigh_visible):
        nn.init.zeros_(layer.weight)
    nn.init.zeros_(module.query.bias)  # attention is 1/2 everywhere
    for layer in (module.weigh_infrared, module.weigh_visible):
        layer.bias.data = torch.tensor(weights)
    torch.testing.assert_close(module(*streams), left * torch.cat(streams, dim=1))


def test_attention_is_full_where_query_and_key_agree_and_none_where_they_oppose() -> None:
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
def test_a_new_network_draws_between_black_and_white_so_that_a_gradient_comes_back(
    seed: int,
) -> None:
    fused = network_of(seed)(draw(1, 13, 18), draw(1, 13, 18, seed=2))
    assert 0 < fused.min() <= fused.max() < 1
