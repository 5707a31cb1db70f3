"""IFCNN's rules and its conversion to grey."""

from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from radfuse.errors import InputError
from radfuse.networks.catalogue import make_network
from radfuse.networks.ifcnn import IFCNN, RULES, Rule, luma


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("rule", get_args(Rule))
def test_network_favours_neither_image(rule: Rule) -> None:
    network, ct, mr = IFCNN(rule=rule).eval(), draw(1, 8, 9), draw(1, 8, 9, seed=2)
    torch.testing.assert_close(network(ct, mr), network(mr, ct))


def test_the_sum_is_twice_the_mean_and_not_below_the_maximum() -> None:
    first, second = draw(2, 64, 5, 7), draw(2, 64, 5, 7, seed=2)
    sums, means, maxima = (RULES[rule](first, second) for rule in ("sum", "mean", "max"))
    torch.testing.assert_close(sums, 2 * means)
    assert (means <= maxima).all()
    assert (maxima <= sums).all()


def test_luma_of_grey_is_grey() -> None:
    grey = draw(2, 1, 4, 5)
    torch.testing.assert_close(luma(grey.repeat(1, 3, 1, 1)), grey)


def test_each_colour_is_clipped_before_the_luma() -> None:
    network = IFCNN().eval()
    nn.init.zeros_(network.leave.weight)
    network.leave.bias.data = torch.tensor([2.0, -1.0, 0.5])
    fused = network(draw(1, 8, 9), draw(1, 8, 9, seed=2))
    torch.testing.assert_close(fused, torch.full_like(fused, 0.299 + 0.114 / 2))


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(InputError, match="'rule': 'luck'"):
        make_network("ifcnn", {"rule": "luck"})
