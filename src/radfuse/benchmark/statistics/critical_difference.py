"""Mean ranks of methods on one metric: Friedman test, critical difference of Nemenyi's test.

Follows Demsar 2006, "Statistical comparisons of classifiers over multiple data sets", Journal of
Machine Learning Research 7: 1-30. Nemenyi's test of two methods depends on the other methods in
the ranking (Benavoli et al. 2016, same journal 17(5)); `compare` does not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from radfuse.benchmark.statistics.observations import ObservationUnit, per_observation_unit

ALPHA = 0.05
"""Level of Nemenyi's critical difference."""


@dataclass(frozen=True)
class Ranking:
    """Mean ranks of methods on one metric."""

    unit: ObservationUnit
    """Ranked within each case (see CASES_NOT_INDEPENDENT), or within each patient's means."""

    units: int
    """Number of cases or patients; only cases where every ranked method has a value."""

    mean_ranks: Mapping[str, float]
    """Method -> mean rank, best first; 1 is the best rank, ties share their mean rank."""

    statistic: float
    """Friedman's chi-squared, corrected for ties; 0 where all methods tie everywhere."""

    p: float
    """Of the Friedman test, 1 where all tie; NaN with fewer than three methods or two units."""

    critical_difference: float
    """Mean ranks nearer than this are not shown to differ at ALPHA; NaN without two methods."""

    groups: tuple[tuple[str, ...], ...]
    """The bars of the diagram: largest groups of two or more methods that do not differ."""


def nemenyi_distance(methods: int, units: int) -> float:
    """Nemenyi's critical difference of mean ranks at ALPHA (Demsar 2006, section 3.2.2).

    q sqrt(k (k + 1) / (6 N)), q the studentized range over sqrt(2); NaN with one method or no unit.
    """
    if methods < 2 or units < 1:
        return float("nan")
    critical = stats.studentized_range.isf(ALPHA, methods, np.inf) / np.sqrt(2)
    return float(critical * np.sqrt(methods * (methods + 1) / (6 * units)))


def _friedman(ranks: pd.DataFrame) -> tuple[float, float]:
    """Statistic and p of the Friedman test, or their values where it is not defined."""
    units, methods = ranks.shape
    if methods < 3 or units < 2:
        return float("nan"), float("nan")
    if (ranks == (methods + 1) / 2).all(axis=None):
        return 0.0, 1.0
    result = stats.friedmanchisquare(*ranks.to_numpy().T)
    return float(result.statistic), float(result.pvalue)


def _groups(mean_ranks: pd.Series, distance: float) -> tuple[tuple[str, ...], ...]:
    """Largest groups of sorted methods whose mean ranks differ by less than the distance."""
    groups: list[tuple[str, ...]] = []
    reached = 0
    for start, best in enumerate(mean_ranks):
        end = start + int((mean_ranks.iloc[start:] - best < distance).sum())
        if end > max(reached, start + 1):
            groups.append(tuple(mean_ranks.index[start:end]))
            reached = end
    return tuple(groups)


def rank_methods(
    values: pd.DataFrame,
    patients: pd.Series,
    *,
    larger_is_better: bool,
    unit: ObservationUnit = "case",
) -> Ranking:
    """Rank the methods within each unit and test whether they differ.

    Ranks need every method in every case: a method without any value is left out, then every case
    that some method lacks. Two methods tie where their values are equal to the last bit.
    """
    complete = values.dropna(axis="columns", how="all").dropna()
    table, _ = per_observation_unit(complete, patients, unit)
    ranks = table.rank(axis="columns", ascending=not larger_is_better)
    units, methods = ranks.shape
    mean_ranks = ranks.mean().sort_values(kind="stable")
    by_name = dict(zip(mean_ranks.index, mean_ranks, strict=True))
    distance = nemenyi_distance(methods, units)
    statistic, p = _friedman(ranks)
    groups = _groups(mean_ranks, distance)
    return Ranking(unit, units, by_name, statistic, p, distance, groups)


def ranks_over_metrics(rankings: Mapping[str, Ranking], methods: Sequence[str]) -> pd.DataFrame:
    """Mean ranks side by side: a line per method, in the order given, and a column per metric.

    Then `mean rank`, `best rank` and `worst rank` over the metrics; NaN where the method
    has no rank for a metric. Shows the agreement between metrics, not an overall result: similar
    metrics count several times, so the lines are not sorted by the mean.
    """
    columns = {metric: dict(ranking.mean_ranks) for metric, ranking in rankings.items()}
    table = pd.DataFrame(columns, index=list(methods), dtype=np.float64)
    over = {"mean rank": table.mean, "best rank": table.min, "worst rank": table.max}
    return table.assign(**{name: of(axis="columns", skipna=False) for name, of in over.items()})
