"""FusionDN, dense blocks on both images together.

Xu et al. 2020, "FusionDN: a unified densely connected network for image fusion", AAAI Conference on
Artificial Intelligence 34, doi:10.1609/aaai.v34i07.6936. Details that the paper leaves open follow
the authors' published program. Its parameters are not published.
"""

import torch
from torch import Tensor, nn

from radfuse.networks.blocks.layers import conv, normalised_conv
from radfuse.networks.pair_network import PairNetwork

WIDTH = 48
"""Output maps of the first convolution and of each dense block."""

BLOCKS = 4
"""Dense blocks."""

FEATURES = (BLOCKS + 1) * WIDTH
"""Feature maps of the encoder."""


class TwoConvolutions(nn.Sequential):
    """A dense block: two convolutions 3x3 with ReLUs.

    The program normalises in them by fixed statistics, a factor that the convolutions include.
    """

    def __init__(self, width_in: int) -> None:
        super().__init__(
            conv(width_in, WIDTH, 3, padding="reflect"), nn.ReLU(),
            conv(WIDTH, WIDTH, 3, padding="reflect"), nn.ReLU(),
        )  # fmt: skip


class FusionDN(PairNetwork):
    """The network; input channels are the CT and the MR."""

    def __init__(self, *, stretch: bool = False) -> None:
        super().__init__(stretch=stretch)
        self.enter = normalised_conv(2, WIDTH)
        self.blocks = nn.ModuleList(TwoConvolutions((n + 1) * WIDTH) for n in range(BLOCKS))
        self.repeat = normalised_conv(FEATURES, FEATURES)
        self.decoder = nn.Sequential(
            normalised_conv(FEATURES, 128), normalised_conv(128, 64),
            conv(64, 1, 3, padding="reflect"),
        )  # fmt: skip

    def fuse(self, first: Tensor, second: Tensor) -> Tensor:
        """Images (N, 1, H, W) in [0, 1] to fused images of the same shape and range."""
        features = self.enter(torch.cat([first, second], dim=1))
        for block in self.blocks:
            features = torch.cat([features, block(features)], dim=1)
        # the program runs its first decoding layer twice, at first without normalisation
        features = torch.relu(self.repeat[0](features))
        return torch.tanh(self.decoder(self.repeat(features))) / 2 + 0.5
