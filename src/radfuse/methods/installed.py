"""Weights that a user installed: ONNX graphs with model cards, in the user's data folder."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platformdirs import user_data_path

from radfuse.errors import InputError
from radfuse.io.staging import refuse_existing, staging
from radfuse.record import SHORT_NOTICE, digest

VARIABLE = "RADFUSE_WEIGHTS"
"""Environment variable that names the folder."""

SHA256 = "sha256"
"""Key of the graph's digest in a model card."""


@dataclass(frozen=True)
class Weights:
    """An ONNX graph and its model card."""

    path: Path
    model_card: dict[str, Any]

    @property
    def name(self) -> str:
        """Its name for `--method`."""
        return self.path.stem

    @property
    def is_intact(self) -> bool:
        """Whether the graph has the sha256 of its model card."""
        return digest([self.path]) == self.model_card.get(SHA256)


def weights_folder() -> Path:
    """Folder of installed weights: `RADFUSE_WEIGHTS`; else `weights` in `user_data_folder`."""
    chosen = os.environ.get(VARIABLE)
    return Path(chosen) if chosen else user_data_folder() / "weights"


def user_data_folder() -> Path:
    """Folder `radfuse` in the platform's folder for a user's data; see `platformdirs`."""
    return user_data_path("radfuse", appauthor=False)


def weights_in(folder: Path) -> list[Weights]:
    """The graphs in a folder and its sub-folders, sorted by name; none without the folder."""
    graphs = sorted(folder.rglob("*.onnx"), key=lambda path: path.name)
    return [read_weights(graph) for graph in graphs]


def is_installed(name: str) -> bool:
    """Whether the user has weights of this name."""
    return Path(name).name == name and (weights_folder() / f"{name}.onnx").is_file()


def read_weights(path: Path) -> Weights:
    """A graph with the model card beside it; `InputError` where either is missing or damaged."""
    model_card = path.with_suffix(".json")
    for needed in (path, model_card):
        if not needed.is_file():
            how = f"; `radfuse weights describe {path}` writes it" if needed == model_card else ""
            raise InputError(
                f"{needed}: missing; weights are NAME.onnx and its model card NAME.json{how}"
            )
    try:
        facts = json.loads(model_card.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{model_card}: not a model card in JSON") from error
    if not isinstance(facts, dict):
        raise InputError(f"{model_card}: not a model card in JSON")
    return Weights(path, facts)


def write_model_card(path: Path, facts: Mapping[str, Any], *, overwrite: bool = False) -> Weights:
    """Write the model card of a graph beside it: what its author states, and its sha256.

    Raises `InputError` for a missing graph, `OutputError` where there is a model card already.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such ONNX file")
    target = path.with_suffix(".json")
    refuse_existing([target], overwrite=overwrite, instead="another name of the graph")
    model_card = {"name": path.stem, **facts, "intended_use": SHORT_NOTICE, SHA256: digest([path])}
    with staging(path.parent) as stage:
        stage.path_of(target).write_text(json.dumps(model_card, indent=2) + "\n", encoding="utf-8")
    return Weights(path, model_card)


def install(path: Path, folder: Path, *, overwrite: bool = False) -> Weights:
    """Copy a graph and its model card into a folder.

    Raises `InputError` where the sha256 differs from the model card, `OutputError` where the name
    is taken.
    """
    weights = read_weights(path)
    if not weights.is_intact:
        raise InputError(f"{path}: its sha256 differs from its model card; get both again")
    target = folder / path.name
    written = [target, target.with_suffix(".json")]
    refuse_existing(written, overwrite=overwrite, instead="another name")
    with staging(folder) as stage:
        for source in (path, path.with_suffix(".json")):
            stage.path_of(source).write_bytes(source.read_bytes())
    return Weights(target, weights.model_card)
