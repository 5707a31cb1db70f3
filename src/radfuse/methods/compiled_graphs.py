"""Inference of compiled graphs, and a folder of these: reading takes a quarter of compiling."""

import hashlib
import os
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from threading import Event, Lock
from typing import Any

import openvino

from radfuse.arrays import Float32Array

DEVICE = "CPU"

MAX_STORED = 24
"""Compiled graphs in a folder, each of some megabytes; the one read least recently is removed."""

SUFFIX = ".blob"

_ALONE, _IS_INITIALISED = Lock(), Event()
"""The first inference of a process is made by one thread while others wait."""


def infer(request: Any, inputs: dict[str, Float32Array], output: str) -> Float32Array:
    """An output of a graph, float32, for inputs in contiguous memory.

    OpenVINO initialises its types at the first inference, and two threads that begin to do so at
    the same time wait for each other forever.
    """
    with nullcontext() if _IS_INITIALISED.is_set() else _ALONE:
        values: Float32Array = request.infer(inputs, share_inputs=True)[output]
        _IS_INITIALISED.set()
    return values


def read_or_compile(
    folder: Path,
    source: Path,
    shape: tuple[int, ...],
    settings: dict[str, str],
    compile_graph: Callable[[], Any],
) -> Any:
    """The graph of a file for inputs of a shape, compiled: from the folder, or stored there.

    The same arithmetic as compiled again, bit for bit. A stored file that cannot be read is written
    again; without a writable folder nothing is stored.
    """
    path = folder / f"{_key(source, shape, settings)}{SUFFIX}"
    with suppress(OSError, RuntimeError):
        compiled = openvino.Core().import_model(path.read_bytes(), DEVICE, settings)
        os.utime(path)
        return compiled
    compiled = compile_graph()
    with suppress(OSError):
        _store(path, compiled.export_model().getvalue())
    return compiled


def _key(source: Path, shape: tuple[int, ...], settings: dict[str, str]) -> str:
    """Hash of all that a compiled graph depends on."""
    processor = openvino.Core().get_property(DEVICE, "FULL_DEVICE_NAME")
    facts = [openvino.get_version(), processor, str(shape), str(sorted(settings.items()))]
    digest = hashlib.sha256(source.read_bytes())
    digest.update("\n".join(facts).encode())
    return digest.hexdigest()


def _store(path: Path, content: bytes) -> None:
    """Write a file at once, so that no process reads a part of it, and remove the oldest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    stored = sorted(path.parent.glob(f"*{SUFFIX}"), key=lambda one: one.stat().st_mtime)
    for oldest in stored[:-MAX_STORED]:
        oldest.unlink(missing_ok=True)
