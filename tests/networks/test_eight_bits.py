"""Weights of 8 bits: near the given ones, and exactly those that a graph stores."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from radfuse.methods.onnx import OnnxMethod
from radfuse.networks.catalogue import make_network
from radfuse.networks.eight_bits import MIN_VALUES, EightBitWeights, round_to_eight_bits
from radfuse.networks.onnx_export import export_onnx, read_parameters
from radfuse.networks.pair_network import PairNetwork
from radfuse.networks.torch_method import load_network


@pytest.mark.parametrize("shape", [(5, 7), (3, 4, 3, 3)])
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_weights_are_within_half_a_step_of_their_output(
    shape: tuple[int, ...], size: float
) -> None:
    weights = (size * np.random.default_rng(0).normal(size=shape)).astype(np.float32)
    weights[1] *= 1000
    error = np.abs(EightBitWeights.nearest(weights).values() - weights).reshape(shape[0], -1)
    largest = np.abs(weights).reshape(shape[0], -1).max(axis=1, keepdims=True)
    assert (error <= largest / 254 * (1 + 1e-5)).all()


def test_the_largest_of_an_output_has_the_largest_integer() -> None:
    weights = np.array([[0.5, -2.0], [3.0, 1.0]], np.float32)
    assert EightBitWeights.nearest(weights).integers.tolist() == [[32, -127], [127, 42]]


def test_outputs_without_weight_stay_zero() -> None:
    assert not EightBitWeights.nearest(np.zeros((2, 3), np.float32)).values().any()


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(("densefuse", {"rule": "addition"}), id="densefuse"),
        pytest.param(("res2fusion", {"strategy": "l1"}), id="res2fusion", marks=pytest.mark.slow),
    ],
)
def rounded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[PairNetwork, Path]:
    """A network that was rounded, and its graph."""
    name, options = request.param
    with torch.random.fork_rng():
        torch.manual_seed(5)
        network = make_network(name, options)
    before, path = copy.deepcopy(network), tmp_path_factory.mktemp("graphs") / "mine.onnx"
    weights = round_to_eight_bits(network)
    export_onnx(network, path, eight_bits=weights)
    path.with_suffix(".json").write_text(json.dumps({"network": name, "options": options}))
    for name, parameter in before.named_parameters():
        is_large = parameter.ndim > 1 and parameter.numel() >= MIN_VALUES
        assert (name in weights) == is_large
        assert torch.equal(parameter, network.get_parameter(name)) != is_large
    assert weights
    return network, path


def test_a_graph_stores_the_rounded_parameters(rounded: tuple[PairNetwork, Path]) -> None:
    network, path = rounded
    stored = read_parameters(path)
    for name, tensor in network.state_dict().items():
        assert torch.equal(stored[name], tensor), name
    count = sum(p.numel() for p in network.parameters() if p.numel() >= MIN_VALUES)
    full = path.with_name("full.onnx")
    export_onnx(network, full)
    saved = full.stat().st_size - path.stat().st_size
    np.testing.assert_allclose(saved, 3 * count, rtol=0.1)  # casts and scales need a little


@torch.no_grad()
def test_a_graph_of_eight_bits_fuses_as_its_network(rounded: tuple[PairNetwork, Path]) -> None:
    network, path = rounded
    ct, mr = np.random.default_rng(4).random((2, 2, 31, 44), np.float32)
    expected = network.eval()(*(torch.from_numpy(each) for each in (ct, mr))).numpy()
    np.testing.assert_allclose(OnnxMethod(path)(ct, mr), expected.clip(0, 1), atol=0.1 / 255)
    loaded = load_network(path)(*(torch.from_numpy(each) for each in (ct, mr))).numpy()
    np.testing.assert_array_equal(loaded, expected)
