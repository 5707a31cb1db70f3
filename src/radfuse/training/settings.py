"""Settings of a training, read from TOML; unknown keys are refused at every depth."""

import math
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import nn

from radfuse.errors import InputError
from radfuse.io.image_pairs import DataSet
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
    """The learning rate of Adam, step by step."""

    learning_rate: Annotated[float, Field(gt=0)]
    """The highest."""

    warmup_steps: Annotated[int, Field(ge=0)] = 0
    """Steps of linear increase up to that rate."""

    decay: Literal["cosine", "step"] = "cosine"
    """Half a cosine down to zero at the last step, or a factor every few epochs."""

    decay_steps: Count | None = None
    """Length of the cosine; that of the phase if left out."""

    decay_epochs: Count = 5
    """Epochs between two factors of `step`; an epoch has as many crops as there are images."""

    decay_factor: Annotated[float, Field(gt=0, le=1)] = 0.95
    """The factor of `step`."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Augmentation:
    """Random changes of a crop: of position alike for CT and MR, of intensity for each alone."""

    rotate: bool = True
    """Rotation by multiples of 90 degrees, and mirroring."""

    min_tissue: Share = 0.0
    """Share of a crop that is not black in CT or MR; up to 20 crops are drawn to reach it."""

    gain: Share = 0.0
    """Intensities are multiplied by a factor in 1 plus or minus this share, and clipped at 1."""

    gamma: Share = 0.0
    """Before that, they are raised to a power in 1 plus or minus this share."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Phase:
    """A part of the training with one objective; it starts from the network of the previous one."""

    objective: str
    """What is minimised, a key of `training.objectives.OBJECTIVES`."""

    schedule: Schedule
    batch: Count
    """Crops in a step, of all processes together."""

    steps: Count | None = None
    """Length in steps of the optimizer; alternatively give `epochs`."""

    epochs: Count | None = None
    """Length in epochs; an epoch has as many crops as there are images."""

    crop: Count | None = None
    """Side of a crop in pixels; whole images if left out."""

    weights: dict[str, float] = Field(default_factory=dict)
    """Weights of the terms of the objective."""

    augmentation: Augmentation = Augmentation()
    ema_decay: Share = 0.0
    """Decay of the exponential moving average of the parameters, which is validated and exported;
    0 for the parameters themselves. It is lower over the first steps."""

    clip: NotNegative = 0.0
    """Largest norm of the gradient, larger ones are scaled down to it; 0 for no limit."""

    outlier: NotNegative = 0.0
    """Steps whose gradient norm exceeds its running mean by this factor are skipped; 0: none."""

    rounding_noise: Share = 0.0
    """Relative noise on the input of every convolution, uniform in plus or minus this share, which
    makes the network robust against the rounding of bf16 (2**-9) at inference."""

    bfloat16: bool = False
    """Whether the network, but not the loss, runs in mixed precision."""

    compile: bool = False
    """Whether torch compiles the network first; needs a C++ compiler and a minute."""

    validate_every: Count = 250
    """Steps between validations, each with a line in the log and a checkpoint."""

    patience: Annotated[int, Field(ge=0)] = 0
    """Validations without improvement after which the phase ends early; 0 for never."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Export:
    """How the trained network is exported; does not affect training."""

    round_weights: bool = False
    """Whether the weights of convolutions are rounded to bf16."""

    eight_bits: bool = False
    """Whether large weights are rounded to 8 bits, with a scale for each output, and so stored."""

    data: str = "images of the user"
    """Description of the images, for the model card."""

    data_set: DataSet = ""
    """Name of the data set of the patients, for the model card; a benchmark whose settings have the
    same name says on which of its patients the network was trained."""

    licence: str = "not stated"
    """Licence of the trained weights, for the model card."""

    differs: str = ""
    """What the training leaves out of its paper's or does otherwise, for the model card."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TrainingSettings:
    """Everything that determines a training, but for the images themselves."""

    network: str
    """A key of `networks.catalogue.NETWORKS`."""

    phases: Annotated[tuple[Phase, ...], Field(min_length=1)]
    seed: Annotated[int, Field(ge=0)] = 1
    """Seed of the initial parameters and of the random crops."""

    network_options: dict[str, Any] = Field(default_factory=dict)
    validation_patients: tuple[str, ...] = ()
    """Patients whose images are used for validation only."""

    profile: str = "mfinet2024"
    """Profile of the validation metrics."""

    goals: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """Target values of metrics of the profile. The best checkpoint has the largest minimum of
    metric / target (target / metric where smaller is better); without goals, the smallest loss."""

    export: Export = Export()


