"""Training images: slices of CT and MR folders, crops drawn from a generator."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from radfuse.data.pairs import read_pairs
from radfuse.errors import InputError


@dataclass(frozen=True)
class Slices:
    """Grey images (N, H, W), uint8, split by patient."""

    training: NDArray[np.uint8]
    validation: NDArray[np.uint8]


def read_slices(folder: Path, validation_patients: tuple[str, ...]) -> Slices:
    """All CT and MR slices of a folder of pairs, the named patients set aside."""
    pairs = read_pairs(folder)
    shapes = {pair.ct.shape for pair in pairs}
    if len(shapes) > 1:
        raise InputError(f"{folder}: images of different sizes {sorted(shapes)}; give one size")
    known = {pair.patient for pair in pairs}
    if unknown := sorted(set(validation_patients) - known):
        raise InputError(f"{folder}: no images of patients {unknown}; there are {sorted(known)}")
    kept = [pair for pair in pairs if pair.patient not in validation_patients]
    aside = [pair for pair in pairs if pair.patient in validation_patients]
    if not kept:
        raise InputError(f"{folder}: every patient is set aside, none is left to train on")
    shape = (0, *next(iter(shapes)))
    return Slices(
        *(
            np.stack([image for pair in group for image in (pair.ct, pair.mr)])
            if group
            else np.empty(shape, np.uint8)
            for group in (kept, aside)
        )
    )


def draw_crops(
    images: NDArray[np.uint8], count: int, side: int, rng: np.random.Generator
) -> Tensor:
    """Random square crops (count, 1, side, side) in [0, 1], each turned and mirrored at random."""
    number, height, width = images.shape
    if side > min(height, width):
        raise InputError(f"crops of {side} pixels do not fit in images of {height}x{width}")
    crops = np.empty((count, 1, side, side), np.float32)
    for crop in crops:
        row, column = rng.integers(height - side + 1), rng.integers(width - side + 1)
        cut = images[rng.integers(number), row : row + side, column : column + side]
        turned = np.rot90(cut, int(rng.integers(4)))
        crop[0] = turned[:, ::-1] if rng.integers(2) else turned
    return torch.from_numpy(crops / 255)
