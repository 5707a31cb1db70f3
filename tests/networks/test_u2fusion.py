"""U2Fusion as its paper and its authors' program have it."""

import pytest
import torch
from torch import Tensor, nn

from radfuse.networks.u2fusion import U2Fusion

CONVOLUTIONS = [
    (2, 44, 3), (44, 44, 3), (88, 44, 3), (132, 44, 3), (176, 44, 3), (220, 44, 3),
    (264, 128, 3), (128, 64, 3), (64, 32, 3), (32, 1, 3),
]  # fmt: skip
"""Channels in, channels out and side."""


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def network() -> U2Fusion:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return U2Fusion()


def test_convolutions_match_authors_with_mirror_padding(network: U2Fusion) -> None:
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    assert [(c.in_channels, c.out_channels, c.kernel_size[0]) for c in layers] == CONVOLUTIONS
    assert {layer.padding_mode for layer in layers} == {"reflect"}


def test_the_parameters_are_as_many_as_the_authors_published(network: U2Fusion) -> None:
    assert sum(tensor.numel() for tensor in network.parameters()) == 659_217


def test_every_convolution_but_last_has_a_leaky_relu(network: U2Fusion) -> None:
    slopes = {m.negative_slope for m in network.modules() if isinstance(m, nn.LeakyReLU)}
    assert slopes == {0.2}
    assert [type(layer) for layer in network.decoder] == [nn.Conv2d, nn.LeakyReLU] * 3 + [nn.Conv2d]


def test_output_stays_in_range_for_any_last_convolution(network: U2Fusion) -> None:
    images = draw(1, 1, 13, 18), draw(1, 1, 13, 18, seed=2)
    for bias, level in ((-20.0, 0.0), (0.0, 0.5), (20.0, 1.0)):
        nn.init.constant_(network.decoder[-1].bias, bias)
        fused = network.fuse(*images)
        torch.testing.assert_close(fused, torch.full_like(fused, level), rtol=0, atol=0.02)
        assert 0 <= fused.min() <= fused.max() <= 1


def test_the_slots_are_the_two_channels_of_the_first_convolution(network: U2Fusion) -> None:
    infrared, visible = draw(1, 1, 13, 18), draw(1, 1, 13, 18, seed=2)
    before = network.fuse(infrared, visible)
    assert not torch.allclose(network.fuse(visible, infrared), before, rtol=0, atol=1e-5)
    network.encoder[0].weight.data = network.encoder[0].weight.data.flip(1)
    torch.testing.assert_close(network.fuse(visible, infrared), before)
