"""A report as Markdown, for GitHub and terminals."""

import re
from collections.abc import Sequence

from radfuse.benchmark.report.document import Block, Cell, Figure, Gallery, Line, Section, Table
from radfuse.record import NOTICE

SPECIAL = re.compile(r"([\\`*_{}\[\]|~$#!])")
"""Characters with a meaning in Markdown."""

ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
"""Characters with a meaning in HTML within Markdown."""

STYLES = {"best": "**{}**", "second": "<ins>{}</ins>"}
"""Emphasis of the best and second best."""


def escaped(text: str) -> str:
    """Text escaped for Markdown, on one line."""
    one_line = " ".join(text.split())
    for letter, entity in ENTITIES.items():
        one_line = one_line.replace(letter, entity)
    return SPECIAL.sub(r"\\\1", one_line)


def markdown(title: str, sections: Sequence[Section]) -> str:
    """The whole report; plots are linked as `figures/NAME.svg`."""
    parts = [f"# {escaped(title)}", f"**{escaped(NOTICE)}**"]
    for section in sections:
        parts.append(f"## {escaped(section.title)}")
        parts += [_block(block) for block in section.blocks]
    return "\n\n".join(parts) + "\n"


def _block(block: Block) -> str:
    match block:
        case Table():
            return _table(block)
        case Figure():
            return _figure(block)
        case Gallery():
            return f"Figure {block.number}. {escaped(block.caption)} See `report.html`."
        case _:
            return escaped(block.text)


def _table(table: Table) -> str:
    heads = [
        escaped(f"{head.title} ({head.unit})" if head.unit else head.title) for head in table.heads
    ]
    align = "|".join(["---"] * len(heads) if table.prose else ["---", *["--:"] * (len(heads) - 1)])
    lines = [_line(line) for line in table.lines]
    grid = "\n".join([f"| {' | '.join(heads)} |", f"|{align}|", *lines])
    notes = [escaped(note) for note in table.notes]
    return "\n\n".join([f"Table {table.number}. {escaped(table.caption)}", grid, *notes])


def _line(line: Line) -> str:
    name = escaped(line.name) + line.signs
    return f"| {' | '.join([name, *map(_cell, line.cells)])} |"


def _cell(cell: Cell) -> str:
    first, *rest = map(escaped, cell.lines)
    return "<br>".join([STYLES.get(cell.mark, "{}").format(first), *rest])


def _figure(figure: Figure) -> str:
    images = [f"![{escaped(plot.alt)}](figures/{plot.name}.svg)" for plot in figure.plots]
    return "\n\n".join([*images, f"Figure {figure.number}. {escaped(figure.caption)}"])
