"""From a checkpoint to the files that ship: ONNX graphs and their cards."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from radfuse.data.pairs import Pair, read_pairs
from radfuse.errors import InputError
from radfuse.intensity import grey_levels
from radfuse.metrics.measure import measure
from radfuse.metrics.profiles import PROFILES
from radfuse.networks.catalogue import NETWORKS
from radfuse.networks.onnx_export import export_onnx
from radfuse.networks.res2fusion import STRATEGIES, Strategy
from radfuse.training.loop import CHECKPOINT, LOG, first_state
from radfuse.training.settings import Settings

DEFAULT_STRATEGY: Strategy = "spatial_mean"
"""Ships under the network's bare name: the paper's Eq. 3 read literally."""

PROFILE = "mfinet2024"
"""Profile of the metrics on a card."""

USE = "Research use only. Not a medical device."
"""Intended use, on every card."""

SOURCE = "Chen et al. 2024, doi:10.1186/s12880-024-01329-x, Table 1 and Eq. 1-6"
"""Paper of the network that is trained here."""

DATA = "CT and MR slices of the Whole Brain Atlas (Harvard), 256x256, 8 bit"
"""What the shipped networks were trained on."""


def publish(settings: Settings, run: Path, data: Path, test: Path, folder: Path) -> list[Path]:
    """Write an ONNX graph and a card for every fusion strategy of a trained network.

    `run` has the checkpoint, `data` the training pairs, `test` the pairs that are measured.
    """
    state = first_state(NETWORKS[settings.network], settings)
    state.load(run / CHECKPOINT)
    round_weights(state.network)
    facts = _training_facts(settings, run, data)
    pairs = read_pairs(test)
    folder.mkdir(parents=True, exist_ok=True)
    return [_write(strategy, state.network, facts, pairs, folder) for strategy in STRATEGIES]


def round_weights(network: nn.Module) -> None:
    """Round the weights of all convolutions to what bf16 holds, in place.

    An engine that runs in bf16 rounds them anyway. Rounded beforehand, they are the same in both
    precisions, and the fused images differ by the rounding of activations alone.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data = module.weight.data.bfloat16().float()


def _training_facts(settings: Settings, run: Path, data: Path) -> dict[str, Any]:
    """What the cards of all strategies share."""
    try:
        last = json.loads((run / LOG).read_text().splitlines()[-1])
    except (OSError, IndexError, ValueError) as error:
        raise InputError(f"{run / LOG}: no log of a run to publish; train first") from error
    names = {pair.patient for pair in read_pairs(data)}
    patients = sorted(names, key=lambda name: (len(name), name))  # 2 before 16
    return {
        "data": DATA,
        "patients_trained": [p for p in patients if p not in settings.validation_patients],
        "patients_validated": list(settings.validation_patients),
        "settings": dataclasses.asdict(settings),
        "validation": {"step": last["step"], "ssim_rebuilt": last.get("validation_ssim")},
    }


def _write(
    strategy: Strategy, trained: nn.Module, facts: dict[str, Any], pairs: list[Pair], folder: Path
) -> Path:
    """Write graph and card of one strategy; returns the graph's path."""
    name = facts["settings"]["network"]
    network = NETWORKS[name](strategy).eval()
    network.load_state_dict(trained.state_dict())
    suffix = "" if strategy == DEFAULT_STRATEGY else f"-{strategy.replace('_', '-')}"
    path = folder / f"{name}{suffix}.onnx"
    export_onnx(network, path)
    card = {
        "name": path.stem,
        "network": name,
        "options": {"strategy": strategy},
        "source": SOURCE,
        "parameters": sum(tensor.numel() for tensor in network.parameters()),
        **facts,
        "test": {"profile": PROFILE, "pairs": len(pairs), **_means(network, pairs)},
        "licence": "Apache-2.0",
        "intended_use": USE,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    path.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n")
    return path


def _means(network: nn.Module, pairs: list[Pair]) -> dict[str, float]:
    """Means of the profile's metrics over the pairs, on 8-bit fused images."""
    rows = [measure(PROFILE, _fuse(network, pair), pair.ct, pair.mr) for pair in pairs]
    return {
        metric: round(float(np.mean([row[metric] for row in rows])), 4)
        for metric in PROFILES[PROFILE].columns
    }


@torch.no_grad()
def _fuse(network: Any, pair: Pair) -> NDArray[np.uint8]:
    ct, mr = (torch.from_numpy(image / np.float32(255))[None] for image in (pair.ct, pair.mr))
    fused: NDArray[np.float32] = network(ct, mr)[0].numpy()
    return np.asarray(grey_levels(fused), np.uint8)
