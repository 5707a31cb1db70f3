"""`radfuse methods`."""

import json
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from radfuse.cli.options import print_json
from radfuse.methods.catalogue import METHODS, Entry
from radfuse.recipe import DEFAULT_METHOD


@click.command("methods")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def methods_command(*, as_json: bool) -> None:
    """List the fusion methods and where they come from."""
    if as_json:
        print_json({name: _facts(entry) for name, entry in METHODS.items()})
        return
    table = Table(box=None)
    table.add_column("method", no_wrap=True)
    table.add_column("what it does")
    table.add_column("source")
    for name, entry in METHODS.items():
        mark = " (default)" if name == DEFAULT_METHOD else ""
        table.add_row(name + mark, entry.summary, entry.source)
    Console().print(table)
    click.echo(
        "\nAn ONNX file is a method too: --method PATH.onnx, inputs ct and mr, output fused."
    )


def _facts(entry: Entry) -> dict[str, Any]:
    card = entry.weights.with_suffix(".json") if entry.weights else None
    return {
        "summary": entry.summary,
        "source": entry.source,
        "card": json.loads(card.read_text()) if card else None,
    }
