"""What networks made for pairs of an infrared and a visible image share.

Most networks that fuse CT and MR in papers are such networks. They have two slots, a range of
values of their own, and were saved by programs that stretch each image to the full grey scale.
"""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from torch import Tensor, nn

Modality = Literal["ct", "mr"]

SMALLEST_SIDE = 3
"""Pixels that are enough for most networks: a mirror two pixels wide at the edge needs as many."""

SMALLEST_CONTRAST = 1e-6
"""Least difference of white and black that is divided by: a flat image stretched is black."""


class InfraredVisible(nn.Module, ABC):
    """A network whose `fuse` takes an infrared and a visible image in `RANGE`.

    `forward` takes CT and MR of shape (N, H, W) in [0, 1] and returns the fused images likewise,
    for each image by itself. `infrared` says which of the two goes into the infrared slot: the MR
    in the tables of Song et al. 2024 (doi:10.1007/s13721-024-00449-2). With `stretch` the darkest
    pixel of each fused image becomes 0 and its brightest 1, as the authors' programs save them;
    without it values outside the range are clipped.
    """

    RANGE: ClassVar[tuple[float, float]] = (0.0, 1.0)
    """Values of black and white, going in and coming out."""

    SMALLEST_SIDE: ClassVar[int] = SMALLEST_SIDE
    """Rows and columns that an image has at least."""

    TRAINING_ONLY: ClassVar[tuple[str, ...]] = ()
    """Children that fusing does not need; an exported graph has not their parameters."""

    def __init__(self, *, infrared: Modality = "mr", stretch: bool = False) -> None:
        super().__init__()
        if infrared not in {"ct", "mr"}:
            raise ValueError(f"infrared = {infrared!r}; give 'ct' or 'mr'")
        self.infrared, self.stretch = infrared, stretch

    @abstractmethod
    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Images (N, 1, H, W) in `RANGE` to fused images of the same shape, not cut off."""

    def slots(self, ct: Tensor, mr: Tensor) -> tuple[Tensor, Tensor]:
        """Images (N, H, W) in [0, 1] as `fuse` takes them: infrared, visible, (N, 1, H, W)."""
        low, high = self.RANGE
        ct, mr = (low + (high - low) * image.unsqueeze(1) for image in (ct, mr))
        return (mr, ct) if self.infrared == "mr" else (ct, mr)

    def forward(self, ct: Tensor, mr: Tensor) -> Tensor:
        """Fuse images (N, H, W) in [0, 1]."""
        low, high = self.RANGE
        raw = self.fuse(*self.slots(ct, mr)).squeeze(1)
        black, white = raw.new_tensor(low), raw.new_tensor(high)
        if self.stretch:
            black, white = raw.amin(dim=(1, 2), keepdim=True), raw.amax(dim=(1, 2), keepdim=True)
        fused: Tensor = (raw - black) / (white - black).clamp(min=SMALLEST_CONTRAST)
        return fused.clamp(0, 1)
