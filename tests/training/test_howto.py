"""The commands of docs/howto/train-your-own.md, on slices of synthetic phantoms."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image
from training_kit import rows_of

from radfuse.intensity import WINDOWS
from radfuse.phantom.head import make_phantom
from radfuse.pipeline.volume import scale_volumes

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "train-your-own.md"
PATIENTS = {"train": (7, 8), "test": (9,)}
SLICES = range(9, 13)


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(), re.DOTALL)


def as_module(command: str) -> str:
    """A command as this Python runs it, whether or not it is installed."""
    modules = {"radfuse": "radfuse", "torchrun": "torch.distributed.run"}
    name, rest = command.split(maxsplit=1)
    return f"{sys.executable} -m {modules[name]} {rest}"


def write_patient(seed: int, folder: Path) -> None:
    """Slices of a phantom's CT and MR, aligned by the true transform."""
    phantom = make_phantom(seed, spacing_mm=3.0)
    scaled = scale_volumes(phantom.ct, phantom.mr, phantom.mr_from_ct, WINDOWS["fusion"])
    for kind, volume in (("CT", scaled.ct), ("MRI", scaled.mr)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for index in SLICES:
            levels = np.zeros((96, 96), np.uint8)  # patients differ in size
            image = np.rint(volume[index] * 255)[:96, :96]
            levels[: image.shape[0], : image.shape[1]] = image
            Image.fromarray(levels).save(folder / kind / f"{seed}{index + 2:03}.png")


def write_theirs(path: Path) -> None:
    """A graph of another program: the mean of CT and MR."""
    values = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 1, "h", "w"])
        for name in ("ct", "mr", "fused")
    )
    *sources, fused = values
    mean = helper.make_node("Mean", ["ct", "mr"], ["fused"])
    graph = helper.make_graph([mean], "mean", sources, [fused])
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), path)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("howto")
    for part, seeds in PATIENTS.items():
        for seed in seeds:
            write_patient(seed, folder / "pairs" / part)
    (settings,) = blocks("toml")
    (folder / "mine.toml").write_text(settings)
    write_theirs(folder / "theirs.onnx")
    return folder


@pytest.mark.slow
def test_every_command_of_the_howto_runs(place: Path) -> None:
    environment = {**os.environ, "RADFUSE_WEIGHTS": str(place / "weights"), "OMP_NUM_THREADS": "1"}
    lines = "".join(blocks("sh")).splitlines()
    commands = [as_module(line) for line in lines if not line.startswith("pip ")]
    assert len(commands) == len(lines) - 1 >= 8
    for command in commands:
        done = subprocess.run(
            command.split(), cwd=place, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    card = json.loads((place / "mine.json").read_text())
    assert (card["patients_trained"], card["patients_validated"]) == (
        ["our-department:7"],
        ["our-department:8"],
    )
    assert card["test"]["pairs"] == len(SLICES)
    assert (place / "comparison" / "report" / "report.html").is_file()
    assert (place / "fused.png").is_file()
    assert json.loads((place / "theirs.json").read_text())["licence"] == "MIT"
    one, two = (
        [row["train"]["loss"] for row in rows_of(place / run)] for run in ("run", "run-of-two")
    )
    np.testing.assert_allclose(one, two, rtol=1e-3)
