"""Networks as ONNX graphs: two inputs `ct` and `mr`, one output `fused`, any batch and size."""

import logging
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx.helper import make_node
from onnx.numpy_helper import from_array, to_array
from torch import Tensor, nn

from radfuse.errors import InputError
from radfuse.networks.infrared import SMALLEST_SIDE

OPSET = 20
"""ONNX operator set: recent enough for every block we have, old enough for common runtimes."""

EXAMPLE = (2, 48, 40)
"""Shape traced; all three numbers differ and exceed 1, so that none is taken for a constant."""

LARGEST_HALF = float(np.finfo(np.float16).max)
"""Largest number of half precision, 65504."""


def export_onnx(network: nn.Module, path: Path, *, half: bool = False) -> None:
    """Write a network's `forward(ct, mr)` as an ONNX file with its parameters inside.

    With `half` they are stored as float16 and cast back to float32, in which all is computed.
    Raises `InputError` for parameters that are too large for that.
    """
    rng = torch.Generator().manual_seed(0)
    example = tuple(torch.rand(EXAMPLE, generator=rng) for _ in ("ct", "mr"))
    # with sides that the network rejects, the exporter would trace it twice
    smallest = getattr(network, "SMALLEST_SIDE", SMALLEST_SIDE)
    sides = torch.export.dims("rows", "columns", min=smallest)
    axes = dict(enumerate((torch.export.Dim("batch"), *sides)))
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # the exporter itself calls what torch has deprecated
        warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)`", FutureWarning)
        # ct and mr share their three axes on purpose
        warnings.filterwarnings("ignore", "# The axis name", UserWarning)
        draft = Path(folder) / path.name
        torch.onnx.export(
            network.eval(),
            example,
            draft,
            input_names=["ct", "mr"],
            output_names=["fused"],
            dynamic_shapes=(axes, axes),
            opset_version=OPSET,
            external_data=False,
            optimize=False,  # it would merge parameters that are equal, under one name
            dynamo=True,
            verbose=False,
        )
        model = onnx.load(draft)
    _remove_trace(model)
    if half:
        _store_half(model.graph, {name for name, _ in network.named_parameters()})
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def _remove_trace(model: onnx.ModelProto) -> None:
    """Remove names of source files and code lines, which differ by machine."""
    model.doc_string = ""
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    del model.metadata_props[:]
    del model.graph.metadata_props[:]


def _store_half(graph: onnx.GraphProto, parameters: set[str]) -> None:
    """Store parameters as float16, under their names; nodes read what casts make of them.

    Other constants stay: they weigh nothing, and some are small numbers to be divided by.
    """
    for item in graph.initializer:
        if item.name in parameters:
            item.CopyFrom(from_array(_half(to_array(item), item.name), item.name))
    wide = {name: f"{name}.float32" for name in sorted(parameters)}
    for node in graph.node:
        node.input[:] = [wide.get(name, name) for name in node.input]
    used = {name for node in graph.node for name in node.input}
    casts = [
        make_node("Cast", [name], [output], to=onnx.TensorProto.FLOAT)
        for name, output in wide.items()
        if output in used
    ]
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def _half(values: NDArray[np.float32], name: str) -> NDArray[np.float16]:
    if (largest := np.abs(values).max()) > LARGEST_HALF:
        raise InputError(
            f"parameter '{name}' reaches {largest:g}; half precision ends at {LARGEST_HALF:g}, "
            "export without --half"
        )
    return values.astype(np.float16)


def read_parameters(path: Path) -> dict[str, Tensor]:
    """The parameters of a network that `export_onnx` wrote, by their torch names, as stored."""
    graph = onnx.load(path).graph
    return {item.name: torch.from_numpy(to_array(item).copy()) for item in graph.initializer}
