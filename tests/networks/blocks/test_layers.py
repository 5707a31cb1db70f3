"""Forms of convolutions against the convolutions themselves."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from radfuse.networks.blocks.layers import conv, conv_by_phases, conv_of_parts

quick = settings(max_examples=25, deadline=None)
sides = st.integers(1, 12)


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("bias", [True, False])
@quick
@given(size=st.sampled_from([1, 3]), widths=st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_convolution_of_parts_is_that_of_their_concatenation(
    size: int, widths: list[int], *, bias: bool
) -> None:
    parts = [draw(2, width, 7, 6, seed=seed) for seed, width in enumerate(widths)]
    layer = conv(sum(widths), 3, size, bias=bias)
    expected = layer(torch.cat(parts, dim=1))
    torch.testing.assert_close(conv_of_parts(layer, parts), expected, rtol=1e-5, atol=1e-5)


def test_parts_keep_stride_and_dilation() -> None:
    parts = [draw(1, 2, 9, 8), draw(1, 3, 9, 8, seed=2)]
    layer = conv(5, 2, 3, stride=2, dilation=2)
    expected = layer(torch.cat(parts, dim=1))
    torch.testing.assert_close(conv_of_parts(layer, parts), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("bias", [True, False])
@quick
@given(size=st.sampled_from([1, 3, 5, 7]), rows=sides, columns=sides)
def test_convolution_by_phases_is_the_convolution(
    size: int, rows: int, columns: int, *, bias: bool
) -> None:
    layer, maps = conv(3, 2, size, bias=bias), draw(2, 3, rows, columns)
    torch.testing.assert_close(conv_by_phases(layer, maps), layer(maps), rtol=1e-5, atol=1e-5)


def test_forms_have_the_gradients_of_the_convolution() -> None:
    layer, maps, weights = conv(4, 2, 3), draw(1, 4, 7, 5), draw(1, 2, 7, 5, seed=3)
    gradients = []
    for outputs in (layer(maps), conv_by_phases(layer, maps), conv_of_parts(layer, [maps])):
        layer.zero_grad()
        (outputs * weights).sum().backward()
        assert layer.weight.grad is not None
        gradients.append(layer.weight.grad.clone())
    for gradient in gradients[1:]:
        torch.testing.assert_close(gradient, gradients[0], rtol=1e-4, atol=1e-4)
