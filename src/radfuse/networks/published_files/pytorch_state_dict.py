"""State dicts of PyTorch: zip archives, and the pickles before them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor


def read_state_dict(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a state dict, or of the only one in a dict, such as under `state_dict`.

    No code of the file runs. Raises `ValueError` for what is more than tensors, or less.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises what its parser stumbles over
        raise ValueError(
            "it is damaged, or more than tensors, so that code of its authors would run"
        ) from error
    found = _state_dict(content)
    most = path.stat().st_size
    return {name: _array(value, most) for name, value in found.items() if _is_real(value)}


def _state_dict(content: Any) -> Mapping[Any, Any]:
    candidates = [content, *(content.values() if isinstance(content, Mapping) else [])]
    dicts = [item for item in candidates if isinstance(item, Mapping)]
    found = [item for item in dicts if any(map(_is_real, item.values()))]
    if len(found) != 1:
        raise ValueError(f"it has {len(found)} state dicts; one is needed")
    return found[0]


def _is_real(value: Any) -> bool:
    return (
        isinstance(value, Tensor)
        and value.is_floating_point()
        and value.layout == torch.strided
        and not value.is_meta
    )


def _array(value: Tensor, most: int) -> NDArray[Any]:
    """A tensor as float32; rejects one that repeats a few stored values many times."""
    if value.numel() * value.element_size() > most:
        raise ValueError("a tensor is larger than the file")
    array: NDArray[Any] = value.detach().to(torch.float32).numpy()
    return array
