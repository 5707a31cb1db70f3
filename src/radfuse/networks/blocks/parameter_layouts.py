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


def torch_layers(
    arrays: Mapping[str, NDArray[Any]], layers: Mapping[str, str]
) -> dict[str, Tensor]:
    """Weights and biases of layers of PyTorch; `layers` maps names here to the published names."""
    return {
        f"{ours}.{kind}": tensor(arrays[f"{theirs}.{kind}"])
        for ours, theirs in layers.items()
        for kind in ("weight", "bias")
    }


def torch_batch_norms(
    arrays: Mapping[str, NDArray[Any]], layers: Mapping[str, str]
) -> dict[str, Tensor]:
    """Scales, shifts and running statistics of batch normalisations of PyTorch.

    The number of training steps, which evaluation does not use, is 0.
    """
    parameters = torch_layers(arrays, layers)
    for ours, theirs in layers.items():
        for kind in ("running_mean", "running_var"):
            parameters[f"{ours}.{kind}"] = tensor(arrays[f"{theirs}.{kind}"])
        parameters[f"{ours}.num_batches_tracked"] = torch.tensor(0)
    return parameters
