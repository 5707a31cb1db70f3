"""`radfuse weights import`: from the files that authors published to a method by name."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cli_kit import refused_in_a_line, run
from click.testing import Result
from numpy.typing import NDArray
from PIL import Image

from radfuse.errors import install_command
from radfuse.io.images import read_grey
from radfuse.methods.installed import VARIABLE
from radfuse.networks.catalogue import NETWORKS, make_network
from radfuse.networks.densefuse import TENSORFLOW_LAYERS
from radfuse.networks.torch_method import load_network
from radfuse.training.export.import_weights import DATA

IMPORT = ("weights", "import")
AUTHORS_FILE = "densefuse_tf_bs2_epoch4_all_weight_1e2.npz"
AUTHORS_IMAGES = "densefuse_tf_1e2_addition_notranspose"


def save(path: Path, arrays: dict[str, NDArray[Any]]) -> Path:
    np.savez(path, allow_pickle=False, **arrays)
    return path


@pytest.fixture(scope="module")
def parameters() -> dict[str, torch.Tensor]:
    """Of a DenseFuse that nobody trained."""
    return make_network("densefuse", {}).state_dict()


@pytest.fixture(scope="module")
def arrays(parameters: dict[str, torch.Tensor]) -> dict[str, NDArray[Any]]:
    """The same as the authors' program in TensorFlow would have named and laid them out."""
    found = {}
    for ours, theirs in TENSORFLOW_LAYERS.items():
        weight = parameters[f"{ours}.weight"].permute(2, 3, 1, 0)
        found[f"{theirs}.kernel".replace(".", "/")] = weight.numpy()
        found[f"{theirs}.bias".replace(".", "/")] = parameters[f"{ours}.bias"].numpy()
    return found


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder for installed weights."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("workshop") / "shelf"
        patch.setenv(VARIABLE, str(folder))
        yield folder


@pytest.fixture(scope="module")
def file(arrays: dict[str, NDArray[Any]], shelf: Path) -> Path:
    """What the authors would have published; it is imported."""
    path = save(shelf.parent / "densefuse.npz", arrays)
    result = run(*IMPORT, "densefuse", path)
    assert result.exit_code == 0, result.output
    assert "--method densefuse@authors" in result.stdout
    return path


def test_imported_weights_are_the_authors_and_their_card_says_so(
    file: Path, shelf: Path, parameters: dict[str, torch.Tensor]
) -> None:
    card = json.loads((shelf / "densefuse@authors.json").read_text())
    assert (card["name"], card["network"]) == ("densefuse@authors", "densefuse")
    assert card["options"] == NETWORKS["densefuse"].published_options
    assert card["source"] == NETWORKS["densefuse"].source
    assert (card["parameters"], card["patients_trained"]) == (74193, None)
    assert card["data"] == DATA
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert card["files"] == [{"name": file.name, "sha256": digest}]
    assert card["licence"].startswith("not stated by the authors: check before use")
    assert card["intended_use"] == "Research use only. Not a medical device."
    assert card["graph"]["max_difference_grey_levels"] < 0.1
    for name, value in load_network(shelf / "densefuse@authors.onnx").state_dict().items():
        assert torch.equal(value, parameters[name]), name


def test_imported_weights_are_listed_verified_and_fuse(file: Path, tmp_path: Path) -> None:
    listed = json.loads(run("weights", "list", "--json").stdout)["weights"]
    assert "densefuse@authors" in {weights["name"] for weights in listed}
    assert json.loads(run("weights", "verify", "--json").stdout)["densefuse@authors"] is True
    picture, output = tmp_path / "x.png", tmp_path / "fused.png"
    Image.fromarray(np.arange(44 * 44, dtype=np.uint8).reshape(44, 44)).save(picture)
    sources = ("--ct", picture, "--mr", picture)
    result = run("fuse", *sources, "-o", output, "--method", "densefuse@authors", "--quiet")
    assert result.exit_code == 0, result.output
    assert output.is_file()


@pytest.mark.slow
def test_options_replace_those_of_the_authors_program(file: Path) -> None:
    options = ("--option", "stretch=false", "--option", "rule=l1")
    facts = json.loads(run(*IMPORT, "densefuse", file, *options, "--as", "l1", "--json").stdout)
    assert facts["name"] == "l1"
    assert facts["model_card"]["options"] == {"stretch": False, "rule": "l1"}
    result = run(*IMPORT, "densefuse", file, "--as", "x", "--option", "luck=3")
    refused_in_a_line(result, "do not fit network 'densefuse'")


