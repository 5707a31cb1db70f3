"""MATR, adaptive convolutions and a transformer at three depths.

Tang et al. 2022, "MATR: multimodal medical image fusion via multiscale adaptive transformer", IEEE
Transactions on Image Processing 31, doi:10.1109/TIP.2022.3193288. Details that the paper leaves
open follow the authors' published program: its windows have one pixel, so that attention passes on
the value of each token, and its tokens are 16 neighbours in the memory of the feature maps, not the
16 channels of a pixel.

Own weights do not ship, though `radfuse weights build matr` trains them: the loss favours the MR,
and the bone of a CT stays black, as it does with the authors' parameters. With a larger weight of
the CT, trainings ended in empty images or ones that are similar to neither source.
"""

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from radfuse.networks.blocks.layers import conv
from radfuse.networks.blocks.parameter_layouts import tensor, torch_batch_norms, torch_layers
from radfuse.networks.pair_network import PairNetwork

WIDTH = 16
"""Feature maps, and numbers of a token."""

SIDE = 3
"""Side of the adaptive kernels."""

HIDDEN = 5
"""Numbers to which the 9 means of a map are encoded."""

EXPANSION = 4
"""Hidden width of the feed-forward part over that of a token."""

BLOCKS = 3
"""Blocks of the transformer."""

BRANCHES = 3
"""Branches; the first applies the adaptive convolution once, the last three times."""


