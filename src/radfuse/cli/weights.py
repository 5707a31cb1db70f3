"""`radfuse weights`."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from radfuse.cli.options import (
    PATH,
    named_options,
    network_options,
    output_options,
    print_json,
)
from radfuse.cli.train import TrainingProgress
from radfuse.errors import InputError
from radfuse.io.staging import refuse_existing
from radfuse.methods.catalogue import METHODS, WEIGHTS, load_method
from radfuse.methods.installed import SHA256, Weights, install, weights_folder, weights_in
from radfuse.settings import shipped_trainings

PROBE = np.zeros((1, 64, 64), np.float32)
"""A black image, which a graph must be able to fuse before it is installed."""

JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")


@click.group("weights")
def weights_command() -> None:
    """List, verify, install, import and build trained networks; nothing is downloaded.

    Installed weights lie in the folder RADFUSE_WEIGHTS names; else in radfuse/weights of
    $XDG_DATA_HOME or ~/.local/share (Linux), ~/Library/Application Support (macOS),
    %LOCALAPPDATA% (Windows). Their names are methods: radfuse fuse --method NAME.
    """  # fmt: skip


@weights_command.command("list")
@JSON
def list_command(*, as_json: bool) -> None:
    """List what ships with the package and what is installed."""
    known = _all()
    if as_json:
        print_json({"folder": str(weights_folder()), "weights": [_facts(*item) for item in known]})
        return
    table = Table(box=None)
    for column in ("name", "origin", "trained on patients", "sha256"):
        table.add_column(column, no_wrap=column != "trained on patients")
    for weights, origin in known:
        patients = ", ".join(weights.card.get("patients_trained", ["not stated"]))
        table.add_row(weights.name, origin, patients, str(weights.card.get(SHA256, ""))[:12])
    Console().print(table)
    click.echo(f"\ninstalled weights lie in {weights_folder()}")


@weights_command.command("verify")
@JSON
def verify_command(*, as_json: bool) -> None:
    """Compare every graph with the sha256 on its card; exit status 2 where one differs."""
    found = {weights.name: weights.is_sound for weights, _ in _all()}
    if as_json:
        print_json(found)
    else:
        click.echo("\n".join(f"{name}  {'ok' if ok else 'DIFFERS'}" for name, ok in found.items()))
    if wrong := [name for name, ok in found.items() if not ok]:
        raise InputError(f"{', '.join(wrong)}: not the graph of its card; install it again")


@weights_command.command("install")
@click.argument("file", type=PATH)
@click.option("--overwrite", is_flag=True, help="Replace weights of the same name.")
@JSON
def install_command(*, file: Path, overwrite: bool, as_json: bool) -> None:
    """Copy FILE.onnx and its card FILE.json to where `--method` finds them by name."""
    if file.stem in METHODS:
        raise InputError(f"{file}: a method '{file.stem}' ships with radfuse; rename both files")
    load_method(str(file))(PROBE, PROBE)
    _report(install(file, weights_folder(), overwrite=overwrite), as_json=as_json)


@weights_command.command("import")
@click.argument("name")
@click.argument("files", type=PATH, nargs=-1, required=True, metavar="FILE...")
@network_options
@click.option("--as", "method", metavar="METHOD", help="Name for --method  [default: NAME@authors]")
@click.option("--overwrite", is_flag=True, help="Replace weights of the same name.")
@JSON
def import_command(
    *,
    name: str,
    files: tuple[Path, ...],
    options: tuple[str, ...],
    method: str | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Install network NAME with the parameters that its authors published.

    FILE: .npz; a state dict of PyTorch (.pth .pt .pkl .model); a checkpoint of TensorFlow, any of
    its files or their prefix. No code of theirs runs. See docs/howto/authors-weights.md.
    """  # fmt: skip
    try:
        from radfuse.training.export.import_weights import import_weights  # noqa: PLC0415  # an extra
    except ModuleNotFoundError as error:
        raise InputError(f"{error.name} is missing; pip install radfuse[train]") from error
    path = _place(method or f"{name}@authors")
    refuse_existing([path, path.with_suffix(".json")], overwrite=overwrite, instead="--as NAME")
    card = import_weights(name, files, path, options=named_options(options))
    _report(Weights(path, card), as_json=as_json)


@weights_command.command("build")
@click.argument("name")
@click.option("--data", type=PATH, required=True, help="Folder with CT/NAME.png, MRI/NAME.png.")
@click.option("--test", type=PATH, help="Folder of pairs to measure, for the card.")
@click.option("-o", "--output", type=PATH, help="Folder of the training  [default: a passing one]")
@click.option("--as", "method", metavar="METHOD", help="Name for --method  [default: NAME]")
@click.option("--overwrite", is_flag=True, help="Replace weights of the same name.")
@output_options
def build_command(
    *,
    name: str,
    data: Path,
    test: Path | None,
    output: Path | None,
    method: str | None,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train network NAME by the settings that ship with radfuse, and install it.

    They are for the Harvard pairs; for others see docs/howto/train-your-own.md. It takes from ten
    minutes to a night, on a CUDA device where there is one. With -o the same command goes on where
    it was stopped.
    """  # fmt: skip
    try:
        from radfuse.training.export.build import build  # noqa: PLC0415  # an extra
    except ModuleNotFoundError as error:
        raise InputError(f"{error.name} is missing; pip install radfuse[train]") from error
    trainings = shipped_trainings()
    if name not in trainings:
        raise InputError(f"no settings of '{name}' ship; there are {', '.join(trainings)}")
    path = _place(method or name)
    refuse_existing([path, path.with_suffix(".json")], overwrite=overwrite, instead="--as NAME")
    with TemporaryDirectory() as passing, TrainingProgress(quiet=quiet) as report:
        run = output or Path(passing)
        card = build(trainings[name], path, data=data, run=run, test=test, report=report)
    _report(Weights(path, card), as_json=as_json)


def _place(method: str) -> Path:
    """Where the weights of a method that is not there yet would lie."""
    if Path(method).name != method or method.endswith(".onnx"):
        raise InputError(f"--as {method}: give a word, not a path")
    if method in METHODS:
        raise InputError(f"a method '{method}' ships with radfuse; choose a name with --as")
    return weights_folder() / f"{method}.onnx"


def _report(weights: Weights, *, as_json: bool) -> None:
    if as_json:
        print_json(_facts(weights, "installed"))
    else:
        click.echo(f"{weights.path}\nuse it with --method {weights.name}")


def _all() -> list[tuple[Weights, str]]:
    shipped, installed = weights_in(WEIGHTS), weights_in(weights_folder())
    return [*((item, "ships") for item in shipped), *((item, "installed") for item in installed)]


def _facts(weights: Weights, origin: str) -> dict[str, Any]:
    return {
        "name": weights.name, "origin": origin, "path": str(weights.path), "card": weights.card,
    }  # fmt: skip
