"""The tables of a profile: means, unseen patients, comparisons, ranks."""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from radfuse.benchmark.report.document import Cell, Head, Line, Mark, Table, words
from radfuse.benchmark.report.number_format import (
    NO_NUMBER,
    counted,
    decimals_of,
    fixed,
    marks_of,
    p_text,
)
from radfuse.benchmark.results import ComparedMethod, ProfileMetric, Results
from radfuse.benchmark.statistics.analysis import (
    MetricStatistics,
    UnseenCases,
    count_cases_and_patients,
    development_patients_of,
    patients_of,
)
from radfuse.benchmark.statistics.bootstrap import FEW_PATIENTS, MIN_PATIENTS
from radfuse.benchmark.statistics.critical_difference import ALPHA, ranks_over_metrics
from radfuse.benchmark.statistics.multiple_comparisons import CASES_NOT_INDEPENDENT
from radfuse.benchmark.statistics.observations import ObservationUnit

TRIVIAL = frozenset({"average", "maximum", "copy_ct", "copy_mr", "bone_over_mr", "bone_blend"})
"""Trivial baselines, which every other method should surpass."""

SIGNS = {
    "†": "trivial baseline",
    "‡": "developed on patients of this benchmark",
    "§": "has no value for some cases",
}
"""Footnotes of method names."""

OWN_CASES = (
    "The methods have different cases, since some method was developed on each patient: do not "
    "compare the lines."
)
"""Note where no patient is unseen by all methods."""

MEANS, MEANS_OF_ONE = (
    "mean ± standard deviation and [95 % interval of the mean]",
    "mean ± standard deviation",
)
"""What a cell has, for several patients and for one."""

INTERVALS = "Intervals resample patients, which accounts for within-patient correlation."
NO_INTERVALS = "One patient: its slices are not independent, so there are no intervals."

NBSP = "\N{NO-BREAK SPACE}"
"""Keeps an arrow beside its metric."""

NOTHING = Cell((NO_NUMBER,))
"""The cell of a method without a value."""


def summary_table(results: Results, columns: Sequence[MetricStatistics]) -> Table:
    """The main table of a profile: means of every method by every metric."""
    cases, patients = count_cases_and_patients(columns)
    cells = [_summary_cells(one.summary, one.metric, len(one.values)) for one in columns]
    return Table(
        f"Profile {columns[0].metric.profile}: {_means(patients)} over "
        f"{counted(cases, 'case')} of {counted(patients, 'patient')}.",
        _heads(columns),
        _lines(results, columns, cells),
        (
            "Bold: best; underlined: second best, of the printed means of methods with every case. "
            + (INTERVALS if patients >= MIN_PATIENTS else NO_INTERVALS),
            *_few([one.summary for one in columns]),
            *explanations(results, columns),
        ),
    )


def unseen_patients_table(
    results: Results, columns: Sequence[MetricStatistics], unseen_cases: UnseenCases
) -> Table:
    """The same over patients that no method of the table was developed on.

    Where there is no such patient, each method has its own unseen cases, and nothing is marked.
    """
    cells = [
        _summary_cells(
            one.unseen_summary,
            one.metric,
            None if unseen_cases.differ else int(one.values.index.isin(unseen_cases.cases).sum()),
        )
        for one in columns
    ]
    patients = results.rows.loc[results.rows["case"].isin(unseen_cases.cases), "patient"].nunique()
    cases = counted(len(unseen_cases.cases), "case")
    scope = f"the {cases} of {counted(patients, 'patient')} that no method here was developed on"
    own = "each method's own cases of patients that it was not developed on"
    left_out = [one.name for one in results.methods if one.name not in unseen_cases.methods]
    left_out_note = f"Left out, developed on every patient: {', '.join(left_out)}."
    unknown = [one.name for one in results.methods if not one.patients_known]
    unknown_note = f"Unknown, taken as not developed on any: {', '.join(unknown)}."
    return Table(
        f"Profile {columns[0].metric.profile}, unseen patients: "
        f"{MEANS if unseen_cases.differ else _means(patients)} over "
        f"{own if unseen_cases.differ else scope}.",
        _heads(columns),
        _lines(results, columns, cells, only=unseen_cases.methods),
        (
            *((OWN_CASES,) if unseen_cases.differ else ()),
            *((NO_INTERVALS,) if not unseen_cases.differ and patients < MIN_PATIENTS else ()),
            *((left_out_note,) if left_out else ()),
            *((unknown_note,) if unknown else ()),
            *_few([one.unseen_summary for one in columns]),
            *legend(results, columns),
        ),
    )


