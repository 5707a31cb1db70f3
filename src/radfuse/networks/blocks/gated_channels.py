"""Gated channel transformation: channels that compete or work together through their norms."""

import torch
from torch import Tensor, nn

SMALLEST_NORM = 1e-5
"""Epsilon of Eq. 1 and 2, added to squared norms."""


class GatedChannels(nn.Module):
    """Gated channel transformation, the "GNB" of MFINet; new, it is the identity.

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
        embedding = self.alpha * (energy + SMALLEST_NORM).sqrt()
        norm = (embedding.square().mean(dim=1, keepdim=True) + SMALLEST_NORM).sqrt()
        # of vectors, not of 1x1 maps: fusing engines would recompute the tanh at every pixel
        gate = 1 + torch.tanh(self.gamma * embedding / norm + self.beta)
        return features * gate[:, :, None, None]
