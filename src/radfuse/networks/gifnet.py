"""GIFNet, dense features, and two branches of window attention that learnt different tasks.

Cheng et al. 2025, "One model for ALL: low-level task interaction is a key to task-agnostic image
fusion", IEEE/CVF Conference on Computer Vision and Pattern Recognition,
doi:10.48550/arXiv.2502.19854. Details that the paper leaves open follow the authors' published
program. One branch was trained on pairs of modalities, the other on pairs of focal planes; in
fusion both take the same features.

It has no own weights, only its authors' parameters: its loss weights the sources by features of VGG
and alternates between two tasks, infrared and visible photographs and photographs of two focal
planes, for one network of all tasks. None of the three is part of this project.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, ClassVar

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from radfuse.networks.blocks.layers import conv
from radfuse.networks.blocks.parameter_layouts import tensor, torch_layers
from radfuse.networks.pair_network import PairNetwork

GROWTH, DENSE_LAYERS = 32, 3
"""Maps that each dense layer adds, and their number."""

WIDTH = 2 + DENSE_LAYERS * GROWTH
"""Feature maps: the two images, and those of the dense layers."""

DECODER_WIDTHS = (128, 64, 32, 16, 1)
"""Channels of the decoder."""

HEADS, WINDOW, HIDDEN = 2, 8, 256
"""Heads of the attention, side of its windows, hidden width of its position bias."""

MULTIPLE = 4
"""Features are continued by reflection to a multiple of so many rows and columns."""

EPSILON = 1e-5
"""Added to the variance in the normalisation."""


def mirrored(size: int, count: int, *, before: int = 0) -> Tensor:
    """Indices of `count` pixels, the first `before` pixels before a side of `size` pixels.

    Those outside the side are reflected at its first and its last pixel.
    """
    position, last = (torch.arange(count) - before).abs(), size - 1
    return last - (last - position).abs()


def _take(maps: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Maps (N, C, H, W) at these rows and columns."""
    return maps.index_select(2, rows.to(maps.device)).index_select(3, columns.to(maps.device))


class ImageNorm(nn.Module):
    """Normalisation of all maps of an image together, and a learnt inverse of it."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, WIDTH, 1, 1))
        self.bias = nn.Parameter(torch.zeros(1, WIDTH, 1, 1))
        self.scale, self.shift = conv(1, WIDTH, 1), conv(1, WIDTH, 1)

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Maps (N, C, H, W), normalised, and scale and shift (N, C, 1, 1) for later."""
        mean = maps.mean(dim=(1, 2, 3), keepdim=True)
        deviation = ((maps - mean).square().mean(dim=(1, 2, 3), keepdim=True) + EPSILON).sqrt()
        normalised = (maps - mean) / deviation * self.weight + self.bias
        return normalised, self.scale(deviation), self.shift(mean)


class WindowAttention(nn.Module):
    """Attention among the pixels of windows 8x8, with a bias learnt from their distances."""

    distances: Tensor

    def __init__(self, shift: int) -> None:
        super().__init__()
        self.shift = shift
        self.bias = nn.Sequential(nn.Linear(2, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HEADS))
        pixel = torch.cartesian_prod(torch.arange(WINDOW), torch.arange(WINDOW)).float()
        apart = pixel[:, None] - pixel  # (64, 64, 2)
        self.register_buffer("distances", apart.sign() * apart.abs().log1p(), persistent=False)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Maps (N, C, H, W) to maps of the same shape."""
        rows, columns = value.shape[2:]
        # windows begin `shift` pixels before the image and end at its end or after it
        down, across = ((size + self.shift + WINDOW - 1) // WINDOW for size in (rows, columns))
        together = _take(
            torch.cat([query, key, value], dim=1),
            mirrored(rows, down * WINDOW, before=self.shift),
            mirrored(columns, across * WINDOW, before=self.shift),
        )
        together = together.reshape(-1, 3, HEADS, WIDTH // HEADS, down, WINDOW, across, WINDOW)
        together = together.permute(1, 0, 4, 6, 2, 5, 7, 3)  # (3, N, down, across, 2, 8, 8, 49)
        windows = together.reshape(3, -1, HEADS, WINDOW**2, WIDTH // HEADS)
        bias = self.bias(self.distances).permute(2, 0, 1)[None]  # (1, 2, 64, 64)
        queries, keys, values = windows.unbind()
        mixed = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=bias)
        mixed = mixed.reshape(-1, down, across, HEADS, WINDOW, WINDOW, WIDTH // HEADS)
        mixed = mixed.permute(0, 3, 6, 1, 4, 2, 5)
        mixed = mixed.reshape(-1, WIDTH, down * WINDOW, across * WINDOW)
        first, second = (self.shift + torch.arange(size) for size in (rows, columns))
        return _take(mixed, first, second)


class Branch(nn.Module):
    """A transformer block of one task; a depthwise convolution is added to the attention."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.join = ImageNorm(), conv(WIDTH, WIDTH, 1)
        self.query_key, self.value = conv(WIDTH, 2 * WIDTH, 1), conv(WIDTH, WIDTH, 1)
        self.near = nn.Conv2d(WIDTH, WIDTH, 5, padding=2, padding_mode="reflect", groups=WIDTH)
        self.feed_forward = nn.Sequential(
            conv(WIDTH, 2 * WIDTH, 1), nn.ReLU(), conv(2 * WIDTH, WIDTH, 1)
        )

    def query(self, maps: Tensor) -> Tensor:
        """The queries of maps (N, C, H, W), of the same shape."""
        queries: Tensor = self.query_key(self.norm(maps)[0])[:, :WIDTH]
        return queries

    def forward(self, maps: Tensor, attend: nn.Module, query: Tensor) -> Tensor:
        """Maps (N, C, H, W) and the queries to them, to maps of the same shape."""
        normalised, scale, shift = self.norm(maps)
        key, value = self.query_key(normalised)[:, WIDTH:], self.value(normalised)
        attended = self.join(self.near(value) + attend(query, key, value))
        maps = maps + attended * scale + shift
        mixed: Tensor = maps + self.feed_forward(maps)
        return mixed


