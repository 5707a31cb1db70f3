"""The report of the delineation study: Markdown, and every value as CSV."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from radfuse.benchmark.analysis import analyse
from radfuse.benchmark.delineation import (
    CLICKS,
    JITTER_MM,
    MR_ALONE,
    TUMOURS,
)
from radfuse.benchmark.document import Block, Paragraph, Section, numbered
from radfuse.benchmark.facts import measures_table, methods_table, record_tables
from radfuse.benchmark.markdown import markdown
from radfuse.benchmark.report import SEED
from radfuse.benchmark.results import Results
from radfuse.benchmark.tables import comparison_table, summary_table
from radfuse.errors import OutputError
from radfuse.io.staging import refuse_existing, staging
from radfuse.pipeline.grow import (
    FIRST_RADIUS,
    ITERATIONS,
    MULTIPLIER,
    REACH_MM,
    SMOOTHINGS,
    TIME_STEP,
)

REPORT, ROWS = "report.md", "rows.csv"
"""Files of the study's folder."""

DESIGN = (
    "Every patient is a made-up head with one tumour of each kind, whose true border is known "
    "voxel by voxel. All are solid, enhance and lie in oedema: typical ones have 9 to 16 mm "
    f"radius, small ones {TUMOURS['small'].radius_mm:g} mm, faint ones "
    f"{TUMOURS['faint'].contrast:g} of the others' contrast with the oedema, and those at "
    "the bone lie flat against the skull. CT and MR are aligned by the truth, so that no error of "
    "registration is in the numbers. A click aims at "
    f"the true tumour's centre and misses it by {JITTER_MM:g} mm (standard deviation along each "
    f"axis); {CLICKS} clicks a tumour, the same for every image. A tumour is one case, the mean "
    "over its clicks."
)
"""What was done."""

RULE = (
    f"The rule, fixed before anything was measured: {SMOOTHINGS} steps of curvature flow of "
    f"{TIME_STEP:g}, then SimpleITK's ConfidenceConnected from the click ({ITERATIONS} rounds, "
    f"{MULTIPLIER:g} standard deviations, first mean within {FIRST_RADIUS} voxel), cut {REACH_MM:g}"
    " mm from the click, holes filled. It does not depend on the unit of an image, so that a "
    "window alone changes nothing but where it cuts values off."
)
"""How regions grow."""

LIMITS = (
    "What this can show: whether an image lets this simple rule stop at the tumour's border. It "
    "does not show what a radiation oncologist would draw, and phantoms are no patients: their "
    "tissues are uniform but for noise and the coil's bias, and all their tumours enhance."
)
"""How far the numbers carry."""

SOURCES_FIRST = (
    f"Fused images are compared with {MR_ALONE}, the image to draw on where there is no fusion. A "
    "method helps where it is marked better here."
)
"""What the comparisons mean."""


def check_folder(folder: Path, *, overwrite: bool) -> None:
    """Raise `OutputError` for a folder that holds something else, or may not be replaced."""
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file; give a folder as --output")
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if foreign := sorted(names - {REPORT, ROWS}):
        raise OutputError(f"{folder} holds {foreign[0]}, no study's; give another --output")
    if names:
        refuse_existing([folder], overwrite=overwrite)


def write_study(results: Results, folder: Path) -> Path:
    """Write report.md and rows.csv into a folder, whole or not at all; returns the report."""
    with staging(folder.parent) as stage:
        draft = stage.place(folder)
        draft.mkdir()
        results.rows.to_csv(draft / ROWS, index=False)
        text = markdown(results.title, numbered(list(_sections(results))))
        (draft / REPORT).write_text(text, encoding="utf-8")
    return folder / REPORT


def _sections(results: Results) -> Iterator[Section]:
    texts = (DESIGN, RULE, LIMITS)
    yield Section("How it was done", tuple(map(Paragraph, texts)))
    yield Section("Images and metrics", (methods_table(results), measures_table(results.measures)))
    yield Section("All tumours", (Paragraph(SOURCES_FIRST), *_tables(results)))
    kinds = results.rows["case"].str.partition(" ")[2]
    for kind in kinds.unique():
        of_kind = replace(results, rows=results.rows[kinds == kind])
        yield Section(f"Tumours: {kind}", tuple(_tables(of_kind)))
    yield Section("What was run", tuple(record_tables(results.record)))


def _tables(results: Results) -> Iterator[Block]:
    """Means, and comparisons patient by patient."""
    columns = analyse(results, MR_ALONE, rng=np.random.default_rng(SEED))
    yield summary_table(results, columns)
    yield comparison_table(results, columns, MR_ALONE, "patient")
