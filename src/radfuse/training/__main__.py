"""`python -m radfuse.training run|publish CONFIG ...`: train a network, write what ships."""

from pathlib import Path
from typing import Any

import click

from radfuse.errors import RadfuseError
from radfuse.networks.catalogue import NETWORKS
from radfuse.training.images import read_slices
from radfuse.training.loop import CHECKPOINT, first_state, train
from radfuse.training.publish import publish
from radfuse.training.settings import read_settings

FOLDER = click.Path(path_type=Path, file_okay=False)


class OneLineErrors(click.Group):
    """Commands that say our errors in one line; a bug keeps its traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; the exit status is the error's."""
        try:
            return super().invoke(ctx)
        except RadfuseError as error:
            click.echo(f"radfuse.training: {error}", err=True)
            ctx.exit(error.exit_code)


@click.group(cls=OneLineErrors)
def main() -> None:
    """Train an autoencoder of this package and publish it as ONNX."""


@main.command("run")
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--data", type=FOLDER, required=True, help="Folder with CT/ and MRI/.")
@click.option("--run", type=FOLDER, required=True, help="Folder of checkpoint and log.")
@click.option("--start", type=FOLDER, help="Folder of a finished run to begin from.")
def run_training(config: Path, data: Path, run: Path, start: Path | None) -> None:
    """Train as CONFIG says; started again, it goes on where it stopped."""
    settings = read_settings(config)
    slices = read_slices(data, settings.validation_patients)
    state = first_state(NETWORKS[settings.network], settings)
    if start is not None:
        state.load(start / CHECKPOINT)
        state.step = 0
    train(state, slices, settings, run, click.echo)


@main.command("publish")
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--data", type=FOLDER, required=True, help="Folder of the training pairs.")
@click.option("--test", type=FOLDER, required=True, help="Folder of the pairs to measure.")
@click.option("--run", type=FOLDER, required=True, help="Folder of checkpoint and log.")
@click.option("--output", type=FOLDER, required=True, help="Folder for .onnx and .json.")
def publish_weights(config: Path, data: Path, test: Path, run: Path, output: Path) -> None:
    """Export the network of CONFIG with every fusion strategy, each with its card."""
    for path in publish(read_settings(config), run, data, test, output):
        click.echo(path)


if __name__ == "__main__":
    main()
