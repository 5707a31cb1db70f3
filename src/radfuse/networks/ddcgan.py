"""DDcGAN, a dense generator trained against a discriminator for each image.

Ma et al. 2020, "DDcGAN: a dual-discriminator conditional generative adversarial network for
multi-resolution image fusion", IEEE Transactions on Image Processing 29,
doi:10.1109/TIP.2020.2977573. This is its generator for two images of the same resolution, as CT and
MR on one grid are; for PET at a quarter of the resolution a transposed convolution comes before.
Details that the paper leaves open follow the authors' published program. Its parameters are not
published. Own weights are of a short training: their images are blurred, and show little of the MR.
"""

import torch
from torch import Tensor, nn

from radfuse.networks.blocks.layers import conv, normalised_conv
from radfuse.networks.pair_network import PairNetwork

WIDTH = 48
"""Output maps of the first convolution and of each dense layer."""

DENSE_LAYERS = 4
"""Dense layers."""

PATCH = 64
"""Side of the discriminators' patches; the authors' have 84 pixels."""

FEATURE_SIDE = PATCH // 8
"""Side of their features after three convolutions that halve it."""

FEATURES = (DENSE_LAYERS + 1) * WIDTH
"""Feature maps of the encoder."""


class DDcGAN(PairNetwork):
    """The generator; input channels are the MR, in the slot of the visible image, and the CT."""

    def __init__(self, *, stretch: bool = False) -> None:
        super().__init__(stretch=stretch)
        self.enter = normalised_conv(2, WIDTH)
        self.dense = nn.ModuleList(
            normalised_conv((n + 1) * WIDTH, WIDTH) for n in range(DENSE_LAYERS)
        )
        self.repeat = normalised_conv(FEATURES, FEATURES)
        self.decoder = nn.Sequential(
            normalised_conv(FEATURES, 128), normalised_conv(128, 64), normalised_conv(64, 32),
            conv(32, 1, 3, padding="reflect"),
        )  # fmt: skip

    def fuse(self, functional: Tensor, anatomical: Tensor) -> Tensor:
        """Images (N, 1, H, W) in [0, 1] to fused images of the same shape and range."""
        features = self.enter(torch.cat([anatomical, functional], dim=1))
        for layer in self.dense:
            features = torch.cat([layer(features), features], dim=1)
        # the program runs its first decoding layer twice, at first without normalisation
        features = torch.relu(self.repeat[0](features))
        return torch.tanh(self.decoder(self.repeat(features))) / 2 + 0.5


class Discriminators(nn.Module):
    """Two classifiers: whether a patch is a CT or fused, whether one is an MR or fused.

    Used in training only.
    """

    def __init__(self) -> None:
        super().__init__()
        self.each = nn.ModuleList(_discriminator() for _ in ("functional", "anatomical"))

    def forward(self, patches: Tensor) -> Tensor:
        """Patches (N, 2, 64, 64), one for each, to scores (N, 2) in [0, 1]: 0 for fused."""
        scores = [one(patches[:, [index]]) for index, one in enumerate(self.each)]
        return torch.tanh(torch.cat(scores, dim=1)) / 2 + 0.5


def _discriminator() -> nn.Sequential:
    """Maps patches (N, 1, 64, 64) to (N, 1)."""
    return nn.Sequential(
        conv(1, 16, 3, stride=2, padding="reflect"), nn.ReLU(),
        conv(16, 32, 3, stride=2, padding="reflect"), nn.BatchNorm2d(32), nn.ReLU(),
        conv(32, 64, 3, stride=2, padding="reflect"), nn.BatchNorm2d(64), nn.ReLU(),
        nn.Flatten(), nn.Linear(64 * FEATURE_SIDE**2, 1),
    )  # fmt: skip
