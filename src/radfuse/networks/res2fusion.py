"""Res2Fusion, an autoencoder with a Res2Net block and a fusion layer between its halves.

Chen et al. 2024, "MR-CT image fusion method of intracranial tumors based on Res2Net", BMC Medical
Imaging 24, doi:10.1186/s12880-024-01329-x. Equation and table numbers are that paper's.
"""

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from radfuse.networks.blocks.layers import conv

Strategy = Literal["addition", "average", "maximum", "l1", "spatial_mean", "spatial_mean_softmax"]
"""Fusion strategy of the features of CT and MR (Fig. 3 and variants)."""

STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)

CHANNELS = 64
"""Output maps of the extractor (Table 1)."""

GROUPS = 4
"""Groups of the Res2Net block (Eq. 1)."""

ACTIVITY_EPSILON = 1e-6
"""Added to the sum of activities, which may be 0 in both images."""


WIDTHS = (32, CHANNELS, CHANNELS, 64, 32, 16)
"""Maps of the two convolutions of the extractor, of the Res2Net block after them, and of all
convolutions of the reconstructor but the last (Table 1); a narrowed network has fewer."""

READERS = {
    "extractor.0": "extractor.2",
    "extractor.2": "extractor.4.enter",
    "extractor.4.leave": "reconstructor.0",
    "reconstructor.0": "reconstructor.2",
    "reconstructor.2": "reconstructor.4",
    "reconstructor.4": "reconstructor.6",
}
"""The layers that have these maps, and the only convolution that reads those of each."""


class Res2Block(nn.Module):
    """Res2Net block (Eq. 1): channel groups with increasing receptive fields in one layer."""

    def __init__(self, width_in: int = CHANNELS, width_out: int = CHANNELS) -> None:
        super().__init__()
        width = CHANNELS // GROUPS
        self.enter = conv(width_in, CHANNELS, 1)
        self.groups = nn.ModuleList(
            nn.Sequential(conv(width, width, 3), nn.ReLU(), conv(width, width, 3), nn.ReLU())
            for _ in range(GROUPS - 1)
        )
        self.leave = conv(CHANNELS, width_out, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, 64, H, W) to features of the same shape, unless it has other widths."""
        first, second, *rest = functional.relu(self.enter(features)).chunk(GROUPS, dim=1)
        outputs = [first, self.groups[0](second)]
        for group, part in zip(self.groups[1:], rest, strict=True):
            outputs.append(group(part + outputs[-1]))
        return functional.relu(self.leave(torch.cat(outputs, dim=1)))


def _l1(features: Tensor) -> Tensor:
    """Activity of DenseFuse (doi:10.1109/TIP.2018.2887342): l1-norm, mean of 3x3 pixels."""
    norm = features.abs().sum(dim=1, keepdim=True)  # (N, 1, H, W)
    return functional.avg_pool2d(norm, 3, stride=1, padding=1)


def _mean(features: Tensor) -> Tensor:
    return features.mean(dim=1, keepdim=True)  # (N, 1, H, W)


def _shares(activity: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """Rule that weights the features of each pixel by their share of the activity."""

    def rule(ct: Tensor, mr: Tensor) -> Tensor:
        of_ct, of_mr = activity(ct), activity(mr)
        return (of_ct * ct + of_mr * mr) / (of_ct + of_mr + ACTIVITY_EPSILON)

    return rule


def _softmax(ct: Tensor, mr: Tensor) -> Tensor:
    weight = torch.sigmoid(_mean(ct) - _mean(mr))  # the softmax of two
    return weight * ct + (1 - weight) * mr


RULES: dict[Strategy, Callable[[Tensor, Tensor], Tensor]] = {
    "addition": lambda ct, mr: ct + mr,
    "average": lambda ct, mr: (ct + mr) / 2,
    "maximum": torch.maximum,
    "l1": _shares(_l1),
    "spatial_mean": _shares(_mean),
    "spatial_mean_softmax": _softmax,
}
"""Fusion layers; `spatial_mean` is Eq. 2-3 read literally."""


class Res2Fusion(nn.Module):
    """The network of Table 1; `reconstruct` is trained, `forward` fuses.

    `widths` has the maps of its layers, see `WIDTHS`.

    `forward` takes CT and MR of shape (N, H, W) in [0, 1] and returns the fused images likewise.
    """

    def __init__(self, strategy: Strategy = "spatial_mean", widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        self.rule = RULES[strategy]
        first, second, features, *rebuilt = widths
        self.extractor = nn.Sequential(
            conv(1, first, 3), nn.ReLU(), conv(first, second, 3), nn.ReLU(),
            Res2Block(second, features),
        )  # fmt: skip
        self.reconstructor = nn.Sequential(
            conv(features, rebuilt[0], 3), nn.ReLU(),
            conv(rebuilt[0], rebuilt[1], 3), nn.ReLU(),
            conv(rebuilt[1], rebuilt[2], 3), nn.ReLU(),
            conv(rebuilt[2], 1, 3),
        )  # fmt: skip

    def reconstruct(self, image: Tensor) -> Tensor:
        """Rebuild images of shape (N, 1, H, W), without the fusion layer."""
        return self.reconstructor(self.extractor(image))

    def forward(self, ct: Tensor, mr: Tensor) -> Tensor:
        """Fuse images (N, H, W) in [0, 1]."""
        features = self.extractor(torch.cat([ct, mr]).unsqueeze(1))  # (2N, widths[2], H, W)
        of_ct, of_mr = features[: ct.shape[0]], features[ct.shape[0] :]
        fused: Tensor = self.reconstructor(self.rule(of_ct, of_mr)).squeeze(1)
        return fused.clamp(0, 1)
