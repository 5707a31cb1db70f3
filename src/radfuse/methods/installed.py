"""Weights that a user installed: graphs with cards, in a folder of the user's."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platformdirs import user_data_path

from radfuse.errors import InputError
from radfuse.io.staging import refuse_existing, staging
from radfuse.record import digest

VARIABLE = "RADFUSE_WEIGHTS"
"""Environment variable that names the folder."""

SHA256 = "sha256"
"""Key of the graph's digest on a card."""


@dataclass(frozen=True)
class Weights:
    """A graph and its card."""

    path: Path
    card: dict[str, Any]

    @property
    def name(self) -> str:
        """What `--method` calls it."""
        return self.path.stem

    @property
    def is_sound(self) -> bool:
        """Whether the graph is the one of which the card speaks."""
        return digest([self.path]) == self.card.get(SHA256)


def weights_folder() -> Path:
    """Folder of installed weights: `RADFUSE_WEIGHTS`; else `weights` in `user_data_folder`."""
    chosen = os.environ.get(VARIABLE)
    return Path(chosen) if chosen else user_data_folder() / "weights"


def user_data_folder() -> Path:
    """Folder `radfuse` in the platform's folder for a user's data; see `platformdirs`."""
    return user_data_path("radfuse", appauthor=False)


def weights_in(folder: Path) -> list[Weights]:
    """The graphs in a folder and below it, in order of name; none where there is no folder."""
    graphs = sorted(folder.rglob("*.onnx"), key=lambda path: path.name)
    return [read_weights(graph) for graph in graphs]


def is_installed(name: str) -> bool:
    """Whether the user has weights of this name."""
    return Path(name).name == name and (weights_folder() / f"{name}.onnx").is_file()


def read_weights(path: Path) -> Weights:
    """A graph with the card beside it; `InputError` where either is missing or no card."""
    card = path.with_suffix(".json")
    for needed in (path, card):
        if not needed.is_file():
            raise InputError(
                f"{needed}: missing; weights are a graph and its card, NAME.onnx and NAME.json"
            )
    try:
        facts = json.loads(card.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{card}: not a card in JSON") from error
    if not isinstance(facts, dict):
        raise InputError(f"{card}: not a card in JSON")
    return Weights(path, facts)


def install(path: Path, folder: Path, *, overwrite: bool = False) -> Weights:
    """Copy a graph and its card into a folder.

    Raises `InputError` where the graph is not the one of its card, `OutputError` where the name
    is taken.
    """
    weights = read_weights(path)
    if not weights.is_sound:
        raise InputError(f"{path}: its sha256 is not that of its card; get both again")
    target = folder / path.name
    taken = [target, target.with_suffix(".json")]
    refuse_existing(taken, overwrite=overwrite, instead="another name")
    with staging(folder) as stage:
        for source in (path, path.with_suffix(".json")):
            stage.place(source).write_bytes(source.read_bytes())
    return Weights(target, weights.card)
