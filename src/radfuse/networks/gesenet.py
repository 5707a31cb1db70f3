"""GeSeNet, edges and masked regions of each image, refined by the edges of the MR.

Li et al. 2023, "GeSeNet: a general semantic-guided network with couple mask ensemble for medical
image fusion", IEEE Transactions on Neural Networks and Learning Systems,
doi:10.1109/TNNLS.2023.3293274. Details that the paper leaves open follow the authors' published
program. That runs in training mode, where the masks have random Gumbel noise, so that its images
differ from run to run; here the noise is 0.

It has no own weights, only its authors' parameters: the published program does not have its loss,
which needs labels of tissues and a network that segments them.
"""

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from radfuse.networks.blocks.layers import conv
from radfuse.networks.blocks.parameter_layouts import tensor, torch_layers
from radfuse.networks.pair_network import PairNetwork

ENTERED, WIDTH, MASK_WIDTH, SQUEEZED = 16, 32, 8, 2
"""Feature maps of the first convolution, of each image, of its spatial mask; squeezed channels."""

STEPS = 4
"""Masked convolutions in a row."""

SLOPE, EDGE_SLOPE, REFINE_SLOPE = 0.2, 0.1, 0.01
"""Slopes of the leaky ReLUs for negative values: of convolutions, of edges, after refinement."""

SOBEL = ((1.0, 0.0, -1.0), (2.0, 0.0, -2.0), (1.0, 0.0, -1.0))
"""Kernel of the horizontal gradient before training; its transpose is that of the vertical one."""


