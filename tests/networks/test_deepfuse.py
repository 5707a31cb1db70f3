"""DeepFuse as its authors' program has it."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from radfuse.networks.deepfuse import LAYERS, DeepFuse, published_parameters

CONVOLUTIONS = [(1, 32, 3), (32, 64, 5), (64, 64, 7), (64, 32, 5), (32, 16, 5), (16, 1, 7)]
"""Channels in, channels out and side."""


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def test_convolutions_match_authors_without_biases() -> None:
    layers = [layer for layer in DeepFuse().modules() if isinstance(layer, nn.Conv2d)]
    found = [(layer.in_channels, layer.out_channels, layer.kernel_size[0]) for layer in layers]
    assert found == CONVOLUTIONS
    assert all(layer.bias is None for layer in layers)


def test_input_is_whole_levels_from_16_to_235() -> None:
    ct, mr = DeepFuse().slots(torch.tensor([[[0.0, 0.5, 1.0]]]), torch.tensor([[[0.1, 0.2, 1.0]]]))
    assert ct.flatten().tolist() == [16, 126, 235]
    assert mr.flatten().tolist() == [38, 60, 235]


def test_network_favours_neither_image() -> None:
    network, ct, mr = DeepFuse(stretch=True), draw(1, 8, 9), draw(1, 8, 9, seed=2)
    torch.testing.assert_close(network(ct, mr), network(mr, ct))


def test_published_kernels_are_those_of_a_true_convolution() -> None:
    rng = np.random.default_rng(1)
    shapes = [(w_out, w_in, side, side) for w_in, w_out, side in CONVOLUTIONS]
    arrays = {f"arr_{n}": rng.random(shape, np.float32) for n, shape in enumerate(shapes)}
    found = published_parameters(arrays)
    assert list(found) == [f"{layer}.weight" for layer in LAYERS]
    point = torch.zeros(1, 1, 5, 5)
    point[..., 2, 2] = 1
    response = functional.conv2d(point, found["extract.0.weight"], padding=1)
    np.testing.assert_allclose(response[0, 0, 1:4, 1:4].numpy(), arrays["arr_0"][0, 0])
