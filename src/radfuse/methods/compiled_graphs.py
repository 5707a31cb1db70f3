"""Compiled graphs in a folder: to read one takes a quarter of the time to compile it."""

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import openvino

DEVICE = "CPU"

MAX_STORED = 24
"""Compiled graphs in a folder, each of some megabytes; the one read least recently is removed."""

SUFFIX = ".blob"


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
