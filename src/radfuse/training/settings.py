"""Settings of a training run, read from TOML; an unknown key is refused."""

import dataclasses
import tomllib
from dataclasses import dataclass
from pathlib import Path

from radfuse.errors import InputError


@dataclass(frozen=True)
class Settings:
    """Everything that decides the outcome of a training run, but the images themselves."""

    network: str
    """Name of the network, a key of `networks.catalogue.NETWORKS`."""

    steps: int
    """Optimiser steps."""

    batch: int
    """Crops in a step."""

    crop: int
    """Side of a crop in pixels."""

    learning_rate: float
    """Of Adam, at the first step; it falls to zero along half a cosine."""

    seed: int
    """Of the initial parameters and of every draw of crops."""

    validation_patients: tuple[str, ...] = ()
    """Patients whose images are never trained on."""

    report_every: int = 250
    """Steps between a validation with a line in the log and a checkpoint."""

    rounding_noise: float = 0.0
    """Relative noise on the input of every convolution, uniform in plus or minus this share, so
    that the network bears the rounding of bf16 (2**-9) when it runs."""

    bfloat16: bool = True
    """Whether the network, not the loss, runs in mixed precision."""


def read_settings(path: Path) -> Settings:
    """Settings from a TOML file.

    Raises `InputError` for a missing file, broken TOML, unknown or missing keys.
    """
    try:
        table = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: cannot be read as TOML settings: {error}") from error
    known = {field.name for field in dataclasses.fields(Settings)}
    needed = {
        field.name for field in dataclasses.fields(Settings) if field.default is dataclasses.MISSING
    }
    if unknown := sorted(table.keys() - known):
        raise InputError(f"{path}: unknown settings {unknown}; known are {sorted(known)}")
    if missing := sorted(needed - table.keys()):
        raise InputError(f"{path}: settings {missing} are missing")
    if "validation_patients" in table:
        table["validation_patients"] = tuple(table["validation_patients"])
    return Settings(**table)
