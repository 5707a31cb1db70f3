"""Write the report of a benchmark: HTML, Markdown, LaTeX tables, figures, CSV tables."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from radfuse.benchmark.report.csv_tables import csv_tables
from radfuse.benchmark.report.document import Figure, Section
from radfuse.benchmark.report.html import html
from radfuse.benchmark.report.latex import latex_tables
from radfuse.benchmark.report.markdown import markdown
from radfuse.benchmark.report.sections import report_sections
from radfuse.benchmark.results import Results
from radfuse.benchmark.statistics.analysis import analyse
from radfuse.errors import OutputError
from radfuse.io.staging import staging

HTML_FILE = "report.html"
"""The main file; a folder that contains it may be replaced by a newer report."""

SEED = 1
"""Seed of the bootstrap: the same results give the same report, byte for byte."""


def write_report(
    results: Results,
    folder: Path,
    *,
    reference: str,
    shown_cases: Sequence[str] = (),
    seed: int = SEED,
) -> Path:
    """Write the folder of a report, completely or not at all; returns the path of report.html.

    The folder contains report.html, report.md, tables.tex, figures/NAME.svg and tables/NAME.csv.
    All methods are compared with the `reference`; the report shows images of `shown_cases`.

    Raises `InputError` for a reference or a case that the results do not have, `OutputError` for a
    folder that contains other files or cannot be written.
    """
    if folder.is_dir() and any(folder.iterdir()) and not (folder / HTML_FILE).is_file():
        raise OutputError(f"{folder}: contains other files than a report; choose another folder")
    columns = analyse(results, reference, rng=np.random.default_rng(seed))
    sections = report_sections(results, columns, reference, shown_cases, seed)
    with staging(folder.parent) as stage:
        draft = stage.path_of(folder)
        _write_drawings(draft / "figures", sections)
        (draft / "tables").mkdir()
        for name, frame in csv_tables(results, columns).items():
            frame.to_csv(draft / "tables" / f"{name}.csv", index=False)
        texts = {
            HTML_FILE: html(results.title, sections),
            "report.md": markdown(results.title, sections),
            "tables.tex": latex_tables(results, columns, reference),
        }
        for name, text in texts.items():
            (draft / name).write_text(text, encoding="utf-8")
    return folder / HTML_FILE


def _write_drawings(folder: Path, sections: Sequence[Section]) -> None:
    folder.mkdir(parents=True)
    for section in sections:
        for block in section.blocks:
            if isinstance(block, Figure):
                for plot in block.plots:
                    (folder / f"{plot.name}.svg").write_bytes(plot.svg)
