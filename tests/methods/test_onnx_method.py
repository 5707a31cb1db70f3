"""Graphs from files as methods: their own, ours, and such as are none."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from scipy.ndimage import gaussian_filter

from radfuse.arrays import Float32Array
from radfuse.errors import InputError
from radfuse.methods import compiled_graphs
from radfuse.methods.loading import load_method, method_info
from radfuse.methods.onnx import MAX_BATCH_PIXELS, MAX_COMPILED_SHAPES, OnnxMethod
from radfuse.networks.torch_method import TorchMethod

AXES = ["batch", "rows", "columns"]
GREY_LEVEL = 1 / 255


def write_graph(
    path: Path,
    nodes: list[onnx.NodeProto],
    *,
    inputs: tuple[str, ...] = ("ct", "mr"),
    output: str = "fused",
    axes: list[str] = AXES,
    constants: dict[str, Float32Array | NDArray[np.int64]] | None = None,
    kind: int = TensorProto.FLOAT,
) -> Path:
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, kind, axes) for name in inputs],
        [helper.make_tensor_value_info(output, kind, None)],
        [onnx.numpy_helper.from_array(v, k) for k, v in (constants or {}).items()],
    )
    opset = helper.make_opsetid("", 20)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), path)
    return path


def mean_graph(path: Path) -> Path:
    nodes = [helper.make_node("Add", ["ct", "mr"], ["sum"]),
             helper.make_node("Mul", ["sum", "half"], ["fused"])]  # fmt: skip
    return write_graph(path, nodes, constants={"half": np.array(0.5, np.float32)})


def pair(shape: tuple[int, ...], seed: int = 1) -> tuple[Float32Array, Float32Array]:
    rng = np.random.default_rng(seed)
    ct, mr = (gaussian_filter(rng.random(shape), (0, 3, 3)) for _ in ("ct", "mr"))
    return tuple(((x - x.min()) / np.ptp(x)).astype(np.float32) for x in (ct, mr))  # type: ignore[return-value]


def refusal(path: Path, shape: tuple[int, ...] = (1, 8, 9)) -> str:
    with pytest.raises(InputError) as caught:
        OnnxMethod(path)(*pair(shape))
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


@pytest.mark.parametrize("shape", [(1, 5, 7), (5, 30, 20), (3, 1, MAX_BATCH_PIXELS // 2)])
def test_a_graph_of_two_nodes_is_a_method(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    method = load_method(str(mean_graph(tmp_path / "mean.onnx")))
    ct, mr = pair(shape)
    np.testing.assert_allclose(method(ct, mr), (ct + mr) / 2, rtol=1e-6)
    np.testing.assert_allclose(method(mr, ct), (ct + mr) / 2, rtol=1e-6)


def test_arrays_that_do_not_lie_in_order_are_fused_as_they_read(tmp_path: Path) -> None:
    method = OnnxMethod(mean_graph(tmp_path / "mean.onnx"))
    ct, mr = pair((4, 20, 31))
    turned = method(ct[::-1, ::-1, ::2], mr[::-1, ::-1, ::2])
    np.testing.assert_allclose(turned, ((ct + mr) / 2)[::-1, ::-1, ::2], rtol=1e-6)


def test_what_a_graph_puts_out_beyond_zero_and_one_is_cut(tmp_path: Path) -> None:
    nodes = [helper.make_node("Sub", ["ct", "mr"], ["apart"]),
             helper.make_node("Mul", ["apart", "gain"], ["fused"])]  # fmt: skip
    path = write_graph(tmp_path / "g.onnx", nodes, constants={"gain": np.array(9, np.float32)})
    ct, mr = pair((1, 12, 12))
    expected = np.clip(9 * (ct - mr), 0, 1)
    np.testing.assert_allclose(OnnxMethod(path)(ct, mr), expected, rtol=1e-5, atol=1e-6)


def test_a_graph_with_other_input_names_is_refused(tmp_path: Path) -> None:
    node = helper.make_node("Add", ["ct", "pet"], ["fused"])
    path = write_graph(tmp_path / "pet.onnx", [node], inputs=("ct", "pet"))
    assert "has inputs ['ct', 'pet'] and outputs ['fused']; needs ['ct', 'mr']" in refusal(path)


def test_a_graph_with_a_third_input_is_refused(tmp_path: Path) -> None:
    node = helper.make_node("Sum", ["ct", "mr", "pet"], ["fused"])
    path = write_graph(tmp_path / "three.onnx", [node], inputs=("ct", "mr", "pet"))
    assert "has inputs ['ct', 'mr', 'pet']" in refusal(path)


def test_a_graph_without_an_output_named_fused_is_refused(tmp_path: Path) -> None:
    node = helper.make_node("Add", ["ct", "mr"], ["sum"])
    path = write_graph(tmp_path / "sum.onnx", [node], output="sum")
    assert "outputs ['sum']; needs ['ct', 'mr'] and 'fused'" in refusal(path)


@pytest.mark.parametrize("content", [b"", b"not a graph at all", b"\x08\x0a" * 40])
def test_a_file_that_is_no_graph_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "text.onnx"
    path.write_bytes(content)
    refusal(path)


def test_a_cut_off_graph_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.onnx"
    shipped = method_info("res2fusion").weights
    assert shipped
    path.write_bytes(shipped.read_bytes()[:50_000])
    assert "not an ONNX graph" in refusal(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "not an ONNX graph" in refusal(tmp_path / "nowhere.onnx")


@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_a_graph_that_puts_out_no_numbers_is_refused(tmp_path: Path, poison: float) -> None:
    nodes = [helper.make_node("Sum", ["ct", "mr", "poison"], ["fused"])]
    constants = {"poison": np.array(poison, np.float32)}
    path = write_graph(tmp_path / "nan.onnx", nodes, constants=constants)
    assert "NaN or infinite" in refusal(path)


def test_a_graph_that_changes_the_size_is_refused(tmp_path: Path) -> None:
    node = helper.make_node("Concat", ["ct", "mr"], ["fused"], axis=0)
    path = write_graph(tmp_path / "two.onnx", [node])
    assert "the output has shape (2, 8, 9), the input (1, 8, 9)" in refusal(path)


def test_a_graph_for_colour_pictures_is_refused(tmp_path: Path) -> None:
    node = helper.make_node("Conv", ["ct", "kernel"], ["of_ct"])
    other = helper.make_node("Conv", ["mr", "kernel"], ["of_mr"])
    add = helper.make_node("Add", ["of_ct", "of_mr"], ["fused"])
    path = write_graph(
        tmp_path / "rgb.onnx", [node, other, add], axes=["n", "c", "h", "w"],
        constants={"kernel": np.ones((1, 3, 1, 1), np.float32)},
    )  # fmt: skip
    message = refusal(path)
    assert "fails on images of (1, 8, 9)" in message
    assert message.endswith("; try larger images")


def test_a_graph_for_one_size_only_is_refused_for_another(tmp_path: Path) -> None:
    nodes = [helper.make_node("Add", ["ct", "mr"], ["sum"]),
             helper.make_node("Reshape", ["sum", "shape"], ["fused"])]  # fmt: skip
    constants = {"shape": np.array([1, 16, 16], np.int64)}
    path = write_graph(tmp_path / "fixed.onnx", nodes, constants=constants)
    assert "fails on images of (1, 8, 9)" in refusal(path)
    assert OnnxMethod(path)(*pair((1, 16, 16))).shape == (1, 16, 16)


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("size", [(32, 48), (97, 131), (160, 160)])
def test_the_engine_equals_the_torch_module_within_a_grey_level(
    size: tuple[int, int], count: int
) -> None:
    weights = method_info("res2fusion").weights
    assert weights
    ct, mr = pair((count, *size))
    by_torch = TorchMethod(weights, "cpu")(ct, mr)
    np.testing.assert_allclose(OnnxMethod(weights)(ct, mr), by_torch, rtol=0, atol=GREY_LEVEL)


@pytest.mark.parametrize(
    "name", ["addition", "average", "maximum", "l1", "spatial-mean-softmax"]
)  # fmt: skip
def test_every_fusion_strategy_runs_as_the_torch_module_does(name: str) -> None:
    weights = method_info(f"res2fusion-{name}").weights
    assert weights
    ct, mr = pair((3, 40, 56))
    by_torch = TorchMethod(weights, "cpu")(ct, mr)
    np.testing.assert_allclose(OnnxMethod(weights)(ct, mr), by_torch, rtol=0, atol=GREY_LEVEL)


def test_graphs_of_many_shapes_do_not_pile_up_in_memory(tmp_path: Path) -> None:
    method = OnnxMethod(mean_graph(tmp_path / "mean.onnx"))
    for rows in range(10, 10 + 2 * MAX_COMPILED_SHAPES):
        ct, mr = pair((1, rows, 12))
        np.testing.assert_allclose(method(ct, mr), (ct + mr) / 2, rtol=1e-6)
    assert len(method._compiled) == MAX_COMPILED_SHAPES


def test_a_graph_of_whole_numbers_is_refused(tmp_path: Path) -> None:
    node = helper.make_node("Add", ["ct", "mr"], ["fused"])
    path = write_graph(tmp_path / "whole.onnx", [node], kind=TensorProto.INT64)
    assert "takes i64; float32 is needed" in refusal(path)


@pytest.fixture
def stored_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new folder of compiled graphs, where all of them are stored."""
    folder = tmp_path / "compiled"
    monkeypatch.setenv(compiled_graphs.VARIABLE, str(folder))
    monkeypatch.setattr(compiled_graphs, "WORTH_STORING_S", 0.0)
    return folder


