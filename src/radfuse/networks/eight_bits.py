"""Weights of 8 bits: integers, and for each output of a layer the scale that multiplies them."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from radfuse.arrays import Float32Array

LARGEST = 127
"""Largest integer; the smallest is its negative."""

MIN_VALUES = 10_000
"""Values of the smallest weights that are rounded; others need few bytes in any case."""


@dataclass(frozen=True)
class EightBitWeights:
    """Weights of a layer, (outputs, ...)."""

    integers: NDArray[np.int8]
    scales: Float32Array
    """(outputs, 1, ...)."""

    @classmethod
    def nearest(cls, weights: Float32Array) -> "EightBitWeights":
        """To given ones: the largest of an output has the largest integer."""
        largest = np.abs(weights).max(axis=tuple(range(1, weights.ndim)), keepdims=True)
        scales = np.where(largest > 0, largest / LARGEST, 1).astype(np.float32)
        integers = np.clip(np.rint(weights / scales), -LARGEST, LARGEST)
        return cls(integers.astype(np.int8), scales)

    def values(self) -> Float32Array:
        """The weights, in single precision."""
        return self.integers.astype(np.float32) * self.scales


def round_to_eight_bits(network: nn.Module) -> dict[str, EightBitWeights]:
    """Round the large weights of a network; modifies it, and returns them by name."""
    found = {}
    for name, parameter in network.named_parameters():
        if parameter.ndim > 1 and parameter.numel() >= MIN_VALUES:
            found[name] = EightBitWeights.nearest(parameter.detach().numpy())
            parameter.data = torch.from_numpy(found[name].values())
    return found
