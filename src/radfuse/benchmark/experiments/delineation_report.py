"""The report of the delineation experiment, in Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from radfuse.benchmark.experiments.delineation import (
    AT_BONE_MM,
    CT_ALONE,
    JITTER_MM,
    METRICS,
    MR_ALONE,
    SEED_POINTS,
    TUMOURS,
)
from radfuse.benchmark.experiments.delineation_run import DelineationResults
from radfuse.benchmark.report.description_tables import (
    failures_table,
    methods_table,
    metrics_table,
    record_tables,
)
from radfuse.benchmark.report.document import (
    Head,
    Line,
    Mark,
    Paragraph,
    Section,
    Table,
    numbered,
    words,
)
from radfuse.benchmark.report.markdown import markdown
from radfuse.benchmark.report.number_format import fixed
from radfuse.benchmark.report.result_tables import comparison_table, ranks_table, summary_table
from radfuse.benchmark.report.write import SEED
from radfuse.benchmark.results import Results
from radfuse.benchmark.statistics.analysis import analyse
from radfuse.benchmark.statistics.critical_difference import ALPHA
from radfuse.io.staging import staging
from radfuse.structures.growing import (
    ITERATIONS,
    MAX_DISTANCE_MM,
    MULTIPLIER,
    SEED_RADIUS,
    SMOOTHING_STEPS,
    TIME_STEP,
)

REPORT = "report.md"
"""Name of the report in the output folder."""

OVERVIEW_METRICS = ("Dice", "MSD")
"""Metrics of the overview: overlap, and distance of the borders."""

DESIGN = (
    "Every patient is a synthetic phantom of a head with one tumour of each kind, whose true "
    "border is known voxel by voxel. All are solid, enhancing and surrounded by oedema: typical "
    f"ones have 9 to 16 mm radius, small ones {TUMOURS['small'].radius_mm:g} mm, faint ones "
    f"{TUMOURS['faint'].contrast:g} of the others' contrast with the oedema, those at the bone are "
    "flattened against the skull, and calcified ones are as faint ones in the MR and have "
    f"{TUMOURS['calcified'].hu:g} HU throughout. CT and MR are aligned by the true transform, so "
    "that the numbers contain no registration error. The seed points are the true tumour's centre "
    f"with a random offset of {JITTER_MM:g} mm (standard deviation along each axis); {SEED_POINTS} "
    "per tumour, the same for every image. A tumour is one case, the mean over its seed points."
)
"""Design of the experiment."""

ALGORITHM = (
    f"The algorithm, fixed before any measurement: {SMOOTHING_STEPS} steps of curvature flow of "
    f"{TIME_STEP:g}, then SimpleITK's ConfidenceConnected from the seed point ({ITERATIONS} "
    f"iterations, {MULTIPLIER:g} standard deviations, first mean within {SEED_RADIUS} voxel), "
    f"limited to {MAX_DISTANCE_MM:g} mm from the seed point, holes filled. It does not depend on "
    "the unit of an image, so that a window changes the result only where it clips values. One "
    "change was made after the first results: small tumours had 6 mm radius, with which the "
    "region leaked into the brain on every image."
)
"""The region growing."""

LIMITS = (
    "The experiment shows whether an image lets this simple algorithm stop at the tumour's border. "
    "It does not show what a radiation oncologist would draw, and phantoms are not patients: their "
    "tissues are uniform except for noise and the coil's bias field, and all their tumours enhance."
)
"""Limits of the conclusions."""

MARKS: tuple[Mark, Mark] = ("better", "worse")
"""Of a comparison's cells."""

UNMARKED = (
    "Not marked does not mean equal: the intervals in the tables below show how large a difference "
    "these data do not exclude."
)
"""Explains missing marks."""


def write_delineation_report(outcome: DelineationResults, folder: Path) -> Path:
    """Write report.md, completely or not at all; returns its path."""
    with staging(folder) as stage:
        text = markdown(outcome.results.title, numbered(list(_sections(outcome))))
        stage.path_of(folder / REPORT).write_text(text, encoding="utf-8")
    return folder / REPORT


def _sections(outcome: DelineationResults) -> Iterator[Section]:
    results = outcome.results
    command = f"Written by: {results.record['command']}"
    yield Section("Method", tuple(map(Paragraph, (command, DESIGN, ALGORITHM, LIMITS))))
    yield Section("The tumours", (_tumours_table(outcome.properties),))
    kinds = {kind: _of_kind(results, kind) for kind in outcome.properties["kind"].unique()}
    parts = {"All tumours": results, **{f"Tumours: {kind}": one for kind, one in kinds.items()}}
    tables = {title: _tables(part) for title, part in parts.items()}
    against_ct = _comparison(results, CT_ALONE)
    conclusions = _conclusions(against_ct, {title: three[1] for title, three in tables.items()})
    overviews = [_overview(results, kinds, name) for name in OVERVIEW_METRICS]
    yield Section("Results", (*map(Paragraph, conclusions), *overviews))
    yield Section("Images and metrics", (methods_table(results), metrics_table(METRICS)))
    yield from (Section(title, three) for title, three in tables.items())
    none = Paragraph("Every method fused every tumour.")
    yield Section(
        "Failures", (failures_table(results.failures) if len(results.failures) else none,)
    )
    yield Section("What was run", tuple(record_tables(results.record)))


