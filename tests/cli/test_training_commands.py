"""`radfuse train`, `export` and `weights`: what they print, where, with which exit status."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_kit import refused_in_a_line, run
from click.testing import Result
from PIL import Image

from radfuse.cli.options import named_options
from radfuse.errors import install_command
from radfuse.methods.installed import VARIABLE
from radfuse.methods.onnx import OnnxMethod
from radfuse.training.checkpoint import find_checkpoint, read_checkpoint

SIDE = 44

CONFIG = """
network = "densefuse"
validation_patients = ["3"]

[[phases]]
objective = "autoencoder"
steps = 3
batch = 1
crop = 12
validate_every = 2
schedule = {learning_rate = 1e-3}
"""


def write_pairs(folder: Path, names: list[str]) -> Path:
    rng = np.random.default_rng(1)
    for kind in ("CT", "MRI"):
        (folder / kind).mkdir(parents=True)
        for name in names:
            levels = rng.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
            Image.fromarray(levels).save(folder / kind / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with settings, pairs, a finished run and its graph."""
    folder = tmp_path_factory.mktemp("workshop")
    (folder / "tiny.toml").write_text(CONFIG)
    write_pairs(folder / "train", ["2001", "3001", "10001"])
    write_pairs(folder / "test", ["2002", "3002"])
    assert train(folder, folder / "run").exit_code == 0
    result = run("export", folder / "run", "-o", folder / "mine.onnx", "--test", folder / "test")
    assert result.exit_code == 0, result.output
    return folder


def train(folder: Path, output: Path, *more: object) -> Result:
    return run("train", folder / "tiny.toml", "--data", folder / "train", "-o", output, *more)


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for installed weights."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "shelf"))
    return tmp_path / "shelf"


def test_train_prints_progress_on_stderr_and_folder_on_stdout(
    workshop: Path, tmp_path: Path
) -> None:
    result = train(workshop, tmp_path / "run", "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{tmp_path / 'run'}\n"
    for words in ("phase 1", "3/3", "images/s", "loss", "validation", "Qabf"):
        assert words in result.stderr


def test_quiet_prints_nothing_and_json_is_one_object(workshop: Path, tmp_path: Path) -> None:
    result = train(workshop, tmp_path / "run", "--quiet", "--json")
    assert result.stderr == ""
    facts = json.loads(result.stdout)
    assert facts["steps"] == 3
    assert set(facts["validation"]) >= {"loss", "MI", "ssim_rebuilt"}


def test_a_finished_run_started_again_changes_nothing(workshop: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (workshop / "run").iterdir()}
    assert train(workshop, workshop / "run").exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in (workshop / "run").iterdir()} == before


def test_training_can_start_from_another_run(workshop: Path, tmp_path: Path) -> None:
    result = train(workshop, tmp_path / "run", "--start", workshop / "run")
    assert result.exit_code == 0, result.output
    metadata = read_checkpoint(find_checkpoint(tmp_path / "run")).metadata
    assert len(metadata["history"]) == 2


