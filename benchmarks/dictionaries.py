"""Learn the dictionaries of the methods of sparse coding from training pairs.

    python benchmarks/dictionaries.py TRAIN [--only NAME]

`TRAIN` has the folders CT and MRI of 8-bit images. `configs/dictionaries.toml` has the settings.
Writes `NAME.npz` and `dictionaries.json` with settings, data and digests into
`src/radfuse/methods/sparse_coding/learned`. The same settings and data give the same files on one
machine.
"""

import json
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from scipy.fft import irfft2, rfft2

from radfuse.arrays import Float32Array, Float64Array
from radfuse.io.images import read_grey
from radfuse.methods.sparse_coding.convolutional import Solver, synthesized
from radfuse.methods.sparse_coding.convolutional import encode as encode_image
from radfuse.methods.sparse_coding.dictionaries import LEARNED
from radfuse.methods.sparse_coding.low_pass import low_pass
from radfuse.methods.sparse_coding.matching_pursuit import encode
from radfuse.methods.sparse_coding.orientation import ORIENTATIONS, dominant_orientation
from radfuse.methods.sparse_coding.patches import patches_of
from radfuse.record import digest
from radfuse.settings import SHIPPED, checked_settings

FACTS = LEARNED / "dictionaries.json"
DATA = "160 training pairs of the Harvard Whole Brain Atlas, CT and MR"


@dataclass(frozen=True)
class PatchSettings:
    """How atoms of patches are learned, by K-SVD."""

    atoms: int
    size: int
    """Rows and columns of a patch."""

    patches: int
    """Patches that are drawn."""

    deviation: float
    """Least standard deviation of a patch, grey levels."""

    epsilon: float
    """Length of the residual at which the code of a patch is complete, grey levels."""

    rounds: int
    seed: int
    by_orientation: bool = False
    """Whether the atoms of all patches are followed by those of each orientation."""


