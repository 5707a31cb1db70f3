"""Base class of networks that fuse pairs of a functional and an anatomical image."""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn

MIN_SIDE = 3
"""Rows and columns that most networks need: reflect padding by two pixels."""

MIN_CONTRAST = 1e-6
"""Lower bound of white minus black as divisor: a flat image is stretched to black."""


class PairNetwork(nn.Module, ABC):
    """A network whose `fuse` takes two images in `RANGE`, by default first the CT, then the MR.

    `forward` takes CT and MR of shape (N, H, W) in [0, 1] and returns the fused images likewise,
    each independent of the others. With `stretch` the minimum of each fused image becomes 0 and its
    maximum 1, as many authors' programs save them; without it values outside the range are clipped.
    """

    RANGE: ClassVar[tuple[float, float]] = (0.0, 1.0)
    """Values of black and white of input and output."""

    MIN_SIDE: ClassVar[int] = MIN_SIDE
    """Minimum number of rows and of columns."""

    TRAINING_ONLY: ClassVar[tuple[str, ...]] = ()
    """Sub-modules that only training uses; an exported graph has none of their parameters."""

    def __init__(self, *, stretch: bool = False) -> None:
        super().__init__()
        self.stretch = stretch

    @abstractmethod
    def fuse(self, first: Tensor, second: Tensor, /) -> Tensor:
        """Images (N, 1, H, W) in `RANGE` to fused images of the same shape, not clipped."""

    def slots(self, ct: Tensor, mr: Tensor) -> tuple[Tensor, Tensor]:
        """Images (N, H, W) in [0, 1] as `fuse` takes them, (N, 1, H, W) in `RANGE`."""
        low, high = self.RANGE
        ct, mr = (low + (high - low) * image.unsqueeze(1) for image in (ct, mr))
        return ct, mr

    def forward(self, ct: Tensor, mr: Tensor) -> Tensor:
        """Fuse images (N, H, W) in [0, 1]."""
        return self.scaled(self.fuse(*self.slots(ct, mr)).squeeze(1))

    def scaled(self, raw: Tensor) -> Tensor:
        """Fused images (N, H, W) as `fuse` returns them, clipped or stretched to [0, 1]."""
        low, high = self.RANGE
        black, white = raw.new_tensor(low), raw.new_tensor(high)
        if self.stretch:
            black, white = raw.amin(dim=(1, 2), keepdim=True), raw.amax(dim=(1, 2), keepdim=True)
        fused: Tensor = (raw - black) / (white - black).clamp(min=MIN_CONTRAST)
        return fused.clamp(0, 1)
