"""CNN, a classifier of sharpness whose map weighs the Laplacian pyramids of two images.

Liu et al. 2017, "A medical image fusion method based on convolutional neural networks", 20th
International Conference on Information Fusion. The classifier is that of Liu et al. 2017,
"Multi-focus image fusion with a deep convolutional neural network", Information Fusion 36,
pp. 191-207. Details that the papers leave open follow the authors' published program.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from radfuse.networks.blocks.layers import conv, take
from radfuse.networks.blocks.parameter_layouts import tensor
from radfuse.networks.pair_network import PairNetwork

PATCH = 16
"""Side of the patches that the classifier compares, in pixels."""

STRIDE = 2
"""Pixels between two patches, of the max pooling."""

WINDOW = PATCH // STRIDE
"""Side of the last layer, which sees the features of a patch."""

LEVELS = 8
"""Levels of the pyramids, the base included: as many as the authors' program has for 256x256."""

TAPS = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
"""Low-pass filter of the pyramids."""

MATCH = 0.6
"""Coefficients that match better are averaged by the map, others selected by energy."""

ROUNDING = 3e-7
"""Roots of energies that differ by less count as equal, of images in [0, 1]: then the first is
taken, not what rounding decides."""

SHARP_SECOND, SHARP_FIRST = 0, 1
"""The classes, in the order of the logits: the image that is sharper."""


class Classifier(nn.Module):
    """Which of two images is sharper, patch by patch: one branch for both, and a joint layer.

    The authors' program does not add the bias of the last layer, so there is none here.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Sequential(conv(1, 64, 3), nn.ReLU(), conv(64, 128, 3), nn.ReLU())
        self.coarse = nn.Sequential(conv(128, 256, 3), nn.ReLU())
        self.compare = nn.Conv2d(2 * 256, 2, WINDOW, bias=False)

    def features(self, image: Tensor) -> Tensor:
        """Images (N, 1, H, W) to features (N, 256, H/2, W/2), rounded up."""
        fine = self.fine(image)
        even = (torch.arange((n + 1) // 2 * 2).clamp(max=n - 1) for n in fine.shape[2:])
        found: Tensor = self.coarse(functional.max_pool2d(take(fine, *even), STRIDE))
        return found

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Logits (N, 2, H/2 - 7, W/2 - 7) of the patches of two images (N, 1, H, W)."""
        return self.logits(self.features(first), self.features(second))

    def logits(self, first: Tensor, second: Tensor) -> Tensor:
        """Logits of the features of two images."""
        compared: Tensor = self.compare(torch.cat([first, second], dim=1))
        return compared


def _enlarged(images: Tensor) -> Tensor:
    """Images (N, 1, H, W), those not above a patch continued by their last rows and columns."""
    indices = []
    for size in images.shape[2:]:
        enlarged: int = torch.sym_max(size, PATCH + 1)  # type: ignore[no-untyped-call]
        indices.append(torch.arange(enlarged).clamp(max=size - 1))
    return take(images, *indices)


def _spread(scores: Tensor, rows: int, columns: int) -> Tensor:
    """Mean at each pixel of the scores (N, 1, h, w) of the patches that cover it, (N, 1, H, W)."""
    patch = scores.new_ones(1, 1, PATCH, PATCH)
    sums, counts = (
        functional.conv_transpose2d(x, patch, stride=STRIDE)
        for x in (scores, torch.ones_like(scores))
    )
    return take(sums / counts, torch.arange(rows), torch.arange(columns))


Term = tuple[Tensor, Tensor]
"""For each sample of a filtered line a weight, and the index that it multiplies."""


