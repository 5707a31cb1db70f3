"""State dicts of PyTorch: zip archives, and the older pickle format."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor


def read_state_dict(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a state dict, or of the only one in a dict, such as under `state_dict`.

    No code in the file is run. Raises `ValueError` for files with other objects than tensors.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many types for damaged files
        raise ValueError(
            "damaged, or has other objects than tensors, which would run code"
        ) from error
    tensors = _state_dict(content)
    max_bytes = path.stat().st_size
    return {name: _array(value, max_bytes) for name, value in tensors.items() if _is_real(value)}


def _state_dict(content: Any) -> Mapping[Any, Any]:
    candidates = [content, *(content.values() if isinstance(content, Mapping) else [])]
    dicts = [item for item in candidates if isinstance(item, Mapping)]
    found = [item for item in dicts if any(map(_is_real, item.values()))]
    if len(found) != 1:
        raise ValueError(f"has {len(found)} state dicts; one is needed")
    return found[0]


def _is_real(value: Any) -> bool:
    return (
        isinstance(value, Tensor)
        and value.is_floating_point()
        and value.layout == torch.strided
        and not value.is_meta
    )


def _array(value: Tensor, max_bytes: int) -> NDArray[Any]:
    """A tensor as float32; `ValueError` for an expanded tensor that is larger than the file."""
    if value.numel() * value.element_size() > max_bytes:
        raise ValueError("a tensor is larger than the file")
    return value.detach().to(torch.float32).numpy()
