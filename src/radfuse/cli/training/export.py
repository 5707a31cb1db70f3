"""`radfuse export`."""

from pathlib import Path

import click

from radfuse.cli.options import PATH, named_options, network_options, print_json
from radfuse.errors import InputError, needs_extra
from radfuse.io.staging import refuse_existing


@click.command("export")
@click.argument("run", type=PATH)
@click.option(
    "-o", "--output", type=PATH, required=True, metavar="FILE.onnx",
    help="The model card is written beside it, FILE.json.",
)  # fmt: skip
@click.option("--test", type=PATH, help="Folder of pairs; the metrics go into the model card.")
@network_options
@click.option(
    "--half",
    is_flag=True,
    help="Store parameters in half precision: half the size; all is computed in float32.",
)
@click.option("--overwrite", is_flag=True, help="Replace an earlier file.")
@click.option("--json", "as_json", is_flag=True, help="Print the model card on stdout.")
def export_command(
    *,
    run: Path,
    output: Path,
    test: Path | None,
    options: tuple[str, ...],
    half: bool,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Write the network of RUN, the folder of a training or a checkpoint, as an ONNX file.

    Of a folder the best checkpoint is taken. An ONNX file with a model card is exported again by
    this version of radfuse, with the same parameters, options and facts. The graph accepts any
    batch and image size. It is compared with the network on three sizes; if they differ by more
    than 1 of 255 grey levels, with --half too, nothing is written. `radfuse fuse --method
    FILE.onnx` uses it.
    """  # fmt: skip
    with needs_extra("train"):
        from radfuse.training.checkpoint import find_checkpoint  # noqa: PLC0415  # an extra
        from radfuse.training.export.again import export_again  # noqa: PLC0415
        from radfuse.training.export.checkpoint import export  # noqa: PLC0415
    if output.suffix != ".onnx":
        raise InputError(f"{output}: give a name that ends in .onnx")
    refuse_existing([output, output.with_suffix(".json")], overwrite=overwrite)
    if run.suffix == output.suffix:
        if options or test or half:
            raise InputError(f"{run}: an ONNX file is exported again without further options")
        exported = export_again(run, output)
    else:
        exported = export(
            find_checkpoint(run), output, options=named_options(options), test=test, half=half
        )
    if as_json:
        print_json(exported.model_card)
        return
    test_facts = exported.model_card.get("test", {})
    values = [f"{name} {value}" for name, value in test_facts.items()]
    click.echo("\n".join([*(["  ".join(values)] if values else []), str(exported.path)]))
