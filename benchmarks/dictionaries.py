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

from radfuse.arrays import Float64Array
from radfuse.io.images import read_grey
from radfuse.methods.sparse_coding.dictionaries import LEARNED
from radfuse.methods.sparse_coding.matching_pursuit import encode
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


def drawn_patches(images: list[Float64Array], settings: PatchSettings) -> Float64Array:
    """Patches without their means, (patches, samples), as many of each image."""
    rng = np.random.default_rng(settings.seed)
    found = []
    for image in images:
        patches = patches_of(image[None], settings.size, 1).reshape(-1, settings.size**2)
        patches = patches[patches.std(axis=1) >= settings.deviation]
        count = min(len(patches), -(-settings.patches // len(images)))
        found.append(patches[rng.choice(len(patches), count, replace=False)])
    signals = np.concatenate(found)
    return np.asarray(signals - signals.mean(axis=1, keepdims=True))


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
    signals = drawn_patches(images, settings)
    atoms = k_svd(signals, settings.atoms, settings.epsilon, settings.rounds)
    return np.asarray(atoms.reshape(-1, settings.size, settings.size))


LEARNERS = {"patches": learned_patches}


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
@click.option("--only", default="", help="Name of one dictionary.")
def main(train: Path, only: str) -> None:
    """Learn the dictionaries of configs/dictionaries.toml."""
    tables = tomllib.loads((SHIPPED / "dictionaries.toml").read_text("utf-8"))["dictionaries"]
    images = read_images(train)
    facts = json.loads(FACTS.read_text()) if FACTS.exists() else {}
    LEARNED.mkdir(exist_ok=True)
    for name, table in tables.items():
        if only in ("", name):
            facts[name] = learn(name, table, images)
    FACTS.write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    main()
