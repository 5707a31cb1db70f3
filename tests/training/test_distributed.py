"""Processes that train together take the steps of one process with the whole batch."""

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
from radfuse.training.checkpoint import LAST
from radfuse.training.distributed import ALONE, Team, joined_team
from radfuse.training.log import EVENTS, LOG, SAMPLES

CONFIG = """
network = "res2fusion"
validation_patients = ["16"]

[[phases]]
objective = "mfinet_paper"
steps = 8
batch = {batch}
crop = 20
average = 0.9
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

CONTEST = """
from contextlib import suppress
from pathlib import Path

from training_kit import CONTEST, PATCHES, Stopped, silent, stop_at

from radfuse.training.loop import train
from radfuse.training.state import first_state
from radfuse.training.distributed import joined_team

with joined_team("cpu") as team:
    for folder, report in (("contest", silent), ("stopped", stop_at(3)), ("stopped", silent)):
        with suppress(Stopped):
            state = first_state(CONTEST, PATCHES)
            train(state, PATCHES, CONTEST, Path(folder), report, team=team, save_every_s=0)
        team.wait()
"""
"""What each process does: a training in one go, then one that stops at its third step of four."""

RELATIVE = 1e-4
"""By which losses of one process and of two may differ: sums of float32 in another order, through
12 steps of Adam, whose first steps divide gradients by their own size."""


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("team")
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
    assert left == {LAST, "best.safetensors", LOG, EVENTS, SAMPLES}


def test_two_processes_resume_bit_for_bit(workshop: Path) -> None:
    first = CONFIG.format(batch=4).rsplit("[[phases]]", 1)[0]
    (workshop / "first.toml").write_text(first)
    assert run(workshop, 2, "parts", "first.toml").returncode == 0
    assert run(workshop, 2, "parts").returncode == 0
    assert run(workshop, 2, "whole").returncode == 0
    assert content_of(workshop / "parts" / LAST) == content_of(workshop / "whole" / LAST)


def test_two_processes_with_discriminator_resume_bit_for_bit(workshop: Path) -> None:
    script = workshop / "contest.py"
    script.write_text(CONTEST)
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    paths = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [*start, str(script)],
        cwd=workshop, env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    whole, parts = (content_of(workshop / name / LAST) for name in ("contest", "stopped"))
    assert any(name.startswith("rival.") for name in whole)
    assert whole == parts


def test_a_batch_without_equal_parts_is_refused(workshop: Path) -> None:
    done = run(workshop, 2, "odd", "three.toml")
    assert done.returncode != 0
    assert "a batch of 3 has no equal parts for 2 processes" in done.stderr


def test_the_parts_of_a_batch_are_the_batch() -> None:
    batch = torch.arange(6)
    parts = [Team(rank, 3).share(batch) for rank in range(3)]
    assert sorted(torch.cat(parts).tolist()) == batch.tolist()
    with pytest.raises(InputError, match="a batch of 6 has no equal parts for 4"):
        Team(0, 4).share(batch)


def test_running_statistics_of_one_process_are_its_own() -> None:
    network = nn.BatchNorm2d(2)
    network(torch.rand(4, 2, 3, 3))
    before = network.running_mean.clone()
    ALONE.average_statistics(network)
    assert torch.equal(network.running_mean, before)


def test_one_process_is_its_own_leader_and_changes_nothing() -> None:
    network = nn.Linear(2, 2)
    network(torch.ones(2)).sum().backward()
    before = network.weight.grad.clone()
    ALONE.average_gradients(network)
    assert torch.equal(network.weight.grad, before)
    assert ALONE.average({"loss": 3.5}) == {"loss": 3.5}
    assert ALONE.told(2.5) == 2.5
    assert ALONE.leads


def test_without_torchrun_a_process_is_alone() -> None:
    with joined_team("cpu") as team:
        assert team == ALONE
