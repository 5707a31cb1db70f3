"""Cases: CT-MR pairs with what is known about them, loaded one at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radfuse.arrays import Float32Array
from radfuse.intensity import Window
from radfuse.io.image_pairs import PairFiles, find_pairs, read_pair
from radfuse.record import digest

WHITE = 255
"""Of the pictures, 8 bits."""


@dataclass(frozen=True)
class Sources:
    """What is fused: CT and MR on one grid, (N, H, W) in [0, 1]."""

    ct: Float32Array
    mr: Float32Array

    seen: NDArray[np.bool_] | None = None
    """Where both scanners looked; None for everywhere."""

    lesion: NDArray[np.bool_] | None = None
    """A lesion whose place is known."""

    ring: NDArray[np.bool_] | None = None
    """What the lesion must stand out from."""

    window: Window | None = None
    """CT window of a volume; None for images that are grey already."""

    is_volume: bool = False
    """Whether the slices are neighbours in one patient."""


@dataclass(frozen=True)
class Case:
    """A CT-MR pair."""

    name: str
    patient: str
    digest: str
    """Changes when the images do."""

    load: Callable[[], Sources]


def pair_cases(folder: Path) -> list[Case]:
    """A case for each pair of pictures in a folder with CT/ and MRI/; raises as `read_pairs`."""
    return [
        Case(
            name=found.name,
            patient=found.patient,
            digest=digest([found.ct, found.mr]),
            load=partial(_sources_of_pair, found),
        )
        for found in find_pairs(folder)
    ]


def _sources_of_pair(files: PairFiles) -> Sources:
    pair = read_pair(files)
    ct, mr = (image[None] / np.float32(WHITE) for image in (pair.ct, pair.mr))
    return Sources(ct.astype(np.float32), mr.astype(np.float32))
