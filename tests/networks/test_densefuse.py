"""DenseFuse as its paper and its authors' programs have it."""

from typing import get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from radfuse.networks.blocks.dense import DenseBlock, newest_first
from radfuse.networks.blocks.layers import conv
from radfuse.networks.densefuse import (
    FED_DENSELY,
    RULES,
    TENSORFLOW_LAYERS,
    TORCH_LAYERS,
    DenseFuse,
    Rule,
    published_parameters,
)

CONVOLUTIONS = [
    (1, 16, 3), (16, 16, 3), (32, 16, 3), (48, 16, 3),
    (64, 64, 3), (64, 32, 3), (32, 16, 3), (16, 1, 3),
]  # fmt: skip
"""Channels in, channels out and side."""

each_rule = pytest.mark.parametrize("rule", get_args(Rule))
each_mean = pytest.mark.parametrize("rule", ["average", "l1"])


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def network_of(rule: Rule = "addition", *, last_relu: bool = False) -> DenseFuse:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return DenseFuse(rule=rule, last_relu=last_relu)


def test_convolutions_match_paper_with_mirror_padding() -> None:
    layers = [layer for layer in network_of().modules() if isinstance(layer, nn.Conv2d)]
    assert [(c.in_channels, c.out_channels, c.kernel_size[0]) for c in layers] == CONVOLUTIONS
    assert {layer.padding_mode for layer in layers} == {"reflect"}


def test_the_parameters_are_as_many_as_the_authors_published() -> None:
    assert sum(tensor.numel() for tensor in network_of().parameters()) == 74_193


@each_rule
def test_a_rule_favours_neither_image(rule: Rule) -> None:
    first, second = draw(2, 64, 5, 7), draw(2, 64, 5, 7, seed=2)
    torch.testing.assert_close(RULES[rule](first, second), RULES[rule](second, first))


@each_mean
def test_averaging_rule_keeps_equal_features_and_stays_between(rule: Rule) -> None:
    first, second = draw(2, 64, 5, 7), draw(2, 64, 5, 7, seed=2)
    torch.testing.assert_close(RULES[rule](first, first), first)
    joined = RULES[rule](first, second)
    assert (joined >= torch.minimum(first, second) - 1e-6).all()
    assert (joined <= torch.maximum(first, second) + 1e-6).all()


@each_mean
def test_an_image_fused_with_itself_is_the_image_rebuilt(rule: Rule) -> None:
    network, image = network_of(rule), draw(2, 1, 13, 18)
    fused = network.fuse(255 * image, 255 * image)
    torch.testing.assert_close(fused / 255, network.reconstruct(image))


def test_the_sum_is_twice_the_average() -> None:
    first, second = draw(2, 64, 5, 7), draw(2, 64, 5, 7, seed=2)
    sums, means = (RULES[rule](first, second) for rule in ("addition", "average"))
    torch.testing.assert_close(sums, 2 * means)


def test_the_l1_rule_weighs_each_pixel_by_the_share_of_its_norm() -> None:
    first, second = torch.ones(1, 64, 1, 2), 3 * torch.ones(1, 64, 1, 2)
    second[..., 1] = 0
    expected = torch.tensor([1 / 4 * 1 + 3 / 4 * 3, 1])
    torch.testing.assert_close(RULES["l1"](first, second)[0, 0, 0], expected)


def test_l1_rule_is_finite_where_both_images_are_zero() -> None:
    first, second = (torch.zeros(1, 64, 2, 2, requires_grad=True) for _ in ("ct", "mr"))
    joined = RULES["l1"](first, second)
    joined.sum().backward()
    assert (joined == 0).all()
    for features in (first, second):
        assert features.grad is not None
        assert features.grad.isfinite().all()


def test_last_relu_clips_only_below_black() -> None:
    with_relu, without = network_of(last_relu=True), network_of()
    images = 255 * draw(1, 1, 13, 18), 255 * draw(1, 1, 13, 18, seed=2)
    without.decoder[6].bias.data -= without.fuse(*images).mean()
    with_relu.load_state_dict(without.state_dict())
    raw = without.fuse(*images)
    assert raw.min() < 0 < raw.max()
    assert torch.equal(with_relu.fuse(*images), raw.relu())


def test_dense_block_concatenates_input_and_layer_outputs() -> None:
    block, features = DenseBlock(4, 3, nn.ReLU()), draw(2, 4, 6, 5)
    collected = block(features)
    assert collected.shape == (2, 16, 6, 5)
    assert torch.equal(collected[:, 12:], features)
    assert torch.equal(collected[:, 8:12], block.layers[0](features).relu())


def test_newest_first_weights_do_the_same_as_newest_last() -> None:
    old, middle, new = (draw(1, 4, 6, 5, seed=seed) for seed in (1, 2, 3))
    layer = conv(12, 4, 3)
    expected = layer(torch.cat([old, middle, new], dim=1))
    layer.weight.data = newest_first(layer.weight.data, 4)
    torch.testing.assert_close(layer(torch.cat([new, middle, old], dim=1)), expected)


def published(network: DenseFuse, program: str) -> dict[str, NDArray[np.float32]]:
    """A network's parameters as one of the two programs of the authors would publish them."""
    arrays = {}
    for name, parameter in network.state_dict().items():
        layer, kind = name.rsplit(".", 1)
        if program == "tensorflow":
            theirs = f"{TENSORFLOW_LAYERS[layer]}.{'kernel' if kind == 'weight' else kind}"
            arrays[theirs] = parameter.permute(2, 3, 1, 0) if kind == "weight" else parameter
        else:
            dense = kind == "weight" and layer in FED_DENSELY
            theirs = f"{TORCH_LAYERS[layer]}.conv2d.{kind}"
            arrays[theirs] = newest_first(parameter, 16) if dense else parameter
    return {name: array.numpy() for name, array in arrays.items()}


@pytest.mark.parametrize("program", ["tensorflow", "torch"])
def test_parameters_are_read_from_either_of_the_authors_programs(program: str) -> None:
    network = network_of()
    found = published_parameters(published(network, program))
    assert found.keys() == network.state_dict().keys()
    for name, parameter in network.state_dict().items():
        assert torch.equal(found[name], parameter), name


@pytest.mark.parametrize("program", ["tensorflow", "torch"])
def test_a_missing_array_is_named(program: str) -> None:
    arrays = published(network_of(), program)
    name = [name for name in arrays if name.endswith("bias")][-1]
    del arrays[name]
    with pytest.raises(KeyError, match=name):
        published_parameters(arrays)
