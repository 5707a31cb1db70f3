"""DRF's fusion rule, and its parameters from four files with the same names in them."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from radfuse.networks.catalogue import NETWORKS, make_network
from radfuse.networks.drf import LAYERS, WINDOW, by_activity
from radfuse.networks.published_files.read import read_published


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def test_rule_favours_neither_image_and_stays_between() -> None:
    first, second = draw(2, 8, 9, 7), draw(2, 8, 9, 7, seed=2)
    merged = by_activity(first, second)
    torch.testing.assert_close(by_activity(second, first), merged)
    assert (merged >= torch.minimum(first, second) - 1e-6).all()
    assert (merged <= torch.maximum(first, second) + 1e-6).all()


def test_rule_weighs_by_activity_in_a_window() -> None:
    first, second = torch.ones(1, 8, 9, 9), torch.zeros(1, 8, 9, 9)
    second[..., 4, 4] = WINDOW**2 * 3.0
    merged = by_activity(first, second)
    torch.testing.assert_close(merged[0, 0, 4, 4], torch.tensor((1 + 3 * 75) / 4))
    assert merged[0, 0, 0, 0] == 1


def test_rule_gives_zero_where_both_are_zero() -> None:
    assert (by_activity(torch.zeros(1, 8, 6, 6), torch.zeros(1, 8, 6, 6)) == 0).all()


@pytest.mark.parametrize("prefix", ["800_net_", ""])
def test_four_files_with_equal_names_are_one_network(tmp_path: Path, prefix: str) -> None:
    network = make_network("drf", {})
    files: dict[str, dict[str, Tensor]] = {}
    for ours, theirs in LAYERS.items():
        part, layer = theirs.split(".", 1)
        for kind in ("weight", "bias"):
            files.setdefault(part, {})[f"{layer}.{kind}"] = network.state_dict()[f"{ours}.{kind}"]
    paths = [tmp_path / f"{prefix}{part}.pth" for part in files]
    for path, content in zip(paths, files.values(), strict=True):
        torch.save(content, path)
    mapping = NETWORKS["drf"].published_parameters
    assert mapping is not None
    found = mapping(read_published(paths).arrays)
    assert found.keys() == network.state_dict().keys()
    for name, value in network.state_dict().items():
        assert torch.equal(found[name], value), name
