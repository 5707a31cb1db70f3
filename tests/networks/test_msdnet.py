"""MSDNet as its authors' program has it."""

import pytest
import torch
from torch import Tensor, nn

from radfuse.networks.msdnet import MSDNet

CONVOLUTIONS = [
    (1, 16, 3), (16, 16, 3), (32, 16, 3), (48, 16, 3),
    (64, 64, 1), (64, 64, 3), (64, 64, 5),
    (192, 64, 3), (64, 32, 3), (32, 16, 3), (16, 1, 3),
]  # fmt: skip
"""Channels in, channels out and side."""


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def network() -> MSDNet:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return MSDNet()


def test_convolutions_match_authors_with_mirror_padding(network: MSDNet) -> None:
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    assert [(c.in_channels, c.out_channels, c.kernel_size[0]) for c in layers] == CONVOLUTIONS
    assert {layer.padding_mode for layer in layers} == {"reflect"}


def test_the_parameters_are_as_many_as_the_authors_published(network: MSDNet) -> None:
    assert sum(tensor.numel() for tensor in network.parameters()) == 291_473


def test_neither_image_is_favoured(network: MSDNet) -> None:
    first, second = 255 * draw(2, 1, 13, 18), 255 * draw(2, 1, 13, 18, seed=2)
    torch.testing.assert_close(network.fuse(first, second), network.fuse(second, first))


def test_an_image_fused_with_itself_is_the_image_rebuilt(network: MSDNet) -> None:
    image = draw(2, 1, 13, 18)
    fused = network.fuse(255 * image, 255 * image)
    torch.testing.assert_close(fused / 255, network.reconstruct(image))


@pytest.mark.parametrize("scale", [0, 1, 2])
def test_each_scale_is_joined_by_itself(network: MSDNet, scale: int) -> None:
    images = 255 * draw(1, 1, 13, 18), 255 * draw(1, 1, 13, 18, seed=2)
    network.decoder = nn.Sequential()
    before = network.fuse(*images)
    network.scales[scale][0].weight.data *= 2
    changed = (network.fuse(*images) != before).unflatten(1, (3, 64)).any(dim=(2, 3, 4))
    assert changed[0].tolist() == [scale == other for other in range(3)]


def test_zero_features_decode_to_the_image_of_zero(network: MSDNet) -> None:
    for scale in network.scales:
        nn.init.zeros_(scale[0].weight)
        nn.init.constant_(scale[0].bias, -1.0)
    image = draw(1, 1, 13, 18)
    fused = network.fuse(255 * image, 255 * (1 - image))
    torch.testing.assert_close(fused / 255, network.reconstruct(image))
