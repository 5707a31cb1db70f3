"""Learned detail: signed_detail, with a network that says which contrasts of the CT are shown.

Thresholds see one scale after the other; the network sees five neighbouring slices at once and
corrects them. It was trained on findings that were inserted into phantoms and a real head. Base,
background, bone and infarcts are those of `signed_detail`. `docs/signed-detail.md` has its training
and its figures.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import openvino

from radfuse.arrays import Float32Array
from radfuse.methods.compiled_graphs import infer
from radfuse.methods.detail.significance import Evidence, by_thresholds
from radfuse.methods.signed_detail import SignedDetail

GRAPH = Path(__file__).parent.parent / "weights/learned_detail/learned_detail.onnx"

NEIGHBOURS = 2
"""Slices on each side of one."""

REACH = 17
"""Pixels that the network sees to each side of one."""

CONTRAST_HU, NOISE_HU = 80.0, 20.0
"""Units of the features."""

RANGE_HU = (-150.0, 160.0)
"""Stronger contrasts are as visible."""


@dataclass(frozen=True)
class LearnedDetail(SignedDetail):
    """`signed_detail` with weights by the network of `networks/detail_gate.py`."""

    @property
    def reach(self) -> int:
        """Of the network's convolutions."""
        return REACH

    def significance(self, found: Evidence) -> Float32Array:
        """Of each voxel, by the network."""
        inputs = features(found.own_hu, by_thresholds(found), found.noise_hu)
        request = self._network.create_infer_request()  # of its own: threads run at the same time
        return infer(request, {"features": inputs}, "weight")

    @property
    def graphs(self) -> tuple[Path, ...]:
        """The networks that it has used, its own first."""
        return (GRAPH, *super().graphs)

    @cached_property
    def _network(self) -> Any:
        settings = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        return openvino.Core().compile_model(GRAPH, "CPU", settings)


def features(own_hu: Float32Array, prior: Float32Array, noise_hu: float) -> Float32Array:
    """The input of the network, (slices, 7, rows, columns).

    Contrasts of five slices, of which the first and the last of all are repeated, the significance
    by thresholds, and noise; contrasts and significances are (slices, rows, columns).
    """
    contrast = np.clip(own_hu, *RANGE_HU) / np.float32(CONTRAST_HU)
    at = np.arange(len(contrast))
    steps = range(-NEIGHBOURS, NEIGHBOURS + 1)
    slices = [contrast[np.clip(at + step, 0, at[-1])] for step in steps]
    noise = np.full_like(contrast, noise_hu / NOISE_HU)
    return np.stack([*slices, prior, noise], axis=1).astype(np.float32)
