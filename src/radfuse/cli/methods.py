"""`radfuse methods`."""

import json
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from radfuse.cli.options import print_json
from radfuse.methods.catalogue import INPUTS, METHODS, method_info, options_of
from radfuse.methods.options import Option
from radfuse.recipe import DEFAULT_METHOD


@click.command("methods")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def methods_command(*, name: str | None, as_json: bool) -> None:
    """List the fusion methods, or the inputs and options of method NAME.

    NAME may be the path of an ONNX file. `radfuse fuse --option` sets the options.
    """
    if name:
        _print_method(name, as_json=as_json)
    elif as_json:
        print_json({one: _facts(one) for one in METHODS})
    else:
        _print_methods()


def _print_methods() -> None:
    table = Table(box=None)
    table.add_column("method", no_wrap=True)
    table.add_column("what it does")
    table.add_column("source")
    for name, info in METHODS.items():
        mark = " (default)" if name == DEFAULT_METHOD else ""
        table.add_row(name + mark, info.summary, info.source)
    Console().print(table)
    click.echo(
        "\nAn ONNX file is a method too: --method PATH.onnx, inputs ct and mr, output fused."
    )


def _print_method(name: str, *, as_json: bool) -> None:
    info, options = method_info(name), options_of(name)
    if as_json:
        described = {key: _option_facts(one) for key, one in options.items()}
        print_json({"name": name, **_facts(name), "inputs": INPUTS, "options": described})
        return
    rows = {"summary": info.summary, "source": info.source, "inputs": INPUTS}
    for key, text in rows.items():
        click.echo(f"{key:9} {text}")
    for key, one in options.items():
        click.echo(f"option    {key} = {_default(one)}  ({one.allowed}) {one.help}")
    if not options:
        click.echo("options   none")


def _default(option: Option) -> str:
    value = option.default
    number = f"{value:.4g}" if isinstance(value, float) else str(value)
    from_window = f", for CT in HU that of {option.hu:g} HU in the window" if option.hu else ""
    return number + from_window


def _facts(name: str) -> dict[str, Any]:
    info = method_info(name)
    card = info.weights.with_suffix(".json") if info.weights else None
    return {
        "summary": info.summary,
        "source": info.source,
        "card": json.loads(card.read_text()) if card and card.is_file() else None,
    }


def _option_facts(option: Option) -> dict[str, Any]:
    return {
        "default": option.default, "allowed": option.allowed, "unit": option.unit,
        "hu": option.hu, "help": option.help,
    }  # fmt: skip
