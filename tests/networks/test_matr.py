"""MATR's adaptive convolution and its tokens."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from radfuse.networks.matr import MATR, AdaptiveConvolution, thirds


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", [(3, 3), (4, 5), (17, 32), (1, 2)])
def test_thirds_are_the_adaptive_mean_of_torch(size: tuple[int, int]) -> None:
    maps = draw(2, 4, *size)
    torch.testing.assert_close(thirds(maps), functional.adaptive_avg_pool2d(maps, 3))


def test_each_image_has_the_kernel_of_its_own_gates() -> None:
    layer, maps = AdaptiveConvolution(3, 5).eval(), draw(2, 3, 8, 9)
    gates = layer.gates(maps)
    assert gates.shape == (2, 5, 3, 3, 3)
    assert 0 <= gates.min() < gates.max() <= 1
    expected = [
        functional.conv2d(image[None], layer.kernel * gate, padding=1)
        for image, gate in zip(maps, gates, strict=True)
    ]
    torch.testing.assert_close(layer(maps), torch.cat(expected))


def test_token_is_16_pixels_of_a_row_where_width_divides() -> None:
    network, maps = MATR().eval(), draw(1, 16, 4, 32)
    changed = maps.clone()
    changed[0, 3, 2, 20] += 1
    apart = (network._transform(changed) != network._transform(maps)).nonzero()
    assert {(int(c), int(row)) for _, c, row, _ in apart} == {(3, 2)}
    assert set(apart[:, 3].tolist()) == set(range(16, 32))
