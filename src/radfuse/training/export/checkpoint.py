"""Export a checkpoint as an ONNX file and its model card."""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from radfuse.io.image_pairs import ImagePair, read_image_pairs
from radfuse.networks.catalogue import make_network
from radfuse.networks.eight_bits import round_to_eight_bits
from radfuse.networks.onnx_export import NO_WEIGHTS
from radfuse.training.checkpoint import Checkpoint, read_checkpoint
from radfuse.training.export.model_card import write_weights
from radfuse.training.resume import load_parameters
from radfuse.training.validation import mean_metrics

METRIC_DECIMALS = 4
"""Decimals of the metrics on a model card."""


@dataclass(frozen=True)
class Exported:
    """The written ONNX file and its model card."""

    path: Path
    model_card: dict[str, Any]


def export(
    checkpoint: Path,
    path: Path,
    *,
    options: dict[str, Any] | None = None,
    test: Path | None = None,
    half: bool = False,
) -> Exported:
    """Write the averaged network of a checkpoint as an ONNX file with a model card beside it.

    `options` overrides options of the network that do not change its parameters; `test` is a folder
    of pairs for the test metrics of the model card; `half` stores the parameters in half precision.
    Raises `InputError` for any other file than a checkpoint and for parameters out of the range of
    half precision, `RadfuseError` where the graph differs from the network; nothing is written
    then.
    """
    content = read_checkpoint(checkpoint)
    settings = content.metadata["history"][-1]["settings"]
    name, used = settings["network"], settings["network_options"] | (options or {})
    network = make_network(name, used).eval()
    load_parameters(network, content.parts["average"], checkpoint)
    if settings["export"]["round_weights"]:
        round_weights(network)
    is_eight_bit = settings["export"].get("eight_bits", False) and not half
    eight_bits = round_to_eight_bits(network) if is_eight_bit else NO_WEIGHTS
    facts = training_summary(content)
    if test:
        stored = copy.deepcopy(network).half().float() if half else network
        facts |= _test_metrics(stored, read_image_pairs(test), settings["profile"])
    if settings["export"].get("differs"):
        facts["differs_from_paper"] = settings["export"]["differs"]
    facts["licence"] = settings["export"]["licence"]
    model_card = write_weights(
        network, path, name=name, options=used, facts=facts, half=half, eight_bits=eight_bits
    )
    return Exported(path, model_card)


def round_weights(network: nn.Module) -> None:
    """Round the weights of all convolutions to bf16; modifies the network.

    Inference in bf16 rounds them in any case. With rounded weights, fused images in both
    precisions differ by the rounding of activations alone.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data = module.weight.data.bfloat16().float()


def training_summary(content: Checkpoint) -> dict[str, Any]:
    """Patients of this and earlier trainings, and the last validation."""
    history, counts = content.metadata["history"], content.metadata["counts"]
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


def _test_metrics(network: nn.Module, pairs: list[ImagePair], profile: str) -> dict[str, Any]:
    means = mean_metrics(network, pairs, profile)
    rounded = {name: round(mean, METRIC_DECIMALS) for name, mean in means.items()}
    return {"test": {"profile": profile, "pairs": len(pairs), **rounded}}
