"""GeSeNet's edges and masks."""

import pytest
import torch
from torch import Tensor, nn

from radfuse.networks.gesenet import WIDTH, GeSeNet, Gradient, RegionMask


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def test_gradient_of_a_ramp_is_that_of_the_sobel_operator() -> None:
    ramp = torch.arange(7.0).expand(1, 16, 5, 7)
    inside = Gradient()(ramp)[..., 1:-1, 1:-1]
    torch.testing.assert_close(inside, torch.full_like(inside, 8.0))


@pytest.mark.parametrize("size", [(6, 8), (7, 9), (3, 4)])
def test_pixel_mask_is_a_share_at_any_size(size: tuple[int, int]) -> None:
    mask = RegionMask().pixel_mask(draw(2, WIDTH, *size))
    assert mask.shape == (2, 1, *size)
    assert 0 <= mask.min() <= mask.max() <= 1


def test_dense_channels_do_without_the_pixel_mask() -> None:
    module, maps = RegionMask(), draw(1, WIDTH, 6, 8)
    module.channel_mask.data[..., 0], module.channel_mask.data[..., 1] = 60.0, -60.0
    before = module(maps)
    nn.init.zeros_(module.leave.weight)
    torch.testing.assert_close(module(maps), before)


def test_sparse_channels_vanish_where_the_mask_is_zero() -> None:
    module, maps = RegionMask(), draw(1, WIDTH, 6, 8)
    module.channel_mask.data[..., 0], module.channel_mask.data[..., 1] = -200.0, 200.0
    nn.init.zeros_(module.leave.weight)
    module.leave.bias.data = torch.tensor([200.0, -200.0])
    nn.init.zeros_(module.collect.bias)
    torch.testing.assert_close(module(maps), maps)


def test_output_is_always_the_same_without_noise() -> None:
    network, ct, mr = GeSeNet().train(), draw(1, 9, 10), draw(1, 9, 10, seed=2)
    assert torch.equal(network(ct, mr), network(ct, mr))
