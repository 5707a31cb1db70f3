"""Gated channel transformation: channels are scaled by a gate on their norms."""

import torch
from torch import Tensor, nn

NORM_EPSILON = 1e-5
"""Epsilon of Eq. 1 and 2, added to squared norms."""


class GatedChannels(nn.Module):
    """Gated channel transformation, the "GNB" of MFINet; initially the identity.

    Yang et al. 2020, doi:10.1109/CVPR42600.2020.01181, with their symbols: embedding by the l2
    norm over pixels, weighed by alpha; normalisation over channels, which has no parameters,
    weighed by gamma; the gate 1 + tanh(. + beta).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(width))
        self.gamma = nn.Parameter(torch.zeros(width))
        self.beta = nn.Parameter(torch.zeros(width))

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, H, W) to features of the same shape."""
        energy = features.square().sum(dim=(2, 3))  # (N, C)
        embedding = self.alpha * (energy + NORM_EPSILON).sqrt()
        norm = (embedding.square().mean(dim=1, keepdim=True) + NORM_EPSILON).sqrt()
        # on vectors, not on 1x1 maps: inference engines would compute the tanh at every pixel
        gate = 1 + torch.tanh(self.gamma * embedding / norm + self.beta)
        return features * gate[:, :, None, None]