def test_nothing_is_replaced_unasked_and_a_name_is_a_word(file: Path) -> None:
    refused_in_a_line(run(*IMPORT, "densefuse", file), "pass --overwrite")
    for name in ("../mine", "mine.onnx"):
        refused_in_a_line(run(*IMPORT, "densefuse", file, "--as", name), "give a word")
    refused_in_a_line(run(*IMPORT, "densefuse", file, "--as", "res2fusion"), "is a packaged method")


def test_networks_without_published_parameters_are_refused(file: Path) -> None:
    for name in ("luck", "res2fusion"):
        refused_in_a_line(
            run(*IMPORT, name, file), f"no network '{name}' whose authors' files can be read"
        )


def test_arrays_that_do_not_fit_are_named_with_both_shapes(
    arrays: dict[str, NDArray[Any]], tmp_path: Path, shelf: Path
) -> None:
    kernel = "decoder/conv2_1/kernel"

    def import_with(**changed: NDArray[Any]) -> Result:
        return run(*IMPORT, "densefuse", save(tmp_path / "x.npz", arrays | changed), "--as", "x")

    refused_in_a_line(
        import_with(**{kernel: arrays[kernel][..., :63]}),
        "'decoder.0.weight' has shape (63, 64, 3, 3); the network needs (64, 64, 3, 3)",
    )
    refused_in_a_line(
        import_with(**{kernel: arrays[kernel][0]}),
        "array 'decoder.conv2_1.kernel' has shape (3, 64, 64); the network needs another number",
    )
    refused_in_a_line(
        import_with(**{kernel: arrays[kernel] * np.nan}), "'decoder.0.weight' has values that"
    )
    assert not (shelf / "x.onnx").exists()


def test_an_array_that_is_missing_is_named(arrays: dict[str, NDArray[Any]], tmp_path: Path) -> None:
    some = {name: array for name, array in arrays.items() if name != "decoder/conv2_1/kernel"}
    result = run(*IMPORT, "densefuse", save(tmp_path / "x.npz", some), "--as", "x")
    refused_in_a_line(
        result, "x.npz: no array 'decoder.conv2_1.kernel', but 15 others such as 'decoder."
    )


@pytest.mark.slow
def test_differing_headers_matter_only_where_needed(
    arrays: dict[str, NDArray[Any]], file: Path, tmp_path: Path
) -> None:
    name, slots = "encoder/conv1_1/bias", {"beta1_power": np.ones(1, np.float32)}
    first = save(tmp_path / "first.npz", arrays | slots)
    second = save(tmp_path / "second.npz", {"beta1_power": np.zeros(1, np.float32)})
    result = run(*IMPORT, "densefuse", first, second, "--overwrite")
    assert result.exit_code == 0, result.output
    other = save(tmp_path / "other.npz", {name: arrays[name] + 1})
    result = run(*IMPORT, "densefuse", file, other, "--overwrite")
    refused_in_a_line(result, "array 'encoder.conv1_1.bias' differs between the files")


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.ckpt").write_text("text")
    refused_in_a_line(
        run(*IMPORT, "densefuse", tmp_path / "text.ckpt", "--as", "x"), "not readable as published"
    )
    refused_in_a_line(run(*IMPORT, "densefuse", tmp_path / "none.npz", "--as", "x"), "no such file")


@pytest.mark.slow
def test_without_torch_one_line_says_what_to_install(file: Path) -> None:
    code = "import sys; sys.modules['torch'] = None; from radfuse.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *IMPORT, "densefuse", file],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == f"radfuse: torch is missing; {install_command('train')}\n"


@pytest.mark.slow
def test_the_authors_parameters_give_the_authors_images(
    shared: Path, shelf: Path, tmp_path: Path
) -> None:
    result = run(*IMPORT, "densefuse", shared / "weights" / AUTHORS_FILE, "--as", "theirs")
    assert result.exit_code == 0, result.output
    pairs, images = (
        shared / "data" / "harvard" / "test",
        shared / "golden" / "nets" / AUTHORS_IMAGES,
    )
    for name in ("2004", "28011"):
        sources = ("--ct", pairs / "CT" / f"{name}.png", "--mr", pairs / "MRI" / f"{name}.png")
        output = tmp_path / f"{name}.png"
        result = run("fuse", *sources, "-o", output, "--method", "theirs", "--quiet")
        assert result.exit_code == 0, result.output
        expected = read_grey(images / "png" / f"{name}.png").astype(int)
        assert np.abs(read_grey(output) - expected).max() <= 1
