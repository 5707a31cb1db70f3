"""Inference of compiled graphs, and the user's folder of these.

Reading a compiled MFINet takes 1 s, compiling it 5 s: most of the time of a 2-D image.
"""

import hashlib
import os
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from threading import Event, Lock
from typing import Any

import openvino
from platformdirs import user_cache_path

from radfuse.arrays import Float32Array

DEVICE = "CPU"

VARIABLE = "RADFUSE_COMPILED"
"""Environment variable that names the folder."""

WORTH_STORING_S = 1.0
"""What takes less time to compile is not stored: most networks. MFINet takes 5 s, CSF and CNN 2."""

MAX_STORED = 12
"""Compiled graphs in the folder, of MFINet 8 MB each; the one read least recently is removed."""

SUFFIX = ".blob"

DIGEST_BYTES = hashlib.sha256().digest_size

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


def compiled_folder() -> Path:
    """Folder of compiled graphs: `RADFUSE_COMPILED`; else `compiled` in the user's caches."""
    chosen = os.environ.get(VARIABLE)
    return Path(chosen) if chosen else user_cache_path("radfuse", appauthor=False) / "compiled"


def read_or_compile(
    source: Path, shape: tuple[int, ...], settings: dict[str, str], compile_graph: Callable[[], Any]
) -> Any:
    """The graph of a file for inputs of a shape, compiled: from the folder, or stored there.

    The same arithmetic as compiled again, bit for bit. A stored file that cannot be read is written
    again; without a writable folder nothing is stored.
    """
    with suppress(OSError, RuntimeError):
        if graph := _read(_path(source, shape, settings)):
            return openvino.Core().import_model(graph, DEVICE, settings)
    began = time.perf_counter()
    compiled = compile_graph()
    if time.perf_counter() - began > WORTH_STORING_S:
        with suppress(OSError):
            _store(_path(source, shape, settings), compiled.export_model().getvalue())
    return compiled


def _path(source: Path, shape: tuple[int, ...], settings: dict[str, str]) -> Path:
    """Named by the hash of all that a compiled graph depends on."""
    processor = openvino.Core().get_property(DEVICE, "FULL_DEVICE_NAME")
    facts = [openvino.get_version(), processor, str(shape), str(sorted(settings.items()))]
    digest = hashlib.sha256(source.read_bytes())
    digest.update("\n".join(facts).encode())
    return compiled_folder() / f"{digest.hexdigest()}{SUFFIX}"


def _read(path: Path) -> bytes:
    """What `_store` wrote; empty where a byte of it has changed since."""
    content = path.read_bytes()
    with suppress(OSError):
        os.utime(path)
    digest, graph = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
    return graph if hashlib.sha256(graph).digest() == digest else b""


def _store(path: Path, graph: bytes) -> None:
    """Write a digest and a graph, so that no process reads a part of them; remove the oldest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        part.write_bytes(hashlib.sha256(graph).digest() + graph)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    stored = sorted(path.parent.glob(f"*{SUFFIX}"), key=lambda one: one.stat().st_mtime)
    for oldest in stored[:-MAX_STORED]:
        oldest.unlink(missing_ok=True)
