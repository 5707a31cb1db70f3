"""Settings of a training, read from TOML; an unknown key is refused at every depth."""

import math
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import nn

from radfuse.errors import InputError
from radfuse.metrics.profiles import columns_of
from radfuse.networks.catalogue import NETWORKS, make_network
from radfuse.settings import checked_settings, read_settings_file
from radfuse.training.objectives import OBJECTIVES

STRICT = ConfigDict(extra="forbid")
"""Of every table in the file."""

Count = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
NotNegative = Annotated[float, Field(ge=0)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Schedule:
    """The rate of Adam, step by step."""

    learning_rate: Annotated[float, Field(gt=0)]
    """The highest."""

    warm_up: Annotated[int, Field(ge=0)] = 0
    """Steps in which it rises evenly to that."""

    fall: Literal["cosine", "stairs"] = "cosine"
    """Along half a cosine to zero at the last step, or in stairs."""

    fall_steps: Count | None = None
    """Length of the cosine, where it is not that of the phase."""

    stair_epochs: Count = 5
    """Length of a stair; an epoch has as many crops as there are images."""

    stair_factor: Annotated[float, Field(gt=0, le=1)] = 0.95
    """By which each stair is lower than the one before."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Augmentation:
    """What happens to a crop by chance, to CT and MR alike but for intensities."""

    turn: bool = True
    """Quarter turns and mirroring."""

    least_tissue: Share = 0.0
    """Share of a crop that is not black in CT or MR; drawn anew, some times, where it is less."""

    gain: Share = 0.0
    """Each image is multiplied by a factor up to this share away from 1, and cut off at white."""

    gamma: Share = 0.0
    """Before, it is raised to a power up to this share away from 1."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Phase:
    """A stretch of training with one objective; it begins where the one before ended."""

    objective: str
    """What is minimised, a key of `training.objectives.OBJECTIVES`."""

    schedule: Schedule
    batch: Count
    """Crops in a step, of all processes together."""

    steps: Count | None = None
    """Length in steps of the optimiser; or say `epochs`."""

    epochs: Count | None = None
    """Length in epochs; an epoch has as many crops as there are images."""

    crop: Count | None = None
    """Side of a crop in pixels; whole images if left out."""

    weights: dict[str, float] = Field(default_factory=dict)
    """Of the parts of the objective, where it has some."""

    augmentation: Augmentation = Augmentation()
    average: Share = 0.0
    """Decay of the running mean of the parameters, which is what is validated and exported; 0 for
    the parameters themselves. It is shorter over the first steps."""

    clip: NotNegative = 0.0
    """Greatest norm of the gradient, longer ones are shortened to it; 0 for any."""

    outlier: NotNegative = 0.0
    """A step whose gradient is this many times longer than usual is not taken; 0 takes all."""

    rounding_noise: Share = 0.0
    """Relative noise on the input of every convolution, uniform in plus or minus this share, so
    that the network bears the rounding of bf16 (2**-9) when it runs."""

    bfloat16: bool = False
    """Whether the network, not the loss, trains in mixed precision."""

    compile: bool = False
    """Whether torch compiles the network first; needs a C++ compiler and a minute."""

    validate_every: Count = 250
    """Steps between validations, each with a line in the log and a checkpoint."""

    patience: Annotated[int, Field(ge=0)] = 0
    """Validations without a better one after which the phase ends; 0 to go on to its end."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Export:
    """What becomes of the trained network; changes nothing in training."""

    round_weights: bool = False
    """Whether weights of convolutions are written as what bf16 holds."""

    data: str = "images of the user"
    """What the images are, in words, for the card."""

    licence: str = "not stated"
    """Of the trained weights, for the card."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Settings:
    """Everything that decides the outcome of a training, but the images themselves."""

    network: str
    """A key of `networks.catalogue.NETWORKS`."""

    phases: Annotated[tuple[Phase, ...], Field(min_length=1)]
    seed: Annotated[int, Field(ge=0)] = 1
    """Of the first parameters and of every draw of crops."""

    network_options: dict[str, Any] = Field(default_factory=dict)
    validation_patients: tuple[str, ...] = ()
    """Patients whose images are never trained on."""

    profile: str = "mfinet2024"
    """Convention of the metrics of validation."""

    goals: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """Metrics of the profile and their goals: best is the state whose worst metric is nearest to
    its goal, or farthest beyond. Without goals it is the state of the least loss."""

    export: Export = Export()


def read_settings(path: Path) -> Settings:
    """Settings from a TOML file.

    Raises `InputError` for a missing file, broken TOML, unknown, missing or wrong settings.
    """
    settings = read_settings_file(path, Settings)
    check_settings(settings, str(path))
    return settings


def check_settings(settings: Settings, source: str) -> None:
    """Raise `InputError` for names that no catalogue has and settings that contradict another."""
    try:
        with torch.random.fork_rng(), torch.device("meta"):
            network = make_network(settings.network, settings.network_options)
        columns_of(settings.profile, list(settings.goals))
    except InputError as error:
        raise InputError(f"{source}: {error}") from error
    for number, phase in enumerate(settings.phases):
        _check_phase(settings, network, phase, f"{source}: phases.{number}")
    watched = settings.goals or any(phase.patience for phase in settings.phases)
    if watched and not settings.validation_patients:
        raise InputError(f"{source}: goals and patience need validation_patients")


def _check_phase(settings: Settings, network: nn.Module, phase: Phase, place: str) -> None:
    if phase.objective not in OBJECTIVES:
        raise InputError(
            f"{place}: no objective '{phase.objective}'; there are {sorted(OBJECTIVES)}"
        )
    objective = OBJECTIVES[phase.objective]
    checked_settings(phase.weights, objective.weights, f"{place}.weights")
    if objective.rebuilds and not NETWORKS[settings.network].is_autoencoder:
        raise InputError(
            f"{place}: objective '{phase.objective}' is for autoencoders, which network "
            f"'{settings.network}' is not"
        )
    if not isinstance(network, objective.network):
        raise InputError(
            f"{place}: objective '{phase.objective}' is for {objective.network.__name__}, which "
            f"network '{settings.network}' is not"
        )
    if objective.contest and phase.crop != objective.contest.crop:
        raise InputError(
            f"{place}: objective '{phase.objective}' judges crops of {objective.contest.crop} "
            f"pixels; give crop = {objective.contest.crop}"
        )
    if phase.crop and phase.crop < objective.smallest_side:
        raise InputError(
            f"{place}: crop {phase.crop} is too small for objective '{phase.objective}'; give "
            f"{objective.smallest_side} pixels or more"
        )
    if (phase.steps is None) == (phase.epochs is None):
        raise InputError(f"{place}: give steps or epochs, one of them")


def steps_of(phase: Phase, images: int) -> int:
    """Steps of a phase on so many images."""
    return phase.steps or math.ceil((phase.epochs or 0) * images / phase.batch)


def learning_rate(phase: Phase, step: int, images: int) -> float:
    """The rate of a step, counted from 0."""
    schedule = phase.schedule
    rise = min(1.0, (step + 1) / schedule.warm_up) if schedule.warm_up else 1.0
    if schedule.fall == "stairs":
        stair = step * phase.batch // images // schedule.stair_epochs
        return schedule.learning_rate * rise * schedule.stair_factor**stair
    length = schedule.fall_steps or steps_of(phase, images)
    return schedule.learning_rate * rise * (1 + math.cos(math.pi * min(step / length, 1))) / 2
