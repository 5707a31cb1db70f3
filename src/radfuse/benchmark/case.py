"""A case of a benchmark: a CT-MR pair of one patient, loaded on demand."""

from collections.abc import Callable
from dataclasses import dataclass

from radfuse.arrays import BoolArray, Float32Array
from radfuse.intensity import Window


@dataclass(frozen=True)
class FunctionalSource:
    """A PET or SPECT image in colour, and how it is fused."""

    rgb: Float32Array
    """(H, W, 3) in [0, 1]."""

    colour_map: str
    colour_space: str


@dataclass(frozen=True)
class Sources:
    """The source images: CT and MR on one grid, (N, H, W) in [0, 1], and what is known of them."""

    ct: Float32Array
    mr: Float32Array

    functional: FunctionalSource | None = None
    """A PET or SPECT image, whose luma is then `ct`."""

    fov_mask: BoolArray | None = None
    """True inside the field of view of both scanners; None where that is everywhere."""

    lesion: BoolArray | None = None
    """Mask of a lesion, where its position is known."""

    ring: BoolArray | None = None
    """Mask of the tissue around the lesion that its contrast is measured against."""

    window: Window | None = None
    """CT window of a volume; None for images that are grey already."""

    is_volume: bool = False
    """Whether the slices are neighbours in one patient."""

    hu: Float32Array | None = None
    """The CT in HU, of a volume."""

    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Of slices, rows and columns, of a volume."""


@dataclass(frozen=True)
class Case:
    """A CT-MR pair."""

    name: str
    patient: str
    digest: str
    """Changes with the images."""

    load: Callable[[], Sources]
