"""CSF, an autoencoder whose features are weighted by their saliency for a modality classifier.

Xu et al. 2021, "Classification saliency-based rule for visible and infrared image fusion", IEEE
Transactions on Computational Imaging 7, pp. 824-836. Details that the paper leaves open follow the
authors' published program, and so does the saliency, where the two differ.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, ClassVar

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from radfuse.networks.blocks.layers import conv, take
from radfuse.networks.blocks.parameter_layouts import tensor, tensorflow_kernel
from radfuse.networks.infrared_visible import InfraredVisible, Slot

SLOPE = 0.2
"""Slope of the leaky ReLU for negative values."""

SIZE, HALF_SIZE = 5, 2
"""Side of every convolution, and half of it, rounded down."""

VISIBLE, INFRARED = 0, 1
"""The classes, in the order of the logits."""

STEPS = 10
"""Steps of the path between two images. The authors' program takes the gradient at the first step
only and divides by the number of steps."""

TEMPERATURE = 0.00015
"""Divisor of the saliency before the softmax over the two images."""

VARIANCE_EPSILON = 1e-3
"""Added to the variances of batch normalisation."""

MOMENTUM = 0.01
"""Weight of a batch in the running statistics."""


def _mirror(size: int) -> Tensor:
    """Indices of the pixels of a side of `size` after reflect padding: 2, 1, 0, 1, 2, 3 and so on.

    The padding of torch needs sides of 3 pixels; after pooling there may be fewer.
    """
    last = size - 1
    position = torch.arange(-HALF_SIZE, size + HALF_SIZE).abs()
    return (last - (last - position).abs()).abs().clamp(max=last)


def _pad(features: Tensor) -> Tensor:
    """Features (N, C, H, W) with a reflected border of two pixels."""
    return take(features, *(_mirror(size) for size in features.shape[2:]))


def _unpad(gradient: Tensor) -> Tensor:
    """Gradient of padded features to that of features: the adjoint of `_pad`."""
    for _ in ("rows", "columns"):
        size = gradient.shape[2] - 2 * HALF_SIZE
        border = torch.cat([gradient[:, :, :HALF_SIZE], gradient[:, :, -HALF_SIZE:]], dim=2)
        shown = torch.cat([_mirror(size)[:HALF_SIZE], _mirror(size)[-HALF_SIZE:]])
        home = (torch.arange(size)[:, None] == shown).to(border)  # (H, 4)
        gradient = (gradient[:, :, HALF_SIZE:-HALF_SIZE] + home @ border).transpose(2, 3)
    return gradient


def _windows(features: Tensor) -> Tensor:
    """Features (N, C, H, W) as 2x2 windows (N, C, 4, H/2, W/2), row by row.

    Sides are rounded up: an odd last row or column is repeated.
    """
    even = (torch.arange((n + 1) // 2 * 2).clamp(max=n - 1) for n in features.shape[2:])
    unshuffled = functional.pixel_unshuffle(take(features, *even), 2)  # (N, 4 C, H/2, W/2)
    return torch.stack([unshuffled[:, pixel::4] for pixel in range(4)], dim=2)


def _unpool(gradient: Tensor, features: Tensor) -> Tensor:
    """Gradient of max-pooled features to that of features: the first maximum of each window."""
    a, b, c, d = _windows(features).unbind(dim=2)
    above = torch.maximum(a, b) >= torch.maximum(c, d)
    upper, lower = gradient * above, gradient * ~above
    shares = [upper * (a >= b), upper * (a < b), lower * (c >= d), lower * (c < d)]
    spread = functional.pixel_shuffle(torch.stack(shares, dim=2).flatten(1, 2), 2)
    return take(spread, *(torch.arange(size) for size in features.shape[2:]))


class Stage(nn.Module):
    """Convolution, batch normalisation, 2x2 max pooling, leaky ReLU."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__()
        self.conv = conv(width_in, width_out, SIZE)
        self.weight = nn.Parameter(torch.ones(width_out))
        self.bias = nn.Parameter(torch.zeros(width_out))
        self.register_buffer("running_mean", torch.zeros(width_out))
        self.register_buffer("running_var", torch.ones(width_out))

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, H, W) to (N, D, H/2, W/2), rounded up; in training by the batch."""
        normalised = self.respond(features, by_batch=self.training)
        return functional.leaky_relu(functional.max_pool2d(normalised, 2, ceil_mode=True), SLOPE)

    def respond(self, features: Tensor, *, by_batch: bool) -> Tensor:
        """Features (N, C, H, W) to normalised ones (N, D, H, W), by batch or running statistics."""
        return functional.batch_norm(
            functional.conv2d(_pad(features), self.conv.weight, self.conv.bias),
            self.running_mean, self.running_var, self.weight, self.bias,
            by_batch, MOMENTUM, VARIANCE_EPSILON,
        )  # fmt: skip

    def pull_back(self, gradient: Tensor) -> Tensor:
        """Gradient (N, D, H, W) of what `respond` gives to that of its features (N, C, H, W)."""
        scale = self.weight * (self.running_var + VARIANCE_EPSILON).rsqrt()
        padded = functional.conv_transpose2d(gradient * scale[:, None, None], self.conv.weight)
        return _unpad(padded)


class Classifier(nn.Module):
    """Four stages; the logits are the spatial means of the last stage's maps."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList(Stage(*widths) for widths in pairwise((24, 32, 64, 32, 2)))

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, 24, H, W) to logits (N, 2)."""
        for stage in self.stages:
            features = stage(features)
        return features.mean(dim=(2, 3))

    def gradient(self, features: Tensor, label: int) -> Tensor:
        """Gradient of a logit with respect to the features (N, 24, H, W), of the same shape.

        Written out, so that it can be exported; always with running statistics.
        """
        stages = [stage for stage in self.stages if isinstance(stage, Stage)]
        trace = []
        for stage in stages:
            response = stage.respond(features, by_batch=False)
            pooled = _windows(response).amax(dim=2)
            trace.append((response, pooled))
            features = functional.leaky_relu(pooled, SLOPE)
        chosen = torch.arange(2, device=features.device)[:, None, None] == label
        gradient = chosen.to(features.dtype) / (features.shape[2] * features.shape[3])
        for stage, (response, pooled) in zip(reversed(stages), reversed(trace), strict=True):
            gradient = torch.where(pooled > 0, gradient, SLOPE * gradient)
            gradient = stage.pull_back(_unpool(gradient, response))
        return gradient


class CSF(InfraredVisible):
    """The network; `reconstruct` and `classify` are trained, in that order.

    Images must have at least three rows and columns.
    """

    RANGE: ClassVar = (-1.0, 1.0)

    def __init__(self, *, infrared: Slot = "mr", stretch: bool = False) -> None:
        super().__init__(infrared=infrared, stretch=stretch)
        self.encoder = _reflect_padded(1, 16, 24, 24, 24, last=nn.LeakyReLU(SLOPE))
        self.decoder = _reflect_padded(24, 16, 16, 16, 1, last=nn.Tanh())
        self.classifier = Classifier()

    def reconstruct(self, image: Tensor) -> Tensor:
        """Rebuild images of shape (N, 1, H, W) in [0, 1]."""
        rebuilt: Tensor = self.decoder(self.encoder(2 * image - 1))
        return (rebuilt + 1) / 2

    def classify(self, image: Tensor) -> Tensor:
        """Images (N, 1, H, W) in [-1, 1] to logits (N, 2) of the classes visible and infrared.

        The authors train the classifier on features of the trained, frozen encoder, with visible
        images shifted to the mean of the infrared ones.
        """
        return self.classifier(self.encoder(image))

    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Images (N, 1, H, W) in [-1, 1] to fused images likewise."""
        of_infrared, of_visible = self.encoder(infrared), self.encoder(visible)
        shifted = visible - _mean(visible) + _mean(infrared)
        for_infrared = self._saliency(shifted, infrared, INFRARED)
        for_visible = self._saliency(infrared, shifted, VISIBLE)
        contrast = for_visible - for_infrared - _mean(for_visible) + _mean(for_infrared)
        weight = torch.sigmoid(contrast / TEMPERATURE)  # the softmax of two
        return self.decoder(weight * of_visible + (1 - weight) * of_infrared)

    def _saliency(self, start: Tensor, end: Tensor, label: int) -> Tensor:
        """Absolute gradient of the logit (N, 24, H, W) by the features, one step from `start`."""
        features = self.encoder(start + (end - start) / STEPS)
        return self.classifier.gradient(features, label).abs() / STEPS


