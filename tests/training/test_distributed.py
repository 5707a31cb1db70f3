"""Data-parallel training takes the steps of one process with the whole batch."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from training_kit import content_of, rows_of, write_pairs

from radfuse.errors import InputError
from radfuse.training.checkpoint import LAST_CHECKPOINT
from radfuse.training.distributed import SINGLE_PROCESS, ProcessGroup, process_group
from radfuse.training.log import EVENTS, LOG, SAMPLES

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

ADVERSARIAL = """
from contextlib import suppress
from pathlib import Path

from training_kit import ADVERSARIAL, PATCHES, Stopped, silent, stop_at

from radfuse.training.loop import train
from radfuse.training.state import initial_state
from radfuse.training.distributed import process_group

with process_group("cpu") as processes:
    for folder, report in (("adversarial", silent), ("stopped", stop_at(3)), ("stopped", silent)):
        with suppress(Stopped):
            state = initial_state(ADVERSARIAL, PATCHES)
            options = {"processes": processes, "save_every_s": 0}
            train(state, PATCHES, ADVERSARIAL, Path(folder), report, **options)
        processes.barrier()
"""
"""Run by each process: an uninterrupted training, then one stopped at its third step of four."""

RELATIVE = 1e-4
"""By which losses of one process and of two may differ: sums of float32 in another order, through
12 steps of Adam, whose first steps divide gradients by their own size."""


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("distributed")
    write_pairs(folder / "pairs", ["2001", "2002", "20001", "16001"])
    (folder / "four.toml").write_text(CONFIG.format(batch=4))
    (folder / "three.toml").write_text(CONFIG.format(batch=3))
    return folder


def run(
    workshop: Path, processes: int, output: str, config: str = "four.toml"
) -> subprocess.CompletedProcess[str]:
    start = [sys.executable, "-m"]
    if processes > 1:
        start += ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "-m"]
    return subprocess.run(
        [*start, "radfuse", "train", config, "--data", "pairs", "-o", output, "--quiet"],
        cwd=workshop, env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_two_processes_have_the_loss_curve_of_one(workshop: Path) -> None:
    for processes, output in ((1, "one"), (2, "two")):
        done = run(workshop, processes, output)
        assert done.returncode == 0, done.stderr
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


def test_two_processes_resume_bit_for_bit(workshop: Path) -> None:
    first = CONFIG.format(batch=4).rsplit("[[phases]]", 1)[0]
    (workshop / "first.toml").write_text(first)
    assert run(workshop, 2, "parts", "first.toml").returncode == 0
    assert run(workshop, 2, "parts").returncode == 0
    assert run(workshop, 2, "whole").returncode == 0
    assert content_of(workshop / "parts" / LAST_CHECKPOINT) == content_of(
        workshop / "whole" / LAST_CHECKPOINT
    )


def test_adversarial_training_resumes_on_two_processes(workshop: Path) -> None:
    script = workshop / "adversarial.py"
    script.write_text(ADVERSARIAL)
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    paths = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [*start, str(script)],
        cwd=workshop, env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    whole, parts = (
        content_of(workshop / name / LAST_CHECKPOINT) for name in ("adversarial", "stopped")
    )
    assert any(name.startswith("discriminator.") for name in whole)
    assert whole == parts


def test_a_batch_without_equal_parts_is_refused(workshop: Path) -> None:
    done = run(workshop, 2, "odd", "three.toml")
    assert done.returncode != 0
    assert "a batch of 3 has no equal parts for 2 processes" in done.stderr


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
