"""STDFusionNet as its authors published it."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from radfuse.networks.stdfusionnet import ResidualBlock, STDFusionNet, published_parameters


def draw(*shape: int, seed: int = 1) -> Tensor:
    return 2 * torch.rand(shape, generator=torch.Generator().manual_seed(seed)) - 1


def published(scope: str = "any_scope") -> dict[str, NDArray[Any]]:
    """Arrays as TensorFlow saves them, each filled with a number of its own."""
    shapes: dict[str, tuple[int, ...]] = {}

    def layer(name: str, size: int, width_in: int, width_out: int, bias: bool = True) -> None:
        shapes[f"{scope}.{name}.w"] = (size, size, width_in, width_out)
        if bias:
            shapes[f"{scope}.{name}.b"] = (width_out,)

    def blocks(part: str, *widths: int) -> None:
        for number, (a, b) in enumerate(pairwise(widths), start=1):
            name = f"{part}.block{number}"
            layer(f"{name}.conv1", 1, a, a)
            layer(f"{name}.conv2", 3, a, a)
            layer(f"{name}.conv3", 1, a, b)
            if a != b:
                layer(f"{name}.identity_conv", 1, a, b, bias=False)

    for source in ("ir", "vi"):
        layer(f"{source}_extraction_network.conv1", 5, 1, 16)
        blocks(f"{source}_extraction_network", 16, 16, 32, 64)
    blocks("reconstruction_network", 128, 64, 32, 16, 1)
    return {name: np.full(shape, i, np.float32) for i, (name, shape) in enumerate(shapes.items())}


def test_the_parameters_are_as_many_as_the_published_ones() -> None:
    found = sum(parameter.numel() for parameter in STDFusionNet().parameters())
    assert found == sum(array.size for array in published().values()) == 282_513


@pytest.mark.parametrize("scope", ["STDFusion_model", "STMFusion_model"])
def test_every_published_array_goes_to_a_place_of_its_own(scope: str) -> None:
    network, arrays = STDFusionNet(), published(scope)
    network.load_state_dict(published_parameters(arrays))
    found = sorted(parameter.mean().item() for parameter in network.parameters())
    assert found == list(range(len(arrays)))


@pytest.mark.parametrize("missing", published())
def test_a_missing_array_is_named(missing: str) -> None:
    arrays = published()
    del arrays[missing]
    with pytest.raises(KeyError, match=missing.removeprefix("any_scope.")):
        published_parameters(arrays)


def test_a_block_whose_residual_is_silent_is_its_shortcut() -> None:
    features = draw(2, 16, 5, 7)
    for width_out in (16, 32):
        block = ResidualBlock(16, width_out)
        for parameter in block.residual[-1].parameters():
            nn.init.zeros_(parameter)
        assert torch.equal(block(features), block.shortcut(features))
    assert torch.equal(ResidualBlock(16, 16).shortcut(features), features)


def test_the_sources_are_not_interchangeable() -> None:
    network, infrared, visible = STDFusionNet(), draw(1, 1, 12, 9), draw(1, 1, 12, 9, seed=2)
    assert not torch.allclose(network.fuse(infrared, visible), network.fuse(visible, infrared))


def test_raw_output_is_between_minus_one_and_one_for_any_input() -> None:
    network = STDFusionNet()
    for parameter in network.parameters():
        parameter.data *= 5
    fused = network.fuse(draw(1, 1, 12, 9), draw(1, 1, 12, 9, seed=2))
    assert -1 <= fused.min() <= fused.max() <= 1