def test_bad_settings_and_checkpoints_give_one_line(workshop: Path, tmp_path: Path) -> None:
    missing = tmp_path / "none.toml"
    refused_in_a_line(
        run("train", missing, "--data", tmp_path, "-o", tmp_path / "run"), "cannot be read"
    )
    result = run("train", workshop / "tiny.toml", "--data", tmp_path, "-o", tmp_path / "run")
    refused_in_a_line(result, "give a folder with CT/ and MRI/")
    refused_in_a_line(
        train(workshop, tmp_path / "run", "--start", tmp_path), "cannot be read as a checkp"
    )
    refused_in_a_line(
        run("export", tmp_path, "-o", tmp_path / "x.onnx"), "cannot be read as a checkpoint"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_without_cuda_device_the_message_names_the_cpu(workshop: Path, tmp_path: Path) -> None:
    result = train(workshop, tmp_path / "run", "--device", "cuda")
    refused_in_a_line(result, "no CUDA device here; use --device cpu")


WITHOUT_TORCH = """
import json, sys
sys.modules["torch"] = None
from radfuse.cli import main
for words in json.loads(sys.argv[1]):
    try:
        main(words)
    except SystemExit as ended:
        print(ended.code)
"""
"""Runs commands, and prints their exit statuses."""


def test_without_torch_one_line_says_what_to_install(workshop: Path, tmp_path: Path) -> None:
    commands = [
        ["train", workshop / "tiny.toml", "--data", workshop / "train", "-o", tmp_path / "run"],
        ["export", workshop / "run", "-o", tmp_path / "x.onnx"],
    ]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, json.dumps(commands, default=str)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "2\n2\n"
    assert done.stderr == 2 * f"radfuse: torch is missing; {install_command('train')}\n"


def test_model_card_has_the_metrics_of_the_test_pairs(workshop: Path) -> None:
    card = json.loads((workshop / "mine.json").read_text())
    assert card["test"]["pairs"] == 2
    assert set(card["test"]) == {"profile", "pairs", "MI", "SF", "VIF", "Qabf"}


def test_a_graph_is_exported_again_without_further_options(workshop: Path, tmp_path: Path) -> None:
    again = tmp_path / "mine.onnx"
    refused_in_a_line(
        run("export", workshop / "mine.onnx", "-o", again, "--half"), "without further options"
    )
    assert list(tmp_path.iterdir()) == []
    assert run("export", workshop / "mine.onnx", "-o", again).exit_code == 0
    assert again.read_bytes() == (workshop / "mine.onnx").read_bytes()


def test_export_replaces_no_file_and_writes_only_onnx(workshop: Path, tmp_path: Path) -> None:
    before = (workshop / "mine.onnx").read_bytes()
    refused_in_a_line(
        run("export", workshop / "run", "-o", workshop / "mine.onnx"), "pass --overwrite"
    )
    assert (workshop / "mine.onnx").read_bytes() == before
    refused_in_a_line(run("export", workshop / "run", "-o", tmp_path / "x.pt"), "ends in .onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_export_with_overwrite_has_the_given_options(workshop: Path, tmp_path: Path) -> None:
    mine, again = workshop / "mine.onnx", tmp_path / "x.onnx"
    shutil.copy(mine, again)
    options = ("--half", "--option", "rule=l1", "--overwrite", "--json")
    card = json.loads(run("export", workshop / "run", "-o", again, *options).stdout)
    assert card == json.loads((tmp_path / "x.json").read_text())
    assert (card["graph"]["stored_as"], card["options"]) == ("float16", {"rule": "l1"})
    assert again.stat().st_size < 0.6 * mine.stat().st_size
    ct, mr = np.random.default_rng(2).random((2, 1, 16, 16), np.float32)
    assert np.abs(OnnxMethod(again)(ct, mr) - OnnxMethod(mine)(ct, mr)).max() > 0.01


def test_network_option_is_a_word_or_a_toml_value(workshop: Path, tmp_path: Path) -> None:
    assert named_options(("rule=l1",)) == named_options(('rule="l1"',)) == {"rule": "l1"}
    assert named_options(("stretch=true", "depth=3")) == {"stretch": True, "depth": 3}
    result = run("export", workshop / "run", "-o", tmp_path / "y.onnx", "--option", "rule")
    refused_in_a_line(result, "give NAME=VALUE")
    result = run("export", workshop / "run", "-o", tmp_path / "y.onnx", "--option", "width=3")
    refused_in_a_line(result, "do not fit network 'densefuse'")


def test_installed_weights_are_listed_verified_and_fuse_by_name(
    workshop: Path, shelf: Path, tmp_path: Path
) -> None:
    result = run("weights", "install", workshop / "mine.onnx")
    assert result.exit_code == 0, result.output
    assert "--method mine" in result.stdout
    assert {path.name for path in shelf.iterdir()} == {"mine.onnx", "mine.json"}
    facts = json.loads(run("weights", "list", "--json").stdout)
    assert facts["folder"] == str(shelf)
    origins = {item["name"]: item["origin"] for item in facts["weights"]}
    assert origins["mine"] == "installed"
    assert origins["res2fusion"] == "packaged"
    text = run("weights", "list").stdout
    assert "mine" in text
    assert "2, 10" in text
    ct, mr = (workshop / "test" / kind / "2002.png" for kind in ("CT", "MRI"))
    outputs = []
    for method in ("mine", workshop / "mine.onnx"):
        target = tmp_path / f"{len(outputs)}.png"
        result = run("fuse", "--ct", ct, "--mr", mr, "-o", target, "--method", method, "--quiet")
        assert result.exit_code == 0, result.output
        outputs.append(np.asarray(Image.open(target)))
    np.testing.assert_array_equal(*outputs)


def test_shipped_weights_pass_verification(shelf: Path) -> None:
    result = run("weights", "verify", "--json")
    assert result.exit_code == 0, result.output
    assert set(json.loads(result.stdout).values()) == {True}


def test_modified_graph_is_detected_and_not_installed(
    workshop: Path, shelf: Path, tmp_path: Path
) -> None:
    assert run("weights", "install", workshop / "mine.onnx").exit_code == 0
    with (shelf / "mine.onnx").open("ab") as graph:
        graph.write(b"\x72\x00")  # an empty piece of metadata: still a graph
    result = run("weights", "verify")
    assert result.exit_code == 2
    assert "mine  DIFFERS" in result.stdout
    assert "mine: the sha256 differs from the model card" in result.stderr
    for path in shelf.iterdir():
        shutil.copy(path, tmp_path / path.name.replace("mine", "yours"))
    result = run("weights", "install", tmp_path / "yours.onnx")
    refused_in_a_line(result, "its sha256 differs from its model card")


def test_install_replaces_weights_only_with_overwrite(workshop: Path, shelf: Path) -> None:
    assert run("weights", "install", workshop / "mine.onnx").exit_code == 0
    refused_in_a_line(run("weights", "install", workshop / "mine.onnx"), "pass --overwrite")
    result = run("weights", "install", workshop / "mine.onnx", "--overwrite", "--json")
    assert json.loads(result.stdout)["path"] == str(shelf / "mine.onnx")


def test_install_refuses_files_without_graph_or_model_card(
    workshop: Path, shelf: Path, tmp_path: Path
) -> None:
    refused_in_a_line(run("weights", "install", tmp_path / "none.onnx"), "no such ONNX file")
    refused_in_a_line(run("weights", "install", tmp_path / "none.txt"), "no method")
    bare = shutil.copy(workshop / "mine.onnx", tmp_path / "bare.onnx")
    refused_in_a_line(run("weights", "install", bare), "bare.json: missing")
    for text in ("{", "[]"):
        (tmp_path / "bare.json").write_text(text)
        refused_in_a_line(run("weights", "install", bare), "not a model card in JSON")
    (tmp_path / "text.onnx").write_text("text")
    refused_in_a_line(run("weights", "install", tmp_path / "text.onnx"), "not an ONNX graph")
    shutil.copy(workshop / "mine.onnx", tmp_path / "res2fusion.onnx")
    refused_in_a_line(
        run("weights", "install", tmp_path / "res2fusion.onnx"), "is a packaged method; rename"
    )
    assert not shelf.exists()


def test_unknown_method_is_refused(shelf: Path) -> None:
    result = run("fuse", "--ct", "a", "--mr", "b", "-o", "c.png", "--method", "../mine")
    assert result.exit_code == 2
