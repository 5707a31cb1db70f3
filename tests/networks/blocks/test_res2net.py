"""Bottlenecks of Res2Net."""

import pytest
import torch
from torch import Tensor

from radfuse.networks.blocks.res2net import Bottleneck, stage


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("first", [True, False])
def test_bottleneck_with_zero_last_norm_is_identity(first: bool) -> None:
    block = Bottleneck(64, first=first).eval()
    torch.nn.init.zeros_(block.leave[1].weight)
    features = draw(1, 64, 7, 5).abs()
    torch.testing.assert_close(block(features), features)


def test_only_first_bottleneck_of_stage_has_separate_groups() -> None:
    assert [block.first for block in stage(64, 3)] == [True, False, False]
