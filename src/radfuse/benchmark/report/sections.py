"""The sections of a report."""

import re
from collections.abc import Iterator, Sequence

from radfuse.benchmark.findings.cases_image import cases_figures
from radfuse.benchmark.findings.tables import findings_blocks
from radfuse.benchmark.report.critical_difference_diagram import can_be_drawn, critical_differences
from radfuse.benchmark.report.description_tables import (
    failures_table,
    methods_table,
    metrics_table,
    record_tables,
    speed_summary,
    speed_table,
)
from radfuse.benchmark.report.document import (
    Block,
    Figure,
    Gallery,
    Paragraph,
    Plot,
    Section,
    numbered,
)
from radfuse.benchmark.report.functional_notes import copy_of_mr, reading
from radfuse.benchmark.report.gallery import DIFFERENCE_RANGE, case_gallery
from radfuse.benchmark.report.number_format import counted
from radfuse.benchmark.report.plots import box_plots, rank_lines, rows_of, speed_and_quality
from radfuse.benchmark.report.result_tables import (
    comparison_table,
    ranks_table,
    summary_table,
    unseen_patients_table,
)
from radfuse.benchmark.results import Results
from radfuse.benchmark.statistics.analysis import (
    MetricStatistics,
    UnseenCases,
    count_cases_and_patients,
    development_patients_of,
    find_unseen_cases,
    patients_of,
)
from radfuse.benchmark.statistics.bootstrap import MIN_PATIENTS
from radfuse.metrics.region_fidelity import BONE_LEVEL

READING = (
    "A number is the value of one metric as one profile defines it. The same name in another "
    "profile, or in a paper, may have another formula: compare values within one profile only. "
    "Arrows mark the better direction: ↑ larger, ↓ smaller. The value of a case is the mean over "
    "its slices."
)
"""Explains the values."""

WITHIN_PATIENT = "The statistics account for within-patient correlation."
"""Of several patients."""

ONE_PATIENT = (
    "All cases are of one patient. They are not independent, so there is no interval over "
    "patients, no test and no rank: a mean is that of this patient, and says nothing of another."
)
"""Instead of tests."""

NO_WINNER = (
    "This report names no winner and has no overall score. Fusion metrics contradict each other, "
    "several measure nearly the same, and some reward a copy of one source or added noise, so that "
    "a single score would depend on the choice of metrics. Trivial baselines are in every table: a "
    "metric that they lead does not separate good fusion from bad here."
)
"""Explains the missing overall score."""

UNSEEN_BY_ALL = (
    "According to the model cards, no method was developed on patients of this benchmark: the "
    "means above are those of unseen patients."
)

UNSEEN_UNKNOWN = (
    "It is unknown whether these methods were developed on patients of this benchmark, see their "
    "notes: {}. According to the model cards the others were not."
)

UNSEEN_BY_NONE = (
    "Every method was developed on every patient of this benchmark: there is no table of unseen "
    "patients, and all means above are optimistic."
)

IMAGES = (
    "Top: the image, with a frame around the square in which CT and MR together have the strongest "
    "gradients. Middle: that square, enlarged. Bottom: fused image minus the CT in bone (CT above "
    f"the MR and above {BONE_LEVEL:.0f} of 255, or above the bone level of its window where that "
    "is known), minus the MR elsewhere; orange is brighter, blue darker, full colour from "
    f"{DIFFERENCE_RANGE} grey levels. A difference is no error: there is no ground truth, and the "
    "baseline bone_over_mr is white by construction."
)
"""Explains the images."""


def report_sections(
    results: Results,
    columns: Sequence[MetricStatistics],
    reference: str,
    shown_cases: Sequence[str],
    seed: int = 1,
) -> tuple[Section, ...]:
    """All sections, with numbered tables and figures; the seed is that of the bootstrap."""
    several = len(patients_of(results)) >= MIN_PATIENTS
    values = f"{READING} {WITHIN_PATIENT}" if several else READING
    texts = (_summary(results, reference), values, *reading(results), NO_WINNER)
    sections = [
        Section("How to read this report", tuple(map(Paragraph, texts))),
        Section("Methods", (methods_table(results),)),
    ]
    for index, profile in enumerate(dict.fromkeys(one.profile for one in results.metrics)):
        own = [one for one in columns if one.metric.profile == profile]
        stem = f"{index + 1}-{slug(profile)}"
        notes = tuple(map(Paragraph, copy_of_mr(results, columns, profile)))
        blocks = tuple(_profile(results, profile, own, reference, stem, notes))
        sections.append(Section(f"Profile {profile}", blocks))
    if results.findings is not None:
        blocks = (*findings_blocks(results.findings, seed), *cases_figures(results.findings))
        sections.append(Section("Findings kept", blocks))
    sections += _rest(results, shown_cases)
    return numbered(sections)


