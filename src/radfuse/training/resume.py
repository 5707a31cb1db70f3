"""Save the state of a training, resume from it, and start another training from it."""

import dataclasses
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from radfuse.errors import InputError
from radfuse.training.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from radfuse.training.objectives import OBJECTIVES
from radfuse.training.state import Counts, State


def save_state(state: State, path: Path) -> None:
    """Write a checkpoint; raises as `write_checkpoint`."""
    parts = {part: dict(getattr(state, part).state_dict()) for part in ("network", "average")}
    parts["adam"] = _moments_of(state.optimizer)
    if state.discriminator:
        parts["discriminator"] = dict(state.discriminator.network.state_dict())
        parts["discriminator_adam"] = _moments_of(state.discriminator.optimizer)
    metadata = {
        "counts": dataclasses.asdict(state.counts),
        "rng": state.rng.bit_generator.state,
        "history": state.history,
    }
    write_checkpoint(path, Checkpoint(parts, metadata))


def resume(state: State, path: Path) -> None:
    """Set a state to a checkpoint of the same training.

    Raises `InputError` where the file is no checkpoint, or one of another training.
    """
    checkpoint = read_checkpoint(path)
    _check_same_training(path, checkpoint.metadata, state.history[-1])
    for part in ("network", "average"):
        load_parameters(getattr(state, part), checkpoint.parts[part], path)
    _load_moments(state.optimizer, checkpoint.parts.get("adam", {}))
    state.rng.bit_generator.state = checkpoint.metadata["rng"]
    state.counts = Counts(**checkpoint.metadata["counts"])
    state.history = [*checkpoint.metadata["history"][:-1], state.history[-1]]
    phase = state.history[-1]["settings"]["phases"][state.counts.phase]
    if adversarial := OBJECTIVES[phase["objective"]].adversarial:
        discriminator = state.ensure_discriminator(adversarial.make_discriminator)
        load_parameters(discriminator.network, checkpoint.parts.get("discriminator", {}), path)
        _load_moments(discriminator.optimizer, checkpoint.parts["discriminator_adam"])


def start_from(state: State, path: Path) -> None:
    """Take over the averaged parameters and the history of an earlier training's checkpoint."""
    earlier = read_checkpoint(path)
    for network in (state.network, state.average):
        load_parameters(network, earlier.parts["average"], path)
    state.history = [*earlier.metadata["history"], *state.history]


def load_parameters(network: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    """Load the tensors of a file; `InputError` where they belong to another network."""
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise InputError(f"{path}: a checkpoint of another network") from error


def _moments_of(optimizer: torch.optim.Adam) -> dict[str, Tensor]:
    """An optimizer's moments, named INDEX_OF_PARAMETER.KEY."""
    return {
        f"{index}.{key}": value
        for index, moments in optimizer.state_dict()["state"].items()
        for key, value in moments.items()
    }


def _load_moments(optimizer: torch.optim.Adam, tensors: dict[str, Tensor]) -> None:
    """Load moments as `_moments_of` names them."""
    moments: dict[int, dict[str, Tensor]] = {}
    groups = optimizer.state_dict()["param_groups"]
    parameters = optimizer.param_groups[0]["params"]
    for name, tensor in tensors.items():
        index, key = name.split(".")
        moments.setdefault(int(index), {})[key] = _with_layout_of(parameters[int(index)], tensor)
    optimizer.load_state_dict({"state": moments, "param_groups": groups})


def _with_layout_of(parameter: Tensor, moment: Tensor) -> Tensor:
    """A moment in the memory layout of its parameter, which the fused optimizer requires."""
    if moment.shape != parameter.shape:
        return moment
    return torch.empty_like(parameter, requires_grad=False).copy_(moment)


def _check_same_training(path: Path, metadata: dict[str, Any], now: dict[str, Any]) -> None:
    """Raise `InputError` where settings of phases already begun, or the images, have changed."""
    before, begun = metadata["history"][-1], metadata["counts"]["phase"] + 1
    if before["images_sha256"] != now["images_sha256"]:
        raise InputError(f"{path}: begun with other images; choose another folder for this run")
    for name in now["settings"].keys() - {"export"}:
        old, new = before["settings"].get(name), now["settings"][name]
        if name == "phases":
            old, new = old[:begun], new[:begun]
        if old != new:
            raise InputError(
                f"{path}: begun with {name} = {old}, now {new}; choose another folder for this run"
            )
