"""Networks as ONNX graphs: two inputs `ct` and `mr`, one output `fused`, any batch and size."""

import logging
import tempfile
import warnings
from pathlib import Path

import onnx
import torch
from onnx.numpy_helper import to_array
from torch import Tensor, nn

OPSET = 20
"""ONNX operator set: recent enough for every block we have, old enough for common runtimes."""

EXAMPLE = (2, 48, 40)
"""Shape traced; all three numbers differ and exceed 1, so that none is taken for a constant."""


def export_onnx(network: nn.Module, path: Path) -> None:
    """Write a network's `forward(ct, mr)` as an ONNX file with its parameters inside."""
    rng = torch.Generator().manual_seed(0)
    example = tuple(torch.rand(EXAMPLE, generator=rng) for _ in ("ct", "mr"))
    axes = {axis: torch.export.Dim(name) for axis, name in enumerate(("batch", "rows", "columns"))}
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
        path.write_bytes(_without_trace(draft.read_bytes()))


def _without_trace(content: bytes) -> bytes:
    """The graph without names of source files and code lines, which differ by machine."""
    model = onnx.load_from_string(content)
    model.doc_string = ""
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def read_parameters(path: Path) -> dict[str, Tensor]:
    """The parameters of a network that `export_onnx` wrote, by their torch names."""
    graph = onnx.load(path).graph
    return {item.name: torch.from_numpy(to_array(item).copy()) for item in graph.initializer}