def drawn_patches(images: list[Float64Array], settings: PatchSettings) -> Float64Array:
    """Patches (patches, samples), as many of each image."""
    rng = np.random.default_rng(settings.seed)
    found = []
    for image in images:
        patches = patches_of(image[None], settings.size, 1).reshape(-1, settings.size**2)
        patches = patches[patches.std(axis=1) >= settings.deviation]
        count = min(len(patches), -(-settings.patches // len(images)))
        found.append(patches[rng.choice(len(patches), count, replace=False)])
    return np.concatenate(found)


def k_svd(signals: Float64Array, count: int, epsilon: float, rounds: int) -> Float64Array:
    """Atoms (count, samples) by approximate K-SVD (Aharon et al. 2006; Rubinstein et al. 2008).

    They begin with signals at equal distances. An atom that no signal has becomes the signal that
    is represented worst.
    """
    begun = signals[np.linspace(0, len(signals) - 1, count).astype(int)]
    atoms = begun / np.linalg.norm(begun, axis=1, keepdims=True)
    for number in range(1, rounds + 1):
        codes = encode(signals, atoms, epsilon)
        residuals = signals - codes @ atoms
        for atom in range(count):
            users = np.flatnonzero(codes[:, atom])
            if not users.size:
                worst = (residuals**2).sum(axis=1).argmax()
                atoms[atom] = signals[worst] / np.linalg.norm(signals[worst])
                residuals[worst] = 0
                continue
            own = residuals[users] + np.outer(codes[users, atom], atoms[atom])
            atoms[atom] = codes[users, atom] @ own
            atoms[atom] /= np.linalg.norm(atoms[atom])
            codes[users, atom] = own @ atoms[atom]
            residuals[users] = own - np.outer(codes[users, atom], atoms[atom])
        click.echo(f"round {number}: {np.count_nonzero(codes) / len(signals):.3f} atoms a patch")
    return np.asarray(atoms)


def learned_patches(images: list[Float64Array], table: dict[str, Any]) -> Float64Array:
    """Atoms (atoms, rows, columns)."""
    settings: PatchSettings = checked_settings(table, PatchSettings, "dictionaries.toml")
    patches = drawn_patches(images, settings)
    groups = [np.ones(len(patches), bool)]
    if settings.by_orientation:
        bins = dominant_orientation(patches.reshape(-1, settings.size, settings.size))
        groups += [bins == number for number in range(1, ORIENTATIONS + 1)]
    signals = patches - patches.mean(axis=1, keepdims=True)
    atoms = [
        k_svd(signals[group], settings.atoms, settings.epsilon, settings.rounds) for group in groups
    ]
    return np.concatenate(atoms).reshape(-1, settings.size, settings.size)


@dataclass(frozen=True)
class FilterSettings:
    """How convolutional filters are learned, alternating codes and filters."""

    filters: int
    size: int
    """Rows and columns of a filter."""

    crops: int
    """Of the images, one of each."""

    side: int
    """Rows and columns of a crop."""

    smooth: float
    """Weight of the low-pass that is subtracted."""

    part: str
    """What is coded of the rest: all, or its cartoon or texture."""

    weight: float
    """Of the L1 norm."""

    rounds: int
    seed: int


CARTOON_WEIGHT = 2.0
"""Weight of the low-pass that separates cartoon from texture."""

FILTER_STEPS, CODE_STEPS = 10, 20
"""Steps of ADMM in a round."""


def drawn_crops(images: list[Float64Array], settings: FilterSettings) -> Float32Array:
    """High-pass crops with the largest deviation of ten that are drawn of an image, in [0, 1]."""
    rng = np.random.default_rng(settings.seed)
    chosen = rng.choice(len(images), settings.crops, replace=False)
    found = []
    for image in (images[k][None].astype(np.float32) / np.float32(255) for k in chosen):
        detail = image - low_pass(image, settings.smooth)
        if settings.part != "all":
            fine = image - low_pass(image, CARTOON_WEIGHT)
            detail = fine if settings.part == "texture" else detail - fine
        corners = rng.integers(0, np.array(image.shape[1:]) - settings.side, (10, 2))
        crops = [detail[0, r : r + settings.side, c : c + settings.side] for r, c in corners]
        found.append(max(crops, key=lambda crop: float(crop.std())))
    return np.stack(found)


def constrained(filters: Float32Array, size: int) -> Float32Array:
    """The nearest filters of unit length on the first rows and columns."""
    found = np.zeros_like(filters)
    found[:, :size, :size] = filters[:, :size, :size]
    return np.asarray(found / np.linalg.norm(found, axis=(1, 2), keepdims=True), np.float32)


def fitted_filters(
    codes: Float32Array, crops: Float32Array, filters: Float32Array, size: int
) -> Float32Array:
    """Filters of the size of a crop, constrained, for given codes (crops, filters, H, W).

    By ADMM in the Fourier domain (Wohlberg 2016, section V).
    """
    shape = crops.shape[1:]
    spectra = np.moveaxis(rfft2(codes), (0, 1), (-2, -1))  # rows, columns, crops, filters
    adjoint = spectra.conj().swapaxes(-1, -2)
    gram = adjoint @ spectra
    penalty = np.float32(np.trace(gram, axis1=-2, axis2=-1).real.mean() / len(filters))
    gram += penalty * np.eye(len(filters), dtype=np.float32)
    inverse = np.linalg.inv(gram)
    right = (adjoint @ np.moveaxis(rfft2(crops), 0, -1)[..., None])[..., 0]
    dual = np.zeros_like(filters)
    for _ in range(FILTER_STEPS):
        target = right + penalty * np.moveaxis(rfft2(filters - dual), 0, -1)
        free = irfft2(np.moveaxis((inverse @ target[..., None])[..., 0], -1, 0), shape)
        filters = constrained(np.asarray(free + dual, np.float32), size)
        dual += free - filters
    return filters


def learned_filters(images: list[Float64Array], table: dict[str, Any]) -> Float64Array:
    """Filters (filters, rows, columns)."""
    settings: FilterSettings = checked_settings(table, FilterSettings, "dictionaries.toml")
    crops = drawn_crops(images, settings)
    solver = Solver(settings.weight, penalty=50 * settings.weight + 1, steps=CODE_STEPS)
    rng = np.random.default_rng(settings.seed)
    begun = rng.normal(size=(settings.filters, *crops.shape[1:])).astype(np.float32)
    filters = constrained(begun, settings.size)
    for number in range(1, settings.rounds + 1):
        small = filters[:, : settings.size, : settings.size]
        codes = np.stack([encode_image(crop, small, solver) for crop in crops])
        filters = fitted_filters(codes, crops, filters, settings.size)
        rest = crops - np.stack([synthesized(code, small) for code in codes])
        cost = (rest**2).sum() / 2 + settings.weight * np.abs(codes).sum()
        click.echo(f"round {number}: {cost / len(crops):.3f}, {(codes != 0).mean():.4f} not zero")
    return np.asarray(filters[:, : settings.size, : settings.size], np.float64)


LEARNERS = {"patches": learned_patches, "filters": learned_filters}


def read_images(folder: Path) -> list[Float64Array]:
    """All images of both modalities, in grey levels."""
    paths = [path for kind in ("CT", "MRI") for path in sorted((folder / kind).iterdir())]
    return [np.asarray(read_grey(path), np.float64) for path in paths]


def learn(name: str, table: dict[str, Any], images: list[Float64Array]) -> dict[str, Any]:
    """Learn a dictionary, write it and return what is recorded of it."""
    begun = time.process_time()
    settings = {key: value for key, value in table.items() if key != "learner"}
    atoms = LEARNERS[table["learner"]](images, settings)
    path = LEARNED / f"{name}.npz"
    np.savez(path, atoms=atoms.astype(np.float32))
    click.echo(f"{name}: {atoms.shape}, {time.process_time() - begun:.0f} s")
    return {"shape": atoms.shape, "settings": table, "data": DATA, "licence": "Apache-2.0",
            "sha256": digest([path])}  # fmt: skip


@click.command()
@click.argument("train", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--only", multiple=True, help="Name of a dictionary; more may follow.")
def main(train: Path, only: tuple[str, ...]) -> None:
    """Learn the dictionaries of configs/dictionaries.toml."""
    tables = tomllib.loads((SHIPPED / "dictionaries.toml").read_text("utf-8"))["dictionaries"]
    images = read_images(train)
    facts = json.loads(FACTS.read_text()) if FACTS.exists() else {}
    LEARNED.mkdir(exist_ok=True)
    for name, table in tables.items():
        if not only or name in only:
            facts[name] = learn(name, table, images)
            FACTS.write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    main()
