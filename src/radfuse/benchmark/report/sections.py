"""What a report says, chapter by chapter."""

import re
from collections.abc import Iterator, Sequence

from radfuse.benchmark.report.critical_difference import can_be_drawn, critical_differences
from radfuse.benchmark.report.document import (
    Block,
    Drawing,
    Figure,
    Gallery,
    Paragraph,
    Section,
    numbered,
)
from radfuse.benchmark.report.gallery import DIFFERENCE_RANGE, sheet_of
from radfuse.benchmark.report.number_format import counted
from radfuse.benchmark.report.plots import box_plots, rank_lines, rows_of, speed_and_quality
from radfuse.benchmark.report.result_tables import (
    comparison_table,
    never_seen_table,
    ranks_table,
    summary_table,
)
from radfuse.benchmark.report.summary_tables import (
    failures_table,
    measures_table,
    methods_table,
    record_tables,
    speed_summary,
    speed_table,
)
from radfuse.benchmark.results import Results
from radfuse.benchmark.statistics.analysis import Column, Unseen, patients_of, seen_here, unseen_of
from radfuse.metrics.region_fidelity import BONE_LEVEL

READING = (
    "A number is the value of one metric as one profile defines it. The same name in another "
    "profile, or in a paper, may be another formula: compare numbers within a profile only. Arrows "
    "point to where better values lie, ↑ larger or ↓ smaller. The value of a case is the mean over "
    "its slices."
)
"""What the numbers are."""

NO_WINNER = (
    "This report names no winner and has no overall score. Fusion metrics contradict each other, "
    "several measure nearly the same, and some reward a mere copy of one source or added noise, so "
    "a single number would only tell which metrics were put into it. Trivial baselines stand in "
    "every table: where they lead, the metric does not tell good fusion from bad here."
)
"""Why there is no single number."""

NOBODY_SAW = (
    "No method is known to have seen any patient of this benchmark: the means above are those of "
    "patients never seen, as far as the methods' cards say."
)

EVERYBODY_SAW = (
    "Every method has seen every patient of this benchmark: there is no table of patients never "
    "seen, and the means above flatter all methods."
)

PICTURES = (
    "Above: the picture, with a frame around the square in which CT and MR together have the "
    "strongest gradients. Middle: that square, enlarged. Below: fused image minus the CT in bone "
    f"(CT above the MR and above {BONE_LEVEL:.0f} of 255, or above the level of bone where its "
    "window is known), minus the MR elsewhere; orange is brighter, blue darker, full colour from "
    f"{DIFFERENCE_RANGE} grey levels. A difference is no error: the map has no truth to compare "
    "with, and the baseline bone_over_mr is white by construction."
)
"""How to read the pictures."""


def chapters(
    results: Results, columns: Sequence[Column], reference: str, pictured: Sequence[str]
) -> tuple[Section, ...]:
    """All sections, tables and figures counted."""
    texts = (_extent(results, reference), READING, NO_WINNER)
    sections = [
        Section("How to read this report", tuple(map(Paragraph, texts))),
        Section("Methods", (methods_table(results),)),
    ]
    for place, profile in enumerate(dict.fromkeys(one.profile for one in results.measures)):
        own = [one for one in columns if one.measure.profile == profile]
        blocks = tuple(_profile(results, profile, own, reference, f"{place + 1}-{slug(profile)}"))
        sections.append(Section(f"Profile {profile}", blocks))
    sections += _rest(results, pictured)
    return numbered(sections)


