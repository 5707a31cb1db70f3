"""Settings of a training run, read from TOML; an unknown key is refused."""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from radfuse.errors import InputError
from radfuse.networks.catalogue import NETWORKS
from radfuse.settings import read_settings_file
from radfuse.training.losses import SSIM_WINDOW

Count = Annotated[int, Field(gt=0)]


@dataclass(frozen=True)
class Settings:
    """Everything that decides the outcome of a training run, but the images themselves."""

    network: str
    """Name of the network, a key of `networks.catalogue.NETWORKS`."""

    steps: Count
    """Optimiser steps."""

    batch: Count
    """Crops in a step."""

    crop: Annotated[int, Field(ge=SSIM_WINDOW)]
    """Side of a crop in pixels; the window of the loss must fit in."""

    learning_rate: Annotated[float, Field(gt=0)]
    """Of Adam, at the first step; it falls to zero along half a cosine."""

    seed: Annotated[int, Field(ge=0)]
    """Of the initial parameters and of every draw of crops."""

    validation_patients: tuple[str, ...] = ()
    """Patients whose images are never trained on."""

    report_every: Count = 250
    """Steps between a validation with a line in the log and a checkpoint."""

    rounding_noise: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Relative noise on the input of every convolution, uniform in plus or minus this share, so
    that the network bears the rounding of bf16 (2**-9) when it runs."""

    bfloat16: bool = True
    """Whether the network, not the loss, runs in mixed precision."""


def read_settings(path: Path) -> Settings:
    """Settings from a TOML file.

    Raises `InputError` for a missing file, broken TOML, unknown, missing or wrong settings.
    """
    settings = read_settings_file(path, Settings)
    if settings.network not in NETWORKS:
        raise InputError(f"{path}: no network '{settings.network}'; there are {sorted(NETWORKS)}")
    return settings
