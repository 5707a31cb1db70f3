"""The log of a training, its copy for TensorBoard, and sample images."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from training_kit import smooth_images

from radfuse.errors import OutputError
from radfuse.training.log import EVENTS, LOG, SAMPLES, TrainingLog


def row(phase: int, step: int, total: int) -> dict[str, Any]:
    return {
        "phase": phase, "step": step, "total": total, "time": 1e9 + total, "step_s": 0.25,
        "rate": 1e-3, "train": {"loss": 2.0 / total}, "validation": {"MI": 4.0 + total},
    }  # fmt: skip


def events_of(folder: Path) -> list[tuple[int, dict[str, float]]]:
    """Steps and tagged values, read as TensorBoard reads them."""
    loaded = LegacyEventFileLoader(str(folder / EVENTS)).Load()
    return [
        (event.step, {value.tag: value.simple_value for value in event.summary.value})
        for event in loaded
        if event.HasField("summary")
    ]


def test_tensorboard_reads_the_numbers_of_the_log(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path)
    for number in (1, 2):
        log.write(row(0, number, number))
    (step, values), (_, later) = events_of(tmp_path)
    assert step == 1
    assert values == pytest.approx(
        {"rate": 1e-3, "step_s": 0.25, "train/loss": 2.0, "validation/MI": 5.0}
    )
    assert later["validation/MI"] == 6


def test_truncate_removes_later_rows_of_both_files(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path)
    for phase, step, total in ((0, 5, 5), (0, 10, 10), (1, 5, 15), (1, 10, 20)):
        log.write(row(phase, step, total))
    log.truncate(1, 7)
    assert [step for step, _ in events_of(tmp_path)] == [5, 10, 15]
    assert len((tmp_path / LOG).read_text().splitlines()) == 3
    before = [(tmp_path / name).read_bytes() for name in (LOG, EVENTS)]
    log.truncate(1, 7)
    assert [(tmp_path / name).read_bytes() for name in (LOG, EVENTS)] == before


def test_truncate_of_an_empty_log_writes_nothing(tmp_path: Path) -> None:
    TrainingLog(tmp_path).truncate(0, 0)
    assert list(tmp_path.iterdir()) == []


def test_truncate_removes_a_torn_line(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path)
    log.write(row(0, 5, 5))
    with (tmp_path / LOG).open("a") as stream:
        stream.write('{"phase": 0, "st')
    log.truncate(0, 7)
    assert len((tmp_path / LOG).read_text().splitlines()) == 1


def test_sample_image_has_a_row_of_ct_mr_fused_per_pair(tmp_path: Path) -> None:
    pairs = smooth_images(6)
    fused = pairs.max(axis=1)
    TrainingLog(tmp_path).write_samples(pairs, fused, "1-000005")
    shown = np.asarray(Image.open(tmp_path / SAMPLES / "1-000005.png"))
    side = pairs.shape[-1]
    assert shown.shape == (4 * side, 3 * side)
    np.testing.assert_array_equal(shown[side : 2 * side, :side], pairs[1, 0])
    np.testing.assert_array_equal(shown[side : 2 * side, 2 * side :], fused[1])


def test_unwritable_samples_folder_gives_one_line(tmp_path: Path) -> None:
    (tmp_path / SAMPLES).touch()
    pairs = smooth_images(1)
    with pytest.raises(OutputError, match="cannot be written"):
        TrainingLog(tmp_path).write_samples(pairs, pairs.max(axis=1), "1")