class Gradient(nn.Module):
    """The sum of two absolute gradients of each map, by kernels that are trained, too."""

    def __init__(self) -> None:
        super().__init__()
        sobel = torch.tensor(SOBEL)
        self.horizontal = nn.Parameter(sobel.repeat(ENTERED, 1, 1, 1))
        self.vertical = nn.Parameter(sobel.T.repeat(ENTERED, 1, 1, 1))

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, 16, H, W) to gradients of the same shape, not negative."""
        parts = [
            functional.conv2d(features, kernel, padding=1, groups=ENTERED).abs()
            for kernel in (self.horizontal, self.vertical)
        ]
        return parts[0] + parts[1]


class EdgeEnhancement(nn.Module):
    """EEM: two dense convolutions, plus gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.ModuleList((conv(ENTERED, ENTERED, 3), conv(2 * ENTERED, ENTERED, 3)))
        self.reduce, self.raise_edges = conv(3 * ENTERED, WIDTH, 1), conv(ENTERED, WIDTH, 1)
        self.gradient = Gradient()

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, 16, H, W) to features (N, 32, H, W)."""
        dense = features
        for layer in self.dense:
            new = functional.leaky_relu(layer(dense), SLOPE)
            dense = torch.cat([dense, new], dim=1)
        both = self.reduce(dense) + self.raise_edges(self.gradient(features))
        return functional.leaky_relu(both, EDGE_SLOPE)


class RegionMask(nn.Module):
    """RMM: convolutions weighted by a mask of pixels and one of channels, with a residual.

    As in Wang et al. 2021, "Exploring sparsity in image super-resolution for efficient inference"
    (CVPR): a channel is dense, computed everywhere, or sparse, computed where the mask of pixels
    is 1. Both are shares between 0 and 1 here.
    """

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.middle = conv(WIDTH, MASK_WIDTH, 3), conv(MASK_WIDTH, MASK_WIDTH, 3)
        self.leave = nn.ConvTranspose2d(MASK_WIDTH, 2, 3, 2, 1, output_padding=1)
        self.channel_mask = nn.Parameter(torch.rand(1, WIDTH, STEPS, 2))
        self.steps = nn.ModuleList(conv(WIDTH, WIDTH, 3, bias=False) for _ in range(STEPS))
        self.collect = conv(STEPS * WIDTH, WIDTH, 1)
        self.squeeze, self.excite = conv(WIDTH, SQUEEZED, 1), conv(SQUEEZED, WIDTH, 1)
        # with biases around 0, both squeezed channels can stay inactive in training
        self.squeeze.bias = nn.Parameter(torch.ones(SQUEEZED))

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, 32, H, W) to features of the same shape."""
        pixels = self.pixel_mask(features)
        channels = self.channel_mask.softmax(dim=3)
        kept, maps = [], features
        for step, layer in enumerate(self.steps):
            dense, sparse = channels[:, :, step, None, :1], channels[:, :, step, None, 1:]
            if step == 0:
                maps = layer(maps) * (sparse * pixels + dense)
            else:
                before = channels[:, :, step - 1, None]
                of_dense, of_sparse = layer(maps * before[..., :1]), layer(maps * before[..., 1:])
                maps = of_dense * (sparse * pixels + dense) + of_sparse * (sparse + dense) * pixels
            maps = torch.relu(maps)
            kept.append(maps)
        collected = self.collect(torch.cat(kept, dim=1))
        mean = collected.mean(dim=(2, 3), keepdim=True)
        weights = torch.sigmoid(self.excite(torch.relu(self.squeeze(mean))))
        return collected * weights + features

    def pixel_mask(self, features: Tensor) -> Tensor:
        """Features (N, 32, H, W) to a mask (N, 1, H, W) in [0, 1].

        It is computed at half the size; an odd last row or column is repeated for that.
        """
        rows, columns = features.shape[2:]
        entered = torch.relu(self.enter(features))
        for axis, size in ((2, rows), (3, columns)):
            even = torch.arange((size + 1) // 2 * 2, device=features.device).clamp(max=size - 1)
            entered = entered.index_select(axis, even)
        middle = torch.relu(self.middle(functional.avg_pool2d(entered, 2)))
        mask: Tensor = self.leave(middle).softmax(dim=1)[:, 1:, :rows, :columns]
        return mask


class Stream(nn.Module):
    """What is extracted from one image: edges, and regions."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.edges, self.regions = conv(1, ENTERED, 3), EdgeEnhancement(), RegionMask()

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Images (N, 1, H, W) to features of edges and of regions, (N, 32, H, W) each."""
        edges = self.edges(functional.leaky_relu(self.enter(image), SLOPE))
        return edges, self.regions(edges)


class Refinement(nn.Module):
    """GRM: the regions of both images, scaled and shifted by the edges of one."""

    def __init__(self) -> None:
        super().__init__()
        leaky = nn.LeakyReLU(EDGE_SLOPE)
        self.scale = nn.Sequential(conv(WIDTH, WIDTH, 3), leaky, conv(WIDTH, 2 * WIDTH, 3))
        self.shift = nn.Sequential(conv(WIDTH, WIDTH, 1), leaky, conv(WIDTH, 2 * WIDTH, 1))
        self.merge = conv(4 * WIDTH, 2 * WIDTH, 3)

    def forward(self, regions: Tensor, edges: Tensor) -> Tensor:
        """Regions (N, 64, H, W) and edges (N, 32, H, W) to features (N, 64, H, W)."""
        merged = self.merge(torch.cat([regions, self.scale(edges)], dim=1))
        refined: Tensor = functional.leaky_relu(merged, REFINE_SLOPE) + self.shift(edges)
        return refined


class GeSeNet(PairNetwork):
    """The network: a stream for each image, refinement by the MR, two convolutions."""

    def __init__(self, *, stretch: bool = False) -> None:
        super().__init__(stretch=stretch)
        self.functional, self.anatomical, self.refine = Stream(), Stream(), Refinement()
        self.draw, self.leave = conv(3 * WIDTH, WIDTH, 3), conv(WIDTH, 1, 3)

    def fuse(self, functional_image: Tensor, anatomical_image: Tensor) -> Tensor:
        """Images (N, 1, H, W) in [0, 1] to fused images of the same shape and range."""
        edges, regions = self.functional(functional_image)
        guide, other_regions = self.anatomical(anatomical_image)
        refined = self.refine(torch.cat([regions, other_regions], dim=1), guide)
        drawn = functional.leaky_relu(self.draw(torch.cat([refined, edges], dim=1)), SLOPE)
        return torch.tanh(self.leave(drawn)) / 2 + 0.5


STREAMS = {"functional": "vis", "anatomical": "inf"}
"""Prefixes of the streams here, and in the authors' program."""

STREAM_LAYERS = {
    "enter": "conv.conv",
    "edges.dense.0": "eem.dense.conv1.conv",
    "edges.dense.1": "eem.dense.conv2.conv",
    "edges.reduce": "eem.convdown.conv",
    "edges.raise_edges": "eem.convup.conv",
    "regions.enter": "rmm.spa_mask.0",
    "regions.middle": "rmm.spa_mask.3",
    "regions.leave": "rmm.spa_mask.5",
    "regions.collect": "rmm.body.collect",
    "regions.squeeze": "rmm.ca.conv_du.0",
    "regions.excite": "rmm.ca.conv_du.2",
}
"""Layers with a bias of a stream here, and in the authors' program."""

STREAM_ARRAYS = {
    "edges.gradient.horizontal": "eem.sobelconv.convx.weight",
    "edges.gradient.vertical": "eem.sobelconv.convy.weight",
    "regions.channel_mask": "rmm.body.ch_mask",
    **{f"regions.steps.{step}.weight": f"rmm.body.body.{step}.weight" for step in range(STEPS)},
}
"""Other parameters of a stream here, and in the authors' program."""

LAYERS = {
    "refine.scale.0": "sft.SFT_scale_conv0",
    "refine.scale.2": "sft.SFT_scale_conv1",
    "refine.shift.0": "sft.SFT_shift_conv0",
    "refine.shift.2": "sft.SFT_shift_conv1",
    "refine.merge": "sft.SFT2",
    "draw": "decoder2.conv",
    "leave": "decoder1.conv",
}
"""Names of the convolutions of both images here, and in the authors' program."""


def published_parameters(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    """Parameters from the arrays of the authors' PyTorch program.

    A batch normalisation that it does not call is left out.
    """
    parameters = torch_layers(arrays, LAYERS)
    for ours, theirs in STREAMS.items():
        layers = {f"{ours}.{name}": f"{theirs}_{other}" for name, other in STREAM_LAYERS.items()}
        parameters |= torch_layers(arrays, layers)
        for name, other in STREAM_ARRAYS.items():
            parameters[f"{ours}.{name}"] = tensor(arrays[f"{theirs}_{other}"])
    return parameters
