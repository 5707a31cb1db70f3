"""DRF, an autoencoder that separates what both images share from what each has alone.

Wang et al. 2022, "A disentangled representation based brain image fusion via group lasso penalty",
Frontiers in Neuroscience 16, doi:10.3389/fnins.2022.937861. Details that the paper leaves open
follow the authors' published program.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from radfuse.networks.blocks.layers import conv
from radfuse.networks.blocks.parameter_layouts import tensor
from radfuse.networks.pair_network import PairNetwork

ENCODER_WIDTHS = (64, 64, 128)
"""Feature maps of the layers of each encoder."""

DECODER_WIDTHS = (128, 64, 32, 32)
"""Feature maps of the decoder before its last convolution."""

COLOURS = 3
"""Equal channels in which the encoder of one modality takes a grey image."""

WINDOW = 5
"""Side of the window over which the activity of the shared features is averaged."""

MIN_ACTIVITY = 1e-6
"""Lower bound of the sum of activities as divisor: features that are 0 in both give 0."""


def _layers(*widths: int) -> list[nn.Module]:
    """Convolutions 3x3, each with normalisation of each map and a ReLU."""
    layers: list[nn.Module] = []
    for width_in, width_out in pairwise(widths):
        layers += [conv(width_in, width_out, 3, padding="reflect"), nn.InstanceNorm2d(width_out)]
        layers.append(nn.ReLU())
    return layers


def by_activity(first: Tensor, second: Tensor) -> Tensor:
    """Features (N, C, H, W) weighted by the share of their l1-norm over channels, averaged 5x5."""
    of_first, of_second = (
        functional.avg_pool2d(maps.abs().sum(dim=1, keepdim=True), WINDOW, 1, WINDOW // 2)
        for maps in (first, second)
    )
    weighted = of_first * first + of_second * second
    return weighted / (of_first + of_second).clamp(min=MIN_ACTIVITY)


class DRF(PairNetwork):
    """The network: the shared features of both images are merged, those of each alone are added."""

    def __init__(self, *, stretch: bool = False) -> None:
        super().__init__(stretch=stretch)
        self.shared = nn.Sequential(*_layers(1, *ENCODER_WIDTHS))
        self.functional, self.anatomical = (
            nn.Sequential(*_layers(COLOURS, *ENCODER_WIDTHS)) for _ in ("functional", "anatomical")
        )
        self.decoder = nn.Sequential(
            *_layers(*DECODER_WIDTHS), conv(DECODER_WIDTHS[-1], 1, 3, padding="reflect"),
            nn.Sigmoid(),
        )  # fmt: skip

    def fuse(self, functional_image: Tensor, anatomical_image: Tensor) -> Tensor:
        """Images (N, 1, H, W) in [0, 1] to fused images of the same shape and range."""
        shared = by_activity(self.shared(functional_image), self.shared(anatomical_image))
        of_functional, of_anatomical = self.alone(functional_image, anatomical_image)
        fused: Tensor = self.decoder(shared + of_functional + of_anatomical)
        return fused

    def alone(self, functional_image: Tensor, anatomical_image: Tensor) -> tuple[Tensor, Tensor]:
        """Features (N, 128, H, W) that each image has alone."""
        return (
            self.functional(functional_image.repeat(1, COLOURS, 1, 1)),
            self.anatomical(anatomical_image.repeat(1, COLOURS, 1, 1)),
        )


ENCODERS = {"shared": "EnC", "functional": "EnSVI", "anatomical": "EnSIR"}
"""Names of the encoders here, and what the names of the authors' files end with."""

LAYERS = {
    **{
        f"{ours}.{3 * layer}": f"{theirs}.slice{layer + 1}.1"
        for ours, theirs in ENCODERS.items()
        for layer in range(len(ENCODER_WIDTHS))
    },
    **{f"decoder.{3 * layer}": f"De.conv{layer + 1}.1" for layer in range(len(DECODER_WIDTHS))},
}
"""Names of the convolutions here, and in the authors' program after the name of the part."""


def published_parameters(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    """Parameters from the arrays of the authors' four files of PyTorch.

    Names that several files have must begin with that of the file, or of the part of the network:
    `800_net_EnC.slice1.1.weight` or `EnC.slice1.1.weight`.
    """
    by_part = {name.rpartition("_net_")[2]: name for name in arrays}
    by_part |= {f"De.{name}": name for name in arrays if name.startswith("conv")}
    parameters = {}
    for ours, theirs in LAYERS.items():
        for kind in ("weight", "bias"):
            name = f"{theirs}.{kind}"
            parameters[f"{ours}.{kind}"] = tensor(arrays[by_part.get(name, name)])
    return parameters