def comparison_table(
    results: Results, columns: Sequence[MetricStatistics], reference: str, unit: ObservationUnit
) -> Table:
    """Every method against the reference on every metric."""
    names = [one.name for one in results.methods if one.name != reference]
    observed = "cases" if unit == "case" else "patients, each the mean of its cases"
    return Table(
        f"Profile {columns[0].metric.profile}: differences to {reference}, paired by {observed}.",
        _heads(columns),
        _lines(results, columns, [_comparison_cells(one, unit) for one in columns], only=names),
        (
            f"Lines of a cell: mean of method minus {reference}; p of the paired t-test / of "
            f"Wilcoxon's signed-rank test, both after Holm's correction for the {len(names)} "
            "comparisons of the column; effect sizes d_z / matched-pairs rank-biserial r.",
            f"▲ better, ▼ worse than {reference} where both p are below {ALPHA:g}.",
            *((CASES_NOT_INDEPENDENT,) if unit == "case" else _too_few_to_mark(columns)),
            *legend(results, columns),
        ),
    )


def ranks_table(results: Results, columns: Sequence[MetricStatistics]) -> Table:
    """Mean ranks of every method by every metric, and Friedman's test."""
    names = [one.name for one in results.methods]
    ranks = ranks_over_metrics({one.metric.name: one.ranking for one in columns}, names)
    shown = ranks.drop(columns="mean rank")
    cells = [
        {str(name): Cell((fixed(rank, 1),)) for name, rank in shown[title].items()}
        for title in shown
    ]
    rankings = [one.ranking for one in columns]
    tests = {
        "Friedman p": [p_text(one.p) for one in rankings],
        "critical difference": [fixed(one.critical_difference, 1) for one in rankings],
        "patients ranked": [str(one.units) for one in rankings],
    }
    last = (Line(name, words(*texts, "", ""), faint=True) for name, texts in tests.items())
    return Table(
        f"Profile {columns[0].metric.profile}: mean rank within patients, 1 is best.",
        (*_heads(columns), Head("best"), Head("worst")),
        (*_lines(results, columns, cells), *last),
        (
            "Ranks of the patients' means over the cases of every method. Methods whose mean ranks "
            f"differ by less than the critical difference (Nemenyi, {ALPHA:g}) do not differ "
            "significantly.",
            *_few_ranked(columns),
            *legend(results, columns),
        ),
    )


def signs_of(
    results: Results, method: ComparedMethod, columns: Sequence[MetricStatistics] = ()
) -> str:
    """The keys of `SIGNS` that apply to a method."""
    lacking = any(not one.complete[method.name] for one in columns)
    holds = (method.name in TRIVIAL, bool(development_patients_of(results, method)), lacking)
    return "".join(sign for sign, true in zip(SIGNS, holds, strict=True) if true)


def _heads(columns: Sequence[MetricStatistics]) -> tuple[Head, ...]:
    metrics = [one.metric for one in columns]
    return (Head("Method"), *(Head(f"{one.name}{NBSP}{one.arrow}", one.unit) for one in metrics))


def _lines(
    results: Results,
    columns: Sequence[MetricStatistics],
    cells: Sequence[Mapping[str, Cell]],
    only: Sequence[str] | None = None,
) -> tuple[Line, ...]:
    """A line per method, in their order."""
    return tuple(
        Line(
            one.name,
            tuple(of_column.get(one.name, NOTHING) for of_column in cells),
            signs_of(results, one, columns),
            one.name in TRIVIAL,
        )
        for one in results.methods
        if only is None or one.name in only
    )


def _summary_cells(
    summary: pd.DataFrame, metric: ProfileMetric, count: int | None
) -> dict[str, Cell]:
    """Cells by method; only methods with `count` cases can be best or second best."""
    decimals = decimals_of(list(summary["mean"]))
    complete = summary.loc[summary["cases"] == count, "mean"]
    marks = marks_of(complete, decimals, larger_is_better=metric.larger_is_better)
    cells = {}
    for name, line in summary[summary["cases"] > 0].iterrows():
        mean, sd, low, high = (fixed(line[key], decimals) for key in ("mean", "sd", "low", "high"))
        interval = () if math.isnan(line["low"]) else (f"[{low}, {high}]",)
        cells[str(name)] = Cell((mean, f"± {sd}", *interval), marks.get(str(name), ""))
    return cells


