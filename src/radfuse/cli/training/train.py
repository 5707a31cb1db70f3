"""`radfuse train`."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from radfuse.cli.options import PATH, output_options, print_json
from radfuse.errors import needs_extra

if TYPE_CHECKING:
    from radfuse.training import loop


@click.command("train")
@click.argument("config", type=PATH)
@click.option("--data", type=PATH, required=True, help="Folder with CT/NAME.png, MRI/NAME.png.")
@click.option("-o", "--output", type=PATH, required=True, help="Folder of the run.")
@click.option(
    "--start",
    type=PATH,
    metavar="RUN",
    help="Start from the parameters of a run's folder or a checkpoint.",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="auto: cuda if available, else cpu.",
)
@click.option(
    "--checkpoint-minutes",
    type=click.FloatRange(min=0),
    default=5.0,
    show_default=True,
    help="Longest time between two checkpoints.",
)
@click.option(
    "--max-minutes",
    type=click.FloatRange(min=0, min_open=True),
    metavar="MINUTES",
    help="Stop after this time with a checkpoint; the same command resumes.",
)
@output_options
def train_command(
    *,
    config: Path,
    output: Path,
    checkpoint_minutes: float,
    max_minutes: float | None,
    as_json: bool,
    quiet: bool,
    **chosen: Any,
) -> None:
    """Train a network by CONFIG, a TOML file (see docs/howto/train-your-own.md).

    The same command resumes a stopped training. OUTPUT contains checkpoints, the log (log.jsonl,
    and for TensorBoard) and sample images. Several processes: torchrun --nproc-per-node N
    -m radfuse train CONFIG ...
    """  # fmt: skip
    with needs_extra("train"):
        from radfuse.training.prepare import prepare_training  # noqa: PLC0415  # an extra
    with (
        prepare_training(config, **chosen) as run,
        TrainingProgress(quiet=quiet or not run.processes.is_main) as report,
    ):
        counts = run.train(
            output, report, save_every_s=60 * checkpoint_minutes,
            max_s=math.inf if max_minutes is None else 60 * max_minutes,
        ).counts  # fmt: skip
    if not run.processes.is_main:
        return
    if as_json:
        facts = {"run": str(output), "steps": counts.total, "is_complete": run.is_complete}
        print_json({**facts, "validation": counts.validated})
        return
    if not run.is_complete:
        click.echo(f"stopped after {max_minutes:g} min; the same command resumes", err=True)
    click.echo(output)


class TrainingProgress:
    """Progress on stderr: a bar per phase, a line per validation; called as `ProgressReport`."""

    def __init__(self, *, quiet: bool) -> None:
        self._progress = Progress(
            TextColumn("phase {task.fields[phase]}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed}/{task.total}  loss {task.fields[loss]:.4f}"),
            TextColumn("{task.fields[images_s]:.1f} images/s"),
            TimeRemainingColumn(),
            console=Console(stderr=True, quiet=quiet),
            disable=quiet,
        )
        self._tasks: dict[int, TaskID] = {}

    def __enter__(self) -> "TrainingProgress":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, done: "loop.StepProgress") -> None:
        """Show a step, and the values of a validation."""
        if done.phase not in self._tasks:
            self._tasks[done.phase] = self._progress.add_task(
                "", total=done.steps, completed=done.step - 1,
                phase=done.phase + 1, loss=done.loss, images_s=0.0,
            )  # fmt: skip
        number = self._tasks[done.phase]
        task = next(task for task in self._progress.tasks if task.id == number)
        images_s = (task.speed or 0.0) * done.batch
        self._progress.update(number, completed=done.step, loss=done.loss, images_s=images_s)
        if done.row:
            self._progress.console.print(_line(done.row), highlight=False)


def _line(row: dict[str, Any]) -> str:
    """A row of the log as text."""
    values = row.get("validation", {})
    metrics = "".join(f"  {name} {value:.4f}" for name, value in values.items() if name != "loss")
    validation = f"  validation {values['loss']:.4f}{metrics}" if values else ""
    return (
        f"phase {row['phase'] + 1}  step {row['step']}  loss {row['train']['loss']:.4f}{validation}"
    )
