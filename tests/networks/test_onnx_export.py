"""A network written as a graph is the same network, and says nothing of where it was made."""

import json
import socket
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from radfuse.errors import InputError
from radfuse.methods.onnx import OnnxMethod
from radfuse.networks.onnx_export import MAX_FLOAT16, OPSET, export_onnx, read_parameters
from radfuse.networks.res2fusion import Res2Fusion
from radfuse.networks.torch_method import BATCH_SLICES, TorchMethod, load_network

LARGEST_BYTES = 1_000_000
"""Four bytes for each of 101,217 parameters and the graph around them."""


@pytest.fixture(scope="module")
def network() -> Res2Fusion:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return Res2Fusion("l1")


@pytest.fixture(scope="module")
def graph(network: Res2Fusion, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graphs") / "mine.onnx"
    export_onnx(network, path)
    write_card(path)
    return path


def write_card(graph: Path, **facts: object) -> None:
    card = {"network": "res2fusion", "options": {"strategy": "l1"}} | facts
    graph.with_suffix(".json").write_text(json.dumps(card))


def copied(graph: Path, folder: Path) -> Path:
    path = folder / graph.name
    path.write_bytes(graph.read_bytes())
    return path


def test_parameters_read_back_are_those_written_bit_for_bit(
    network: Res2Fusion, graph: Path
) -> None:
    read = read_parameters(graph)
    for name, tensor in network.state_dict().items():
        assert torch.equal(read[name], tensor), name


def test_a_network_loaded_from_its_graph_and_card_fuses_the_same(
    network: Res2Fusion, graph: Path
) -> None:
    ct, mr = torch.rand(2, 20, 24), torch.rand(2, 20, 24)
    loaded = load_network(graph)
    assert not loaded.training
    assert torch.equal(loaded(ct, mr), network.eval()(ct, mr))


def test_graph_runs_on_untraced_sizes_and_batches(network: Res2Fusion, graph: Path) -> None:
    rng = np.random.default_rng(1)
    for shape in ((1, 1, 1), (1, 65, 30), (5, 16, 48)):
        ct, mr = rng.random(shape, np.float32), rng.random(shape, np.float32)
        with torch.no_grad():
            expected = network(torch.from_numpy(ct), torch.from_numpy(mr)).numpy()
        np.testing.assert_allclose(OnnxMethod(graph)(ct, mr), expected, rtol=0, atol=1e-5)


def test_a_graph_names_its_inputs_output_and_axes(graph: Path) -> None:
    model = onnx.load(graph)
    ports = {port.name: port for port in (*model.graph.input, *model.graph.output)}
    assert list(ports) == ["ct", "mr", "fused"]
    for port in ports.values():
        axes = [axis.dim_param for axis in port.type.tensor_type.shape.dim]
        assert axes == ["batch", "rows", "columns"]
    assert model.opset_import[0].version == OPSET


def test_graph_embeds_all_parameters_and_no_local_path(graph: Path) -> None:
    assert graph.stat().st_size < LARGEST_BYTES
    assert [path.name for path in sorted(graph.parent.iterdir())] == ["mine.json", "mine.onnx"]
    model = onnx.load(graph)
    for item in model.graph.initializer:
        assert item.raw_data or item.float_data or item.int64_data
        item.ClearField("raw_data")  # numbers may spell anything
    words = str(model)
    for trace in (str(Path.home()), str(Path.cwd()), str(graph.parent), ".py", "site-packages"):
        assert trace not in words, trace
    assert len(socket.gethostname()) < 4 or socket.gethostname() not in words


@pytest.fixture(scope="module")
def half(network: Res2Fusion, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same network's graph, parameters in half precision."""
    path = tmp_path_factory.mktemp("halves") / "mine.onnx"
    export_onnx(network, path, half=True)
    write_card(path)
    return path


def test_half_precision_graph_halves_parameter_bytes(
    network: Res2Fusion, graph: Path, half: Path
) -> None:
    saved = graph.stat().st_size - half.stat().st_size
    half_the_bytes = 2 * sum(parameter.numel() for parameter in network.parameters())
    np.testing.assert_allclose(saved, half_the_bytes, rtol=0.1)  # the casts weigh a little
    for name, tensor in read_parameters(half).items():
        if name in network.state_dict():
            assert torch.equal(tensor, network.state_dict()[name].half()), name
    ports = [*onnx.load(half).graph.input, *onnx.load(half).graph.output]
    assert {port.type.tensor_type.elem_type for port in ports} == {onnx.TensorProto.FLOAT}


def test_half_precision_graph_computes_in_float32(half: Path) -> None:
    rng = np.random.default_rng(4)
    ct, mr = rng.random((2, 31, 44), np.float32), rng.random((2, 31, 44), np.float32)
    rounded = load_network(half)
    assert {parameter.dtype for parameter in rounded.parameters()} == {torch.float32}
    with torch.no_grad():
        expected = rounded(torch.from_numpy(ct), torch.from_numpy(mr)).numpy()
    np.testing.assert_allclose(OnnxMethod(half)(ct, mr), expected, rtol=0, atol=1e-5)


def test_a_parameter_beyond_half_precision_is_refused_by_name(tmp_path: Path) -> None:
    network = Res2Fusion("l1")
    bias = network.state_dict()["reconstructor.6.bias"]
    bias[:] = -1e6
    words = r"'reconstructor\.6\.bias' reaches 1e\+06; half precision ends at 65504"
    with pytest.raises(InputError, match=words):
        export_onnx(network, tmp_path / "x.onnx", half=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_largest_half_precision_number_is_exported(tmp_path: Path) -> None:
    network = Res2Fusion("l1")
    network.state_dict()["reconstructor.6.bias"][:] = MAX_FLOAT16
    export_onnx(network, tmp_path / "x.onnx", half=True)
    assert float(read_parameters(tmp_path / "x.onnx")["reconstructor.6.bias"]) == MAX_FLOAT16


def test_torch_method_fuses_more_slices_than_one_pass_holds(
    network: Res2Fusion, graph: Path
) -> None:
    rng = np.random.default_rng(2)
    shape = (BATCH_SLICES + 3, 10, 12)
    ct, mr = rng.random(shape, np.float32), rng.random(shape, np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(ct), torch.from_numpy(mr)).numpy()
    fused = TorchMethod(graph, "cpu")(ct[:, ::-1], mr[:, ::-1])
    assert fused.dtype == np.float32
    with torch.no_grad():
        turned = network(*(torch.from_numpy(x[:, ::-1].copy()) for x in (ct, mr))).numpy()
    np.testing.assert_allclose(fused, turned, rtol=0, atol=1e-5)
    np.testing.assert_allclose(TorchMethod(graph, "cpu")(ct, mr), expected, rtol=0, atol=1e-5)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_without_cuda_device_the_message_names_the_cpu(graph: Path) -> None:
    image = np.zeros((1, 8, 8), np.float32)
    with pytest.raises(InputError, match="no CUDA device here; use --device cpu"):
        TorchMethod(graph)(image, image)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_cuda_device_fuses_as_the_cpu_does(graph: Path) -> None:
    rng = np.random.default_rng(3)
    ct, mr = rng.random((3, 40, 50), np.float32), rng.random((3, 40, 50), np.float32)
    on_cpu, on_cuda = (TorchMethod(graph, device)(ct, mr) for device in ("cpu", "cuda"))
    np.testing.assert_allclose(on_cuda, on_cpu, rtol=0, atol=1 / 255)


def test_a_graph_without_a_card_cannot_become_a_module(graph: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no model card mine\.json; use --device cpu"):
        load_network(copied(graph, tmp_path))


@pytest.mark.parametrize(
    "facts",
    [
        {"network": "unknown"},
        {"options": {"strategy": "unknown"}},
        {"options": {"width": 3}},
        {"options": None},
    ],
)
def test_a_card_that_does_not_fit_its_graph_is_refused(
    graph: Path, tmp_path: Path, facts: dict[str, object]
) -> None:
    path = copied(graph, tmp_path)
    write_card(path, **facts)
    with pytest.raises(InputError, match="not the network of its model card"):
        load_network(path)


@pytest.mark.parametrize("content", [b"text", b"\x08\x0a" * 40])
def test_a_card_beside_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.onnx"
    path.write_bytes(content)
    write_card(path)
    with pytest.raises(InputError, match="not the network of its model card"):
        load_network(path)


def test_a_broken_card_is_refused(graph: Path, tmp_path: Path) -> None:
    path = copied(graph, tmp_path)
    path.with_suffix(".json").write_text("{")
    with pytest.raises(InputError, match="not the network of its model card"):
        load_network(path)


def test_a_graph_with_a_parameter_of_another_shape_is_refused(graph: Path, tmp_path: Path) -> None:
    model = onnx.load(graph)
    first = model.graph.initializer[0]
    values = onnx.numpy_helper.to_array(first)
    first.CopyFrom(onnx.numpy_helper.from_array(values[..., None], first.name))
    path = tmp_path / "mine.onnx"
    path.write_bytes(model.SerializeToString())
    write_card(path)
    with pytest.raises(InputError, match="not the network of its model card"):
        load_network(path)
