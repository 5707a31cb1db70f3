"""Settings files in TOML, validated against a frozen dataclass; unknown keys are rejected."""

import dataclasses
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from radfuse.errors import InputError

Kind = TypeVar("Kind")

INSTALLED = Path(__file__).parent / "configs"
"""Where a wheel puts the settings of the repository."""

SHIPPED = INSTALLED if INSTALLED.is_dir() else Path(__file__).parents[2] / "configs"
"""Folder of the packaged settings; in a checkout, that of the repository."""


def shipped_trainings() -> dict[str, Path]:
    """The packaged settings of trainings, by name."""
    tables = {
        path: tomllib.loads(path.read_text("utf-8")) for path in sorted(SHIPPED.glob("*.toml"))
    }
    return {path.stem: path for path, table in tables.items() if "network" in table}


def read_settings_file(path: Path, kind: type[Kind]) -> Kind:
    """Settings of a kind, a frozen pydantic dataclass, from a TOML file.

    Raises `InputError` for a missing file, broken TOML, unknown, missing or wrong settings.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: cannot be read as TOML settings: {error}") from error
    return checked_settings(table, kind, str(path))


def checked_settings(table: dict[str, Any], kind: type[Kind], source: str) -> Kind:
    """Settings of a kind from loose values; `InputError` names source and first wrong one."""
    known = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(table.keys() - known):
        raise InputError(f"{source}: unknown settings {unknown}; known are {sorted(known)}")
    try:
        return TypeAdapter(kind).validate_python(table)
    except ValidationError as error:
        first = error.errors()[0]
        location = ".".join(map(str, first["loc"]))
        raise InputError(
            f"{source}: {location}: {first['msg']} (got {first['input']!r})"
        ) from error
