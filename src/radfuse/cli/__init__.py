"""The command line: `radfuse COMMAND`. Commands are imported when they run."""

import gc
import importlib
import logging
import os
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from radfuse.errors import OutputError, RadfuseError
from radfuse.log import Level, LogSettings, configure_logging, log_warning, since

LOG = logging.getLogger(__name__)

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
"""Read when numpy is imported, after this. Slices are computed in threads of our own; with those of
OpenBLAS besides, `sparse` takes twice as long."""

COMMANDS = {
    "fuse": ("radfuse.cli.fuse:fuse_command", "Fuse a CT and an MR of one head."),
    "batch": ("radfuse.cli.batch:batch_command", "Fuse many patients, resumably."),
    "node": ("radfuse.cli.node:node_command", "Fuse what arrives in an Orthanc, by rules."),
    "register": ("radfuse.cli.register:register_command", "Register an MR to a CT, rigidly."),
    "view": ("radfuse.cli.view:view_command", "Open the viewer: fuse, review, sign off, draw."),
    "contour": ("radfuse.cli.contour:contour_command", "Convert, transfer and compare structures."),
    "evaluate": ("radfuse.cli.evaluate:evaluate_command", "Measure fused images with metrics."),
    "benchmark": (
        "radfuse.cli.benchmark:benchmark_command",
        "Compare fusion methods, with statistics.",
    ),
    "experiment": (
        "radfuse.cli.experiment:experiment_command",
        "Evaluate fusion against ground truth.",
    ),
    "train": ("radfuse.cli.training.train:train_command", "Train a network on your own pairs."),
    "export": (
        "radfuse.cli.training.export:export_command",
        "Write a trained network as an ONNX file.",
    ),
    "weights": ("radfuse.cli.training.weights:weights_command", "List, install and build weights."),
    "dicom": (
        "radfuse.cli.dicom:dicom_command",
        "Check, de-identify, send, find and retrieve DICOM.",
    ),
    "info": ("radfuse.cli.info:info_command", "List patients, studies and series of a folder."),
    "methods": ("radfuse.cli.methods:methods_command", "List the fusion methods."),
    "cite": ("radfuse.cli.cite:cite_command", "Print BibTeX of methods and metrics."),
    "demo": ("radfuse.cli.demo:demo_command", "Generate a synthetic phantom and fuse it."),
}
"""Command, import path, summary."""

INTERRUPTED = 130
"""Exit status after Ctrl-C, by convention of shells."""


@contextmanager
def _kept_forever() -> Iterator[None]:
    """Imports, whose objects the garbage collector never visits: it saves a fifth of the time."""
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


class Commands(click.Group):
    """A group from a table like `COMMANDS`; help imports none of the commands."""

    def __init__(self, *args: Any, table: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._table = table

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Names in the order of the table."""
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command; None for an unknown one."""
        if cmd_name not in self._table:
            return None
        module, name = self._table[cmd_name][0].split(":")
        with _kept_forever():
            command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the table into the help text."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in self._table.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Print our errors as one line and exit with their status; a bug keeps its traceback."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"pydicom\.")  # quote values of headers
            warnings.showwarning = log_warning
            try:
                return super().invoke(ctx)
            except RadfuseError as error:
                LOG.error("command failed", extra={"error": type(error).__name__})
                click.echo(f"radfuse: {error}", err=True)
                sys.exit(error.exit_code)
            except KeyboardInterrupt:
                click.echo("radfuse: interrupted; the result was not completed", err=True)
                sys.exit(INTERRUPTED)


@click.command(
    cls=Commands, table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="Log events of this level and above, on stderr unless --log-file is given  [default: "
    "info to a file, none on stderr]",
)
@click.option(
    "--log-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Append events as JSON lines.",
)
@click.version_option(package_name="radfuse", message="radfuse %(version)s")
@click.pass_context
def main(context: click.Context, log_level: Level | None, log_file: Path | None) -> None:
    """Fuse CT and MR of a head: bone from the CT, soft tissue from the MR.

    Research use only. Not a medical device.

    Exit status: 0 success, 1 internal error, 2 invalid input or usage, 3 registration QA failed.
    """
    try:
        configure_logging(LogSettings(log_level, log_file))
    except OSError as error:
        raise OutputError(f"--log-file {log_file}: {error.strerror}; give another file") from error
    command, began = context.invoked_subcommand, time.perf_counter()
    LOG.info("command started", extra={"command": command})
    context.call_on_close(
        lambda: LOG.info("command ended", extra={"command": command, "seconds": since(began)})
    )
