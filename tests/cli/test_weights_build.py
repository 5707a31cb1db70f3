"""`radfuse weights build`: from settings that ship and pairs of the user to a method by name."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cli_kit import refused_in_a_line, run
from click.testing import Result
from test_training_commands import CONFIG, SIDE, write_pairs

from radfuse import settings
from radfuse.errors import InputError, install_command
from radfuse.methods.catalogue import METHODS, PUBLISHED
from radfuse.methods.installed import VARIABLE
from radfuse.methods.loading import load_method, method_info
from radfuse.networks.catalogue import NETWORKS
from radfuse.settings import shipped_trainings
from radfuse.training.checkpoint import LAST_CHECKPOINT

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for installed weights; beside it pairs, and settings as if they shipped."""
    configs = tmp_path / "configs"
    configs.mkdir()
    (configs / "tiny.toml").write_text(CONFIG)
    (configs / "maximum.toml").write_text(CONFIG)
    (configs / "report.toml").write_text('title = "of a benchmark"')
    write_pairs(tmp_path / "train", ["2001", "3001", "10001"])
    write_pairs(tmp_path / "test", ["2002"])
    monkeypatch.setattr(settings, "SHIPPED", configs)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "shelf"))
    return tmp_path / "shelf"


def build(shelf: Path, *arguments: object) -> Result:
    return run("weights", "build", *arguments, "--data", shelf.parent / "train")


def files_of(shelf: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in shelf.iterdir()}


@pytest.mark.slow
def test_trained_and_rebuilt_network_are_byte_identical(shelf: Path) -> None:
    folder = shelf.parent / "run"
    config = shelf.parent / "configs" / "tiny.toml"
    train = ("train", config, "--data", shelf.parent / "train", "-o", folder, "--quiet")
    assert run(*train).exit_code == 0
    before = (folder / LAST_CHECKPOINT).stat().st_mtime_ns
    result = build(shelf, "tiny", "-o", folder, "--test", shelf.parent / "test", "--as", "mine")
    assert result.exit_code == 0, result.output
    assert "use it with --method mine" in result.stdout
    assert (folder / LAST_CHECKPOINT).stat().st_mtime_ns == before
    first = files_of(shelf)
    assert set(first) == {"mine.onnx", "mine.json"}
    card = json.loads(first["mine.json"])
    assert (card["network"], card["patients_trained"]) == ("densefuse", ["2", "10"])
    assert card["test"]["pairs"] == 1
    image = np.zeros((1, SIDE, SIDE), np.float32)
    assert load_method("mine")(image, image).shape == image.shape
    refused_in_a_line(build(shelf, "tiny", "--as", "mine"), "pass --overwrite")
    refused_in_a_line(build(shelf, "tiny", "-o", folder, "--as", "../mine"), "give a word")
    again = build(
        shelf, "tiny", "--test", shelf.parent / "test", "--as", "mine", "--overwrite", "--json"
    )
    assert json.loads(again.stdout)["name"] == "mine"
    assert "3/3" in again.stderr
    assert files_of(shelf) == first


def test_a_name_without_settings_lists_those_there_are(shelf: Path) -> None:
    for name in ("luck", "report"):
        refused_in_a_line(
            build(shelf, name), f"no packaged settings '{name}'; there are maximum, tiny"
        )


def test_a_name_that_ships_is_refused_before_any_training(shelf: Path) -> None:
    refused_in_a_line(
        build(shelf, "tiny", "--as", "maximum"),
        "'maximum' is a packaged method; choose another name with --as",
    )
    assert not shelf.exists()


def test_a_packaged_network_trained_again_is_named_own(shelf: Path) -> None:
    shelf.mkdir()
    (shelf / "maximum@own.onnx").write_bytes(b"")
    refused_in_a_line(build(shelf, "maximum"), "maximum@own.onnx")


def test_invalid_pairs_are_refused_before_training(shelf: Path) -> None:
    folder = shelf.parent / "run"
    result = build(shelf, "tiny", "--test", shelf.parent, "-o", folder)
    refused_in_a_line(result, "give a folder with CT/ and MRI/")
    assert not folder.exists()


@pytest.mark.slow
def test_without_torch_one_line_says_what_to_install() -> None:
    code = "import sys; sys.modules['torch'] = None; from radfuse.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "weights", "build", "mfinet", "--data", "x"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == f"radfuse: torch is missing; {install_command('train')}\n"


def test_shipped_settings_equal_those_of_the_repository() -> None:
    trainings = shipped_trainings()
    learned = {name.partition("-")[0] for name, entry in METHODS.items() if entry.weights}
    assert trainings.keys() >= {*learned, "dfenet"}
    for name, path in trainings.items():
        assert path.read_bytes() == (REPOSITORY / "configs" / f"{name}.toml").read_bytes()


@pytest.mark.parametrize(
    "name", sorted(shipped_trainings().keys() - METHODS.keys() - set(PUBLISHED))
)
def test_method_without_shipped_weights_says_how_to_build_them(name: str, shelf: Path) -> None:
    settings.SHIPPED.joinpath(f"{name}.toml").write_text(CONFIG)
    with pytest.raises(InputError, match=f"radfuse weights build {name} --data FOLDER"):
        method_info(name)


@pytest.mark.parametrize("name", [*sorted(set(PUBLISHED) - METHODS.keys()), "densefuse@authors"])
def test_network_of_its_authors_says_how_to_import_it(name: str, shelf: Path) -> None:
    network = name.removesuffix("@authors")
    lack = "ships no weights" if name == network else "is not installed"
    way = f"{name} {lack}; `radfuse weights import {network} FILE` .*--method {network}@authors"
    with pytest.raises(InputError, match=way):
        method_info(name)


def test_networks_to_import_are_those_whose_files_can_be_read() -> None:
    published = {name for name, info in NETWORKS.items() if info.published_parameters}
    assert set(PUBLISHED) == published
