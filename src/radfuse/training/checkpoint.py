"""Checkpoint files: safetensors with tensors by part, and metadata in JSON."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from radfuse.errors import InputError, OutputError

LAST_CHECKPOINT = "checkpoint.safetensors"
"""Name of the file in a run's folder that training resumes from."""

BEST_CHECKPOINT = "best.safetensors"
"""Name of the file with the state of the best validation score in the phase."""

METADATA_KEY = "radfuse"
"""Key of the JSON text in the safetensors header."""


@dataclass(frozen=True)
class Checkpoint:
    """The content of a checkpoint file."""

    parts: dict[str, dict[str, Tensor]]
    """Tensors by name, by part: network, average, adam; discriminator, discriminator_adam."""

    metadata: dict[str, Any]
    """The rest of the state, as JSON."""


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; where that fails, the previous one stays intact.

    Raises `OutputError` on a full disk or without permission.
    """
    tensors = {
        f"{part}.{name}": tensor.detach().cpu().contiguous()
        for part, named in checkpoint.parts.items()
        for name, tensor in named.items()
    }
    draft = path.with_suffix(".draft")
    try:
        draft.write_bytes(save(tensors, {METADATA_KEY: json.dumps(checkpoint.metadata)}))
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise OutputError(
            f"{path}: cannot be written: {error.strerror}; the previous checkpoint is intact"
        ) from error


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; raises `InputError` for any other file."""
    try:
        content = path.read_bytes()
        tensors = load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        metadata = json.loads(header["__metadata__"][METADATA_KEY])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a checkpoint: {error}") from error
    parts: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        part, key = name.split(".", 1)
        parts.setdefault(part, {})[key] = tensor
    return Checkpoint(parts, metadata)


def find_checkpoint(path: Path) -> Path:
    """The best checkpoint of a run's folder, else its last; a file is returned as it is."""
    if not path.is_dir():
        return path
    return path / BEST_CHECKPOINT if (path / BEST_CHECKPOINT).is_file() else path / LAST_CHECKPOINT
