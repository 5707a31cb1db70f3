"""All statistics of a report, one metric at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from radfuse.benchmark.results import ComparedMethod, ProfileMetric, Results
from radfuse.benchmark.statistics.bootstrap import summarise
from radfuse.benchmark.statistics.critical_difference import Ranking, rank_methods
from radfuse.benchmark.statistics.multiple_comparisons import compare
from radfuse.benchmark.statistics.observations import (
    ObservationUnit,
    by_case,
    unseen,
    unseen_by_all,
)
from radfuse.errors import InputError

OBSERVATION_UNITS: tuple[ObservationUnit, ...] = ("case", "patient")
"""Units of observation of the comparisons: cases, as in papers, and patients, which are
independent."""


@dataclass(frozen=True)
class MetricStatistics:
    """Statistics of one metric; the lines of all tables are in the order of the methods."""

    metric: ProfileMetric
    values: pd.DataFrame
    """A line per case, a column per method, NaN where the method failed."""

    patients: pd.Series
    """The patient of each case."""

    summary: pd.DataFrame
    """`statistics.SUMMARY_COLUMNS` by method."""

    unseen_summary: pd.DataFrame
    """The same over the cases of `UnseenCases`."""

    comparisons: dict[ObservationUnit, pd.DataFrame]
    """`statistics.COMPARISON_COLUMNS` by method, against the reference."""

    ranking: Ranking
    """Ranks within patients."""

    @property
    def complete(self) -> pd.Series:
        """Whether each method has a value for every case; other means are over other cases."""
        return self.values.notna().all()


def count_cases_and_patients(columns: Sequence[MetricStatistics]) -> tuple[int, int]:
    """Number of cases and patients with a value in any of the columns."""
    cases = pd.concat([one.patients for one in columns])
    return cases.index.nunique(), cases.nunique()


@dataclass(frozen=True)
class UnseenCases:
    """Cases of patients that were not used to develop the methods."""

    cases: tuple[str, ...]
    """Cases of patients unseen by all methods of the table; empty where there are none."""

    methods: tuple[str, ...]
    """Methods of the table: those with at least one unseen patient."""

    differ: bool
    """Whether no case is unseen by all methods, so that each has its own cases."""


def patients_of(results: Results) -> tuple[str, ...]:
    """The patients of a benchmark, sorted."""
    return tuple(sorted(map(str, results.rows["patient"].unique())))


def development_patients_of(results: Results, method: ComparedMethod) -> tuple[str, ...]:
    """The patients of the benchmark that were used to develop a method, sorted."""
    return tuple(name for name in patients_of(results) if name in method.development_patients)


def find_unseen_cases(results: Results) -> UnseenCases:
    """The cases for a fair comparison of methods with different development patients.

    A method without any unseen patient is left out, so that the others keep their cases.
    """
    count = len(patients_of(results))
    methods = [one for one in results.methods if len(development_patients_of(results, one)) < count]
    cases = unseen_by_all(results.rows, methods) if methods else []
    return UnseenCases(
        tuple(cases), tuple(one.name for one in methods), bool(methods) and not cases
    )


def analyse(
    results: Results, reference: str, *, rng: np.random.Generator
) -> list[MetricStatistics]:
    """Statistics of every metric with values, in the order of the metrics.

    Raises `InputError` for an unknown reference method.
    """
    names = [method.name for method in results.methods]
    if reference not in names:
        raise InputError(
            f"the reference '{reference}' is no method here; choose one of {', '.join(names)}"
        )
    unseen_cases = find_unseen_cases(results)
    return [
        _metric_statistics(results, metric, reference, unseen_cases, rng)
        for metric in results.metrics
        if not _rows_of(results, metric).empty
    ]


def _rows_of(results: Results, metric: ProfileMetric) -> pd.DataFrame:
    rows = results.rows
    return rows[(rows["profile"] == metric.profile) & (rows["metric"] == metric.name)]


def _metric_statistics(
    results: Results,
    metric: ProfileMetric,
    reference: str,
    unseen_cases: UnseenCases,
    rng: np.random.Generator,
) -> MetricStatistics:
    by_method, patients = by_case(_rows_of(results, metric), metric)
    values = by_method.reindex(columns=[method.name for method in results.methods])
    compared = {
        unit: compare(values, patients, rng=rng, unit=unit, reference=reference)
        for unit in OBSERVATION_UNITS
    }
    return MetricStatistics(
        metric=metric,
        values=values,
        patients=patients,
        summary=summarise(values, patients, rng=rng).set_index("method"),
        unseen_summary=summarise(
            _unseen_values(results, metric, values, unseen_cases), patients, rng=rng
        ).set_index("method"),
        comparisons={unit: table.set_index("method") for unit, table in compared.items()},
        ranking=rank_methods(
            values, patients, larger_is_better=metric.larger_is_better, unit="patient"
        ),
    )


def _unseen_values(
    results: Results, metric: ProfileMetric, values: pd.DataFrame, unseen_cases: UnseenCases
) -> pd.DataFrame:
    """The values over the cases unseen by all methods, or over each method's own."""
    names = list(unseen_cases.methods)
    if not unseen_cases.differ:
        return values.loc[values.index.isin(unseen_cases.cases), names]
    own, _ = by_case(unseen(_rows_of(results, metric), results.methods), metric)
    return own.reindex(index=values.index, columns=names)
