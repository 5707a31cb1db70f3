"""Training images: the pairs of a folder, split by patient, and random aligned crops of them."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from radfuse.arrays import Float32Array, UInt8Array
from radfuse.errors import InputError
from radfuse.io.image_pairs import ImagePair, named_patient, read_image_pairs
from radfuse.training.settings import Augmentation, Phase

MAX_DRAWS = 20
"""Crops drawn in search of enough tissue; the last one is taken in any case."""


@dataclass(frozen=True)
class TrainingPairs:
    """Images (N, 2, H, W), uint8, CT and MR; split by patient."""

    training: UInt8Array
    validation: UInt8Array
    patients_trained: tuple[str, ...]
    """With their data set, see `named_patient`; the validated ones too."""

    patients_validated: tuple[str, ...]

    def summary(self) -> dict[str, object]:
        """Patients, counts and a hash of the images, for checkpoints and model cards."""
        content = self.training.tobytes() + self.validation.tobytes()
        return {
            "patients_trained": list(self.patients_trained),
            "patients_validated": list(self.patients_validated),
            "pairs_trained": len(self.training),
            "pairs_validated": len(self.validation),
            "images_sha256": hashlib.sha256(content).hexdigest(),
        }


def read_training_pairs(
    folder: Path, validation_patients: tuple[str, ...], data_set: str = ""
) -> TrainingPairs:
    """All pairs of a folder, those of some patients for validation; raises as `read_image_pairs`.

    Raises `InputError` for images of several sizes, unknown patients, and where every patient is
    a validation patient.
    """
    pairs = read_image_pairs(folder)
    shapes = {pair.ct.shape for pair in pairs}
    if len(shapes) > 1:
        raise InputError(f"{folder}: images of different sizes {sorted(shapes)}; give one size")
    patients = {pair.patient for pair in pairs}
    if unknown := sorted(set(validation_patients) - patients):
        raise InputError(f"{folder}: no images of patients {unknown}; there are {sorted(patients)}")
    if not (trained := patients - set(validation_patients)):
        raise InputError(
            f"{folder}: all patients are validation_patients, none is left to train on"
        )
    return TrainingPairs(
        _as_array([pair for pair in pairs if pair.patient in trained], shapes),
        _as_array([pair for pair in pairs if pair.patient not in trained], shapes),
        _named(trained, data_set),
        _named(patients - trained, data_set),
    )


def _named(patients: set[str], data_set: str) -> tuple[str, ...]:
    """The patients with their data set, 2 before 16."""
    ordered = sorted(patients, key=lambda patient: (len(patient), patient))
    return tuple(named_patient(patient, data_set) for patient in ordered)


def _as_array(pairs: list[ImagePair], shapes: set[tuple[int, ...]]) -> UInt8Array:
    images = [np.stack([pair.ct, pair.mr]) for pair in pairs]
    return np.stack(images) if images else np.empty((0, 2, *next(iter(shapes))), np.uint8)


@dataclass(frozen=True)
class Crop:
    """The random parameters of one crop."""

    image: int
    rows: slice
    columns: slice
    rotations: int = 0
    """By 90 degrees."""

    mirrored: bool = False

    def cut(self, images: UInt8Array) -> UInt8Array:
        """The crop (C, height, width) of images (N, C, H, W), neither rotated nor mirrored."""
        return images[self.image, :, self.rows, self.columns]

    def apply(self, images: UInt8Array) -> UInt8Array:
        """The crop, rotated and mirrored."""
        crop = np.rot90(self.cut(images), self.rotations, axes=(1, 2))
        return crop[..., ::-1] if self.mirrored else crop


def draw_crops(images: UInt8Array, phase: Phase, rng: np.random.Generator) -> Tensor:
    """Random crops (batch, C, height, width) in [0, 1] from images (N, C, H, W).

    The channels of a crop show the same region. Raises `InputError` for crops larger than images.
    """
    height, width = images.shape[2:]
    if phase.crop and phase.crop > min(height, width):
        raise InputError(f"crops of {phase.crop} pixels do not fit in images of {height}x{width}")
    size = (phase.crop, phase.crop) if phase.crop else (height, width)
    drawn = [draw_crop(images, size, phase.augmentation, rng) for _ in range(phase.batch)]
    crops = np.stack([crop.apply(images) for crop in drawn]).astype(np.float32)
    crops /= 255
    return torch.from_numpy(_jitter_intensity(crops, phase.augmentation, rng))


def draw_crop(
    images: UInt8Array, size: tuple[int, int], choices: Augmentation, rng: np.random.Generator
) -> Crop:
    """Draw one crop; the image first, so that all images are equally frequent."""
    image = int(rng.integers(len(images)))
    crop = _draw_position(images, image, size, rng)
    if choices.min_tissue:
        for _ in range(MAX_DRAWS - 1):
            if (crop.cut(images).max(axis=0) > 0).mean() > choices.min_tissue:
                break
            crop = _draw_position(images, image, size, rng)
    if not choices.rotate:
        return crop
    quarters = 1 if size[0] == size[1] else 2
    rotations = quarters * int(rng.integers(4 // quarters))
    return Crop(crop.image, crop.rows, crop.columns, rotations, bool(rng.integers(2)))


def _draw_position(
    images: UInt8Array, image: int, size: tuple[int, int], rng: np.random.Generator
) -> Crop:
    starts = (
        int(rng.integers(whole - side + 1))
        for whole, side in zip(images.shape[2:], size, strict=True)
    )
    rows, columns = (slice(at, at + side) for at, side in zip(starts, size, strict=True))
    return Crop(image, rows, columns)


def _jitter_intensity(
    crops: Float32Array, choices: Augmentation, rng: np.random.Generator
) -> Float32Array:
    """Crops with random gamma and gain, drawn for each channel; black stays black."""
    shape = (*crops.shape[:2], 1, 1)
    if choices.gamma:
        powers = 1 + choices.gamma * rng.uniform(-1, 1, shape)
        crops = crops ** powers.astype(np.float32)
    if choices.gain:
        gains = 1 + choices.gain * rng.uniform(-1, 1, shape)
        crops = np.minimum(crops * gains.astype(np.float32), 1)
    return crops
