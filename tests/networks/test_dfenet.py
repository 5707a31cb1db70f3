"""DFENet's rule."""

import torch
from torch import Tensor

from radfuse.networks.dfenet import local_energy


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_rule_takes_features_with_more_local_energy() -> None:
    weak, strong = 0.1 * draw(2, 3, 8, 9), 10 + draw(2, 3, 8, 9, seed=2)
    assert torch.equal(local_energy(weak, strong), strong)
    assert torch.equal(local_energy(strong, weak), strong)


def test_the_rule_takes_either_source_and_nothing_between() -> None:
    first, second = draw(1, 4, 12, 12), draw(1, 4, 12, 12, seed=2)
    fused = local_energy(first, second)
    from_first, from_second = fused == first, fused == second
    assert (from_first | from_second).all()
    assert from_first.any()
    assert from_second.any()


def test_the_rule_decides_for_each_channel_by_itself() -> None:
    first, second = draw(1, 2, 6, 6), draw(1, 2, 6, 6, seed=2)
    first[:, 0] += 100
    second[:, 1] += 100
    fused = local_energy(first, second)
    assert torch.equal(fused[:, 0], first[:, 0])
    assert torch.equal(fused[:, 1], second[:, 1])


def test_of_equal_energy_the_second_is_taken() -> None:
    first = draw(1, 1, 5, 5)
    assert torch.equal(local_energy(first, -first), -first)


def test_one_bright_point_wins_five_by_five_points() -> None:
    bright, dim = torch.zeros(1, 1, 9, 9), torch.full((1, 1, 9, 9), 0.1)
    bright[..., 4, 4] = 5
    won = (local_energy(bright, dim) == bright)[0, 0]
    assert won[2:7, 2:7].all()
    assert won.sum() == 25
