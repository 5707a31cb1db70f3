"""The tables of a profile: means, patients never seen, comparisons, ranks."""

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
from radfuse.benchmark.results import Contestant, Measure, Results
from radfuse.benchmark.statistics.analysis import Column, Unseen, extent, patients_of, seen_here
from radfuse.benchmark.statistics.hypothesis_tests import CASES_NOT_INDEPENDENT, FEW_PATIENTS
from radfuse.benchmark.statistics.observations import Unit
from radfuse.benchmark.statistics.ranks import ALPHA, ranks_over_metrics

TRIVIAL = frozenset({"average", "maximum", "copy_ct", "copy_mr", "bone_over_mr", "bone_blend"})
"""Methods of a line or two that every other should beat."""

SIGNS = {
    "†": "trivial baseline",
    "‡": "has seen patients of this benchmark",
    "§": "lacks cases",
}
"""Behind a method's name."""

OWN_CASES = (
    "Lines have different cases, for every patient is known to some method: do not compare them."
)
"""Where no patient is new to all methods."""

NBSP = "\N{NO-BREAK SPACE}"
"""Keeps an arrow beside its metric."""

NOTHING = Cell((NO_NUMBER,))
"""Where a method has no number."""


def summary_table(results: Results, columns: Sequence[Column]) -> Table:
    """The main table of a profile: every method, every metric."""
    cases, patients = extent(columns)
    cells = [_summary_cells(one.summary, one.measure, len(one.values)) for one in columns]
    return Table(
        f"Profile {columns[0].measure.profile}: mean ± standard deviation and [95 % interval of "
        f"the mean] over {counted(cases, 'case')} of {counted(patients, 'patient')}.",
        _heads(columns),
        _lines(results, columns, cells),
        (
            "Bold: best; underlined: second best, of the means as printed, among methods with "
            "every case. Intervals resample patients, for cases of one head are not independent.",
            *_few([one.summary for one in columns]),
            *explanations(results, columns),
        ),
    )


def never_seen_table(results: Results, columns: Sequence[Column], fair: Unseen) -> Table:
    """The same over patients whom none of the table's methods has seen.

    Where there is no such patient each method stands on its own unseen cases, and nothing is
    marked.
    """
    cells = [
        _summary_cells(
            one.never_seen,
            one.measure,
            None if fair.own else int(one.values.index.isin(fair.cases).sum()),
        )
        for one in columns
    ]
    patients = results.rows.loc[results.rows["case"].isin(fair.cases), "patient"].nunique()
    scope = (
        f"the {counted(len(fair.cases), 'case')} of {counted(patients, 'patient')} that no method "
        "here has seen"
    )
    own = "each method's own cases of patients that it has not seen"
    left_out = [one.name for one in results.contestants if one.name not in fair.methods]
    gone = f"Left out, having seen every patient: {', '.join(left_out)}."
    return Table(
        f"Profile {columns[0].measure.profile}, patients never seen: mean ± standard deviation and "
        f"[95 % interval of the mean] over {own if fair.own else scope}.",
        _heads(columns),
        _lines(results, columns, cells, only=fair.methods),
        (
            *((OWN_CASES,) if fair.own else ()),
            *((gone,) if left_out else ()),
            *_few([one.never_seen for one in columns]),
            *legend(results, columns),
        ),
    )


def comparison_table(
    results: Results, columns: Sequence[Column], reference: str, unit: Unit
) -> Table:
    """Every method against the reference on every metric."""
    names = [one.name for one in results.contestants if one.name != reference]
    observed = "cases" if unit == "case" else "patients, each the mean of its cases"
    return Table(
        f"Profile {columns[0].measure.profile}: differences to {reference}, paired by {observed}.",
        _heads(columns),
        _lines(results, columns, [_comparison_cells(one, unit) for one in columns], only=names),
        (
            f"Lines of a cell: mean of method minus {reference}; p of the paired t-test / of "
            f"Wilcoxon's signed-rank test, both after Holm's correction for the {len(names)} "
            "comparisons of the column; effect sizes d_z / matched-pairs rank-biserial r.",
            f"▲ better, ▼ worse than {reference} where both p stay below {ALPHA:g}.",
            *((CASES_NOT_INDEPENDENT,) if unit == "case" else _never_marked(columns)),
            *legend(results, columns),
        ),
    )


def ranks_table(results: Results, columns: Sequence[Column]) -> Table:
    """Mean ranks of every method on every metric, and whether the methods differ at all."""
    names = [one.name for one in results.contestants]
    ranks = ranks_over_metrics({one.measure.name: one.ranking for one in columns}, names)
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
        f"Profile {columns[0].measure.profile}: mean rank within patients, 1 is best.",
        (*_heads(columns), Head("best"), Head("worst")),
        (*_lines(results, columns, cells), *last),
        (
            "Ranks of the patients' means over the cases that every method has. Methods nearer "
            f"than the critical difference (Nemenyi, {ALPHA:g}) are not shown to differ.",
            *_few_ranked(columns),
            *legend(results, columns),
        ),
    )


def signs_of(results: Results, contestant: Contestant, columns: Sequence[Column] = ()) -> str:
    """The keys of `SIGNS` that hold for a method."""
    lacking = any(not one.complete[contestant.name] for one in columns)
    holds = (contestant.name in TRIVIAL, bool(seen_here(results, contestant)), lacking)
    return "".join(sign for sign, true in zip(SIGNS, holds, strict=True) if true)


