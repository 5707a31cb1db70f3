"""From a checkpoint to the files that others use: an ONNX graph and its card."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from radfuse.data.pairs import Pair, read_pairs
from radfuse.errors import RadfuseError
from radfuse.io.staging import staging
from radfuse.methods.onnx import OnnxMethod
from radfuse.metrics.measure import measure
from radfuse.networks.catalogue import NETWORKS, make_network
from radfuse.networks.onnx_export import export_onnx
from radfuse.record import SHORT_NOTICE, digest
from radfuse.training.checkpoint import Checkpoint, read_checkpoint
from radfuse.training.state import fill
from radfuse.training.validation import fuse

CHECKED_SHAPES = ((1, 64, 64), (4, 96, 80), (2, 57, 71))
"""Batch, rows and columns on which a graph is compared with its network."""

MOST_APART = 1.0
"""Grey levels of 255 by which the two may differ anywhere."""

METRIC_DECIMALS = 4
"""Of the means on a card."""


@dataclass(frozen=True)
class Exported:
    """What an export wrote."""

    path: Path
    card: dict[str, Any]


def export(
    checkpoint: Path, path: Path, *, options: dict[str, Any] | None = None, test: Path | None = None
) -> Exported:
    """Write the running mean of a checkpoint's network as an ONNX file with a card beside it.

    `options` replaces some of the network's own, where the parameters fit both; `test` is a folder
    of pairs to measure. Raises `InputError` for what is no checkpoint, `RadfuseError` where the
    graph differs from the network, and writes nothing then.
    """
    content = read_checkpoint(checkpoint)
    settings = content.facts["history"][-1]["settings"]
    name, used = settings["network"], settings["network_options"] | (options or {})
    network = make_network(name, used).eval()
    fill(network, content.parts["average"], checkpoint)
    if settings["export"]["round_weights"]:
        round_weights(network)
    card = {
        "name": path.stem,
        "network": name,
        "options": used,
        "source": NETWORKS[name].source,
        "parameters": sum(tensor.numel() for tensor in network.parameters()),
        **_training_facts(content),
        **(_test_facts(network, read_pairs(test), settings["profile"]) if test else {}),
        "licence": settings["export"]["licence"],
        "intended_use": SHORT_NOTICE,
    }
    with staging(path.parent) as stage:
        draft = stage.place(path)
        export_onnx(network, draft)
        card |= {"graph": _checked(draft, network), "sha256": digest([draft])}
        draft.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n")
    return Exported(path, card)


def round_weights(network: nn.Module) -> None:
    """Round the weights of all convolutions to what bf16 holds, in place.

    An engine that runs in bf16 rounds them anyway. Rounded beforehand, they are the same in both
    precisions, and the fused images differ by the rounding of activations alone.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data = module.weight.data.bfloat16().float()


def _training_facts(content: Checkpoint) -> dict[str, Any]:
    """Who was seen, in this training and those before it, and what validation found."""
    history, counts = content.facts["history"], content.facts["counts"]
    trained = {patient for run in history for patient in run["patients_trained"]}
    last = history[-1]
    return {
        "data": last["settings"]["export"]["data"],
        "patients_trained": sorted(trained, key=lambda patient: (len(patient), patient)),
        "patients_validated": [p for p in last["patients_validated"] if p not in trained],
        "reached": {"phase": counts["phase"] + 1, "step": counts["step"], "total": counts["total"]},
        "validation": {"profile": last["settings"]["profile"], **counts["validated"]},
        "trainings": history,
    }


def _checked(graph: Path, network: nn.Module) -> dict[str, Any]:
    """How far the graph is from its network; `RadfuseError` where that can be seen."""
    rng = np.random.default_rng(0)
    method, apart = OnnxMethod(graph), 0.0
    for shape in CHECKED_SHAPES:
        ct, mr = (rng.random(shape, np.float32) for _ in ("ct", "mr"))
        with torch.no_grad():
            expected = network(torch.from_numpy(ct), torch.from_numpy(mr)).clamp(0, 1).numpy()
        apart = max(apart, float(np.abs(method(ct, mr) - expected).max() * 255))
    if not apart <= MOST_APART:
        raise RadfuseError(f"{graph.name}: differs from its network by {apart:.2f} grey levels")
    shapes = [list(shape) for shape in CHECKED_SHAPES]
    return {"checked_shapes": shapes, "most_apart_grey_levels": round(apart, METRIC_DECIMALS)}


def _test_facts(network: nn.Module, pairs: list[Pair], profile: str) -> dict[str, Any]:
    """Means of the profile's metrics over pairs, on 8-bit fused images."""
    rows = [measure(profile, _fused(network, pair), pair.ct, pair.mr) for pair in pairs]
    means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    rounded = {name: round(mean, METRIC_DECIMALS) for name, mean in means.items()}
    return {"test": {"profile": profile, "pairs": len(pairs), **rounded}}


def _fused(network: nn.Module, pair: Pair) -> NDArray[np.uint8]:
    return fuse(network, np.stack([pair.ct, pair.mr]))
