"""MSENet as its abstract has it."""

import pytest
import torch
from torch import Tensor, nn

from radfuse.networks.msenet import MSENet, fuse_unique


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def network() -> MSENet:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return MSENet()


def test_an_image_fused_with_itself_is_the_image_rebuilt(network: MSENet) -> None:
    image = draw(2, 1, 13, 18)
    torch.testing.assert_close(network.fuse(image, image), network.reconstruct(image))


def test_neither_image_is_favoured(network: MSENet) -> None:
    first, second = draw(2, 1, 13, 18), draw(2, 1, 13, 18, seed=2)
    torch.testing.assert_close(network.fuse(first, second), network.fuse(second, first))


def test_what_is_unique_to_either_is_added_to_the_common_part() -> None:
    first, second = torch.tensor([3.0, 0.0, 2.0]), torch.tensor([1.0, 4.0, 2.0])
    assert fuse_unique(first, second).tolist() == [3, 4, 2]


def test_features_that_are_fused_are_not_negative(network: MSENet) -> None:
    assert all((features >= 0).all() for features in network.features(draw(1, 1, 9, 9)))


def test_paths_reach_over_3_5_and_7_pixels_a_layer(network: MSENet) -> None:
    extents = []
    for path in network.paths:
        layers = [layer for layer in path.modules() if isinstance(layer, nn.Conv2d)]
        extents.append({layer.dilation[0] * (layer.kernel_size[0] - 1) + 1 for layer in layers})
        assert len(layers) == 3
    assert extents == [{3}, {5}, {7}]


def test_the_decoder_has_six_convolutions_and_one_skip(network: MSENet) -> None:
    decoder = [*network.before, *network.after]
    assert sum(isinstance(layer, nn.Conv2d) for layer in decoder) == 6
    skip, deep = network.features(draw(1, 1, 9, 9))
    assert not torch.equal(network.decode(skip, deep), network.decode(0 * skip, deep))