def test_stored_graph_fuses_as_a_compiled_one(tmp_path: Path, stored_in: Path) -> None:
    path, ct, mr = mean_graph(tmp_path / "mean.onnx"), *pair((2, 20, 30))
    expected = OnnxMethod(path)(ct, mr)
    (stored,) = stored_in.iterdir()
    whole, at = stored.read_bytes(), stored.stat().st_ino
    np.testing.assert_array_equal(OnnxMethod(path)(ct, mr), expected)
    assert stored.stat().st_ino == at  # read, not written again
    OnnxMethod(path)(ct[:, :10], mr[:, :10])
    assert len(list(stored_in.iterdir())) == 2
    for damaged in (whole[: len(whole) // 2], whole[:-1] + bytes([whole[-1] ^ 1]), b""):
        stored.write_bytes(damaged)
        np.testing.assert_array_equal(OnnxMethod(path)(ct, mr), expected)
        assert len(stored.read_bytes()) == len(whole)
        assert stored.read_bytes() != damaged


def test_a_quickly_compiled_graph_is_not_stored(
    tmp_path: Path, stored_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled_graphs, "WORTH_STORING_S", 60.0)
    OnnxMethod(mean_graph(tmp_path / "mean.onnx"))(*pair((1, 20, 30)))
    assert not stored_in.exists()


def test_graph_is_compiled_without_a_writable_folder(tmp_path: Path, stored_in: Path) -> None:
    ct, mr = pair((1, 20, 30))
    stored_in.write_text("no folder")
    method = OnnxMethod(mean_graph(tmp_path / "mean.onnx"))
    np.testing.assert_allclose(method(ct, mr), (ct + mr) / 2, rtol=1e-6)


def test_compiled_graphs_in_a_folder_are_limited(
    tmp_path: Path, stored_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled_graphs, "MAX_STORED", 2)
    path = mean_graph(tmp_path / "mean.onnx")
    for rows in (8, 9, 10):
        OnnxMethod(path)(*pair((1, rows, 9)))
    assert len(list(stored_in.iterdir())) == 2


def test_several_images_are_fused_together_in_a_new_process(tmp_path: Path) -> None:
    """Two threads that begin together waited for each other forever, in one process of five."""
    graph = mean_graph(tmp_path / "mean.onnx")
    program = f"""
import numpy as np
import subprocess
import sys
from pathlib import Path
from radfuse.methods.onnx import OnnxMethod
ct = np.random.default_rng(1).random((9, 260, 256), np.float32)
np.testing.assert_allclose(OnnxMethod(Path({str(graph)!r}))(ct, 1 - ct), 0.5, atol=1e-6)
"""
    for _ in range(3):
        subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_an_image_is_fused_alone_as_among_others(tmp_path: Path, count: int) -> None:
    method = OnnxMethod(mean_graph(tmp_path / "mean.onnx"))
    ct, mr = pair((count, 300, 256))
    together = method(ct, mr)
    for index in range(count):
        alone = method(ct[index : index + 1], mr[index : index + 1])[0]
        np.testing.assert_allclose(alone, together[index], atol=1e-6)
