"""The training loop and its state."""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from radfuse.errors import InputError, RadfuseError
from radfuse.training.images import Slices, draw_crops
from radfuse.training.losses import autoencoder_loss, ssim
from radfuse.training.settings import Settings

CHECKPOINT = "checkpoint.safetensors"
"""Name of the file in a run's folder that a run resumes from."""

LOG = "log.jsonl"
"""Name of the file in a run's folder with one line a report."""


@dataclass
class State:
    """All that changes while training: write it, read it, go on, and nothing differs."""

    network: nn.Module
    optimiser: torch.optim.Adam
    rng: np.random.Generator
    noise: torch.Generator
    """Draws the rounding noise; seeded anew at each step."""
    step: int = 0

    def save(self, path: Path) -> None:
        """Write a checkpoint; a crash while writing leaves the one before intact."""
        tensors = {f"network.{k}": v.contiguous() for k, v in self.network.state_dict().items()}
        for index, moments in self.optimiser.state_dict()["state"].items():
            tensors |= {f"adam.{index}.{key}": v.contiguous() for key, v in moments.items()}
        facts = {"step": str(self.step), "rng": json.dumps(self.rng.bit_generator.state)}
        draft = path.with_suffix(".draft")
        draft.write_bytes(save(tensors, facts))
        draft.replace(path)

    def load(self, path: Path) -> None:
        """Go back to a checkpoint; `InputError` where it is none or of another network."""
        try:
            content = path.read_bytes()
            tensors = load(content)
            header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
            facts = header["__metadata__"]
        except (OSError, SafetensorError, KeyError) as error:
            raise InputError(f"{path}: cannot be read as a checkpoint: {error}") from error
        network: dict[str, Tensor] = {}
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            part, key = name.split(".", 1)
            if part == "network":
                network[key] = tensor
            else:
                index, moment = key.split(".")
                moments.setdefault(int(index), {})[moment] = tensor
        try:
            self.network.load_state_dict(network)
        except RuntimeError as error:
            raise InputError(f"{path}: a checkpoint of another network") from error
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": moments, "param_groups": groups})
        self.rng.bit_generator.state = json.loads(facts["rng"])
        self.step = int(facts["step"])


def add_rounding_noise(network: nn.Module, share: float, noise: torch.Generator) -> None:
    """Make every convolution of a network in training mode see its input through noise."""

    def disturb(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        if not module.training:
            return None
        uniform = torch.rand(inputs[0].shape, generator=noise).to(inputs[0].dtype)
        return (inputs[0] * (1 + share * (2 * uniform - 1)),)

    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_pre_hook(disturb)


def first_state(make_network: Callable[[], nn.Module], settings: Settings) -> State:
    """The state before the first step, decided by the settings' seed alone."""
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        network = make_network()
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    noise = torch.Generator()
    if settings.rounding_noise:
        add_rounding_noise(network, settings.rounding_noise, noise)
    return State(network, optimiser, np.random.default_rng(settings.seed), noise)


def learning_rate(settings: Settings, step: int) -> float:
    """Half a cosine from the first rate to zero."""
    return settings.learning_rate * (1 + math.cos(math.pi * step / settings.steps)) / 2


def train_step(state: State, slices: Slices, settings: Settings) -> float:
    """One step of the optimiser; returns the loss, raises `RadfuseError` where it is not finite."""
    for group in state.optimiser.param_groups:
        group["lr"] = learning_rate(settings, state.step)
    state.network.train()
    state.noise.manual_seed(settings.seed + state.step)
    crops = draw_crops(slices.training, settings.batch, settings.crop, state.rng)
    crops = crops.contiguous(memory_format=torch.channels_last)
    loss = autoencoder_loss(rebuild(state.network, crops, settings.bfloat16), crops)
    if not math.isfinite(loss.item()):
        raise RadfuseError(f"loss is {loss.item()} at step {state.step}; lower learning_rate")
    state.optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    state.optimiser.step()
    state.step += 1
    return loss.item()


def rebuild(network: Any, images: Tensor, bfloat16: bool) -> Tensor:
    """Images (N, 1, H, W) through the autoencoder, in float32 at both ends."""
    with torch.autocast(images.device.type, torch.bfloat16, enabled=bfloat16):
        rebuilt: Tensor = network.reconstruct(images)
    return rebuilt.float()


@torch.no_grad()
def validate(state: State, slices: Slices) -> float:
    """Mean SSIM of rebuilt validation images in full precision."""
    state.network.eval()
    values = [
        ssim(rebuild(state.network, image, False).clamp(0, 1), image).item()
        for image in torch.from_numpy(slices.validation / np.float32(255))[:, None, None]
    ]
    return float(np.mean(values))


def train(
    state: State,
    slices: Slices,
    settings: Settings,
    folder: Path,
    report: Callable[[dict[str, float]], None],
) -> State:
    """Train to the last step, resuming from the folder's checkpoint where there is one."""
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / CHECKPOINT).exists():
        state.load(folder / CHECKPOINT)
    losses: list[float] = []
    started_s = time.monotonic()
    while state.step < settings.steps:
        losses.append(train_step(state, slices, settings))
        if state.step % settings.report_every == 0 or state.step == settings.steps:
            step_s = (time.monotonic() - started_s) / len(losses)
            row = {"step": state.step, "loss": float(np.mean(losses)), "step_s": step_s}
            if len(slices.validation):
                row["validation_ssim"] = validate(state, slices)
            with (folder / LOG).open("a") as log:
                log.write(json.dumps(row) + "\n")
            state.save(folder / CHECKPOINT)
            report(row)
            losses, started_s = [], time.monotonic()
    return state
