"""A record that does not say who the patient is, by the paths and UIDs in it."""

import re
from collections.abc import Callable
from pathlib import Path

from radfuse.dicom.deidentify.identifiers import HIDDEN, Identifiers
from radfuse.recipe import Recipe
from radfuse.record import Input, Record

Rename = Callable[[str], str]
"""Maps a UID to its replacement."""


def private_record(record: Record, identifiers: Identifiers, rename: Rename | None) -> Record:
    """The record with names and IDs hidden in every path.

    `rename` is that of a de-identification, after which the inputs' paths and UIDs are not told
    at all.
    """
    hide = identifiers.hide_in_path
    return record.model_copy(
        update={
            "recipe": _private_recipe(record.recipe, identifiers, rename),
            "inputs": tuple(
                source.model_copy(update=_private_input(source, identifiers, rename))
                for source in record.inputs
            ),
            "method": {**record.method, "name": hide(record.method["name"])},
        }
    )


def _private_input(
    source: Input, identifiers: Identifiers, rename: Rename | None
) -> dict[str, object]:
    if rename is None:
        notes = tuple(identifiers.hide(note, [source.source]) for note in source.notes)
        return {"source": identifiers.hide_in_path(source.source), "notes": notes}
    folder = re.compile(rf"{re.escape(source.source)}[^\s:;,]*")
    return {
        "source": HIDDEN,
        "notes": tuple(
            identifiers.hide(folder.sub(HIDDEN, note), [source.source]) for note in source.notes
        ),
    }


def _private_recipe(recipe: Recipe, identifiers: Identifiers, rename: Rename | None) -> Recipe:
    hide = identifiers.hide_in_path
    paths = {
        keyword: Path(hide(path))
        for keyword in ("transform", "initial_transform")
        if (path := getattr(recipe, keyword))
    }
    uids = {
        keyword: rename(uid)
        for keyword in ("ct_series", "mr_series")
        if rename and (uid := getattr(recipe, keyword))
    }
    return recipe.model_copy(update={"method": hide(recipe.method), **paths, **uids})
