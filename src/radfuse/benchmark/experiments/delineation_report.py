"""The report of the delineation study, in Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from radfuse.benchmark.experiments.delineation import (
    AT_BONE_MM,
    CLICKS,
    CT_ALONE,
    JITTER_MM,
    MEASURES,
    MR_ALONE,
    TUMOURS,
)
from radfuse.benchmark.experiments.delineation_run import Findings
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
from radfuse.benchmark.report.summary_tables import (
    failures_table,
    measures_table,
    methods_table,
    record_tables,
)
from radfuse.benchmark.report.write import SEED
from radfuse.benchmark.results import Results
from radfuse.benchmark.statistics.analysis import analyse
from radfuse.benchmark.statistics.ranks import ALPHA
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
"""File of the study's folder."""

SHOWN = ("Dice", "MSD")
"""Metrics of the overview: how much is in common, and how far apart the borders are."""

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
    f"The rule, fixed before anything was measured: {SMOOTHING_STEPS} steps of curvature flow of "
    f"{TIME_STEP:g}, then SimpleITK's ConfidenceConnected from the click ({ITERATIONS} rounds, "
    f"{MULTIPLIER:g} standard deviations, first mean within {SEED_RADIUS} voxel), cut "
    f"{MAX_DISTANCE_MM:g} mm from the click, holes filled. It does not depend on the unit of "
    "an image, so that a window alone changes nothing but where it cuts values off. One thing was "
    "changed after a look: small tumours had 6 mm radius at first, where the rule ran out into the "
    "brain on every image and told nothing."
)
"""How regions grow."""

LIMITS = (
    "What this can show: whether an image lets this simple rule stop at the tumour's border. It "
    "does not show what a radiation oncologist would draw, and phantoms are no patients: their "
    "tissues are uniform but for noise and the coil's bias, and all their tumours enhance."
)
"""How far the numbers carry."""

MARKS: tuple[Mark, Mark] = ("better", "worse")
"""Of a comparison's cells."""

NOT_SEEN = (
    "Not marked does not mean equal: the intervals in the tables below say how large a difference "
    "may be that these patients do not show."
)
"""What no mark means."""


def write_study(findings: Findings, folder: Path) -> Path:
    """Write report.md into a study's folder, whole or not at all; returns its path."""
    with staging(folder) as stage:
        text = markdown(findings.results.title, numbered(list(_sections(findings))))
        stage.place(folder / REPORT).write_text(text, encoding="utf-8")
    return folder / REPORT


def _sections(findings: Findings) -> Iterator[Section]:
    results = findings.results
    made = f"This page is what `{results.record['command']}` writes."
    yield Section("How it was done", tuple(map(Paragraph, (made, DESIGN, RULE, LIMITS))))
    yield Section("The tumours", (_tumours_table(findings.truths),))
    kinds = {kind: _of_kind(results, kind) for kind in findings.truths["kind"].unique()}
    parts = {"All tumours": results, **{f"Tumours: {kind}": one for kind, one in kinds.items()}}
    tables = {title: _tables(part) for title, part in parts.items()}
    against_ct = _comparison(results, CT_ALONE)
    conclusions = _conclusions(against_ct, {title: found[1] for title, found in tables.items()})
    overviews = [_overview(results, kinds, name) for name in SHOWN]
    yield Section("What came out", (*map(Paragraph, conclusions), *overviews))
    yield Section("Images and metrics", (methods_table(results), measures_table(MEASURES)))
    yield from (Section(title, found) for title, found in tables.items())
    none = Paragraph("Every method fused every tumour.")
    yield Section("Failures", (failures_table(results) if len(results.failures) else none,))
    yield Section("What was run", tuple(record_tables(results.record)))


def _of_kind(results: Results, kind: str) -> Results:
    kinds = results.rows["case"].str.partition(" ")[2]
    return replace(results, rows=results.rows[kinds == kind])


def _tables(results: Results) -> tuple[Table, Table, Table]:
    """Means, comparisons patient by patient, and ranks."""
    columns = analyse(results, MR_ALONE, rng=np.random.default_rng(SEED))
    return (
        summary_table(results, columns),
        comparison_table(results, columns, MR_ALONE, "patient"),
        ranks_table(results, columns),
    )


def _comparison(results: Results, reference: str) -> Table:
    columns = analyse(results, reference, rng=np.random.default_rng(SEED))
    return comparison_table(results, columns, reference, "patient")


def _tumours_table(truths: pd.DataFrame) -> Table:
    """Sizes, contrasts and bone contact as they are in the images."""
    of_kind = truths.drop(columns="case").groupby("kind", sort=False)
    lines = [
        Line(str(kind), words(str(len(group)), *map(_range, *zip(*_facts(group), strict=True))))
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


def _facts(group: pd.DataFrame) -> Iterator[tuple[pd.Series, int]]:
    """Columns of a table's line and the places behind the point."""
    decimals = (1, 1, 2, 1, 0)
    columns = [group[name] for name in group.columns if name != "kind"]
    yield from zip(columns, decimals, strict=True)


def _range(values: pd.Series, decimals: int) -> str:
    mean, low, high = (fixed(one, decimals) for one in (values.mean(), values.min(), values.max()))
    return f"{mean} ({low} to {high})"


def _overview(results: Results, kinds: dict[str, Results], metric: str) -> Table:
    """Means of one metric: a line an image, a column a kind of tumour."""
    measure = next(one for one in MEASURES if one.name == metric)
    parts = [*kinds.values(), results]
    means = [
        part.rows[part.rows["metric"] == metric].groupby("method")["value"].mean() for part in parts
    ]
    lines = (
        Line(one.name, words(*(fixed(mean.get(one.name, np.nan), 3) for mean in means)))
        for one in results.contestants
    )
    heads = (Head("Image"), *(Head(name) for name in (*kinds, "all")))
    caption = (
        f"{metric} {measure.arrow}, {measure.summary}{', mm' * (measure.unit == 'mm')}: means."
    )
    return Table(caption, heads, tuple(lines))


def _conclusions(against_ct: Table, against_mr: Mapping[str, Table]) -> Iterator[str]:
    """What the tests say, a sentence a comparison."""
    yield (
        "An image is called better or worse where Wilcoxon's test and the t-test, paired by "
        f"patients and both corrected by Holm for all images, stay below p = {ALPHA:g}."
    )
    yield f"All tumours, against {CT_ALONE}: {_verdicts(against_ct)}"
    for title, table in against_mr.items():
        yield f"{title}, against {MR_ALONE}: {_verdicts(table)}"
    yield NOT_SEEN


def _verdicts(comparison: Table) -> str:
    """Who is better and who is worse by which metrics; the others are not named."""
    metrics = [one.name for one in MEASURES]
    better, worse = (_marked(comparison.lines, metrics, mark) for mark in MARKS)
    return f"better: {better}; worse: {worse}."


def _marked(lines: Sequence[Line], metrics: Sequence[str], mark: Mark) -> str:
    """The images that a table marks so, and by which metrics."""
    by = {
        line.name: [
            name for name, cell in zip(metrics, line.cells, strict=True) if cell.mark == mark
        ]
        for line in lines
    }
    said = (
        f"{name} ({'every metric' if len(found) == len(metrics) else ', '.join(found)})"
        for name, found in by.items()
        if found
    )
    return ", ".join(said) or "no image"