def read_training_settings(path: Path) -> TrainingSettings:
    """Read settings from a TOML file.

    Raises `InputError` for a missing file, broken TOML, unknown, missing or wrong settings.
    """
    settings = read_settings_file(path, TrainingSettings)
    check_settings(settings, str(path))
    return settings


def check_settings(settings: TrainingSettings, source: str) -> None:
    """Raise `InputError` for unknown networks, metrics, objectives, and contradictory settings."""
    try:
        with torch.random.fork_rng(), torch.device("meta"):
            network = make_network(settings.network, settings.network_options)
        columns_of(settings.profile, list(settings.goals))
    except InputError as error:
        raise InputError(f"{source}: {error}") from error
    for number, phase in enumerate(settings.phases):
        _check_phase(settings, network, phase, f"{source}: phases.{number}")
    needs_validation = settings.goals or any(phase.patience for phase in settings.phases)
    if needs_validation and not settings.validation_patients:
        raise InputError(f"{source}: goals and patience need validation_patients")


def _check_phase(settings: TrainingSettings, network: nn.Module, phase: Phase, source: str) -> None:
    if phase.objective not in OBJECTIVES:
        raise InputError(
            f"{source}: no objective '{phase.objective}'; there are {sorted(OBJECTIVES)}"
        )
    objective = OBJECTIVES[phase.objective]
    checked_settings(phase.weights, objective.weights, f"{source}.weights")
    if objective.trains_autoencoder and not NETWORKS[settings.network].is_autoencoder:
        raise InputError(
            f"{source}: objective '{phase.objective}' is for autoencoders, which network "
            f"'{settings.network}' is not"
        )
    if not isinstance(network, objective.network):
        raise InputError(
            f"{source}: objective '{phase.objective}' is for {objective.network.__name__}, which "
            f"network '{settings.network}' is not"
        )
    if objective.adversarial and phase.crop != objective.adversarial.crop:
        raise InputError(
            f"{source}: objective '{phase.objective}' takes crops of {objective.adversarial.crop} "
            f"pixels; give crop = {objective.adversarial.crop}"
        )
    if phase.crop and phase.crop < objective.min_side:
        raise InputError(
            f"{source}: crop {phase.crop} is too small for objective '{phase.objective}'; give "
            f"{objective.min_side} pixels or more"
        )
    if (phase.steps is None) == (phase.epochs is None):
        raise InputError(f"{source}: give steps or epochs, one of them")


def steps_of(phase: Phase, images: int) -> int:
    """The number of steps of a phase, for a number of training images."""
    return phase.steps or math.ceil((phase.epochs or 0) * images / phase.batch)


def learning_rate(phase: Phase, step: int, images: int) -> float:
    """The learning rate of a step, counted from 0."""
    schedule = phase.schedule
    rise = min(1.0, (step + 1) / schedule.warmup_steps) if schedule.warmup_steps else 1.0
    if schedule.decay == "step":
        decays = step * phase.batch // images // schedule.decay_epochs
        return schedule.learning_rate * rise * schedule.decay_factor**decays
    length = schedule.decay_steps or steps_of(phase, images)
    return schedule.learning_rate * rise * (1 + math.cos(math.pi * min(step / length, 1))) / 2