def _heads(columns: Sequence[Column]) -> tuple[Head, ...]:
    measures = [one.measure for one in columns]
    return (Head("Method"), *(Head(f"{one.name}{NBSP}{one.arrow}", one.unit) for one in measures))


def _lines(
    results: Results,
    columns: Sequence[Column],
    cells: Sequence[Mapping[str, Cell]],
    only: Sequence[str] | None = None,
) -> tuple[Line, ...]:
    """A line a contestant, in their order."""
    return tuple(
        Line(
            one.name,
            tuple(of_column.get(one.name, NOTHING) for of_column in cells),
            signs_of(results, one, columns),
            one.name in TRIVIAL,
        )
        for one in results.contestants
        if only is None or one.name in only
    )


def _summary_cells(summary: pd.DataFrame, measure: Measure, entry: int | None) -> dict[str, Cell]:
    """Cells by method; methods with `entry` cases take part in best and second best."""
    decimals = decimals_of(list(summary["mean"]))
    entrants = summary.loc[summary["cases"] == entry, "mean"]
    marks = marks_of(entrants, decimals, larger_is_better=measure.larger_is_better)
    cells = {}
    for name, line in summary[summary["cases"] > 0].iterrows():
        mean, sd, low, high = (fixed(line[key], decimals) for key in ("mean", "sd", "low", "high"))
        interval = () if math.isnan(line["low"]) else (f"[{low}, {high}]",)
        cells[str(name)] = Cell((mean, f"± {sd}", *interval), marks.get(str(name), ""))
    return cells


def _comparison_cells(column: Column, unit: Unit) -> dict[str, Cell]:
    decimals = decimals_of(list(column.summary["mean"]))
    compared = column.comparisons[unit]
    cells = {}
    for name, line in compared[compared["units"] > 0].iterrows():
        p_values = line[["t_p_holm", "wilcoxon_p_holm"]].astype(np.float64)
        p = p_values.max(skipna=False)
        sign, mark = _verdict(p, line["difference"], column.measure)
        difference = fixed(line["difference"], decimals, signed=True)
        effects = (fixed(line[key], 2, signed=True) for key in ("d_z", "rank_biserial"))
        lines = (sign + difference, " / ".join(map(p_text, p_values)))
        cells[str(name)] = Cell((*lines, " / ".join(effects)), mark)
    return cells


def _verdict(p: float, difference: float, measure: Measure) -> tuple[str, Mark]:
    """Sign and mark of a difference; neither where p is NaN or not small enough."""
    if not p < ALPHA:
        return "", ""
    better = (difference > 0) == measure.larger_is_better
    return ("▲ ", "better") if better else ("▼ ", "worse")


def _few(summaries: Sequence[pd.DataFrame]) -> tuple[str, ...]:
    few = f"Fewer than {FEW_PATIENTS} patients: the intervals say little."
    return (few,) if any(one["few_patients"].any() for one in summaries) else ()


def _few_ranked(columns: Sequence[Column]) -> tuple[str, ...]:
    few = (
        f"Fewer than {FEW_PATIENTS} patients: Friedman's and Nemenyi's tests hold for more of them."
    )
    return (few,) if min(one.ranking.units for one in columns) < FEW_PATIENTS else ()


def _never_marked(columns: Sequence[Column]) -> tuple[str, ...]:
    """Of n pairs, Wilcoxon's two-sided p is 2 / 2^n at least."""
    most = max(int(one.comparisons["patient"]["units"].max()) for one in columns)
    least = 2 / 2**most
    if least < ALPHA:
        return ()
    patients = counted(most, "patient")
    return (f"Wilcoxon's p of {patients} is {least:.2g} at least, so nothing can be marked here.",)


def legend(results: Results, columns: Sequence[Column] = ()) -> tuple[str, ...]:
    """What the signs in a table mean, in one sentence."""
    used = {sign for one in results.contestants for sign in signs_of(results, one, columns)}
    meanings = [f"{sign} {meaning}" for sign, meaning in SIGNS.items() if sign in used]
    return ("; ".join(meanings) + ".",) if meanings else ()


def explanations(results: Results, columns: Sequence[Column]) -> Iterator[str]:
    """What the signs mean and what they say of whom, a sentence each."""
    if any(one.name in TRIVIAL for one in results.contestants):
        yield f"† {SIGNS['†']}: every other method should beat it."
    if seen := list(_seen(results)):
        yield f"‡ {SIGNS['‡']}, which flatters its numbers: {'; '.join(seen)}."
    if lacking := list(_lacking(results, columns)):
        yield f"§ {SIGNS['§']}, its means are over the rest: {', '.join(lacking)}."
    cases, _ = extent(columns)
    if fewer := [one for one in columns if len(one.values) < cases]:
        counts = (f"{one.measure.name} {len(one.values)}" for one in fewer)
        yield f"Some metrics are defined on fewer cases: {', '.join(counts)}."


def _seen(results: Results) -> Iterator[str]:
    everybody = len(patients_of(results))
    for one in results.contestants:
        if count := len(seen_here(results, one)):
            yield f"{one.name} {count} of {everybody}" + f" ({one.note})" * bool(one.note)


def _lacking(results: Results, columns: Sequence[Column]) -> Iterator[str]:
    for one in results.contestants:
        lacks = (int(column.values[one.name].isna().sum()) for column in columns)
        if most := max(lacks):
            yield f"{one.name} {most}"
