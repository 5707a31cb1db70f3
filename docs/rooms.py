"""The image of the rooms in `docs/architecture.md`, drawn from the import contracts."""

import ast
import textwrap
import tomllib
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]

WIDTH = 960
"""Of the image, pixels."""

GAP = 8
LINE = 15
"""Height of a line of text, pixels."""

LETTER = 6.3
"""Width of a letter, pixels."""

STYLE = """text{font:12px system-ui,sans-serif;fill:#222}.name{font-weight:bold;font-size:14px}
rect{fill:#eef3f8;stroke:#7a93ad}.title{font-size:15px;font-weight:bold}"""


class Layer(NamedTuple):
    """One line of a contract: rooms that may import the layers below, not each other."""

    container: str
    rooms: tuple[str, ...]


def layers() -> list[Layer]:
    """The layers of each import contract, top to bottom."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return [
        Layer(contract["containers"][0], tuple(layer.split(" | ")))
        for contract in settings["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
        for layer in contract["layers"]
    ]


def purpose(room: str) -> str:
    """First line of the docstring of a room, a package or a module."""
    path = ROOT / "src" / room.replace(".", "/")
    module = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    docstring = ast.get_docstring(ast.parse(module.read_text())) or ""
    return docstring.splitlines()[0].replace("`", "")


def rooms_svg() -> str:
    """The rooms as boxes: a box may import the rows below its own."""
    y, container, parts = GAP, "", []
    for layer in layers():
        if layer.container != container:
            container = layer.container
            parts.append(f'<text class="title" x="{GAP}" y="{y + LINE}">{container}</text>')
            y += 2 * LINE
        row, height = _row(layer, y)
        parts += row
        y += height + GAP
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}">'
    background = f'<rect width="{WIDTH}" height="{y}" style="fill:#fff;stroke:none"/>'
    return "\n".join([head, f"<style>{STYLE}</style>", background, *parts, "</svg>", ""])


def _row(layer: Layer, y: int) -> tuple[list[str], int]:
    """Boxes of a layer from the height y down, and their height."""
    width = (WIDTH - GAP) // len(layer.rooms) - GAP
    texts = [
        textwrap.wrap(purpose(f"{layer.container}.{room}"), int((width - 2 * GAP) / LETTER))
        for room in layer.rooms
    ]
    height = (1 + max(map(len, texts))) * LINE + 2 * GAP
    boxes = []
    for i, (room, lines) in enumerate(zip(layer.rooms, texts, strict=True)):
        x = GAP + i * (width + GAP)
        boxes.append(f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="5"/>')
        boxes += _text(room, lines, x + GAP, y + GAP)
    return boxes, height


def _text(room: str, lines: list[str], x: int, y: int) -> Iterator[str]:
    yield f'<text class="name" x="{x}" y="{y + LINE - 3}">{room}</text>'
    for i, line in enumerate(lines, 2):
        yield f'<text x="{x}" y="{y + i * LINE - 3}">{escape(line)}</text>'
