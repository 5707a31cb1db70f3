"""From settings and images to a graph and its card, in one go."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from radfuse.io.image_pairs import read_pairs
from radfuse.training.checkpoint import checkpoint_of
from radfuse.training.export.checkpoint import export
from radfuse.training.loop import SAVE_EVERY_S, Progress
from radfuse.training.start import begin


def build(
    config: Path,
    path: Path,
    *,
    data: Path,
    run: Path,
    test: Path | None,
    report: Callable[[Progress], None],
) -> dict[str, Any]:
    """Train as settings in a file say and write the best state as a graph with a card; the card.

    `run` is the folder of the training, which goes on where it was stopped. On one device the same
    settings and images give the same files, byte for byte. Raises as `begin`, `train`, `export`.
    """
    if test:
        read_pairs(test)  # refused now, not after hours of training
    with begin(config, data=data) as beginning:
        beginning.train(run, report, save_every_s=SAVE_EVERY_S)
    return export(checkpoint_of(run), path, test=test).card
