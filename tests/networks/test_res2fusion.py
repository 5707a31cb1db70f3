"""Res2Fusion as its paper's Table 1 and equations have it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import uniform_filter
from torch import Tensor, nn

from radfuse.networks.res2fusion import RULES, STRATEGIES, Res2Block, Res2Fusion, Strategy, conv

quick = settings(max_examples=15, deadline=None)

TABLE_1 = [
    (1, 32, 3), (32, 64, 3),
    (64, 64, 1), *[(16, 16, 3)] * 6, (64, 64, 1),
    (64, 64, 3), (64, 32, 3), (32, 16, 3), (16, 1, 3),
]  # fmt: skip
"""Channels in, channels out and side of every convolution."""

AVERAGING = [strategy for strategy in STRATEGIES if strategy != "addition"]
"""Whose fused features lie between those of CT and MR."""


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def network() -> Res2Fusion:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return Res2Fusion()


@pytest.fixture(scope="module")
def block() -> Res2Block:
    """A block whose two 1x1 convolutions pass everything, so that the groups lie bare."""
    with torch.random.fork_rng():
        torch.manual_seed(4)
        block = Res2Block()
    for layer in (block.enter, block.leave):
        nn.init.dirac_(layer.weight)
        nn.init.zeros_(layer.bias)
    return block


def test_the_convolutions_are_those_of_table_1_in_order(network: Res2Fusion) -> None:
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    found = [(layer.in_channels, layer.out_channels, layer.kernel_size[0]) for layer in layers]
    assert found == TABLE_1
    assert {layer.stride for layer in layers} == {(1, 1)}


def test_the_parameters_are_as_many_as_table_1_has_by_hand(network: Res2Fusion) -> None:
    by_hand = 320 + 18496 + 4160 + 6 * 2320 + 4160 + 36928 + 18464 + 4624 + 145
    assert sum(a * b * k * k + b for a, b, k in TABLE_1) == by_hand == 101_217
    assert sum(tensor.numel() for tensor in network.parameters()) == by_hand


def test_every_activation_is_a_relu_and_the_last_layer_has_none(network: Res2Fusion) -> None:
    kinds = {type(layer) for layer in network.modules() if not list(layer.children())}
    assert kinds == {nn.Conv2d, nn.ReLU}
    assert isinstance(network.reconstructor[-1], nn.Conv2d)


@pytest.mark.parametrize("size", [(1, 1), (7, 12), (33, 20)])
def test_features_and_rebuilt_images_keep_the_size(
    network: Res2Fusion, size: tuple[int, int]
) -> None:
    image = draw(2, 1, *size)
    features = network.extractor(image)
    assert features.shape == (2, 64, *size)
    assert features.min() >= 0
    assert network.reconstruct(image).shape == image.shape


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_fused_images_have_source_shape_and_unit_range(strategy: Strategy) -> None:
    fused = Res2Fusion(strategy)(draw(3, 9, 14), draw(3, 9, 14, seed=2))
    assert fused.shape == (3, 9, 14)
    assert 0 <= fused.min() <= fused.max() <= 1


def test_each_image_is_fused_by_itself(network: Res2Fusion) -> None:
    ct, mr = draw(3, 12, 10), draw(3, 12, 10, seed=2)
    alone = torch.cat([network(ct[i : i + 1], mr[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(network(ct, mr), alone)


def test_fusing_is_encoding_both_rule_then_decoding(network: Res2Fusion) -> None:
    ct, mr = draw(1, 1, 12, 10), draw(1, 1, 12, 10, seed=2)
    features = network.rule(network.extractor(ct), network.extractor(mr))
    expected = network.reconstructor(features).clamp(0, 1)[:, 0]
    torch.testing.assert_close(network(ct[:, 0], mr[:, 0]), expected)


def test_the_gradient_of_rebuilding_reaches_every_parameter(network: Res2Fusion) -> None:
    network.zero_grad()
    (network.reconstruct(draw(2, 1, 16, 16)) - 1).square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_groups_of_the_block_are_wired_as_equation_1_says(block: Res2Block) -> None:
    features = draw(1, 64, 9, 9)
    parts = features.chunk(4, dim=1)
    second = block.groups[0](parts[1])
    third = block.groups[1](parts[2] + second)
    fourth = block.groups[2](parts[3] + third)
    expected = torch.cat([parts[0], second, third, fourth], dim=1)
    torch.testing.assert_close(block(features), expected)


@pytest.mark.parametrize(("touched", "changed"), [(0, {0}), (1, {1, 2, 3}), (2, {2, 3}), (3, {3})])
def test_feature_group_is_seen_by_itself_and_later_groups(
    block: Res2Block, touched: int, changed: set[int]
) -> None:
    before = draw(1, 64, 9, 9) + 0.5
    after = before.clone()
    after[:, 16 * touched : 16 * (touched + 1)] += 1
    apart = (block(after) - block(before)).abs().amax(dim=(0, 2, 3)).view(4, 16).amax(dim=1)
    assert {index for index, value in enumerate(apart.tolist()) if value > 0} == changed


@pytest.mark.parametrize(("group", "reach"), [(0, 0), (1, 2), (2, 4), (3, 6)])
def test_later_groups_see_larger_neighbourhoods(block: Res2Block, group: int, reach: int) -> None:
    features = (draw(1, 64, 17, 17) + 0.5).requires_grad_()
    block(features)[0, 16 * group : 16 * (group + 1), 8, 8].sum().backward()
    assert features.grad is not None
    rows = features.grad.abs().sum(dim=(0, 1, 3)).nonzero().ravel() - 8
    assert rows.abs().max() == reach


def test_outside_the_image_lies_zero() -> None:
    layer = conv(1, 1, 3)
    nn.init.ones_(layer.weight)
    nn.init.zeros_(layer.bias)
    np.testing.assert_allclose(layer(torch.ones(1, 1, 3, 3))[0, 0, 0].detach(), [4, 6, 4])


@pytest.mark.parametrize("strategy", AVERAGING)
@quick
@given(st.integers(0, 2**32))
def test_two_equal_features_are_fused_to_the_same(strategy: Strategy, seed: int) -> None:
    features = draw(2, 64, 5, 7, seed=seed) + 0.1
    torch.testing.assert_close(RULES[strategy](features, features), features, rtol=2e-5, atol=0)


@pytest.mark.parametrize("strategy", AVERAGING)
@quick
@given(st.integers(0, 2**32))
def test_fused_features_lie_between_those_of_ct_and_mr(strategy: Strategy, seed: int) -> None:
    ct, mr = draw(2, 64, 5, 7, seed=seed), draw(2, 64, 5, 7, seed=seed + 1)
    fused = RULES[strategy](ct, mr)
    assert (torch.minimum(ct, mr) * (1 - 1e-4) <= fused).all()
    assert (fused <= torch.maximum(ct, mr) * (1 + 1e-6)).all()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_no_strategy_cares_which_features_are_the_cts(strategy: Strategy) -> None:
    ct, mr = draw(2, 64, 5, 7), 3 * draw(2, 64, 5, 7, seed=2)
    torch.testing.assert_close(RULES[strategy](ct, mr), RULES[strategy](mr, ct))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_where_both_are_silent_nothing_is_divided_by_zero(strategy: Strategy) -> None:
    silent = torch.zeros(1, 64, 4, 4)
    assert (RULES[strategy](silent, silent) == 0).all()


def test_addition_doubles_and_average_halves() -> None:
    ct, mr = draw(1, 64, 4, 4), draw(1, 64, 4, 4, seed=2)
    torch.testing.assert_close(RULES["addition"](ct, ct), 2 * ct)
    torch.testing.assert_close(RULES["addition"](ct, mr), 2 * RULES["average"](ct, mr))


@pytest.mark.parametrize("strategy", ["spatial_mean", "spatial_mean_softmax", "l1"])
def test_attention_weights_sum_to_one_and_match_the_formula(strategy: Strategy) -> None:
    ct, mr = draw(1, 64, 6, 6), 2 * draw(1, 64, 6, 6, seed=2)
    means = [features.mean(dim=1) for features in (ct, mr)]
    if strategy == "spatial_mean":
        of_ct = means[0] / (means[0] + means[1])
    elif strategy == "l1":
        box = [uniform_filter(64 * mean[0].numpy(), 3, mode="constant") for mean in means]
        of_ct = torch.from_numpy(box[0] / (box[0] + box[1]))
    else:
        of_ct = torch.softmax(torch.stack(means), dim=0)[0]
    expected = of_ct * ct + (1 - of_ct) * mr
    torch.testing.assert_close(RULES[strategy](ct, mr), expected, rtol=1e-4, atol=1e-6)


def test_the_default_strategy_is_equation_3_read_literally() -> None:
    assert Res2Fusion().rule is RULES["spatial_mean"]
    assert tuple(RULES) == STRATEGIES
