"""From a checkpoint to the files that ship: ONNX graphs and their cards."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from radfuse.data.pairs import Pair, read_pairs
from radfuse.metrics.profiles import PROFILES, measure
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

DATA = "CT and MR slices of the Whole Brain Atlas (Harvard), 256x256, 8 bit"
"""What the shipped networks were trained on."""


def publish(settings: Settings, run: Path, data: Path, test: Path, folder: Path) -> list[Path]:
    """Write an ONNX graph and a card for every fusion strategy of a trained network.

    `run` has the checkpoint, `data` the training pairs, `test` the pairs that are measured.
    """
    state = first_state(NETWORKS[settings.network], settings)
    state.load(run / CHECKPOINT)
    last = json.loads((run / LOG).read_text().splitlines()[-1])
    patients = sorted({pair.patient for pair in read_pairs(data)})
    pairs = read_pairs(test)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for strategy in STRATEGIES:
        name = settings.network
        if strategy != DEFAULT_STRATEGY:
            name = f"{name}-{strategy.replace('_', '-')}"
        network = NETWORKS[settings.network](strategy).eval()
        network.load_state_dict(state.network.state_dict())
        path = folder / f"{name}.onnx"
        export_onnx(network, path)
        card = {
            "name": name,
            "network": settings.network,
            "options": {"strategy": strategy},
            "source": "Chen et al. 2024, doi:10.1186/s12880-024-01329-x, Table 1 and Eq. 1-6",
            "parameters": sum(tensor.numel() for tensor in network.parameters()),
            "data": DATA,
            "patients_trained": [p for p in patients if p not in settings.validation_patients],
            "patients_validated": list(settings.validation_patients),
            "settings": dataclasses.asdict(settings),
            "validation": {"step": last["step"], "ssim_rebuilt": last.get("validation_ssim")},
            "test": {"profile": PROFILE, "pairs": len(pairs), **_means(network, pairs)},
            "licence": "Apache-2.0",
            "intended_use": USE,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        path.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n")
        written.append(path)
    return written


def _means(network: torch.nn.Module, pairs: list[Pair]) -> dict[str, float]:
    """Means of the profile's metrics over the pairs, on 8-bit fused images."""
    rows = [measure(PROFILE, _fuse(network, pair), pair.ct, pair.mr) for pair in pairs]
    return {
        metric: round(float(np.mean([row[metric] for row in rows])), 4)
        for metric in PROFILES[PROFILE]
    }


@torch.no_grad()
def _fuse(network: Any, pair: Pair) -> NDArray[np.uint8]:
    ct, mr = (torch.from_numpy(image / np.float32(255))[None] for image in (pair.ct, pair.mr))
    fused: NDArray[np.float32] = network(ct, mr)[0].numpy()
    return np.rint(fused * 255).astype(np.uint8)
