"""Learned methods: ONNX graphs with inputs `ct` and `mr` and output `fused`, run by OpenVINO."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import Any, Literal

import numpy as np
import openvino

from radfuse.arrays import Float32Array
from radfuse.errors import InputError
from radfuse.methods.catalogue import METHODS, MIN_SIDES, fast_graph
from radfuse.methods.compiled_graphs import DEVICE, infer, read_or_compile
from radfuse.methods.options import option
from radfuse.methods.sparse_coding.patches import check_size
from radfuse.parallel import WORKERS, in_order

INPUTS, OUTPUT = {"ct", "mr"}, "fused"
"""Names of a graph's inputs and output; each (batch, rows, columns), float32 in [0, 1]."""

MAX_BATCH_PIXELS = 2**16
"""Pixels of one inference, about a slice of 256x256: more exceed the processor's cache, where
`WORKERS` run at the same time."""

MAX_COMPILED_SHAPES = 4
"""Compiled graphs in memory, the latest: of each shape there may be two."""

SINGLE = {"PERFORMANCE_HINT": "LATENCY"}
"""One inference in all threads: a slice is there sooner."""

SEVERAL = {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": str(WORKERS)}
"""Several inferences at the same time, each in some of the threads: a volume is there sooner, by a
sixth with MFINet on two cores."""


def least_side(path: Path) -> int:
    """Rows and columns that a packaged graph needs; 1 for others."""
    is_packaged = path.stem in METHODS and METHODS[path.stem].weights == path
    return MIN_SIDES.get(path.stem, 1) if is_packaged else 1


@dataclass(frozen=True)
class OnnxMethod:
    """A fusion method from an ONNX file.

    Raises `InputError` for a file that is not such a graph, and where its output is not finite.
    """

    path: Path
    precision: Literal["f32", "bf16"] = option(
        "f32", "arithmetic; bf16 is faster and less exact, see docs/measured.md"
    )

    @property
    def graphs(self) -> tuple[Path, ...]:
        """The file that is computed."""
        return (self.path,)

    def __call__(self, ct: Float32Array, mr: Float32Array) -> Float32Array:
        """Fuse images of shape (N, H, W) in [0, 1]."""
        batch_size = max(1, MAX_BATCH_PIXELS // (ct.shape[1] * ct.shape[2]))
        batches = [slice(start, start + batch_size) for start in range(0, len(ct), batch_size)]
        hint = SEVERAL if len(batches) > 1 else SINGLE

        def fuse(batch: slice) -> None:
            fused[batch] = self._infer(ct[batch], mr[batch], hint)

        fused = np.empty_like(ct)
        for _ in in_order(fuse, batches):
            pass
        return np.clip(fused, 0, 1, out=fused)

    def _infer(self, ct: Float32Array, mr: Float32Array, hint: dict[str, str]) -> Float32Array:
        inputs = {"ct": np.ascontiguousarray(ct), "mr": np.ascontiguousarray(mr)}
        try:
            with self._request(ct.shape, hint) as request:
                fused = infer(request, inputs, OUTPUT)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            check_size(ct.shape[1:], least_side(self.path))
            raise InputError(
                f"{self.path}: fails on images of {ct.shape}: {reason}; try larger images"
            ) from error
        if fused.shape != ct.shape:
            raise InputError(
                f"{self.path}: the output has shape {fused.shape}, the input {ct.shape}"
            )
        if not np.isfinite(fused).all():
            raise InputError(f"{self.path}: the output has NaN or infinite values")
        return fused

    @contextmanager
    def _request(self, shape: tuple[int, ...], hint: dict[str, str]) -> Iterator[Any]:
        """An inference of the graph compiled for a shape, for this thread alone."""
        with self._compiling:
            requests = self._requests(shape, hint)
        request = requests.get()
        try:
            yield request
        finally:
            requests.put(request)

    def _requests(self, shape: tuple[int, ...], hint: dict[str, str]) -> "SimpleQueue[Any]":
        """Of the graph compiled for one shape: faster and, in bf16, more exact than for any shape.

        A single inference takes one of several where these are compiled.
        """
        of_several = shape, SEVERAL["PERFORMANCE_HINT"]
        key = of_several if of_several in self._compiled else (shape, hint["PERFORMANCE_HINT"])
        if key not in self._compiled:
            if len(self._compiled) == MAX_COMPILED_SHAPES:
                del self._compiled[next(iter(self._compiled))]
            compiled = self._compile(shape, hint)
            self._compiled[key] = SimpleQueue()
            for _ in range(WORKERS if hint is SEVERAL else 1):
                self._compiled[key].put(compiled.create_infer_request())
        return self._compiled[key]

    def _compile(self, shape: tuple[int, ...], hint: dict[str, str]) -> Any:
        settings = {"INFERENCE_PRECISION_HINT": self.precision, **hint}

        def compile_graph() -> Any:
            graph = self._graph.clone()
            graph.reshape({port: list(shape) for port in graph.inputs})
            return openvino.Core().compile_model(graph, DEVICE, settings)

        return read_or_compile(self.graphs[0], shape, settings, compile_graph)

    @cached_property
    def _compiled(self) -> "dict[tuple[tuple[int, ...], str], SimpleQueue[Any]]":
        return {}

    @cached_property
    def _compiling(self) -> Lock:
        return Lock()

    @cached_property
    def _graph(self) -> Any:
        try:
            graph = openvino.Core().read_model(self.graphs[0])
        except RuntimeError as error:
            raise InputError(f"{self.path}: not an ONNX graph that OpenVINO can read") from error
        inputs = {name for port in graph.inputs for name in port.get_names()}
        outputs = {name for port in graph.outputs for name in port.get_names()}
        if not (inputs == INPUTS and OUTPUT in outputs):
            raise InputError(
                f"{self.path}: has inputs {sorted(inputs)} and outputs {sorted(outputs)}; needs "
                f"{sorted(INPUTS)} and '{OUTPUT}'"
            )
        kinds = {port.get_element_type().get_type_name() for port in graph.inputs}
        if kinds != {"f32"}:
            raise InputError(f"{self.path}: takes {', '.join(sorted(kinds))}; float32 is needed")
        return graph


@dataclass(frozen=True)
class TwoGraphMethod(OnnxMethod):
    """A network that also has a fast graph, in a file beside that of the full one."""

    graph: Literal["full", "fast"] = option(
        "full", "the network, or one of narrower layers, see docs/benchmarks/networks-speed.md"
    )

    @property
    def graphs(self) -> tuple[Path, ...]:
        """The file that is computed."""
        return (self.path if self.graph == "full" else fast_graph(self.path),)
