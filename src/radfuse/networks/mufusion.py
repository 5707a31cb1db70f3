"""MUFusion, an encoder and a decoder with dense and skip connections.

Cheng et al. 2023, "MUFusion: a general unsupervised image fusion network based on memory unit",
Information Fusion 92, doi:10.1016/j.inffus.2022.11.010. The memory unit is part of its loss.
Details that the paper leaves open follow the authors' published program.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from radfuse.networks.blocks.layers import conv
from radfuse.networks.blocks.parameter_layouts import torch_layers
from radfuse.networks.pair_network import PairNetwork

FINE, COARSE = 32, 64
"""Feature maps at full and at half size."""

TILE, TILE_STRIDE = 128, 124
"""Side of the tiles in which the authors' program fuses an image, and from one to the next."""


class MUFusion(PairNetwork):
    """The network; input channels are the CT and the MR.

    With `tiles` images are fused in overlapping tiles, as the authors' program does, which pads
    each of them by reflection; the mean is taken where they overlap.
    """

    MIN_SIDE: ClassVar = 5

    def __init__(self, *, tiles: bool = False, stretch: bool = False) -> None:
        super().__init__(stretch=stretch)
        self.tiles = tiles
        self.encode1, self.encode2 = _layer(2, FINE), _layer(FINE, FINE)
        self.encode3 = _layer(2 * FINE, COARSE, stride=2)
        self.encode4, self.encode5, self.encode6 = (
            _layer(count * COARSE, COARSE) for count in (1, 2, 3)
        )
        self.decode6 = _layer(COARSE, COARSE)
        self.decode5, self.decode4, self.decode3 = (_layer(2 * COARSE, COARSE) for _ in range(3))
        self.decode2 = _layer(COARSE + FINE, FINE)
        self.decode1 = conv(2 * FINE, 1, 3, padding="reflect")

    def fuse(self, functional_image: Tensor, anatomical_image: Tensor) -> Tensor:
        """Images (N, 1, H, W) in [0, 1] to fused images of the same shape in [-1, 1]."""
        images = torch.cat([functional_image, anatomical_image], dim=1)
        return self._fuse_tiles(images) if self.tiles else self._fuse(images)

    def _fuse(self, images: Tensor) -> Tensor:
        """Pairs (N, 2, H, W) to fused images (N, 1, H, W)."""
        one = self.encode1(images)
        two = self.encode2(one)
        three = self.encode3(torch.cat([one, two], dim=1))  # (N, 64, H/2, W/2), rounded up
        four = self.encode4(three)
        five = self.encode5(torch.cat([three, four], dim=1))
        maps = self.decode6(self.encode6(torch.cat([three, four, five], dim=1)))
        for layer, skipped in ((self.decode5, five), (self.decode4, four), (self.decode3, three)):
            maps = layer(torch.cat([skipped, maps], dim=1))
        maps = _double(maps, rows=two.shape[2], columns=two.shape[3])
        maps = self.decode2(torch.cat([two, maps], dim=1))
        return torch.tanh(self.decode1(torch.cat([one, maps], dim=1)))

    def _fuse_tiles(self, images: Tensor) -> Tensor:
        """As `_fuse`, in tiles; images smaller than a tile are continued by their last pixels."""
        height, width = images.shape[2:]
        rows, columns = (_tile_pixels(size).to(images.device) for size in (height, width))
        cut = images.index_select(2, rows.flatten().clamp(max=height - 1))
        cut = cut.index_select(3, columns.flatten().clamp(max=width - 1))
        down, across = rows.shape[0], columns.shape[0]
        tiles = cut.reshape(-1, 2, down, TILE, across, TILE).permute(0, 2, 4, 1, 3, 5)
        fused = self._fuse(tiles.reshape(-1, 2, TILE, TILE))
        fused = fused.reshape(-1, down, across, TILE, TILE).transpose(2, 3)
        fused = fused.reshape(-1, 1, down * TILE, across * TILE)
        means = _overlap_mean(rows, height).to(fused)
        return means @ fused @ _overlap_mean(columns, width).to(fused).T


def _layer(width_in: int, width_out: int, *, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(conv(width_in, width_out, 3, stride=stride, padding="reflect"), nn.ReLU())


def _double(maps: Tensor, *, rows: int, columns: int) -> Tensor:
    """Maps (N, C, H, W) at twice their size, bicubic; a last row or column may be cut off."""
    doubled = functional.interpolate(maps, scale_factor=2.0, mode="bicubic", align_corners=False)
    return doubled[..., :rows, :columns]


def _tile_pixels(size: int) -> Tensor:
    """Pixels of each tile along a side, (tiles, 128).

    The last tile ends with the side. If the side is no longer than a tile, two equal tiles begin
    with it: an exported graph could not have other numbers of tiles than 1 if 1 were possible.
    """
    needed = (size + 2 * TILE_STRIDE - TILE - 1) // TILE_STRIDE
    count = torch.sym_max(2, needed)  # type: ignore[no-untyped-call]
    first = TILE_STRIDE * torch.arange(count)
    return first.clamp(max=size - TILE).clamp(min=0)[:, None] + torch.arange(TILE)


def _overlap_mean(pixels: Tensor, size: int) -> Tensor:
    """Matrix (size, all pixels of tiles) that takes the mean of each pixel over its tiles."""
    inside = torch.arange(size, device=pixels.device)[:, None] == pixels.flatten()
    return inside / inside.sum(dim=1, keepdim=True)


LAYERS = {
    **{f"encode{number}.0": f"conv{number}.1" for number in range(1, 7)},
    **{f"decode{number}.0": f"conv{number}{number}.1" for number in range(2, 7)},
    "decode1": "conv11.1",
}
"""Names of the convolutions here, and in the authors' program."""


def published_parameters(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    """Parameters from the arrays of the authors' PyTorch program."""
    return torch_layers(arrays, LAYERS)
