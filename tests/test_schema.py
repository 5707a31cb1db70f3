"""Stored models have a schema version: older ones are migrated, newer ones refused in one line."""

import json
from pathlib import Path
from typing import ClassVar

import pytest

from radfuse.errors import InputError
from radfuse.recipe import Recipe
from radfuse.record import Record, read_record
from radfuse.schema import Values, VersionedModel


def renamed(values: Values) -> Values:
    return {("spacing_mm" if key == "mm" else key): value for key, value in values.items()}


class Grid(VersionedModel):
    migrations: ClassVar = (renamed,)
    spacing_mm: float


def test_an_older_version_is_migrated() -> None:
    old = Grid.model_validate_json('{"schema_version": 1, "mm": 0.5}')
    assert old == Grid(spacing_mm=0.5)
    assert old.schema_version == 2


def test_the_current_version_is_read_as_it_was_written() -> None:
    grid = Grid(spacing_mm=0.5)
    assert json.loads(grid.model_dump_json()) == {"schema_version": 2, "spacing_mm": 0.5}
    assert Grid.model_validate_json(grid.model_dump_json()) == grid


@pytest.mark.parametrize("version", [3, 0, -1, "2", None, 1.5])
def test_another_version_is_refused_in_one_line(version: object) -> None:
    with pytest.raises(InputError) as refused:
        Grid.model_validate({"schema_version": version, "spacing_mm": 1})
    message = f"grid has schema_version {version!r}; this version of radfuse reads 1 to 2"
    assert str(refused.value) == f"{message}: update radfuse"


def test_a_record_of_version_1_gets_the_current_keys() -> None:
    quality = {"score": 1.46, "threshold": 2.3, "trusted": True, "drift_mm": 0.35, "overlap": 0.9}
    old = {
        "schema_version": 1, "created": "2024-05-01T10:00:00Z", "recipe": {"precision": "bf16"},
        "inputs": [], "method": {"name": "mfinet"}, "seconds": {}, "versions": {}, "platform": "",
        "scaling": {"Beyond the MR's field of view": "the CT alone, in its window"},
        "registration": {"origin": "headers", "quality": quality, "one_frame_of_reference": "x"},
    }  # fmt: skip
    record = Record.model_validate_json(json.dumps(old))
    assert record.schema_version == 2
    assert record.recipe == Recipe(options={"precision": "bf16"})
    assert record.scaling == {"Outside the MR field of view": "the CT alone, in its window"}
    assert record.registration == {
        "origin": "headers",
        "header_alignment": "x",
        "quality": {
            "error_mm": 1.46, "threshold_mm": 2.3, "passed": True, "reregistration_mm": 0.35,
            "overlap": 0.9,
        },
    }  # fmt: skip
    assert Record.model_validate_json(record.model_dump_json()) == record


@pytest.mark.parametrize("kind", [Record, Recipe])
def test_a_newer_record_or_recipe_is_refused(kind: type[VersionedModel]) -> None:
    newer = len(kind.migrations) + 2
    with pytest.raises(InputError, match=f"{kind.__name__.lower()} has schema_version {newer}; "):
        kind.model_validate({"schema_version": newer, "unknown": True})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"schema_version": 99}', "record has schema_version 99; this version of radfuse reads"),
        ("{}", "not a record of a fusion; run the fusion again"),
        ("no JSON", "not a record of a fusion; run the fusion again"),
        (None, "not a record of a fusion; run the fusion again"),
    ],
)
def test_an_unreadable_record_is_named(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "record.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError) as refused:
        read_record(path)
    assert str(refused.value).startswith(f"{path}: {message}")
    assert "\n" not in str(refused.value)
