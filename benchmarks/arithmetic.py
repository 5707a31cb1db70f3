"""Arithmetic of a network, and the speed at which this machine multiplies matrices in float32."""

from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from openvino.passes import ConstantFolding, Manager

from radfuse.arrays import Float32Array

SIDE = 1024
"""Of the square matrices: large enough for the full speed of two cores, fits in their cache."""

PRODUCT_OPERATIONS = 2 * SIDE**3
"""Multiplications and additions of their product."""


def matrix_product() -> Callable[[Float32Array, Float32Array], Float32Array]:
    """The product of two matrices in float32, in the form of a method; it ignores the images."""
    first, second = np.random.default_rng(0).random((2, SIDE, SIDE), dtype=np.float32)

    def multiply(_ct: Float32Array, _mr: Float32Array) -> Float32Array:
        product: Float32Array = first @ second
        return product

    return multiply


def operations(graph: Path, shape: tuple[int, ...]) -> int:
    """Multiplications and additions of convolutions and matrix products; weights of 0 have none."""
    model = openvino.Core().read_model(graph)
    model.reshape({port: list(shape) for port in model.inputs})
    folding = Manager()
    folding.register_pass(ConstantFolding())
    folding.run_passes(model)
    return sum(_operations(node) for node in model.get_ops())


def _operations(node: Any) -> int:
    kind = node.get_type_name()
    if kind in ("Convolution", "GroupConvolution"):
        count, _, *sides = node.get_output_shape(0)
        weights = node.input_value(1).get_node().get_data()
        return 2 * int(count * prod(sides) * np.count_nonzero(weights))
    if kind == "MatMul":
        inside = node.input_value(0).get_shape()[-2 if node.get_attributes()["transpose_a"] else -1]
        return 2 * int(prod(node.get_output_shape(0)) * inside)
    return 0
