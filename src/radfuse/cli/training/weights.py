"""`radfuse weights`."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from radfuse.cli.options import (
    PATH,
    json_option,
    named_options,
    network_options,
    output_options,
    print_json,
)
from radfuse.cli.training.train import TrainingProgress
from radfuse.errors import InputError, needs_extra
from radfuse.io.staging import refuse_existing
from radfuse.methods.catalogue import METHODS, packaged_folders
from radfuse.methods.installed import (
    SHA256,
    Weights,
    install,
    weights_folder,
    weights_in,
    write_model_card,
)
from radfuse.methods.loading import load_method
from radfuse.settings import shipped_trainings

PROBE = np.zeros((1, 64, 64), np.float32)
"""A black image; a graph that cannot fuse it is not installed."""


@click.group("weights")
def weights_command() -> None:
    """List, verify, install, import and build trained networks; nothing is downloaded.

    Weights are installed in the folder RADFUSE_WEIGHTS, or else in radfuse/weights of
    $XDG_DATA_HOME or ~/.local/share (Linux), ~/Library/Application Support (macOS),
    %LOCALAPPDATA% (Windows). Their names are methods: radfuse fuse --method NAME.
    """  # fmt: skip


@weights_command.command("list")
@json_option
def list_command(*, as_json: bool) -> None:
    """List packaged and installed weights."""
    known = _all()
    if as_json:
        print_json({"folder": str(weights_folder()), "weights": [_facts(*item) for item in known]})
        return
    table = Table(box=None)
    for column in ("name", "origin", "trained on patients", "sha256"):
        table.add_column(column, no_wrap=column != "trained on patients")
    for weights, origin in known:
        patients = patients_by_data_set(weights.model_card.get("patients_trained") or ())
        table.add_row(weights.name, origin, patients, str(weights.model_card.get(SHA256, ""))[:12])
    Console().print(table)
    click.echo(f"\ninstalled weights: {weights_folder()}")


def patients_by_data_set(patients: Sequence[str]) -> str:
    """`harvard: 2, 20` for the patients `harvard:2` and `harvard:20`."""
    groups: dict[str, list[str]] = {}
    for one in patients:
        data_set, _, patient = one.rpartition(":")
        groups.setdefault(data_set or "unknown", []).append(patient)
    return "; ".join(f"{name}: {', '.join(ids)}" for name, ids in groups.items()) or "not stated"


@weights_command.command("verify")
@json_option
def verify_command(*, as_json: bool) -> None:
    """Compare every graph with the sha256 of its model card; exit status 2 if one differs."""
    intact = {weights.name: weights.is_intact for weights, _ in _all()}
    if as_json:
        print_json(intact)
    else:
        click.echo("\n".join(f"{name}  {'ok' if ok else 'DIFFERS'}" for name, ok in intact.items()))
    if wrong := [name for name, ok in intact.items() if not ok]:
        raise InputError(
            f"{', '.join(wrong)}: the sha256 differs from the model card; install it again"
        )


@weights_command.command("describe")
@click.argument("file", type=PATH, metavar="FILE.onnx")
@click.option("--source", required=True, help="Paper, DOI or address that the network is from.")
@click.option("--licence", required=True, help="Licence of the weights.")
@click.option(
    "--trained-on",
    "patients",
    multiple=True,
    metavar="PATIENT",
    help="A patient that it was trained on, as harvard:2; repeatable. Benchmarks leave them out.",
)
@click.option("--overwrite", is_flag=True, help="Replace an earlier model card.")
@json_option
def describe_command(
    *,
    file: Path,
    source: str,
    licence: str,
    patients: tuple[str, ...],
    overwrite: bool,
    as_json: bool,
) -> None:
    """Write the model card FILE.json of a network of your own, for `radfuse weights install`.

    FILE.onnx has inputs ct and mr and an output fused, see docs/howto/train-your-own.md.
    """
    load_method(str(file))(PROBE, PROBE)
    facts = {"source": source, "licence": licence, "patients_trained": list(patients)}
    weights = write_model_card(file, facts, overwrite=overwrite)
    if as_json:
        print_json(weights.model_card)
    else:
        click.echo(f"{file.with_suffix('.json')}\ninstall both: radfuse weights install {file}")


@weights_command.command("install")
@click.argument("file", type=PATH)
@click.option("--overwrite", is_flag=True, help="Replace weights of the same name.")
@json_option
def install_command(*, file: Path, overwrite: bool, as_json: bool) -> None:
    """Install FILE.onnx and its model card FILE.json; FILE becomes a name for --method."""
    if file.stem in METHODS:
        raise InputError(f"{file}: '{file.stem}' is a packaged method; rename both files")
    load_method(str(file))(PROBE, PROBE)
    _report(install(file, weights_folder(), overwrite=overwrite), as_json=as_json)


@weights_command.command("import")
@click.argument("name")
@click.argument("files", type=PATH, nargs=-1, required=True, metavar="FILE...")
@network_options
@click.option("--as", "method", metavar="METHOD", help="Name for --method  [default: NAME@authors]")
@click.option("--overwrite", is_flag=True, help="Replace weights of the same name.")
@json_option
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

    FILE: .npz; MATLAB's .mat; PyTorch state dict (.pth .pt .pkl .model); TensorFlow checkpoint, any
    of its files or their prefix. No code in the files is run. See docs/howto/authors-weights.md.
    """  # fmt: skip
    with needs_extra("train"):
        from radfuse.training.export.import_weights import import_weights  # noqa: PLC0415  # an extra
    path = _new_path(method or f"{name}@authors")
    refuse_existing([path, path.with_suffix(".json")], overwrite=overwrite, instead="--as NAME")
    model_card = import_weights(name, files, path, options=named_options(options))
    _report(Weights(path, model_card), as_json=as_json)


