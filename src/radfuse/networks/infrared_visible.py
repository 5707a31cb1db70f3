"""Base class of networks designed for pairs of an infrared and a visible image.

Papers on CT-MR fusion compare with many such networks. Each has two input slots and its own value
range; most authors' programs stretch each fused image to the full grey scale.
"""

from abc import abstractmethod
from typing import Literal

from torch import Tensor

from radfuse.networks.pair_network import PairNetwork

Slot = Literal["ct", "mr"]
"""The source that takes the infrared slot."""


class InfraredVisible(PairNetwork):
    """A network whose `fuse` takes an infrared and a visible image in `RANGE`.

    `infrared` is the source in the infrared slot: the MR in the tables of Song et al. 2024
    (doi:10.1007/s13721-024-00449-2).
    """

    def __init__(self, *, infrared: Slot = "mr", stretch: bool = False) -> None:
        super().__init__(stretch=stretch)
        if infrared not in {"ct", "mr"}:
            raise ValueError(f"infrared = {infrared!r}; give 'ct' or 'mr'")
        self.infrared = infrared

    @abstractmethod
    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Images (N, 1, H, W) in `RANGE` to fused images of the same shape, not clipped."""

    def slots(self, ct: Tensor, mr: Tensor) -> tuple[Tensor, Tensor]:
        """Images (N, H, W) in [0, 1] as `fuse` takes them: infrared, visible, (N, 1, H, W)."""
        ct, mr = super().slots(ct, mr)
        return (mr, ct) if self.infrared == "mr" else (ct, mr)
