"""The content of a report for all formats: sections of text, tables, figures and images."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from radfuse.benchmark.report.gallery import CaseGallery

Mark = Literal["", "best", "second", "better", "worse"]
"""Emphasis of a cell; `better` or `worse` than the reference where both tests agree."""


@dataclass(frozen=True)
class Paragraph:
    """Plain text."""

    kind: ClassVar[str] = "paragraph"
    text: str


@dataclass(frozen=True)
class Cell:
    """A cell of a table; its first line is emphasised."""

    lines: tuple[str, ...]
    mark: Mark = ""


def words(*texts: str) -> tuple[Cell, ...]:
    """Cells of one line each."""
    return tuple(Cell((text,)) for text in texts)


@dataclass(frozen=True)
class Head:
    """The heading of a column."""

    title: str
    unit: str = ""


@dataclass(frozen=True)
class Line:
    """A line of a table."""

    name: str
    cells: tuple[Cell, ...]
    signs: str = ""
    """Footnote signs after the name."""

    faint: bool = False
    """Printed pale: a baseline or a test."""


@dataclass(frozen=True)
class Table:
    """A table with its caption above it and its notes below."""

    kind: ClassVar[str] = "table"
    caption: str
    heads: tuple[Head, ...]
    """The first is that of the names."""

    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()
    prose: bool = False
    """Cells are text, aligned to the left."""

    number: int = 0


@dataclass(frozen=True)
class Plot:
    """A plot as SVG; several share one figure."""

    name: str
    """Name of its file, without suffix."""

    alt: str
    svg: bytes


@dataclass(frozen=True)
class Figure:
    """Drawings with a caption below them."""

    kind: ClassVar[str] = "figure"
    caption: str
    plots: tuple[Plot, ...]
    halves: bool = False
    """Whether two plots are side by side."""

    number: int = 0


@dataclass(frozen=True)
class Gallery:
    """Images of one case."""

    kind: ClassVar[str] = "gallery"
    caption: str
    images: CaseGallery
    number: int = 0


Block = Paragraph | Table | Figure | Gallery


@dataclass(frozen=True)
class Section:
    """A section of the report."""

    title: str
    blocks: tuple[Block, ...]


def numbered(sections: Sequence[Section]) -> tuple[Section, ...]:
    """The sections with tables numbered from 1, and figures and galleries numbered from 1."""
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
