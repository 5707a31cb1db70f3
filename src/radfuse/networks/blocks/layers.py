"""Convolution layer of all networks, and selection by index."""

from typing import Literal

from torch import Tensor, nn

Padding = Literal["zeros", "reflect", "replicate"]


def conv(
    width_in: int,
    width_out: int,
    size: int,
    *,
    stride: int = 1,
    dilation: int = 1,
    padding: Padding = "zeros",
    bias: bool = True,
) -> nn.Conv2d:
    """Convolution of odd size; a stride divides height and width, rounded up.

    The image is padded with 0, air, by reflection, or by repetition of the border.
    """
    return nn.Conv2d(
        width_in, width_out, size, stride, padding=dilation * (size // 2), dilation=dilation,
        padding_mode=padding, bias=bias,
    )  # fmt: skip


TENSORFLOW_EPSILON = 1e-3
"""Added to variances by the batch normalisation of TensorFlow."""


def normalised_conv(width_in: int, width_out: int) -> nn.Sequential:
    """Convolution 3x3 with reflect padding, normalisation of each image by itself, ReLU.

    It is batch normalisation of programs that take the statistics of their input also for fusion.
    """
    return nn.Sequential(
        conv(width_in, width_out, 3, padding="reflect"),
        nn.InstanceNorm2d(width_out, eps=TENSORFLOW_EPSILON, affine=True),
        nn.ReLU(),
    )


def take(maps: Tensor, *sides: Tensor) -> Tensor:
    """Rows and columns of maps (N, C, H, W) by index.

    An exported slice would specialise on odd or even sizes; an index does not.
    """
    for axis, indices in enumerate(sides, start=2):
        maps = maps.index_select(axis, indices.to(maps.device))
    return maps