def sides(images: Tensor, level: int) -> tuple[int, int]:
    """Rows and columns of a level: halved each time, rounded up, at least 2.

    A side that might be 1 would let the exported graph specialise.
    """
    unit = 2**level
    rows, columns = ((size + unit - 1) // unit for size in images.shape[2:])
    return torch.sym_max(rows, 2), torch.sym_max(columns, 2)  # type: ignore[no-untyped-call]


def reducing(size: int, half: int) -> list[Term]:
    """Filter of a line of `size`, of which every second sample is kept.

    The line is mirrored with its edge sample.
    """
    terms: list[Term] = []
    for offset, tap in enumerate(TAPS, start=-2):
        at = 2 * torch.arange(half) + offset
        mirrored = torch.where(at < 0, -1 - at, torch.minimum(at, 2 * size - 1 - at))
        terms.append((torch.tensor([tap]), mirrored.clamp(0, size - 1)))
    return terms


def expanding(size: int, half: int) -> list[Term]:
    """Interpolation of what `reducing` keeps of a line of `size`.

    The short line continues with its edge sample; a sample between two is their mean.
    """
    at = torch.arange(size)
    nearest, between = at // 2, (at % 2).float()
    kept = 1 - between
    return [
        (2 * TAPS[0] * kept, (nearest - 1).clamp(min=0)),
        (2 * TAPS[2] * kept + 2 * TAPS[1] * between, nearest),
        (2 * TAPS[4] * kept + 2 * TAPS[3] * between, (nearest + 1).clamp(max=half - 1)),
    ]


def summing(size: int) -> list[Term]:
    """Sum of each sample of a line of `size` and its two neighbours.

    The line is mirrored without its edge sample.
    """
    last = size - 1
    at = (torch.arange(size) + offset for offset in (-1, 0, 1))
    return [(torch.ones(1), (last - (last - position.abs()).abs()).clamp(min=0)) for position in at]


def _filter(images: Tensor, *terms: list[Term]) -> Tensor:
    """Images (N, C, H, W), filtered by the terms of columns and those of rows."""
    for axis, of_axis in enumerate(terms, start=2):
        first, *others = (
            _along(axis, weight).to(images) * images.index_select(axis, index.to(images.device))
            for weight, index in of_axis
        )
        images = sum(others, start=first)
    return images


def _along(axis: int, weight: Tensor) -> Tensor:
    """The weights of an axis (size) for multiplication with images (N, C, H, W)."""
    return weight[:, None] if axis == 2 else weight


def gaussian_pyramid(images: Tensor) -> list[Tensor]:
    """Levels of images (N, C, H, W), finest first."""
    levels = [images]
    for level in range(1, LEVELS):
        fine = levels[-1]
        levels.append(_filter(fine, *map(reducing, fine.shape[2:], sides(images, level))))
    return levels


def laplacian_pyramid(gaussian: list[Tensor]) -> list[Tensor]:
    """Differences between the levels of a Gaussian pyramid; the last level stays."""
    details = [level - _expand(coarser, like=level) for level, coarser in pairwise(gaussian)]
    return [*details, gaussian[-1]]


def _expand(coarser: Tensor, like: Tensor) -> Tensor:
    """A level (N, C, h, w) interpolated to the rows and columns of the next finer one."""
    return _filter(coarser, *map(expanding, like.shape[2:], coarser.shape[2:]))


def rebuilt(pyramid: list[Tensor]) -> Tensor:
    """The images (N, C, H, W) of a Laplacian pyramid."""
    images = pyramid[-1]
    for level in reversed(pyramid[:-1]):
        images = level + _expand(images, like=level)
    return images


def select(sources: Tensor, weight: Tensor) -> Tensor:
    """Fuse a level (N, 2, h, w) of both pyramids by a level (N, 1, h, w) of the map's pyramid.

    Energies are sums over 3x3 pixels.
    """
    first, second = sources.chunk(2, dim=1)
    products = torch.cat([first * first, second * second, first * second], dim=1)
    of_first, of_second, joint = _filter(products, *map(summing, products.shape[2:])).chunk(
        3, dim=1
    )
    matches = 2 * joint > MATCH * (of_first + of_second)
    larger = torch.where(of_first.sqrt() + ROUNDING >= of_second.sqrt(), first, second)
    return torch.where(matches, weight * first + (1 - weight) * second, larger)


class CNN(PairNetwork):
    """The network; its classifier is trained on sharp and blurred patches.

    The authors' program has fewer levels for images below 256 pixels, and more above; here, small
    levels of two pixels follow.
    """

    def __init__(self, *, stretch: bool = False) -> None:
        super().__init__(stretch=stretch)
        self.classifier = Classifier()

    def weights(self, first: Tensor, second: Tensor) -> Tensor:
        """Weight of the first image at each pixel, of images (N, 1, H, W)."""
        logits = self.classifier(_enlarged(first), _enlarged(second))
        return _spread(logits.softmax(dim=1)[:, SHARP_FIRST:], *first.shape[2:])

    def fuse(self, first: Tensor, second: Tensor) -> Tensor:
        """Images (N, 1, H, W) in [0, 1] to fused images of the same shape, not clipped."""
        images = torch.cat([first, second, self.weights(first, second)], dim=1)
        levels = gaussian_pyramid(images)
        sources = laplacian_pyramid([level[:, :2] for level in levels])
        pairs = zip(sources, (level[:, 2:] for level in levels), strict=True)
        return rebuilt([select(*pair) for pair in pairs])


LAYERS = {"fine.0": "b1_1", "fine.2": "b1_2", "coarse.0": "b1_3"}
"""Names of the convolutions here, and in the authors' program."""


def _kernel(array: NDArray[Any]) -> Tensor:
    """A kernel (in, columns x rows, out) as (out, in, rows, columns)."""
    side = int(array.shape[1] ** 0.5)
    return tensor(array.reshape(len(array), side, side, -1).transpose(3, 0, 2, 1))


def published_parameters(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    """Parameters from the arrays of the authors' MATLAB program."""
    parameters = {"classifier.compare.weight": _kernel(arrays["weights_output"])}
    for ours, theirs in LAYERS.items():
        weight = np.atleast_3d(arrays[f"weights_{theirs}"])
        if weight.shape[2] == 1:  # of one input map, whose axis is left out
            weight = weight.transpose(2, 0, 1)
        parameters[f"classifier.{ours}.weight"] = _kernel(weight)
        parameters[f"classifier.{ours}.bias"] = tensor(arrays[f"biases_{theirs}"]).flatten()
    return parameters
