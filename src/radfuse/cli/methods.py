"""`radfuse methods`."""

import json
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from radfuse.cli.options import json_option, print_json
from radfuse.methods.catalogue import FAMILIES, INPUTS, METHODS
from radfuse.methods.hidden_findings import findings_sentence
from radfuse.methods.loading import method_info, missing_weights, options_of
from radfuse.methods.options import Option
from radfuse.recipe import DEFAULT_METHOD


@click.command("methods")
@click.argument("name", required=False)
@json_option
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
    labels = {name: name + " (default)" * (name == DEFAULT_METHOD) for name in METHODS}
    for family, title in FAMILIES.items():
        table = Table(
            box=None,
            show_header=False,
            title=f"\n{title}",
            title_justify="left",
            title_style="bold",
        )
        table.add_column(no_wrap=True, width=max(map(len, labels.values())))
        table.add_column(ratio=3)
        table.add_column(ratio=2)
        for name, info in METHODS.items():
            if info.family == family:
                table.add_row(labels[name], info.summary, info.source)
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
    lines = {"summary": info.summary, "source": info.source}
    lines |= {"proven by": info.proof} if info.proof else {}
    lines |= {"inputs": INPUTS}
    lines |= {"missing": missing} if (missing := missing_weights(name)) else {}
    lines["findings"] = f"{findings_sentence(name)} (volumes; docs/methods.md)"
    lines |= {f"--option {key}=": _option_line(one) for key, one in options.items()}
    width = max(map(len, lines))
    click.echo("\n".join(f"{title:{width}}  {text}" for title, text in lines.items()))
    if not options:
        click.echo("no options")


def _option_line(option: Option) -> str:
    value = option.default
    default = f"{value:.4g}" if isinstance(value, float) else str(value)
    if option.hu is not None:
        default += f"; of volumes, the grey level of {option.hu:g} HU in the CT window"
    return f"{option.help}; {option.allowed} {option.unit}".strip() + f"  [default: {default}]"


def _facts(name: str) -> dict[str, Any]:
    info = method_info(name)
    path = info.weights.with_suffix(".json") if info.weights else None
    model_card = json.loads(path.read_text()) if path and path.is_file() else None
    return {
        "summary": info.summary, "source": info.source, "family": info.family,
        "proof": info.proof, "findings": findings_sentence(name),
        "model_card": model_card,
    }  # fmt: skip


def _option_facts(option: Option) -> dict[str, Any]:
    return {
        "default": option.default, "allowed": option.allowed, "unit": option.unit,
        "hu": option.hu, "help": option.help,
    }  # fmt: skip
