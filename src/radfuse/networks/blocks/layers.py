"""Layers that every network needs."""

from torch import nn


def conv(width_in: int, width_out: int, size: int, *, stride: int = 1) -> nn.Conv2d:
    """Convolution of odd size; stride 1 keeps height and width, stride 2 halves them, rounded up.

    Outside the image lies air, 0.
    """
    return nn.Conv2d(width_in, width_out, size, stride=stride, padding=size // 2)
