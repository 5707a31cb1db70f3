"""Train and export in one command: from settings and images to an ONNX file and model card."""

from pathlib import Path
from typing import Any

from radfuse.io.image_pairs import read_image_pairs
from radfuse.training.checkpoint import find_checkpoint
from radfuse.training.export.checkpoint import export
from radfuse.training.loop import SAVE_EVERY_S, ProgressReport
from radfuse.training.prepare import prepare_training


def build(
    config: Path, path: Path, *, data: Path, run: Path, test: Path | None, report: ProgressReport
) -> dict[str, Any]:
    """Train by the settings of a file and export the best checkpoint; returns the model card.

    `run` is the folder of the training, which resumes there. On one device the same settings and
    images give the same files, byte for byte. Raises as `prepare_training`, `train` and `export`.
    """
    if test:
        read_image_pairs(test)  # refused now, not after hours of training
    with prepare_training(config, data=data) as training_run:
        training_run.train(run, report, save_every_s=SAVE_EVERY_S)
    return export(find_checkpoint(run), path, test=test).model_card
