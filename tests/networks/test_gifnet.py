"""GIFNet's windows and their borders."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from radfuse.networks.gifnet import WIDTH, WINDOW, Branch, ImageNorm, WindowAttention, mirrored


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("before", "after"), [(0, 3), (4, 0), (4, 4), (0, 0)])
def test_mirrored_indices_are_the_reflect_padding(before: int, after: int) -> None:
    line = draw(1, 1, 6)
    expected = functional.pad(line, (before, after), mode="reflect")
    assert torch.equal(line[..., mirrored(6, before + 6 + after, before=before)], expected)


@pytest.mark.parametrize(("shift", "first"), [(0, 8), (4, 4)])
def test_attention_stays_in_its_window(shift: int, first: int) -> None:
    attend, maps = WindowAttention(shift).eval(), draw(1, WIDTH, 24, 24)
    changed = maps.clone()
    changed[0, :, 10, 10] += 1
    apart = (attend(maps, maps, changed) - attend(maps, maps, maps)).abs().amax(dim=(0, 1)) > 0
    rows, columns = apart.nonzero().T
    for side in (rows, columns):
        assert (int(side.min()), int(side.max())) == (first, first + WINDOW - 1)


def test_equal_scores_give_the_mean_of_each_window() -> None:
    attend, maps = WindowAttention(0).eval(), draw(2, WIDTH, 16, 8)
    nn.init.zeros_(attend.bias[2].weight)
    none = torch.zeros_like(maps)
    means = functional.avg_pool2d(maps, WINDOW).repeat_interleave(8, 2).repeat_interleave(8, 3)
    torch.testing.assert_close(attend(none, none, maps), means)


def test_norm_learns_what_it_removed_for_each_image() -> None:
    norm, maps = ImageNorm(), 3 * draw(2, WIDTH, 6, 5) + 2
    normalised, scale, shift = norm(maps)
    mean, deviation = normalised.mean(dim=(1, 2, 3)), normalised.std(dim=(1, 2, 3))
    torch.testing.assert_close(mean, torch.zeros(2), rtol=0, atol=1e-5)
    torch.testing.assert_close(deviation, torch.ones(2), rtol=0, atol=1e-3)
    assert scale.shape == shift.shape == (2, WIDTH, 1, 1)


def test_branch_with_zero_joins_is_the_identity() -> None:
    branch, maps = Branch(), draw(1, WIDTH, 9, 11)
    for layer in (branch.join, branch.norm.shift, branch.feed_forward[2]):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    assert torch.equal(branch(maps, WindowAttention(4), branch.query(maps)), maps)