def slug(name: str) -> str:
    """A part of a file's name."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")


def _extent(results: Results, reference: str) -> str:
    methods = counted(len(results.contestants), "method")
    cases = counted(results.rows["case"].nunique(), "case")
    patients = counted(len(patients_of(results)), "patient")
    failures = counted(len(results.failures), "failure")
    return f"{methods} on {cases} of {patients}; {failures}. Comparisons are with {reference}."


def _profile(
    results: Results, profile: str, columns: Sequence[Column], reference: str, stem: str
) -> Iterator[Block]:
    """All that is said of one profile; `stem` begins the names of its drawings."""
    measures = [one for one in results.measures if one.profile == profile]
    yield measures_table(measures)
    measured = [one.measure.name for one in columns]
    if lacking := [one.name for one in measures if one.name not in measured]:
        yield Paragraph(f"Profile {profile} has no value of {', '.join(lacking)}.")
    if not columns:
        return
    yield summary_table(results, columns)
    yield _never_seen(results, columns, unseen_of(results))
    if len(results.contestants) > 1:
        yield comparison_table(results, columns, reference, "case")
        yield comparison_table(results, columns, reference, "patient")
        yield ranks_table(results, columns)
    yield from _figures(results, profile, columns, stem)


def _never_seen(results: Results, columns: Sequence[Column], fair: Unseen) -> Block:
    if not any(seen_here(results, one) for one in results.contestants):
        return Paragraph(NOBODY_SAW)
    if not fair.methods:
        return Paragraph(EVERYBODY_SAW)
    return never_seen_table(results, columns, fair)


def _figures(
    results: Results, profile: str, columns: Sequence[Column], stem: str
) -> Iterator[Figure]:
    contestants = results.contestants
    ranked = [one for one in columns if can_be_drawn(one.ranking)]
    if ranked:
        diagrams = tuple(
            Drawing(
                f"{stem}-ranks-{place}",
                f"Mean ranks of {one.measure.name}",
                critical_differences(one.measure, one.ranking),
            )
            for place, one in enumerate(ranked, start=1)
        )
        yield Figure(
            f"Profile {profile}: mean ranks within patients, 1 is best; bars join methods that do "
            "not differ by Nemenyi's test.",
            diagrams,
            halves=True,
        )
        lines = rank_lines(contestants, ranked)
        yield Figure(
            f"Profile {profile}: parallel coordinates, every metric scaled by mean rank within "
            "patients, best on top. Crossing lines are metrics that disagree; grey and dashed: "
            "trivial baselines.",
            (Drawing(f"{stem}-lines", "Mean ranks of all methods over the metrics", lines),),
        )
    yield Figure(
        f"Profile {profile}: cases of every method. Box: quartiles; whiskers: to 1.5 of their "
        "distance; line: median; diamond: mean; grey: trivial baselines.",
        tuple(
            Drawing(
                f"{stem}-boxes-{place}", f"Box plots of {_names(row)}", box_plots(contestants, row)
            )
            for place, row in enumerate(rows_of(columns), start=1)
        ),
    )
    if len(results.speed):
        speed = speed_summary(results.speed)
        yield Figure(
            f"Profile {profile}: mean over the cases against time; arrows tell where better values "
            "lie, faster is left. Grey and hollow: trivial baselines.",
            tuple(
                Drawing(
                    f"{stem}-speed-{place}",
                    f"Time against {_names(row)}",
                    speed_and_quality(contestants, row, speed, legend=place == 1),
                )
                for place, row in enumerate(rows_of(columns), start=1)
            ),
        )


def _names(columns: Sequence[Column]) -> str:
    return ", ".join(one.measure.name for one in columns)


def _rest(results: Results, pictured: Sequence[str]) -> Iterator[Section]:
    if len(results.speed):
        yield Section("Speed", (speed_table(results),))
    if pictured:
        galleries = (_gallery(results, case) for case in pictured)
        yield Section("Pictures", (Paragraph(PICTURES), *galleries))
    none = Paragraph("Every method fused every case.")
    failures = failures_table(results) if len(results.failures) else none
    yield Section("Failures", (failures,))
    yield Section("What was run", tuple(record_tables(results.record)))


def _gallery(results: Results, case: str) -> Block:
    failed = (results.failures["case"] == case).any()
    if failed and not (results.rows["case"] == case).any():
        return Paragraph(f"Case {case} has no pictures, for nothing of it could be measured.")
    sheet = sheet_of(results, case)
    missing = f" No picture: {', '.join(sheet.missing)}." if sheet.missing else ""
    return Gallery(f"Case {case} of patient {sheet.patient}.{missing}", sheet)
