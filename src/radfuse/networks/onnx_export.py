"""Networks as ONNX graphs: two inputs `ct` and `mr`, one output `fused`, any batch and size."""

import logging
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import onnx
import torch
from onnx.helper import make_node
from onnx.numpy_helper import from_array, to_array
from torch import Tensor, nn

from radfuse.errors import InputError
from radfuse.networks.eight_bits import EightBitWeights
from radfuse.networks.pair_network import MIN_SIDE

OPSET = 20
"""ONNX operator set: has every operator that the networks need, and common runtimes support it."""

EXAMPLE = (2, 48, 40)
"""Shape of the traced input; sizes differ and exceed 1, so that none becomes a constant."""

MAX_FLOAT16 = float(np.finfo(np.float16).max)
"""Largest number in half precision, 65504."""

SCALES = ".scales"
"""End of the name of the scales of weights of 8 bits."""

NO_WEIGHTS: Mapping[str, EightBitWeights] = MappingProxyType({})


def export_onnx(
    network: nn.Module,
    path: Path,
    *,
    half: bool = False,
    eight_bits: Mapping[str, EightBitWeights] = NO_WEIGHTS,
) -> None:
    """Write a network's `forward(ct, mr)` as an ONNX file with its parameters inside.

    With `half` they are stored as float16 and cast to float32, in which all is computed; those in
    `eight_bits`, to which the network was rounded, are stored so. Raises `InputError` for
    parameters that float16 cannot represent.
    """
    if half:
        _check_half_range(network)
    rng = torch.Generator().manual_seed(0)
    example = tuple(torch.rand(EXAMPLE, generator=rng) for _ in ("ct", "mr"))
    # without the minimum, the exporter would trace the network twice
    min_side = getattr(network, "MIN_SIDE", MIN_SIDE)
    sides = torch.export.dims("rows", "columns", min=min_side)
    axes = dict(enumerate((torch.export.Dim("batch"), *sides)))
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # the exporter itself calls deprecated functions of torch
        warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)`", FutureWarning)
        # ct and mr have the same three axes on purpose
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
            optimize=False,  # would merge equal parameters under one name
            dynamo=True,
            verbose=False,
        )
        model = onnx.load(draft)
    _remove_trace(model)
    if half:
        _store_half(model.graph, {name for name, _ in network.named_parameters()})
    _store_eight_bits(model.graph, eight_bits)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def _remove_trace(model: onnx.ModelProto) -> None:
    """Remove names of source files and line numbers, which depend on the machine."""
    model.doc_string = ""
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    del model.metadata_props[:]
    del model.graph.metadata_props[:]


def _store_half(graph: onnx.GraphProto, parameters: set[str]) -> None:
    """Store parameters as float16 under their names; nodes read casts to float32.

    Other constants stay float32: they are few, and some are small divisors.
    """
    for item in graph.initializer:
        if item.name in parameters:
            item.CopyFrom(from_array(to_array(item).astype(np.float16), item.name))
    _cast_to_single(graph, parameters)


def _store_eight_bits(graph: onnx.GraphProto, weights: Mapping[str, EightBitWeights]) -> None:
    """Store weights as int8 under their names, and their scales; nodes read the product."""
    for item in graph.initializer:
        if item.name in weights:
            item.CopyFrom(from_array(weights[item.name].integers, item.name))
    graph.initializer.extend(
        from_array(each.scales, f"{name}{SCALES}") for name, each in weights.items()
    )
    _cast_to_single(graph, set(weights), SCALES)


def _cast_to_single(graph: onnx.GraphProto, parameters: set[str], scales: str = "") -> None:
    """Let nodes read casts of stored parameters to float32, times their scales if there are any."""
    wide = {name: f"{name}.float32" for name in sorted(parameters)}
    for node in graph.node:
        node.input[:] = [wide.get(name, name) for name in node.input]
    used = {name for node in graph.node for name in node.input}
    casts = []
    for name, output in wide.items():
        if output in used:
            cast = f"{name}.cast" if scales else output
            casts.append(make_node("Cast", [name], [cast], to=onnx.TensorProto.FLOAT))
            if scales:
                casts.append(make_node("Mul", [cast, f"{name}{scales}"], [output]))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def _check_half_range(network: nn.Module) -> None:
    for name, parameter in network.named_parameters():
        if (largest := float(parameter.detach().abs().max())) > MAX_FLOAT16:
            raise InputError(
                f"parameter '{name}' reaches {largest:g}; half precision ends at "
                f"{MAX_FLOAT16:g}, export without --half"
            )


def read_parameters(path: Path) -> dict[str, Tensor]:
    """The stored parameters of a graph by `export_onnx`, by their torch names."""
    stored = {item.name: to_array(item) for item in onnx.load(path).graph.initializer}
    return {
        name: torch.from_numpy(
            EightBitWeights(value, stored[f"{name}{SCALES}"]).values()
            if f"{name}{SCALES}" in stored
            else value.copy()
        )
        for name, value in stored.items()
    }
