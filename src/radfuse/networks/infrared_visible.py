"""Base class of networks designed for pairs of an infrared and a visible image.

Papers on CT-MR fusion compare with many such networks. Each has two input slots and its own value
range; most authors' programs stretch each fused image to the full grey scale.
"""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from torch import Tensor, nn

Slot = Literal["ct", "mr"]
"""The source that takes the infrared slot."""

MIN_SIDE = 3
"""Rows and columns that most networks need: reflect padding by two pixels."""

MIN_CONTRAST = 1e-6
"""Lower bound of white minus black as divisor: a flat image is stretched to black."""


class InfraredVisible(nn.Module, ABC):
    """A network whose `fuse` takes an infrared and a visible image in `RANGE`.

    `forward` takes CT and MR of shape (N, H, W) in [0, 1] and returns the fused images likewise,
    each independent of the others. `infrared` is the source in the infrared slot: the MR in the
    tables of Song et al. 2024 (doi:10.1007/s13721-024-00449-2). With `stretch` the minimum of each
    fused image becomes 0 and its maximum 1, as the authors' programs save them; without it values
    outside the range are clipped.
    """

    RANGE: ClassVar[tuple[float, float]] = (0.0, 1.0)
    """Values of black and white of input and output."""

    MIN_SIDE: ClassVar[int] = MIN_SIDE
    """Minimum number of rows and of columns."""

    TRAINING_ONLY: ClassVar[tuple[str, ...]] = ()
    """Sub-modules that only training uses; an exported graph has none of their parameters."""

    def __init__(self, *, infrared: Slot = "mr", stretch: bool = False) -> None:
        super().__init__()
        if infrared not in {"ct", "mr"}:
            raise ValueError(f"infrared = {infrared!r}; give 'ct' or 'mr'")
        self.infrared, self.stretch = infrared, stretch

    @abstractmethod
    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Images (N, 1, H, W) in `RANGE` to fused images of the same shape, not clipped."""

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
        fused: Tensor = (raw - black) / (white - black).clamp(min=MIN_CONTRAST)
        return fused.clamp(0, 1)