def _comparison_cells(column: MetricStatistics, unit: ObservationUnit) -> dict[str, Cell]:
    decimals = decimals_of(list(column.summary["mean"]))
    compared = column.comparisons[unit]
    cells = {}
    for name, line in compared[compared["units"] > 0].iterrows():
        p_values = line[["t_p_holm", "wilcoxon_p_holm"]].astype(np.float64)
        p = p_values.max(skipna=False)
        sign, mark = _verdict(p, line["difference"], column.metric)
        difference = fixed(line["difference"], decimals, signed=True)
        effects = (fixed(line[key], 2, signed=True) for key in ("d_z", "rank_biserial"))
        lines = (sign + difference, " / ".join(map(p_text, p_values)))
        cells[str(name)] = Cell((*lines, " / ".join(effects)), mark)
    return cells


def _verdict(p: float, difference: float, metric: ProfileMetric) -> tuple[str, Mark]:
    """Sign and mark of a difference; neither where p is NaN or not below ALPHA."""
    if not p < ALPHA:
        return "", ""
    better = (difference > 0) == metric.larger_is_better
    return ("▲ ", "better") if better else ("▼ ", "worse")


def _means(patients: int) -> str:
    """What a cell has of a number of patients."""
    return MEANS if patients >= MIN_PATIENTS else MEANS_OF_ONE


def _few(summaries: Sequence[pd.DataFrame]) -> tuple[str, ...]:
    few = f"Fewer than {FEW_PATIENTS} patients: the intervals are unreliable."
    shown = any((one["few_patients"] & one["low"].notna()).any() for one in summaries)
    return (few,) if shown else ()


def _few_ranked(columns: Sequence[MetricStatistics]) -> tuple[str, ...]:
    few = f"Fewer than {FEW_PATIENTS} patients: too few for Friedman's and Nemenyi's tests."
    return (few,) if min(one.ranking.units for one in columns) < FEW_PATIENTS else ()


def _too_few_to_mark(columns: Sequence[MetricStatistics]) -> tuple[str, ...]:
    """Note where Wilcoxon's two-sided p of n pairs, at least 2 / 2^n, cannot be below ALPHA."""
    count = max(int(one.comparisons["patient"]["units"].max()) for one in columns)
    smallest_p = 2 / 2**count
    if smallest_p < ALPHA:
        return ()
    patients = counted(count, "patient")
    return (
        f"Wilcoxon's p of {patients} is at least {smallest_p:.2g}: nothing can be marked here.",
    )


def legend(results: Results, columns: Sequence[MetricStatistics] = ()) -> tuple[str, ...]:
    """The footnotes of a table, in one sentence."""
    used = {sign for one in results.methods for sign in signs_of(results, one, columns)}
    meanings = [f"{sign} {meaning}" for sign, meaning in SIGNS.items() if sign in used]
    return ("; ".join(meanings) + ".",) if meanings else ()


def explanations(results: Results, columns: Sequence[MetricStatistics]) -> Iterator[str]:
    """The footnotes of the main table with the methods they apply to, a sentence each."""
    if any(one.name in TRIVIAL for one in results.methods):
        yield f"† {SIGNS['†']}: every other method should be better."
    if developed := list(_developed_here(results)):
        yield f"‡ {SIGNS['‡']}, so that its values are optimistic: {'; '.join(developed)}."
    if lacking := list(_lacking(results, columns)):
        yield f"§ {SIGNS['§']}, its means are over the others: {', '.join(lacking)}."
    cases, _ = count_cases_and_patients(columns)
    if fewer := [one for one in columns if len(one.values) < cases]:
        counts = (f"{one.metric.name} {len(one.values)}" for one in fewer)
        yield f"Some metrics are defined on fewer cases: {', '.join(counts)}."


def _developed_here(results: Results) -> Iterator[str]:
    total = len(patients_of(results))
    for one in results.methods:
        if count := len(development_patients_of(results, one)):
            yield f"{one.name} {count} of {total}" + f" ({one.note})" * bool(one.note)


def _lacking(results: Results, columns: Sequence[MetricStatistics]) -> Iterator[str]:
    for one in results.methods:
        lacks = (int(column.values[one.name].isna().sum()) for column in columns)
        if count := max(lacks):
            yield f"{one.name} {count}"