def _mean(maps: Tensor) -> Tensor:
    return maps.mean(dim=(1, 2, 3), keepdim=True)


def _reflect_padded(*widths: int, last: nn.Module) -> nn.Sequential:
    """Four convolutions with leaky ReLUs between them."""
    layers: list[nn.Module] = []
    for width_in, width_out in pairwise(widths):
        layers += [conv(width_in, width_out, SIZE, padding="reflect"), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers[:-1], last)


def published_parameters(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    """The parameters from the arrays of both published TensorFlow checkpoints together."""
    parameters = {}
    for part, scope, numbers in (
        ("encoder", "Encoder.encoder", (1, 4, 6, 8)),
        ("decoder", "Decoder.decoder", (1, 2, 3, 4)),
        ("classifier", "Classification.classification", (6, 8, 9, 11)),
    ):
        for index, number in enumerate(numbers):
            name = part + (f".stages.{index}.conv" if part == "classifier" else f".{2 * index}")
            parameters[f"{name}.weight"] = tensorflow_kernel(
                arrays[f"{scope}.conv1_{number}.kernel"]
            )
            parameters[f"{name}.bias"] = tensor(arrays[f"{scope}.conv1_{number}.bias"])
    statistics = {"weight": "gamma", "bias": "beta"}
    statistics |= {"running_mean": "moving_mean", "running_var": "moving_variance"}
    for index in range(4):
        scope = f"Classification.classification.b{index}.batch_normalization"
        for ours, theirs in statistics.items():
            parameters[f"classifier.stages.{index}.{ours}"] = tensor(arrays[f"{scope}.{theirs}"])
    return parameters
