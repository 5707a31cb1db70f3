"""Bottlenecks of Res2Net."""

import pytest
import torch
from torch import Tensor

from radfuse.networks.blocks.res2net import Bottleneck, stage


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("first", [True, False])
def test_a_bottleneck_whose_last_normalisation_is_silent_hands_on_what_it_gets(
    first: bool,
) -> None:
    block = Bottleneck(64, first=first).eval()
    torch.nn.init.zeros_(block.leave[1].weight)
    features = draw(1, 64, 7, 5).abs()
    torch.testing.assert_close(block(features), features)


def test_only_the_first_bottleneck_of_a_stage_has_its_groups_apart() -> None:
    assert [block.first for block in stage(64, 3)] == [True, False, False]
