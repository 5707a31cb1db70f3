"""SDNet as its paper and its authors' program have it."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from radfuse.networks.sdnet import DensePath, SDNet, published_parameters

PUBLISHED = 67_091
"""Numbers in a published checkpoint."""


def draw(*shape: int, seed: int = 1) -> Tensor:
    return 2 * torch.rand(shape, generator=torch.Generator().manual_seed(seed)) - 1


def network_of() -> SDNet:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return SDNet()


def test_there_are_as_many_parameters_as_the_authors_published() -> None:
    assert sum(parameter.numel() for parameter in network_of().parameters()) == PUBLISHED


def test_each_layer_of_a_path_sees_all_before_it() -> None:
    convolutions = [layer for layer in DensePath().modules() if isinstance(layer, nn.Conv2d)]
    assert [layer.in_channels for layer in convolutions] == [1, 16, 32, 48]
    assert [layer.kernel_size for layer in convolutions] == [(5, 5), (3, 3), (3, 3), (3, 3)]


def test_the_fused_image_is_decomposed_into_two_images_in_range() -> None:
    fused = network_of().fuse(draw(2, 1, 9, 12), draw(2, 1, 9, 12, seed=2))
    for image in network_of().decompose(fused):
        assert image.shape == (2, 1, 9, 12)
        assert image.abs().max() < 1


def test_decomposition_tells_fusion_what_to_keep() -> None:
    network, infrared, visible = network_of(), draw(1, 1, 9, 12), draw(1, 1, 9, 12, seed=2)
    again = network.decompose(network.fuse(infrared, visible))
    loss = (again[0] - infrared).square().mean() + (again[1] - visible).square().mean()
    loss.backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_fusing_needs_nothing_of_the_decomposition() -> None:
    network = network_of()
    network.fuse(draw(1, 1, 9, 12), draw(1, 1, 9, 12, seed=2)).sum().backward()
    idle = {name.split(".")[0] for name, p in network.named_parameters() if p.grad is None}
    assert idle == {"expand", "rebuild_infrared", "rebuild_visible"}


def test_a_missing_array_is_named() -> None:
    with pytest.raises(KeyError, match=r"layer5_fuse\.w5_fuse"):
        published_parameters({"fusion_model.layer5_fuse.b5_fuse": np.zeros(1)})
