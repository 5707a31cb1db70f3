"""Export a graph by the present code, with the same parameters and model card."""

import json
from pathlib import Path
from typing import Any

from radfuse.networks.eight_bits import round_to_eight_bits
from radfuse.networks.onnx_export import NO_WEIGHTS
from radfuse.networks.torch_method import load_network
from radfuse.training.export.checkpoint import Exported
from radfuse.training.export.model_card import write_weights

WRITTEN = (
    "name", "network", "options", "source", "parameters", "intended_use", "graph", "sha256"
)  # fmt: skip
"""Facts of a model card that `write_weights` determines."""


def model_card_of(graph: Path) -> dict[str, Any]:
    """The model card beside an ONNX file."""
    facts: dict[str, Any] = json.loads(graph.with_suffix(".json").read_text())
    return facts


def origin(model_card: dict[str, Any]) -> dict[str, Any]:
    """What a model card says of the origin of the parameters: `facts` of `write_weights`."""
    return {key: value for key, value in model_card.items() if key not in WRITTEN}


def export_again(graph: Path, path: Path) -> Exported:
    """Write the network of an ONNX file with a model card as another, stored in the same type.

    After a change of how a network computes, so that its graphs have it, too. Raises `InputError`
    without a model card, `RadfuseError` where the new graph differs from the network.
    """
    network = load_network(graph)
    present = model_card_of(graph)
    stored_as = present.get("graph", {}).get("stored_as")
    model_card = write_weights(
        network,
        path,
        name=present["network"],
        options=present["options"],
        facts=origin(present),
        half=stored_as == "float16",
        eight_bits=round_to_eight_bits(network) if stored_as == "int8" else NO_WEIGHTS,
    )
    return Exported(path, model_card)
