"""Convolution layer of all networks, its forms that engines compute faster, selection by index."""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

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


def conv_of_parts(layer: nn.Conv2d, parts: Sequence[Tensor]) -> Tensor:
    """The convolution of concatenated maps (N, C, H, W), as a sum over them; zeros as padding.

    Engines add in the convolutions themselves, and do not copy the maps beside each other.
    """
    ends = [0, *accumulate(part.shape[1] for part in parts)]
    first, *others = (
        functional.conv2d(
            part, layer.weight[:, start:end], layer.bias if start == 0 else None,
            layer.stride, layer.padding, layer.dilation,
        )
        for part, (start, end) in zip(parts, pairwise(ends), strict=True)
    )  # fmt: skip
    return sum(others, start=first)


PHASE_STEP = 2
"""Rows and columns of output pixels that `conv_by_phases` computes as channels of one."""


def conv_by_phases(layer: nn.Conv2d, maps: Tensor) -> Tensor:
    """The convolution of maps (N, C, H, W) with zeros as padding, with more output channels.

    For layers of few output maps, where vector instructions, which compute eight or more channels
    at once, would be mostly idle. Each position of a 2x2 grid of output pixels is a channel, of
    the same kernel shifted, in a convolution of stride 2.
    """
    rows, columns = maps.shape[2:]
    extra, side = PHASE_STEP - 1, layer.kernel_size[0] + 2 * (PHASE_STEP - 1)
    shifted = [
        functional.pad(layer.weight, (extra + x, extra - x, extra + y, extra - y))
        for y in range(PHASE_STEP)
        for x in range(PHASE_STEP)
    ]
    kernels = torch.stack(shifted, dim=1).flatten(0, 1)  # (out PHASE_STEP^2, in, side, side)
    bias = layer.bias if layer.bias is None else layer.bias.repeat_interleave(PHASE_STEP**2)
    phases = functional.conv2d(maps, kernels, bias, stride=PHASE_STEP, padding=side // 2)
    return functional.pixel_shuffle(phases, PHASE_STEP)[:, :, :rows, :columns]


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
