"""From a checkpoint to the files that others use: an ONNX graph and its card."""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from radfuse.io.image_pairs import Pair, read_pairs
from radfuse.networks.catalogue import make_network
from radfuse.training.checkpoint import Checkpoint, read_checkpoint
from radfuse.training.export.model_card import write_weights
from radfuse.training.state import fill
from radfuse.training.validation import mean_metrics

METRIC_DECIMALS = 4
"""Of the means on a card."""


@dataclass(frozen=True)
class Exported:
    """What an export wrote."""

    path: Path
    card: dict[str, Any]


def export(
    checkpoint: Path,
    path: Path,
    *,
    options: dict[str, Any] | None = None,
    test: Path | None = None,
    half: bool = False,
) -> Exported:
    """Write the running mean of a checkpoint's network as an ONNX file with a card beside it.

    `options` replaces some of the network's own, where the parameters fit both; `test` is a folder
    of pairs to measure; `half` stores the parameters in half precision. Raises `InputError` for
    what is no checkpoint and for parameters beyond half precision, `RadfuseError` where the graph
    differs from the network, and writes nothing then.
    """
    content = read_checkpoint(checkpoint)
    settings = content.facts["history"][-1]["settings"]
    name, used = settings["network"], settings["network_options"] | (options or {})
    network = make_network(name, used).eval()
    fill(network, content.parts["average"], checkpoint)
    if settings["export"]["round_weights"]:
        round_weights(network)
    facts = _training_facts(content)
    if test:
        stored = copy.deepcopy(network).half().float() if half else network
        facts |= _test_facts(stored, read_pairs(test), settings["profile"])
    facts["licence"] = settings["export"]["licence"]
    card = write_weights(network, path, name=name, options=used, facts=facts, half=half)
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


def _test_facts(network: nn.Module, pairs: list[Pair], profile: str) -> dict[str, Any]:
    means = mean_metrics(network, pairs, profile)
    rounded = {name: round(mean, METRIC_DECIMALS) for name, mean in means.items()}
    return {"test": {"profile": profile, "pairs": len(pairs), **rounded}}