class GIFNet(PairNetwork):
    """The network; input channels are the CT and the MR."""

    MIN_SIDE: ClassVar = 5

    def __init__(self, *, stretch: bool = False) -> None:
        super().__init__(stretch=stretch)
        self.shared = nn.ModuleList(
            _reflect(2 + layer * GROWTH, GROWTH) for layer in range(DENSE_LAYERS)
        )
        self.enter_modality, self.enter_focus = _reflect(WIDTH, WIDTH), _reflect(WIDTH, WIDTH)
        self.modality, self.focus1, self.focus2 = Branch(), Branch(), Branch()
        self.attend1, self.attend2 = WindowAttention(0), WindowAttention(WINDOW // 2)
        self.share = nn.Parameter(torch.rand(1))
        self.leave_focus = _reflect(WIDTH, WIDTH)
        first = DECODER_WIDTHS[0]
        self.merge = nn.Sequential(
            conv(2 * WIDTH, WIDTH, 1, bias=False), nn.ReLU(), conv(WIDTH, first, 1, bias=False)
        )
        self.decoder = nn.ModuleList(_reflect(*widths) for widths in pairwise(DECODER_WIDTHS))

    def fuse(self, functional_image: Tensor, anatomical_image: Tensor) -> Tensor:
        """Images (N, 1, H, W) in [0, 1] to fused images of the same shape and range."""
        features = torch.cat([functional_image, anatomical_image], dim=1)
        for layer in self.shared:
            features = torch.cat([features, torch.relu(layer(features))], dim=1)
        maps = self.merge(torch.cat([features, self._task_features(features)], dim=1))
        for layer in self.decoder[:-1]:
            maps = torch.relu(layer(maps))
        return torch.tanh(self.decoder[-1](maps)) / 2 + 0.5

    def _task_features(self, features: Tensor) -> Tensor:
        """Features (N, 98, H, W) to those of both tasks, of the same shape."""
        rows, columns = features.shape[2:]
        whole = ((size + MULTIPLE - 1) // MULTIPLE * MULTIPLE for size in (rows, columns))
        more_rows, more_columns = whole
        continued = _take(features, mirrored(rows, more_rows), mirrored(columns, more_columns))
        modality, focus = self.enter_modality(continued), self.enter_focus(continued)
        query = self.focus1.query(focus)  # the first block's attention is that of the focus
        modality = self.modality(modality, self.attend1, query)
        focus = self.focus1(focus, self.attend1, query) + self.share * modality
        focus = self.focus2(focus, self.attend2, self.focus2.query(focus))
        return _take(self.leave_focus(focus), torch.arange(rows), torch.arange(columns))


def _reflect(width_in: int, width_out: int) -> nn.Conv2d:
    return conv(width_in, width_out, 3, padding="reflect")


EXTRACTOR = "extractor_multask.SwinTransformerSpecific"
"""What the names of the branches in the authors' program begin with."""

BLOCKS = f"{EXTRACTOR}.layer1.blocks"
"""The same of their blocks."""

LAYERS = {
    **{f"shared.{layer}": f"getSharedFeatures.conv_{layer + 1}.conv2d" for layer in range(3)},
    **{f"decoder.{layer}": f"cnnDecoder.decoder.{3 * layer + 1}" for layer in range(4)},
    "enter_modality": f"{EXTRACTOR}.patch_embed_ivif.proj",
    "enter_focus": f"{EXTRACTOR}.patch_embed_mfif.proj",
    "leave_focus": f"{EXTRACTOR}.patch_unembed.proj.0",
    **{
        f"attend{block + 1}.bias.{layer}": f"{BLOCKS}.{block}.attn.attn.meta.{layer}"
        for block in range(2)
        for layer in (0, 2)
    },
}
"""Names of layers outside the branches here, and in the authors' program."""

BRANCHES = {"modality": (0, ""), "focus1": (0, "_mfif"), "focus2": (1, "_mfif")}
"""Block and suffix of each branch in the authors' program."""


def published_parameters(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    """Parameters from the arrays of the authors' PyTorch program.

    Left out is what fusion does not use: a decoder for single images, and the branch of the
    modality after the first block.
    """
    parameters = torch_layers(arrays, LAYERS)
    for layer in ("0", "2"):
        merge = arrays[f"cnnDecoder.fuseComplementFeatures.mlp.{layer}.weight"]
        parameters[f"merge.{layer}.weight"] = tensor(merge)
    parameters["share"] = tensor(arrays[f"{EXTRACTOR}.layer1.weights_mfif.0"])
    for ours, (block, suffix) in BRANCHES.items():
        theirs = f"{BLOCKS}.{block}"
        layers = {
            "norm": f"norm1{suffix}",
            "norm.scale": f"norm1{suffix}.meta1",
            "norm.shift": f"norm1{suffix}.meta2",
            "join": f"attn.proj{suffix}",
            "query_key": f"attn.QK{suffix}",
            "value": f"attn.V{suffix}",
            "near": f"attn.conv{suffix}",
            "feed_forward.0": f"mlp{suffix}.mlp.0",
            "feed_forward.2": f"mlp{suffix}.mlp.2",
        }
        names = {f"{ours}.{name}": f"{theirs}.{other}" for name, other in layers.items()}
        parameters |= torch_layers(arrays, names)
    return parameters
