"""Write a network as an ONNX file, compared with the network, and its model card."""

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from radfuse.errors import RadfuseError
from radfuse.io.staging import staging
from radfuse.methods.onnx import OnnxMethod
from radfuse.networks.catalogue import NETWORKS
from radfuse.networks.eight_bits import EightBitWeights
from radfuse.networks.onnx_export import NO_WEIGHTS, export_onnx
from radfuse.record import SHORT_NOTICE, digest

CHECKED_SHAPES = ((1, 64, 64), (4, 96, 80), (2, 57, 71))
"""Batch, rows and columns of the images on which a graph is compared with its network."""

MAX_DIFFERENCE = 1.0
"""Largest difference of a pixel between graph and network, in grey levels of 255."""

DIFFERENCE_DECIMALS = 4
"""Decimals of that difference on a model card."""


def write_weights(
    network: nn.Module,
    path: Path,
    *,
    name: str,
    options: dict[str, Any],
    facts: dict[str, Any],
    half: bool = False,
    eight_bits: Mapping[str, EightBitWeights] = NO_WEIGHTS,
) -> dict[str, Any]:
    """Write a network of the catalogue as an ONNX file; returns the model card beside it.

    `facts` describes the origin of the parameters; `half` stores them in half precision,
    `eight_bits` has those that are stored so, to which the network was rounded. Raises
    `RadfuseError` where the graph differs from the network, `InputError` for parameters out of the
    range of half precision; nothing is written then.
    """
    model_card = {
        "name": path.stem,
        "network": name,
        "options": options,
        "source": NETWORKS[name].source,
        "parameters": sum(tensor.numel() for tensor in network.parameters()),
        **facts,
        "intended_use": SHORT_NOTICE,
    }
    with staging(path.parent) as stage:
        draft = stage.path_of(path)
        export_onnx(network, draft, half=half, eight_bits=eight_bits)
        narrow = "int8" if eight_bits else "float16" if half else "float32"
        model_card |= {
            "graph": {"stored_as": narrow} | _compare(draft, network),
            "sha256": digest([draft]),
        }
        draft.with_suffix(".json").write_text(json.dumps(model_card, indent=2) + "\n")
    return model_card


def _compare(graph: Path, network: nn.Module) -> dict[str, Any]:
    """The largest difference between graph and network; `RadfuseError` above `MAX_DIFFERENCE`.

    The network runs in double precision: where it divides by small numbers, as CSF does, rounding
    in single precision would be visible.
    """
    rng, exact = np.random.default_rng(0), copy.deepcopy(network).double()
    method, differences = OnnxMethod(graph), []
    for shape in CHECKED_SHAPES:
        ct, mr = (rng.random(shape, np.float32) for _ in ("ct", "mr"))
        with torch.no_grad():
            expected = exact(*(torch.from_numpy(x).double() for x in (ct, mr))).clamp(0, 1).numpy()
        differences.append(np.abs(method(ct, mr) - expected).max() * 255)
    difference = float(np.max(differences))  # NaN, if any is
    if not difference <= MAX_DIFFERENCE:
        raise RadfuseError(
            f"{graph.name}: differs from its network by {difference:.2f} grey levels"
        )
    shapes = [list(shape) for shape in CHECKED_SHAPES]
    return {
        "checked_shapes": shapes,
        "max_difference_grey_levels": round(difference, DIFFERENCE_DECIMALS),
    }
