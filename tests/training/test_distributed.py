"""Data-parallel training takes the steps of one process with the whole batch."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from training_kit import content_of, rows_of, silent, write_pairs

from radfuse.errors import InputError
from radfuse.training.checkpoint import LAST_CHECKPOINT
from radfuse.training.distributed import SINGLE_PROCESS, ProcessGroup, process_group
from radfuse.training.log import EVENTS, LOG, SAMPLES
from radfuse.training.prepare import prepare_training

CONFIG = """
network = "res2fusion"
validation_patients = ["16"]

[[phases]]
objective = "mfinet_paper"
steps = 8
batch = {batch}
crop = 20
ema_decay = 0.9
clip = 0.5
outlier = 10
patience = 2
validate_every = 2
schedule = {{learning_rate = 3e-3}}

[[phases]]
objective = "autoencoder"
steps = 4
batch = {batch}
crop = 20
validate_every = 2
schedule = {{learning_rate = 1e-3}}
"""

TRAIN = ("train", "--data", "pairs", "--quiet")

FIRST_PHASE = CONFIG.rsplit("[[phases]]", 1)[0]

RESUMED = """
from contextlib import suppress
from pathlib import Path

from training_kit import ADVERSARIAL, PATCHES, Stopped, silent, stop_at

from radfuse.training.dataset import read_training_pairs
from radfuse.training.distributed import process_group
from radfuse.training.loop import train
from radfuse.training.settings import read_training_settings
from radfuse.training.state import initial_state

PAIRS = read_training_pairs(Path("pairs"), ("16",))
FIRST, BOTH = (read_training_settings(Path(name)) for name in ("first.toml", "four.toml"))

with process_group("cpu") as processes:
    for folder, pairs, settings, report in (
        ("parts", PAIRS, FIRST, silent),
        ("parts", PAIRS, BOTH, silent),
        ("adversarial", PATCHES, ADVERSARIAL, silent),
        ("stopped", PATCHES, ADVERSARIAL, stop_at(3)),
        ("stopped", PATCHES, ADVERSARIAL, silent),
    ):
        with suppress(Stopped):
            options = {"processes": processes, "save_every_s": 0}
            train(initial_state(settings, pairs), pairs, settings, Path(folder), report, **options)
        processes.barrier()
"""
"""Run by each process: trainings that resume after a phase, and after three of four steps."""

RELATIVE = 1e-4
"""By which losses of one process and of two may differ: sums of float32 in another order, through
12 steps of Adam, whose first steps divide gradients by their own size."""


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs, settings, and the training `two` on two processes."""
    folder = tmp_path_factory.mktemp("distributed")
    write_pairs(folder / "pairs", ["2001", "2002", "20001", "16001"])
    (folder / "four.toml").write_text(CONFIG.format(batch=4))
    (folder / "first.toml").write_text(FIRST_PHASE.format(batch=4))
    (folder / "three.toml").write_text(CONFIG.format(batch=3))
    done = on_two_processes(folder, "-m", "radfuse", *TRAIN, "four.toml", "-o", "two")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def resumed(workshop: Path) -> Path:
    """The trainings of `RESUMED` beside `two`."""
    (workshop / "resumed.py").write_text(RESUMED)
    done = on_two_processes(workshop, "resumed.py")
    assert done.returncode == 0, done.stderr
    return workshop


def on_two_processes(folder: Path, *program: str) -> subprocess.CompletedProcess[str]:
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    paths = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [*start, *program],
        cwd=folder, env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_two_processes_have_the_loss_curve_of_one(workshop: Path) -> None:
    with prepare_training(workshop / "four.toml", data=workshop / "pairs") as alone:
        alone.train(workshop / "one", silent, save_every_s=300)
    one, two = (rows_of(workshop / output) for output in ("one", "two"))
    assert [row["step"] for row in one] == [row["step"] for row in two]
    assert len({row["phase"] for row in one}) == 2
    for mine, theirs in zip(one, two, strict=True):
        for group in ("train", "validation"):
            names = mine[group].keys() & {"loss", "norm", "ssim_rebuilt"}
            values = [[row[group][name] for name in names] for row in (mine, theirs)]
            np.testing.assert_allclose(*values, rtol=RELATIVE)
    left = {path.name for path in (workshop / "two").iterdir()}
    assert left == {LAST_CHECKPOINT, "best.safetensors", LOG, EVENTS, SAMPLES}


@pytest.mark.slow
@pytest.mark.parametrize(("whole", "parts"), [("two", "parts"), ("adversarial", "stopped")])
def test_two_processes_resume_bit_for_bit(resumed: Path, whole: str, parts: str) -> None:
    expected, found = (content_of(resumed / name / LAST_CHECKPOINT) for name in (whole, parts))
    assert found == expected
    is_adversarial = any(name.startswith("discriminator.") for name in expected)
    assert is_adversarial == (whole == "adversarial")


@pytest.mark.slow
def test_a_batch_without_equal_parts_is_refused(workshop: Path) -> None:
    done = on_two_processes(workshop, "-m", "radfuse", *TRAIN, "three.toml", "-o", "odd")
    assert done.returncode != 0
    assert "a batch of 3 has no equal parts for 2 processes" in done.stderr


@pytest.mark.slow
def test_failure_of_the_main_process_ends_the_others(tmp_path: Path) -> None:
    (tmp_path / "fails.py").write_text(
        "from radfuse.training.distributed import process_group\n"
        "with process_group('cpu') as processes:\n"
        "    if processes.is_main:\n"
        "        raise SystemExit('no space')\n"
        "    processes.broadcast(0.0)\n"
    )
    began = time.monotonic()
    done = on_two_processes(tmp_path, "fails.py")
    assert done.returncode != 0
    assert "no space" in done.stderr
    assert time.monotonic() - began < 60


def test_shards_of_a_batch_make_the_whole_batch() -> None:
    batch = torch.arange(6)
    parts = [ProcessGroup(rank, 3).shard(batch) for rank in range(3)]
    assert sorted(torch.cat(parts).tolist()) == batch.tolist()
    with pytest.raises(InputError, match="a batch of 6 has no equal parts for 4"):
        ProcessGroup(0, 4).shard(batch)


def test_running_statistics_of_one_process_are_its_own() -> None:
    network = nn.BatchNorm2d(2)
    network(torch.rand(4, 2, 3, 3))
    before = network.running_mean.clone()
    SINGLE_PROCESS.average_batch_norm(network)
    assert torch.equal(network.running_mean, before)


def test_single_process_is_main_and_averages_nothing() -> None:
    network = nn.Linear(2, 2)
    network(torch.ones(2)).sum().backward()
    before = network.weight.grad.clone()
    SINGLE_PROCESS.average_gradients(network)
    assert torch.equal(network.weight.grad, before)
    assert SINGLE_PROCESS.average({"loss": 3.5}) == {"loss": 3.5}
    assert SINGLE_PROCESS.broadcast(2.5) == 2.5
    assert SINGLE_PROCESS.is_main


def test_without_torchrun_there_is_a_single_process() -> None:
    with process_group("cpu") as processes:
        assert processes == SINGLE_PROCESS
