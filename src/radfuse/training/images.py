"""Training images: pairs of a folder, and aligned crops of them drawn from a generator."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from radfuse.arrays import Float32Array, UInt8Array
from radfuse.errors import InputError
from radfuse.io.image_pairs import Pair, read_pairs
from radfuse.training.settings import Augmentation, Phase

DRAWS = 20
"""Places tried for a crop with enough tissue before the last one is taken as it is."""


@dataclass(frozen=True)
class Pairs:
    """Images (N, 2, H, W), uint8, CT and MR; split by patient."""

    training: UInt8Array
    validation: UInt8Array
    patients_trained: tuple[str, ...]
    patients_validated: tuple[str, ...]

    def facts(self) -> dict[str, object]:
        """What a card and a later reader want to know of them."""
        content = self.training.tobytes() + self.validation.tobytes()
        return {
            "patients_trained": list(self.patients_trained),
            "patients_validated": list(self.patients_validated),
            "pairs_trained": len(self.training),
            "pairs_validated": len(self.validation),
            "images_sha256": hashlib.sha256(content).hexdigest(),
        }


def read_training_pairs(folder: Path, validation_patients: tuple[str, ...]) -> Pairs:
    """All pairs of a folder, the named patients set aside; raises as `read_pairs`.

    Raises `InputError` for images of several sizes, unknown patients, and where none is left.
    """
    pairs = read_pairs(folder)
    shapes = {pair.ct.shape for pair in pairs}
    if len(shapes) > 1:
        raise InputError(f"{folder}: images of different sizes {sorted(shapes)}; give one size")
    known = {pair.patient for pair in pairs}
    if unknown := sorted(set(validation_patients) - known):
        raise InputError(f"{folder}: no images of patients {unknown}; there are {sorted(known)}")
    if not (kept := known - set(validation_patients)):
        raise InputError(f"{folder}: every patient is set aside, none is left to train on")
    return Pairs(
        _stacked([pair for pair in pairs if pair.patient in kept], shapes),
        _stacked([pair for pair in pairs if pair.patient not in kept], shapes),
        tuple(sorted(kept, key=_numerically)),
        tuple(sorted(known - kept, key=_numerically)),
    )


def _numerically(patient: str) -> tuple[int, str]:
    """2 before 16."""
    return len(patient), patient


def _stacked(pairs: list[Pair], shapes: set[tuple[int, ...]]) -> UInt8Array:
    images = [np.stack([pair.ct, pair.mr]) for pair in pairs]
    return np.stack(images) if images else np.empty((0, 2, *next(iter(shapes))), np.uint8)


@dataclass(frozen=True)
class Cut:
    """What chance decided for one crop."""

    image: int
    rows: slice
    columns: slice
    turns: int = 0
    """Quarters."""

    mirrored: bool = False

    def of(self, images: UInt8Array) -> UInt8Array:
        """The crop (C, height, width) of images (N, C, H, W), as it lay."""
        return images[self.image, :, self.rows, self.columns]

    def turned(self, images: UInt8Array) -> UInt8Array:
        """The crop, turned and mirrored."""
        crop = np.rot90(self.of(images), self.turns, axes=(1, 2))
        return crop[..., ::-1] if self.mirrored else crop


def draw_crops(images: UInt8Array, phase: Phase, rng: np.random.Generator) -> Tensor:
    """Crops (batch, C, height, width) in [0, 1] from images (N, C, H, W), as the phase says.

    The channels of a crop show one place. Raises `InputError` where crops do not fit in.
    """
    height, width = images.shape[2:]
    if phase.crop and phase.crop > min(height, width):
        raise InputError(f"crops of {phase.crop} pixels do not fit in images of {height}x{width}")
    size = (phase.crop, phase.crop) if phase.crop else (height, width)
    cuts = [draw_cut(images, size, phase.augmentation, rng) for _ in range(phase.batch)]
    crops = np.stack([cut.turned(images) for cut in cuts]).astype(np.float32)
    crops /= 255
    return torch.from_numpy(_with_other_light(crops, phase.augmentation, rng))


def draw_cut(
    images: UInt8Array, size: tuple[int, int], choices: Augmentation, rng: np.random.Generator
) -> Cut:
    """Draw one crop; the image first, so that every image comes up equally often."""
    image = int(rng.integers(len(images)))
    cut = _draw_place(images, image, size, rng)
    if choices.least_tissue:
        for _ in range(DRAWS - 1):
            if (cut.of(images).max(axis=0) > 0).mean() > choices.least_tissue:
                break
            cut = _draw_place(images, image, size, rng)
    if not choices.turn:
        return cut
    quarters = 1 if size[0] == size[1] else 2
    turns = quarters * int(rng.integers(4 // quarters))
    return Cut(cut.image, cut.rows, cut.columns, turns, bool(rng.integers(2)))


def _draw_place(
    images: UInt8Array, image: int, size: tuple[int, int], rng: np.random.Generator
) -> Cut:
    starts = (
        int(rng.integers(whole - side + 1))
        for whole, side in zip(images.shape[2:], size, strict=True)
    )
    rows, columns = (slice(at, at + side) for at, side in zip(starts, size, strict=True))
    return Cut(image, rows, columns)


def _with_other_light(
    crops: Float32Array, choices: Augmentation, rng: np.random.Generator
) -> Float32Array:
    """Crops with the contrast and brightness of each image changed by chance; black stays black."""
    shape = (*crops.shape[:2], 1, 1)
    if choices.gamma:
        powers = 1 + choices.gamma * rng.uniform(-1, 1, shape)
        crops = crops ** powers.astype(np.float32)
    if choices.gain:
        gains = 1 + choices.gain * rng.uniform(-1, 1, shape)
        crops = np.minimum(crops * gains.astype(np.float32), 1)
    return crops
