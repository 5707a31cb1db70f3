"""The log of a training in JSON, the same for TensorBoard, and sample images."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from radfuse.arrays import UInt8Array
from radfuse.errors import OutputError

LOG = "log.jsonl"
"""Name of the file in a run's folder with one line a validation."""

EVENTS = "events.out.tfevents.radfuse"
"""Name of the file with the same numbers for TensorBoard."""

SAMPLES = "samples"
"""Name of the folder with one image a validation."""

MAX_SAMPLES = 4
"""Pairs in such an image."""


class TrainingLog:
    """The log in a run's folder; each row contains its `phase` and `step`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def truncate(self, phase: int, step: int) -> None:
        """Remove the rows after a step: resuming from a checkpoint repeats those steps."""
        log = self.folder / LOG
        if not log.is_file():
            return
        lines = log.read_text().splitlines(keepends=True)
        rows = [json.loads(line) for line in lines if line.endswith("\n")]  # the last may be torn
        kept = [row for row in rows if (row["phase"], row["step"]) <= (phase, step)]
        if len(kept) < len(lines):
            log.unlink()
            (self.folder / EVENTS).unlink(missing_ok=True)
            for row in kept:
                self.write(row)

    def write(self, row: dict[str, Any]) -> None:
        """Append a row; raises `OutputError` on a full disk."""
        try:
            with (self.folder / LOG).open("a") as log:
                log.write(json.dumps(row) + "\n")
            with (self.folder / EVENTS).open("ab") as events:
                writer = RecordWriter(events)
                if not events.tell():
                    head = Event(wall_time=row["time"], file_version="brain.Event:2")
                    writer.write(head.SerializeToString())
                writer.write(_event(row).SerializeToString())
        except OSError as error:
            raise OutputError(f"{self.folder}: cannot be written: {error.strerror}") from error

    def write_samples(self, pairs: UInt8Array, fused: UInt8Array, name: str) -> None:
        """Write pairs (N, 2, H, W) and fused images (N, H, W): a row each of CT, MR, fused."""
        rows = [np.hstack([*pair, image]) for pair, image in zip(pairs, fused, strict=True)]
        path = self.folder / SAMPLES / f"{name}.png"
        try:
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(np.vstack(rows[:MAX_SAMPLES])).save(path)
        except OSError as error:
            raise OutputError(f"{path}: cannot be written: {error.strerror}") from error


def _event(row: dict[str, Any]) -> Event:
    """A row's numbers, tagged `rate`, `step_s`, `train/NAME` and `validation/NAME`."""
    values = {"rate": row["rate"], "step_s": row["step_s"]}
    for group in ("train", "validation"):
        values |= {f"{group}/{name}": value for name, value in row.get(group, {}).items()}
    tagged = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
    return Event(wall_time=row["time"], step=row["total"], summary=Summary(value=tagged))
