"""Checkpoints on disk: safetensors, tensors by part and facts in JSON."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from radfuse.errors import InputError, OutputError

LAST = "checkpoint.safetensors"
"""Name of the file in a run's folder that a run resumes from."""

BEST = "best.safetensors"
"""Name of the file with the state that validated best in the phase."""

FACTS = "radfuse"
"""Key of the facts in the file's metadata."""


@dataclass(frozen=True)
class Checkpoint:
    """A state as a file holds it."""

    parts: dict[str, dict[str, Tensor]]
    """Tensors by name, by part: network, average, adam."""

    facts: dict[str, Any]
    """All of the state that is no tensor."""


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; where that fails the one before is intact.

    Raises `OutputError` where there is no room or no permission.
    """
    tensors = {
        f"{part}.{name}": tensor.detach().cpu().contiguous()
        for part, named in checkpoint.parts.items()
        for name, tensor in named.items()
    }
    draft = path.with_suffix(".draft")
    try:
        draft.write_bytes(save(tensors, {FACTS: json.dumps(checkpoint.facts)}))
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise OutputError(
            f"{path}: cannot be written: {error.strerror}; the checkpoint before is intact"
        ) from error


def read_checkpoint(path: Path) -> Checkpoint:
    """A checkpoint from a file; `InputError` where it is none."""
    try:
        content = path.read_bytes()
        tensors = load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        facts = json.loads(header["__metadata__"][FACTS])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a checkpoint: {error}") from error
    parts: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        part, key = name.split(".", 1)
        parts.setdefault(part, {})[key] = tensor
    return Checkpoint(parts, facts)


def checkpoint_of(path: Path) -> Path:
    """The file meant by a run's folder, its best state if it has one, or by a file's own path."""
    if not path.is_dir():
        return path
    return path / BEST if (path / BEST).is_file() else path / LAST
