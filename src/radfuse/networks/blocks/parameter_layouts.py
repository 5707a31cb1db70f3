"""Conversion of parameters from the layouts of other frameworks."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def tensor(array: NDArray[Any]) -> Tensor:
    """A copy of an array as a float32 tensor."""
    return torch.from_numpy(np.array(array, np.float32))


def tensorflow_kernel(array: NDArray[Any]) -> Tensor:
    """The kernel of a convolution, (rows, columns, in, out), as (out, in, rows, columns)."""
    return tensor(np.transpose(array, (3, 2, 0, 1)))


def tensorflow_layers(
    arrays: Mapping[str, NDArray[Any]], layers: Mapping[str, str]
) -> dict[str, Tensor]:
    """Weights and biases of convolutions; `layers` maps names here to the published names."""
    parameters = {}
    for ours, theirs in layers.items():
        parameters[f"{ours}.weight"] = tensorflow_kernel(arrays[f"{theirs}.kernel"])
        parameters[f"{ours}.bias"] = tensor(arrays[f"{theirs}.bias"])
    return parameters
