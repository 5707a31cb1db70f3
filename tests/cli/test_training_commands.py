"""`radfuse train`, `export` and `weights`: what they print, where, with which exit status."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cli_kit import refused_in_a_line, run
from click.testing import Result
from PIL import Image

from radfuse.methods.installed import VARIABLE

SIDE = 44

CONFIG = """
network = "res2fusion"
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
    result = run("export", tmp_path / "run", "-o", tmp_path / "x.onnx", "--json")
    assert len(json.loads(result.stdout)["trainings"]) == 2


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


@pytest.mark.skipif(sys.platform != "linux", reason="where torch has no CUDA is known here only")
def test_without_cuda_device_the_message_names_the_cpu(workshop: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-m", "radfuse", "train", workshop / "tiny.toml", "--device", "cuda",
         "--data", workshop / "train", "-o", tmp_path / "run"],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "radfuse: no CUDA device here; use --device cpu\n"


@pytest.mark.parametrize("command", ["train", "export"])
def test_without_torch_one_line_says_what_to_install(
    workshop: Path, tmp_path: Path, command: str
) -> None:
    arguments = {
        "train": [workshop / "tiny.toml", "--data", workshop / "train", "-o", tmp_path / "run"],
        "export": [workshop / "run", "-o", tmp_path / "x.onnx"],
    }[command]
    code = "import sys; sys.modules['torch'] = None; from radfuse.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, command, *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "radfuse: torch is missing; pip install radfuse[train]\n"


def test_model_card_has_the_metrics_of_the_test_pairs(workshop: Path) -> None:
    card = json.loads((workshop / "mine.json").read_text())
    assert card["test"]["pairs"] == 2
    assert set(card["test"]) == {"profile", "pairs", "MI", "SF", "VIF", "Qabf"}


def test_export_replaces_an_onnx_file_only_with_overwrite(workshop: Path, tmp_path: Path) -> None:
    refused_in_a_line(
        run("export", workshop / "run", "-o", workshop / "mine.onnx"), "pass --overwrite"
    )
    refused_in_a_line(run("export", workshop / "run", "-o", tmp_path / "x.pt"), "ends in .onnx")
    again = shutil.copy(workshop / "mine.onnx", tmp_path / "x.onnx")
    result = run("export", workshop / "run", "-o", again, "--overwrite")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "x.json").is_file()


def test_half_precision_export_is_smaller_and_on_the_card(workshop: Path, tmp_path: Path) -> None:
    result = run("export", workshop / "run", "-o", tmp_path / "x.onnx", "--half", "--json")
    assert json.loads(result.stdout)["graph"]["stored_as"] == "float16"
    sizes = [path.stat().st_size for path in (tmp_path / "x.onnx", workshop / "mine.onnx")]
    assert sizes[0] < 0.6 * sizes[1]


def test_network_option_is_a_word_or_a_toml_value(workshop: Path, tmp_path: Path) -> None:
    for option, value in (("strategy=l1", "l1"), ('strategy="l1"', "l1")):
        result = run(
            "export", workshop / "run", "-o", tmp_path / "x.onnx", "--option", option, "--json",
            "--overwrite",
        )  # fmt: skip
        assert json.loads(result.stdout)["options"] == {"strategy": value}
    result = run("export", workshop / "run", "-o", tmp_path / "y.onnx", "--option", "strategy")
    refused_in_a_line(result, "give NAME=VALUE")
    result = run("export", workshop / "run", "-o", tmp_path / "y.onnx", "--option", "width=3")
    refused_in_a_line(result, "do not fit network 'res2fusion'")


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
