"""A report before it is HTML or Markdown: sections of text, tables, figures and pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from radfuse.benchmark.report.gallery import Sheet

Mark = Literal["", "best", "second", "better", "worse"]
"""How a cell stands out; `better` and `worse` than the reference where tests agree on it."""


@dataclass(frozen=True)
class Paragraph:
    """Plain text."""

    kind: ClassVar[str] = "paragraph"
    text: str


@dataclass(frozen=True)
class Cell:
    """What stands in a place of a table; the first line is the one that counts."""

    lines: tuple[str, ...]
    mark: Mark = ""


def words(*texts: str) -> tuple[Cell, ...]:
    """Cells of one line each."""
    return tuple(Cell((text,)) for text in texts)


@dataclass(frozen=True)
class Head:
    """What stands above a column."""

    title: str
    unit: str = ""


@dataclass(frozen=True)
class Line:
    """A line of a table."""

    name: str
    cells: tuple[Cell, ...]
    signs: str = ""
    """Footnote signs behind the name."""

    faint: bool = False
    """A line that stands for comparison's sake."""


@dataclass(frozen=True)
class Table:
    """A table with its caption above it and its notes below."""

    kind: ClassVar[str] = "table"
    caption: str
    heads: tuple[Head, ...]
    """The first stands above the names."""

    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()
    prose: bool = False
    """Cells are words, set to the left."""

    number: int = 0


@dataclass(frozen=True)
class Drawing:
    """A drawing as SVG; several share one figure."""

    name: str
    """Of its file, without suffix."""

    alt: str
    svg: bytes


@dataclass(frozen=True)
class Figure:
    """Drawings with a caption below them."""

    kind: ClassVar[str] = "figure"
    caption: str
    drawings: tuple[Drawing, ...]
    halves: bool = False
    """Two drawings stand side by side."""

    number: int = 0


@dataclass(frozen=True)
class Gallery:
    """Pictures of one case."""

    kind: ClassVar[str] = "gallery"
    caption: str
    sheet: Sheet
    number: int = 0


Block = Paragraph | Table | Figure | Gallery


@dataclass(frozen=True)
class Section:
    """A chapter of the report."""

    title: str
    blocks: tuple[Block, ...]


def numbered(sections: Sequence[Section]) -> tuple[Section, ...]:
    """The same with tables counted from 1, and figures and pictures counted from 1."""
    tables = figures = 0
    counted = []
    for section in sections:
        blocks: list[Block] = []
        for block in section.blocks:
            match block:
                case Table():
                    tables += 1
                    blocks.append(replace(block, number=tables))
                case Figure() | Gallery():
                    figures += 1
                    blocks.append(replace(block, number=figures))
                case Paragraph():
                    blocks.append(block)
        counted.append(replace(section, blocks=tuple(blocks)))
    return tuple(counted)
