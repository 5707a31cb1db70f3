"""FusionDN and DDcGAN by the layers of their authors' programs."""

import pytest
import torch
from torch import Tensor, nn

from radfuse.networks.ddcgan import DDcGAN
from radfuse.networks.fusiondn import FusionDN
from radfuse.networks.pair_network import PairNetwork

BLOCKS = [(48, 48), (48, 48), (96, 48), (48, 48), (144, 48), (48, 48), (192, 48), (48, 48)]
LAYERS = {
    FusionDN: [(2, 48), *BLOCKS, (240, 240), (240, 128), (128, 64), (64, 1)],
    DDcGAN: [
        (2, 48), (48, 48), (96, 48), (144, 48), (192, 48), (240, 240), (240, 128), (128, 64),
        (64, 32), (32, 1),
    ],
}  # fmt: skip
"""Channels in and out of the convolutions, all 3x3."""

each = pytest.mark.parametrize("kind", LAYERS)


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@each
def test_convolutions_match_authors_with_mirror_padding(kind: type[PairNetwork]) -> None:
    layers = [layer for layer in kind().modules() if isinstance(layer, nn.Conv2d)]
    assert [(layer.in_channels, layer.out_channels) for layer in layers] == LAYERS[kind]
    assert {(layer.kernel_size, layer.padding_mode) for layer in layers} == {((3, 3), "reflect")}


@each
def test_order_of_the_images_matters(kind: type[PairNetwork]) -> None:
    network, ct, mr = kind(), draw(1, 8, 9), draw(1, 8, 9, seed=2)
    assert not torch.allclose(network(ct, mr), network(mr, ct), rtol=0, atol=1e-4)


@each
def test_first_layer_ignores_the_contrast_of_both_images(kind: type[PairNetwork]) -> None:
    network, ct, mr = kind(), 100 * draw(1, 1, 8, 9), 100 * draw(1, 1, 8, 9, seed=2)
    torch.testing.assert_close(
        network.fuse(2 * ct, 2 * mr), network.fuse(ct, mr), rtol=0, atol=1e-3
    )
