"""What every network of the catalogue owes."""

import inspect
import re
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from radfuse.errors import InputError
from radfuse.methods.onnx import OnnxMethod
from radfuse.networks.catalogue import NETWORKS, make_network
from radfuse.networks.onnx_export import export_onnx
from radfuse.networks.pair_network import PairNetwork

each = pytest.mark.parametrize("name", NETWORKS)

LARGE = {"dfenet"}
"""22 million parameters: in `make test` they fuse one size."""


def quickly(names: Iterable[str]) -> list[Any]:
    """The names, the large ones for `make study`."""
    return [pytest.param(name, marks=pytest.mark.slow if name in LARGE else ()) for name in names]


COMPARED = sorted(NETWORKS.keys() - {"mfinet", "res2fusion"})
"""Those of other papers; our two have this law, too, in files of their own."""

EXPORTED = [name for name in NETWORKS if name != "mfinet"]
"""MFINet has this law, with a narrower tolerance, in a file of its own."""

PARAMETERS = {
    "densefuse": 74_193,
    "msdnet": 291_473,
    "u2fusion": 659_217,
    "umfcmgr": 629_253,
    "sdnet": 67_091,
    "stdfusionnet": 282_513,
    "res2fusion": 101_217,
    "mfinet": 320_196,
    "rfnnest": 7_524_249,
    "fusiongan": 925_153,
    "dfenet": 22_475_127,
    # their files have moving averages, too
    "pmgi": 42_401 - 384,
    "ifcnn": 83_843 - 256,
    "emfusion": 148_545,
    "deepfuse": 316_976,
    # queries, keys and position tables of attention to one token; a norm that is not called
    "matr": 13_422 - 3 * 552 - 192,
    "gesenet": 240_587 - 2,
    "drf": 438_369,
    "mufusion": 554_721,
    # by the layers of their programs: convolutions, scales and shifts
    "fusiondn": 1_161_217 + 2 * 480,
    "ddcgan": 1_096_257 + 2 * 704,
    # the bias of its last layer is not used
    "cnn": 435_202 - 2,
    # stored positions; the branch that the last block does not use, and its three weights
    "gifnet": 759_419 - 2 * 64 * 64 * 2 - 80_654 - 3,
}
"""As published, or as one counts by the paper's layers."""

LARGER = {"dfenet": 32}
"""Pixels by which a network's smallest images are larger than those of others."""

SILENT = {
    "pmgi": r"layers\.|transfer", "drf": r".*\.bias", "fusiondn": r".*\.0\.bias",
    "ddcgan": r".*\.0\.bias",
}  # fmt: skip
"""Biases before a normalisation that takes them away again."""


def network_of(name: str) -> nn.Module:
    """As training might begin it; always the same."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return make_network(name, {})


def draw(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))


def enlarged(name: str, count: int, rows: int, columns: int) -> tuple[int, int, int]:
    """A batch's shape, with sides that the network takes."""
    return count, rows + LARGER.get(name, 0), columns + LARGER.get(name, 0)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        pytest.param(name, size, marks=pytest.mark.slow if name in LARGE and size[0] > 12 else ())
        for name, size in product(NETWORKS, [(12, 12), (13, 18)])
    ],
)
def test_a_network_fuses_any_batch_and_size_with_its_defaults(
    name: str, size: tuple[int, int]
) -> None:
    shape = enlarged(name, 2, *size)
    fused = network_of(name).eval()(draw(*shape), draw(*shape))
    assert fused.shape == shape
    assert 0 <= fused.min() <= fused.max() <= 1


@pytest.mark.parametrize("name", quickly(NETWORKS))
@torch.no_grad()
def test_each_image_is_fused_by_itself_and_always_alike(name: str) -> None:
    shape = enlarged(name, 3, 22, 17)
    network, ct, mr = network_of(name).eval(), draw(*shape), 1 - draw(*shape)
    together = network(ct, mr)
    assert torch.equal(network(ct, mr), together)
    alone = torch.cat([network(ct[i : i + 1], mr[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_network_has_as_many_parameters_as_published(name: str) -> None:
    assert sum(tensor.numel() for tensor in network_of(name).parameters()) == PARAMETERS[name]


def outputs(network: PairNetwork) -> Iterator[Tensor]:
    """All that the losses of a compared network look at."""
    slots = network.slots(draw(2, 33, 36), 1 - draw(2, 33, 36))
    fused = network.fuse(*slots)
    yield fused
    if hasattr(network, "decompose"):
        yield from network.decompose(fused)
    if hasattr(network, "classify"):
        yield network.classify(slots[0])


@pytest.mark.parametrize("name", quickly(COMPARED))
def test_a_gradient_reaches_every_parameter(name: str) -> None:
    network = network_of(name)
    assert isinstance(network, PairNetwork)
    total = torch.stack([(output - 2).square().mean() for output in outputs(network)]).sum()
    total.backward()  # type: ignore[no-untyped-call]
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        if not re.match(SILENT.get(name, "$"), key):
            assert parameter.grad.abs().max() > 0, key


@pytest.fixture(scope="module", params=EXPORTED)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graphs") / f"{request.param}.onnx"
    export_onnx(network_of(request.param).eval(), path)
    return path


@pytest.mark.slow
def test_exported_graph_matches_network_at_three_sizes(exported: Path) -> None:
    network, method = network_of(exported.stem).eval(), OnnxMethod(exported)
    for sides in ((1, 32, 32), (4, 24, 40), (2, 33, 50)):
        shape = enlarged(exported.stem, *sides)
        ct, mr = draw(*shape), 1 - draw(*shape)
        with torch.no_grad():
            expected = network(ct, mr).numpy()
        assert np.abs(method(ct.numpy(), mr.numpy()) - expected).max() * 255 <= 1


@each
def test_a_network_that_is_said_to_rebuild_images_does(name: str) -> None:
    network = make_network(name, {})
    if NETWORKS[name].is_autoencoder:
        images = draw(2, *enlarged(name, 1, 12, 12))
        assert network.reconstruct(images).shape == images.shape


@each
def test_a_network_names_its_paper(name: str) -> None:
    assert re.search(r"\d{4}, (doi:10\.\d+/|.* pp\. \d+)", NETWORKS[name].source)


@each
def test_an_unknown_option_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="luck"):
        make_network(name, {"luck": 3})


def test_an_unknown_network_is_refused_with_those_there_are() -> None:
    with pytest.raises(InputError, match="no network 'luck'; there are") as refused:
        make_network("luck", {})
    assert all(f"'{name}'" in str(refused.value) for name in NETWORKS)


@each
def test_every_catalogue_network_is_made_without_options(name: str) -> None:
    parameters = inspect.signature(NETWORKS[name].make).parameters.values()
    required = [p for p in parameters if p.default is p.empty and p.kind != p.VAR_KEYWORD]
    assert required == []
