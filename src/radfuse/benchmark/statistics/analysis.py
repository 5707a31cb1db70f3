"""All numbers of a report, a column of a table at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from radfuse.benchmark.results import Contestant, Measure, Results
from radfuse.benchmark.statistics.hypothesis_tests import compare, summarise
from radfuse.benchmark.statistics.observations import Unit, by_case, unseen, unseen_by_all
from radfuse.benchmark.statistics.ranks import Ranking, rank_methods
from radfuse.errors import InputError

UNITS: tuple[Unit, ...] = ("case", "patient")
"""What counts as one observation in a comparison: as papers have it, and independent ones."""


@dataclass(frozen=True)
class Column:
    """What the benchmark says of one metric; lines of all tables follow the contestants."""

    measure: Measure
    values: pd.DataFrame
    """A line a case, a column a method, NaN where the method failed."""

    patients: pd.Series
    """Of each case."""

    summary: pd.DataFrame
    """`statistics.SUMMARY_COLUMNS` by method."""

    never_seen: pd.DataFrame
    """The same over the cases that `Unseen` names."""

    comparisons: dict[Unit, pd.DataFrame]
    """`statistics.COMPARISON_COLUMNS` by method, against the reference."""

    ranking: Ranking
    """Within patients."""

    @property
    def complete(self) -> pd.Series:
        """Whether a method has a value for every case; means of others are over other cases."""
        return self.values.notna().all()


def extent(columns: Sequence[Column]) -> tuple[int, int]:
    """How many cases and patients some of the columns have a value of."""
    cases = pd.concat([one.patients for one in columns])
    return cases.index.nunique(), cases.nunique()


@dataclass(frozen=True)
class Unseen:
    """Which cases are fair to whom."""

    cases: tuple[str, ...]
    """Cases whose patient no method of the table has seen; empty where there are none."""

    methods: tuple[str, ...]
    """Those that have seen some patient of the benchmark at most, not all of them."""

    own: bool
    """No case is unseen by all of these methods, so that each is measured on its own cases."""


def patients_of(results: Results) -> tuple[str, ...]:
    """The patients of a benchmark, sorted."""
    return tuple(sorted(map(str, results.rows["patient"].unique())))


def seen_here(results: Results, contestant: Contestant) -> tuple[str, ...]:
    """The benchmark's patients that a method has seen, sorted."""
    return tuple(name for name in patients_of(results) if name in contestant.patients_seen)


def unseen_of(results: Results) -> Unseen:
    """The cases on which methods can be compared though some have seen some patients.

    A method that has seen every patient has no such case and does not take cases from the others.
    """
    everybody = len(patients_of(results))
    fair = [one for one in results.contestants if len(seen_here(results, one)) < everybody]
    cases = unseen_by_all(results.rows, fair) if fair else []
    return Unseen(tuple(cases), tuple(one.name for one in fair), bool(fair) and not cases)


def analyse(results: Results, reference: str, *, rng: np.random.Generator) -> list[Column]:
    """A column a measure that has values, in the order of the measures.

    Raises `InputError` for a reference that is no contestant.
    """
    names = [contestant.name for contestant in results.contestants]
    if reference not in names:
        raise InputError(
            f"'{reference}' took no part and cannot be the reference; choose one of "
            f"{', '.join(names)}"
        )
    fair = unseen_of(results)
    return [
        _column(results, measure, reference, fair, rng)
        for measure in results.measures
        if not _rows_of(results, measure).empty
    ]


def _rows_of(results: Results, measure: Measure) -> pd.DataFrame:
    rows = results.rows
    return rows[(rows["profile"] == measure.profile) & (rows["metric"] == measure.name)]


def _column(
    results: Results, measure: Measure, reference: str, fair: Unseen, rng: np.random.Generator
) -> Column:
    found, patients = by_case(_rows_of(results, measure), measure)
    values = found.reindex(columns=[contestant.name for contestant in results.contestants])
    compared = {
        unit: compare(values, patients, rng=rng, unit=unit, reference=reference) for unit in UNITS
    }
    return Column(
        measure=measure,
        values=values,
        patients=patients,
        summary=summarise(values, patients, rng=rng).set_index("method"),
        never_seen=summarise(_unseen(results, measure, values, fair), patients, rng=rng).set_index(
            "method"
        ),
        comparisons={unit: table.set_index("method") for unit, table in compared.items()},
        ranking=rank_methods(
            values, patients, larger_is_better=measure.larger_is_better, unit="patient"
        ),
    )


def _unseen(results: Results, measure: Measure, values: pd.DataFrame, fair: Unseen) -> pd.DataFrame:
    """The values over `fair` cases of `fair` methods, or over each method's own."""
    names = list(fair.methods)
    if not fair.own:
        return values.loc[values.index.isin(fair.cases), names]
    own, _ = by_case(unseen(_rows_of(results, measure), results.contestants), measure)
    return own.reindex(index=values.index, columns=names)
