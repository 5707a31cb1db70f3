"""The report of a benchmark: a page, its Markdown, tables for a paper, and every number as CSV."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from radfuse.benchmark.report.csv_tables import frames
from radfuse.benchmark.report.document import Figure, Section
from radfuse.benchmark.report.html import page
from radfuse.benchmark.report.latex import latex_tables
from radfuse.benchmark.report.markdown import markdown
from radfuse.benchmark.report.sections import chapters
from radfuse.benchmark.results import Results
from radfuse.benchmark.statistics.analysis import analyse
from radfuse.errors import OutputError
from radfuse.io.staging import staging

PAGE = "report.html"
"""The file to open; a folder that has one may be replaced by a newer report."""

SEED = 1
"""Of the bootstrap: the same results give the same report, byte for byte."""


def write_report(
    results: Results,
    folder: Path,
    *,
    reference: str,
    pictured: Sequence[str] = (),
    seed: int = SEED,
) -> Path:
    """Write the report's folder, whole or not at all, and return the path of its page.

    The folder has report.html, report.md, tables.tex, figures/NAME.svg and tables/NAME.csv. All
    methods are compared with the `reference`; cases that are `pictured` are shown.

    Raises `InputError` for a reference or a case that the results do not have, `OutputError` for a
    folder that holds something else or cannot be written.
    """
    if folder.is_dir() and any(folder.iterdir()) and not (folder / PAGE).is_file():
        raise OutputError(f"{folder}: holds something else than a report; choose another folder")
    columns = analyse(results, reference, rng=np.random.default_rng(seed))
    sections = chapters(results, columns, reference, pictured)
    with staging(folder.parent) as stage:
        draft = stage.place(folder)
        _write_drawings(draft / "figures", sections)
        (draft / "tables").mkdir()
        for name, frame in frames(results, columns).items():
            frame.to_csv(draft / "tables" / f"{name}.csv", index=False)
        texts = {
            PAGE: page(results.title, sections),
            "report.md": markdown(results.title, sections),
            "tables.tex": latex_tables(results, columns, reference),
        }
        for name, text in texts.items():
            (draft / name).write_text(text, encoding="utf-8")
    return folder / PAGE


def _write_drawings(folder: Path, sections: Sequence[Section]) -> None:
    folder.mkdir(parents=True)
    for section in sections:
        for block in section.blocks:
            if isinstance(block, Figure):
                for drawing in block.drawings:
                    (folder / f"{drawing.name}.svg").write_bytes(drawing.svg)