def slug(name: str) -> str:
    """A name as part of a file name."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")


def _summary(results: Results, reference: str) -> str:
    methods = counted(len(results.methods), "method")
    cases = counted(results.rows["case"].nunique(), "case")
    patients = counted(len(patients_of(results)), "patient")
    failures = counted(len(results.failures), "failure")
    compared = len(patients_of(results)) >= MIN_PATIENTS
    against = f" Comparisons are with {reference}." if compared else ""
    return f"{methods} on {cases} of {patients}; {failures}.{against}"


def _profile(
    results: Results,
    profile: str,
    columns: Sequence[MetricStatistics],
    reference: str,
    stem: str,
    notes: Sequence[Paragraph],
) -> Iterator[Block]:
    """The blocks of one profile; notes are beside its means, names of plots start with `stem`."""
    metrics = [one for one in results.metrics if one.profile == profile]
    yield metrics_table(metrics)
    measured = [one.metric.name for one in columns]
    if lacking := [one.name for one in metrics if one.name not in measured]:
        yield Paragraph(f"Profile {profile} has no value of {', '.join(lacking)}.")
    if not columns:
        return
    yield summary_table(results, columns)
    yield from notes
    yield _unseen_patients(results, columns, find_unseen_cases(results))
    if count_cases_and_patients(columns)[1] < MIN_PATIENTS:
        yield Paragraph(ONE_PATIENT)
    elif len(results.methods) > 1:
        yield comparison_table(results, columns, reference, "case")
        yield comparison_table(results, columns, reference, "patient")
        yield ranks_table(results, columns)
    yield from _figures(results, profile, columns, stem)


def _unseen_patients(
    results: Results, columns: Sequence[MetricStatistics], unseen_cases: UnseenCases
) -> Block:
    if not any(development_patients_of(results, one) for one in results.methods):
        unknown = ", ".join(one.name for one in results.methods if not one.patients_known)
        return Paragraph(UNSEEN_UNKNOWN.format(unknown) if unknown else UNSEEN_BY_ALL)
    if not unseen_cases.methods:
        return Paragraph(UNSEEN_BY_NONE)
    return unseen_patients_table(results, columns, unseen_cases)


def _figures(
    results: Results, profile: str, columns: Sequence[MetricStatistics], stem: str
) -> Iterator[Figure]:
    methods = results.methods
    ranked = [one for one in columns if can_be_drawn(one.ranking)]
    if ranked:
        diagrams = tuple(
            Plot(
                f"{stem}-ranks-{index}",
                f"Mean ranks of {one.metric.name}",
                critical_differences(one.metric, one.ranking),
            )
            for index, one in enumerate(ranked, start=1)
        )
        yield Figure(
            f"Profile {profile}: mean ranks within patients, 1 is best; bars join methods that do "
            "not differ by Nemenyi's test.",
            diagrams,
            halves=True,
        )
        lines = rank_lines(methods, ranked)
        yield Figure(
            f"Profile {profile}: parallel coordinates, every metric scaled by mean rank within "
            "patients, best on top. Crossing lines are metrics that disagree; grey and dashed: "
            "trivial baselines.",
            (Plot(f"{stem}-lines", "Mean ranks of all methods over the metrics", lines),),
        )
    yield Figure(
        f"Profile {profile}: cases of every method. Box: quartiles; whiskers: to 1.5 of their "
        "distance; line: median; diamond: mean; grey: trivial baselines.",
        tuple(
            Plot(f"{stem}-boxes-{index}", f"Box plots of {_names(row)}", box_plots(methods, row))
            for index, row in enumerate(rows_of(columns), start=1)
        ),
    )
    if len(results.speed):
        speed = speed_summary(results.speed)
        yield Figure(
            f"Profile {profile}: mean over the cases against time; arrows mark the better "
            "direction, faster is left. Grey and hollow: trivial baselines.",
            tuple(
                Plot(
                    f"{stem}-speed-{index}",
                    f"Time against {_names(row)}",
                    speed_and_quality(methods, row, speed, legend=index == 1),
                )
                for index, row in enumerate(rows_of(columns), start=1)
            ),
        )


def _names(columns: Sequence[MetricStatistics]) -> str:
    return ", ".join(one.metric.name for one in columns)


def _rest(results: Results, shown_cases: Sequence[str]) -> Iterator[Section]:
    if len(results.speed):
        yield Section("Speed", (speed_table(results),))
    if shown_cases:
        galleries = (_gallery(results, case) for case in shown_cases)
        yield Section("Images", (Paragraph(IMAGES), *galleries))
    none = Paragraph("Every method fused every case.")
    failures = failures_table(results.failures) if len(results.failures) else none
    yield Section("Failures", (failures,))
    yield Section("What was run", tuple(record_tables(results.record)))


def _gallery(results: Results, case: str) -> Block:
    failed = (results.failures["case"] == case).any()
    if failed and not (results.rows["case"] == case).any():
        return Paragraph(f"Case {case} has no images, since none could be measured.")
    images = case_gallery(results, case)
    missing = f" No image: {', '.join(images.missing)}." if images.missing else ""
    return Gallery(f"Case {case} of patient {images.patient}.{missing}", images)