def _of_kind(results: Results, kind: str) -> Results:
    kinds = results.rows["case"].str.partition(" ")[2]
    return replace(results, rows=results.rows[kinds == kind])


def _tables(results: Results) -> tuple[Table, Table, Table]:
    """Means, comparisons paired by patients, and ranks."""
    columns = analyse(results, MR_ALONE, rng=np.random.default_rng(SEED))
    return (
        summary_table(results, columns),
        comparison_table(results, columns, MR_ALONE, "patient"),
        ranks_table(results, columns),
    )


def _comparison(results: Results, reference: str) -> Table:
    columns = analyse(results, reference, rng=np.random.default_rng(SEED))
    return comparison_table(results, columns, reference, "patient")


def _tumours_table(properties: pd.DataFrame) -> Table:
    """Sizes, contrasts and bone contact of the tumours in the images."""
    of_kind = properties.drop(columns="case").groupby("kind", sort=False)
    lines = [
        Line(
            str(kind),
            words(str(len(group)), *map(_range, *zip(*_columns_and_decimals(group), strict=True))),
        )
        for kind, group in of_kind
    ]
    return Table(
        "The true tumours: mean (smallest to largest). Contrast is with the oedema around them.",
        (
            Head("Kind"),
            Head("tumours"),
            Head("volume", "cm³"),
            Head("contrast on CT", "HU"),
            Head("contrast on MR", "of its range"),
            Head("nearest bone", "mm"),
            Head(f"border within {AT_BONE_MM:g} mm of bone", "%"),
        ),
        tuple(lines),
    )


def _columns_and_decimals(group: pd.DataFrame) -> Iterator[tuple[pd.Series, int]]:
    """Columns of a table's line, and their decimal places."""
    decimals = (1, 1, 2, 1, 0)
    columns = [group[name] for name in group.columns if name != "kind"]
    yield from zip(columns, decimals, strict=True)


def _range(values: pd.Series, decimals: int) -> str:
    mean, low, high = (fixed(one, decimals) for one in (values.mean(), values.min(), values.max()))
    return f"{mean} ({low} to {high})"


def _overview(results: Results, kinds: dict[str, Results], name: str) -> Table:
    """Means of one metric: a line per image, a column per kind of tumour."""
    metric = next(one for one in METRICS if one.name == name)
    parts = [*kinds.values(), results]
    means = [
        part.rows[part.rows["metric"] == name].groupby("method")["value"].mean() for part in parts
    ]
    lines = (
        Line(one.name, words(*(fixed(mean.get(one.name, np.nan), 3) for mean in means)))
        for one in results.methods
    )
    heads = (Head("Image"), *(Head(name) for name in (*kinds, "all")))
    caption = f"{name} {metric.arrow}, {metric.summary}{', mm' * (metric.unit == 'mm')}: means."
    return Table(caption, heads, tuple(lines))


def _conclusions(against_ct: Table, against_mr: Mapping[str, Table]) -> Iterator[str]:
    """The results of the tests, a sentence per comparison."""
    yield (
        "An image is called better or worse where both Wilcoxon's test and the t-test, paired by "
        f"patients and with Holm's correction for all images, have p below {ALPHA:g}."
    )
    yield f"All tumours, against {CT_ALONE}: {_significant(against_ct)}"
    for title, table in against_mr.items():
        yield f"{title}, against {MR_ALONE}: {_significant(table)}"
    yield UNMARKED


def _significant(comparison: Table) -> str:
    """The images that are better and worse, with the metrics."""
    metrics = [one.name for one in METRICS]
    better, worse = (_marked(comparison.lines, metrics, mark) for mark in MARKS)
    return f"better: {better}; worse: {worse}."


def _marked(lines: Sequence[Line], metrics: Sequence[str], mark: Mark) -> str:
    """The images with a mark in a table, and its metrics."""
    by = {
        line.name: [
            name for name, cell in zip(metrics, line.cells, strict=True) if cell.mark == mark
        ]
        for line in lines
    }
    marked = (
        f"{name} ({'every metric' if len(names) == len(metrics) else ', '.join(names)})"
        for name, names in by.items()
        if names
    )
    return ", ".join(marked) or "no image"