class AdaptiveConvolution(nn.Module):
    """CGC: a convolution whose kernel is multiplied by a gate that the image itself determines.

    Lin et al. 2020, "Context-gated convolution", European Conference on Computer Vision.
    """

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__()
        self.kernel = nn.Parameter(conv(width_in, width_out, SIDE).weight.detach())
        self.encode = nn.Linear(SIDE**2, HIDDEN, bias=False)
        self.interact = nn.Linear(width_in, width_out, bias=False)
        self.decode_in = nn.Linear(HIDDEN, SIDE**2, bias=False)
        self.decode_out = nn.Linear(HIDDEN, SIDE**2, bias=False)
        self.norm_in, self.norm_code = nn.BatchNorm1d(width_in), nn.BatchNorm1d(width_in)
        self.norm_out = nn.BatchNorm1d(width_out)

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, H, W) to features (N, D, H, W)."""
        count, _, rows, width = features.shape
        columns = functional.unfold(features, SIDE, padding=SIDE // 2)  # (N, 9 C, H W)
        kernels = self.kernel * self.gates(features)  # (N, D, C, 3, 3)
        return (kernels.flatten(2) @ columns).reshape(count, -1, rows, width)

    def gates(self, features: Tensor) -> Tensor:
        """Features (N, C, H, W) to gates in [0, 1] of shape (N, D, C, 3, 3)."""
        code = self.encode(thirds(features).flatten(2))  # (N, C, 5)
        of_inputs = torch.relu(self.norm_in(code))
        mixed = self.interact(torch.relu(self.norm_code(code)).transpose(1, 2)).transpose(1, 2)
        of_outputs = torch.relu(self.norm_out(mixed))  # (N, D, 5)
        gates = self.decode_in(of_inputs)[:, None] + self.decode_out(of_outputs)[:, :, None]
        return torch.sigmoid(gates).reshape(*gates.shape[:3], SIDE, SIDE)


def thirds(features: Tensor) -> Tensor:
    """Means of features (N, C, H, W) over thirds of rows and of columns, (N, C, 3, 3).

    Each third begins at a pixel rounded down and ends at one rounded up, as in PyTorch's adaptive
    mean; written out, so that it can be exported.
    """
    for _ in ("rows", "columns"):
        size = features.shape[2]
        third, pixel = torch.arange(SIDE)[:, None], torch.arange(size)
        first, last = third * size // SIDE, ((third + 1) * size + SIDE - 1) // SIDE
        inside = ((pixel >= first) & (pixel < last)).to(features)  # (3, H)
        features = ((inside / inside.sum(dim=1, keepdim=True)) @ features).transpose(2, 3)
    return features


class AdaptiveLayer(nn.Sequential):
    """An adaptive convolution, batch normalisation, ReLU."""

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__(
            AdaptiveConvolution(width_in, width_out), nn.BatchNorm2d(width_out), nn.ReLU()
        )


class TokenBlock(nn.Module):
    """A transformer block whose windows have one token: the softmax over one key is 1."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.Sequential(
            nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        )
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(WIDTH), nn.Linear(WIDTH, EXPANSION * WIDTH), nn.GELU(),
            nn.Linear(EXPANSION * WIDTH, WIDTH),
        )  # fmt: skip

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (N, T, 16) to tokens of the same shape."""
        tokens = tokens + self.attention(tokens)
        return tokens + self.feed_forward(tokens)


class MATR(PairNetwork):
    """The network; input channels are the CT and the MR."""

    def __init__(self, *, stretch: bool = False) -> None:
        super().__init__(stretch=stretch)
        self.enter, self.adapt = AdaptiveLayer(2, WIDTH), AdaptiveLayer(WIDTH, WIDTH)
        self.transformer = nn.Sequential(*(TokenBlock() for _ in range(BLOCKS)))
        self.leave = conv(WIDTH, 1, 1, bias=False)

    def fuse(self, functional: Tensor, anatomical: Tensor) -> Tensor:
        """Images (N, 1, H, W) in [0, 1] to fused images of the same shape in [-1, 1]."""
        features = self.enter(torch.cat([functional, anatomical], dim=1))
        branches = []
        for _ in range(BRANCHES):
            features = self.adapt(features)
            branches.append(self.adapt(self._transform(features)))
        return torch.tanh(self.leave(torch.stack(branches).sum(dim=0)))

    def _transform(self, features: Tensor) -> Tensor:
        """Features (N, 16, H, W) cut into tokens of 16 numbers in the order of the memory."""
        tokens: Tensor = self.transformer(features.reshape(features.shape[0], -1, WIDTH))
        return tokens.reshape(features.shape)


def published_parameters(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    """Parameters from the arrays of the authors' PyTorch program.

    Its queries, keys and position tables, which attention to one token does not use, are left out.
    """
    parameters = {"leave.weight": tensor(arrays["convolutional_out.conv1.weight"])}
    for ours, theirs in {"enter": "convInput", "adapt": "conv"}.items():
        names = {"kernel": "weight", "encode.weight": "ce.weight", "interact.weight": "ci.weight",
                 "decode_in.weight": "gd.weight", "decode_out.weight": "gd2.weight"}  # fmt: skip
        for name, other in names.items():
            parameters[f"{ours}.0.{name}"] = tensor(arrays[f"{theirs}.conv1.{other}"])
        norms = {"0.norm_in": "conv1.ce_bn", "0.norm_code": "conv1.ci_bn2",
                 "0.norm_out": "conv1.ci_bn", "1": "bn1"}  # fmt: skip
        parameters |= torch_batch_norms(
            arrays, {f"{ours}.{name}": f"{theirs}.{other}" for name, other in norms.items()}
        )
    for block in range(BLOCKS):
        parameters |= _block_parameters(
            arrays, f"transformer.{block}", f"basicLayer.blocks.{block}"
        )
    return parameters


def _block_parameters(
    arrays: Mapping[str, NDArray[Any]], ours: str, theirs: str
) -> dict[str, Tensor]:
    layers = {"attention.0": "norm1", "attention.1": "attn.qkv", "attention.2": "attn.proj",
              "feed_forward.0": "norm2", "feed_forward.1": "mlp.fc1",
              "feed_forward.3": "mlp.fc2"}  # fmt: skip
    parameters = torch_layers(
        arrays, {f"{ours}.{name}": f"{theirs}.{other}" for name, other in layers.items()}
    )
    for kind in ("weight", "bias"):
        name = f"{ours}.attention.1.{kind}"
        parameters[name] = parameters[name][2 * WIDTH :]  # the values follow queries and keys
    return parameters
