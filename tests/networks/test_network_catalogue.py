"""What every network of the catalogue owes."""

import inspect
import re

import pytest
import torch
from torch import Tensor

from radfuse.errors import InputError
from radfuse.networks.catalogue import NETWORKS, make_network

each = pytest.mark.parametrize("name", NETWORKS)


def draw(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))


@each
@pytest.mark.parametrize("size", [(12, 12), (13, 18)])
def test_a_network_fuses_any_batch_and_size_with_its_defaults(
    name: str, size: tuple[int, int]
) -> None:
    fused = make_network(name, {})(draw(2, *size), draw(2, *size))
    assert fused.shape == (2, *size)
    assert 0 <= fused.min() <= fused.max() <= 1


@each
def test_a_network_that_is_said_to_rebuild_images_does(name: str) -> None:
    network = make_network(name, {})
    if NETWORKS[name].rebuilds:
        assert network.reconstruct(draw(2, 1, 12, 12)).shape == (2, 1, 12, 12)


@each
def test_a_network_names_its_paper(name: str) -> None:
    assert re.search(r"\d{4}, doi:10\.\d+/", NETWORKS[name].source)


@each
def test_an_unknown_option_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="luck"):
        make_network(name, {"luck": 3})


def test_an_unknown_network_is_refused_with_those_there_are() -> None:
    with pytest.raises(
        InputError, match=r"no network 'luck'; there are \['mfinet', 'res2fusion'\]"
    ):
        make_network("luck", {})


@each
def test_every_network_of_the_catalogue_can_be_made_without_options(name: str) -> None:
    parameters = inspect.signature(NETWORKS[name].make).parameters.values()
    required = [p for p in parameters if p.default is p.empty and p.kind != p.VAR_KEYWORD]
    assert required == []
