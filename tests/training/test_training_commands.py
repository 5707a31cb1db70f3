"""`python -m radfuse.training run` and `publish`, start to end on a tiny set of pairs."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from radfuse.methods.onnx import OnnxMethod
from radfuse.metrics.catalogue import METRICS
from radfuse.metrics.measure import measure
from radfuse.networks.res2fusion import STRATEGIES
from radfuse.networks.torch_method import load_network
from radfuse.training.__main__ import main
from radfuse.training.images import read_slices
from radfuse.training.loop import CHECKPOINT, LOG

CONFIG = """
network = "res2fusion"
steps = 2
batch = 1
crop = 12
learning_rate = 1e-3
seed = 1
report_every = 1
"""

NAMES = [
    "res2fusion" + (f"-{strategy.replace('_', '-')}" if strategy != "spatial_mean" else "")
    for strategy in STRATEGIES
]


def write_pairs(folder: Path, names: list[str]) -> Path:
    side = METRICS["vif"].smallest_side
    rng = np.random.default_rng(1)
    for kind in ("CT", "MRI"):
        (folder / kind).mkdir(parents=True)
        for name in names:
            levels = rng.integers(0, 256, (side, side), dtype=np.uint8)
            Image.fromarray(levels).save(folder / kind / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with settings, pairs and a finished run."""
    folder = tmp_path_factory.mktemp("workshop")
    (folder / "tiny.toml").write_text(CONFIG + 'validation_patients = ["3"]\n')
    write_pairs(folder / "train", ["2001", "3001", "10001"])
    write_pairs(folder / "test", ["2002", "3002"])
    result = CliRunner().invoke(main, run_of(folder))
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture(scope="module")
def published(workshop: Path) -> Path:
    output = workshop / "weights"
    result = CliRunner().invoke(main, [
        "publish", str(workshop / "tiny.toml"), "--data", str(workshop / "train"),
        "--test", str(workshop / "test"), "--run", str(workshop / "run"), "--output", str(output),
    ])  # fmt: skip
    assert result.exit_code == 0, result.output
    assert result.output.split() == [str(output / f"{name}.onnx") for name in NAMES]
    return output


def run_of(folder: Path) -> list[str]:
    return [
        "run", str(folder / "tiny.toml"), "--data", str(folder / "train"),
        "--run", str(folder / "run"),
    ]  # fmt: skip


def test_a_run_leaves_a_checkpoint_and_a_log(workshop: Path) -> None:
    assert {path.name for path in (workshop / "run").iterdir()} == {CHECKPOINT, LOG}
    assert len((workshop / "run" / LOG).read_text().splitlines()) == 2
    assert len(read_slices(workshop / "train", ("3",)).validation) == 2


def test_a_finished_run_started_again_says_nothing(workshop: Path) -> None:
    result = CliRunner().invoke(main, run_of(workshop))
    assert (result.exit_code, result.output) == (0, "")


@pytest.mark.parametrize("name", NAMES)
def test_each_strategy_is_published_with_a_card_that_fits(published: Path, name: str) -> None:
    graph = published / f"{name}.onnx"
    card = json.loads(graph.with_suffix(".json").read_text(), parse_constant=pytest.fail)
    assert card["name"] == name
    assert card["sha256"] == hashlib.sha256(graph.read_bytes()).hexdigest()
    assert card["parameters"] == sum(p.numel() for p in load_network(graph).parameters())
    assert (card["patients_trained"], card["patients_validated"]) == (["2", "10"], ["3"])
    assert card["validation"]["step"] == 2
    assert card["settings"]["steps"] == 2
    assert set(card["test"]) == {"profile", "pairs", "MI", "SF", "VIF", "Qabf"}
    assert card["licence"] == "Apache-2.0"
    assert "Research use only" in card["intended_use"]


def test_the_strategies_share_their_parameters_and_fuse_differently(published: Path) -> None:
    networks = {name: load_network(published / f"{name}.onnx") for name in NAMES}
    first = networks["res2fusion"].state_dict()
    for network in networks.values():
        assert all((network.state_dict()[key] == value).all() for key, value in first.items())
    rng = np.random.default_rng(2)
    ct, mr = rng.random((1, 16, 16), np.float32), rng.random((1, 16, 16), np.float32)
    fused = [OnnxMethod(published / f"{name}.onnx")(ct, mr).tobytes() for name in NAMES]
    assert len(set(fused)) == len(NAMES)


def test_a_cards_figures_are_those_of_the_published_graph(workshop: Path, published: Path) -> None:
    rows = []
    for name in ("2002", "3002"):
        ct, mr = (
            np.asarray(Image.open(workshop / "test" / kind / f"{name}.png"))
            for kind in ("CT", "MRI")
        )
        sources = (image[None] / np.float32(255) for image in (ct, mr))
        fused = np.rint(OnnxMethod(published / "res2fusion.onnx")(*sources)[0] * 255)
        rows.append(measure("mfinet2024", fused.astype(np.uint8), ct, mr))
    card = json.loads((published / "res2fusion.json").read_text())
    for metric in rows[0]:
        expected = np.mean([row[metric] for row in rows])
        np.testing.assert_allclose(card["test"][metric], expected, rtol=0, atol=0.02)


def test_publishing_without_a_checkpoint_is_refused_in_one_line(
    workshop: Path, tmp_path: Path
) -> None:
    result = CliRunner().invoke(main, [
        "publish", str(workshop / "tiny.toml"), "--data", str(workshop / "train"),
        "--test", str(workshop / "test"), "--run", str(tmp_path), "--output", str(tmp_path / "out"),
    ])  # fmt: skip
    assert result.exit_code == 2
    assert result.output.startswith("radfuse.training: ")
    assert "cannot be read as a checkpoint" in result.output
    assert not (tmp_path / "out").exists()


def test_bad_settings_are_one_line_and_exit_status_2(tmp_path: Path) -> None:
    missing = tmp_path / "none.toml"
    finished = subprocess.run(
        [sys.executable, "-m", "radfuse.training", "run", missing, "--data", tmp_path,
         "--run", tmp_path / "run"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert finished.returncode == 2
    assert finished.stderr.startswith(f"radfuse.training: {missing}: cannot be read")
    assert len(finished.stderr.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_a_run_can_begin_from_another(workshop: Path, tmp_path: Path) -> None:
    arguments = [*run_of(workshop)[:-1], str(tmp_path / "second"), "--start", str(workshop / "run")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    first, second = (
        (folder / CHECKPOINT).read_bytes() for folder in (workshop / "run", tmp_path / "second")
    )
    assert first != second
    assert len((tmp_path / "second" / LOG).read_text().splitlines()) == 2


def test_published_weights_are_what_bf16_holds(published: Path) -> None:
    for name, tensor in load_network(published / "res2fusion.onnx").state_dict().items():
        if name.endswith("weight"):
            assert torch.equal(tensor, tensor.bfloat16().float()), name


def test_a_run_without_a_log_is_not_published(workshop: Path, tmp_path: Path) -> None:
    shutil.copytree(workshop / "run", tmp_path / "run")
    (tmp_path / "run" / LOG).unlink()
    result = CliRunner().invoke(main, [
        "publish", str(workshop / "tiny.toml"), "--data", str(workshop / "train"),
        "--test", str(workshop / "test"), "--run", str(tmp_path / "run"),
        "--output", str(tmp_path / "weights"),
    ])  # fmt: skip
    assert result.exit_code == 2
    assert "no log of a run" in result.output
    assert not (tmp_path / "weights").exists()
