"""Read files as their client knows them, so that no message has a path of the server.

A message names a file by its last part: the name that the client typed, or the generated one of an
upload. Files in an archive are named by number. For child processes: the working directory changes.
"""

from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from radfuse.modality import Modality
from radfuse.pipeline.read import read
from radfuse.recipe import Recipe
from radfuse.series import Series


@contextmanager
def client_path(path: Path) -> Iterator[Path]:
    """The last part of a path, from inside its folder."""
    with chdir(path.parent):
        yield Path(path.name)


def read_source(path: Path, modality: Modality, **options: Any) -> Series:
    """Read a series with the options of `read`; its source is the last part of the path."""
    with client_path(path) as name:
        series = read(name, modality, numbered=True, **options)
        return replace(series, files=tuple(file.absolute() for file in series.files))


@contextmanager
def client_recipe(recipe: Recipe) -> Iterator[Recipe]:
    """A recipe whose transform file is named by its last part, from inside its folder."""
    for keyword in ("transform", "initial_transform"):
        if (path := getattr(recipe, keyword)) is not None:
            with client_path(path.absolute()) as name:
                yield recipe.model_copy(update={keyword: name})
            return
    yield recipe