@weights_command.command("build")
@click.argument("name")
@click.option("--data", type=PATH, required=True, help="Folder with CT/NAME.png, MRI/NAME.png.")
@click.option("--test", type=PATH, help="Folder of pairs; the metrics go into the model card.")
@click.option("-o", "--output", type=PATH, help="Folder of the training  [default: temporary]")
@click.option(
    "--as",
    "method",
    metavar="METHOD",
    help="Name for --method  [default: NAME, or NAME@own if it is packaged]",
)
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
    """Train network NAME with the packaged settings, and install it.

    The settings are for the Harvard pairs; for other data see docs/howto/train-your-own.md.
    Training takes ten minutes to a night, and uses a CUDA device if present. With -o, the same
    command resumes an interrupted training.
    """  # fmt: skip
    with needs_extra("train"):
        from radfuse.training.export.build import build  # noqa: PLC0415  # an extra
    trainings = shipped_trainings()
    if name not in trainings:
        raise InputError(f"no packaged settings '{name}'; there are {', '.join(trainings)}")
    path = _new_path(method or (f"{name}@own" if name in METHODS else name))
    refuse_existing([path, path.with_suffix(".json")], overwrite=overwrite, instead="--as NAME")
    with TemporaryDirectory() as temporary, TrainingProgress(quiet=quiet) as report:
        run = output or Path(temporary)
        model_card = build(trainings[name], path, data=data, run=run, test=test, report=report)
    _report(Weights(path, model_card), as_json=as_json)


def _new_path(method: str) -> Path:
    """Path of the weights of a new method; `InputError` for a name that is taken or not a word."""
    if Path(method).name != method or method.endswith(".onnx"):
        raise InputError(f"--as {method}: give a word, not a path")
    if method in METHODS:
        raise InputError(f"'{method}' is a packaged method; choose another name with --as")
    return weights_folder() / f"{method}.onnx"


def _report(weights: Weights, *, as_json: bool) -> None:
    if as_json:
        print_json(_facts(weights, "installed"))
    else:
        click.echo(f"{weights.path}\nuse it with --method {weights.name}")


def _all() -> list[tuple[Weights, str]]:
    packaged = [one for folder in packaged_folders() for one in weights_in(folder)]
    installed = weights_in(weights_folder())
    return [*((one, "packaged") for one in packaged), *((one, "installed") for one in installed)]


def _facts(weights: Weights, origin: str) -> dict[str, Any]:
    return {
        "name": weights.name, "origin": origin, "path": str(weights.path),
        "model_card": weights.model_card,
    }  # fmt: skip
