"""The network of learned_detail: whether a contrast of the CT is to be shown, voxel by voxel.

Five convolutions of five neighbouring slices, at half of their resolution, correct a significance
by thresholds; designed in this project.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

CHANNELS, PRIOR = 7, 5
"""Contrasts of five slices, significance by thresholds, noise; the channel of the second."""

STEEPNESS = 8.0
"""Of the logit of a significance by thresholds: untrained, the network returns nearly that."""

OPSET = 18


class DetailGate(nn.Module):
    """Weights in [0, 1], (slices, rows, columns), from (slices, 7, rows, columns)."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        last = nn.Conv2d(width, 4, 1)
        for parameter in last.parameters():
            nn.init.zeros_(parameter)
        self.layers = nn.Sequential(
            nn.Conv2d(4 * CHANNELS, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=2, dilation=2),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=4, dilation=4),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            last,
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """The weights, (slices, rows, columns)."""
        rows, columns = inputs.shape[2:]
        even = functional.pad(inputs, (0, columns % 2, 0, rows % 2))
        out = functional.pixel_shuffle(self.layers(functional.pixel_unshuffle(even, 2)), 2)
        logits = out[:, 0, :rows, :columns] + STEEPNESS * (inputs[:, PRIOR] - 0.5)
        return logits.sigmoid()

    def export(self, path: Path) -> None:
        """Write the network as ONNX: input `features`, output `weight`, of any size."""
        axes = {"features": {0: "slices", 2: "rows", 3: "columns"}}
        axes["weight"] = {0: "slices", 1: "rows", 2: "columns"}
        example = torch.zeros(1, CHANNELS, 32, 32)
        torch.onnx.export(
            self.eval(), (example,), str(path), input_names=["features"], output_names=["weight"],
            dynamic_axes=axes, opset_version=OPSET, dynamo=False,
        )  # fmt: skip
