"""Every table of a report as a CSV file with unrounded numbers."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict

import pandas as pd

from radfuse.benchmark.findings.tables import shares
from radfuse.benchmark.report.description_tables import speed_summary
from radfuse.benchmark.results import Results
from radfuse.benchmark.statistics.analysis import (
    OBSERVATION_UNITS,
    MetricStatistics,
    development_patients_of,
    patients_of,
)
from radfuse.benchmark.statistics.bootstrap import MIN_PATIENTS


def csv_tables(results: Results, columns: Sequence[MetricStatistics]) -> dict[str, pd.DataFrame]:
    """Data frames by file name; columns as described in `statistics`.

    Without comparisons and ranks of one patient, whose cases are not independent.
    """
    tables = {
        "methods": _methods(results),
        "metrics": pd.DataFrame([asdict(one) for one in results.metrics]),
        "summary": _concatenated(columns, [one.summary for one in columns]),
        "unseen_patients": _concatenated(columns, [one.unseen_summary for one in columns]),
        "failures": results.failures,
    }
    several = len(patients_of(results)) >= MIN_PATIENTS
    if several:
        tables["ranks"] = pd.DataFrame(_ranks(columns))
    for unit in OBSERVATION_UNITS if several else ():
        compared = [one.comparisons[unit] for one in columns]
        tables[f"comparisons_by_{unit}"] = _concatenated(columns, compared)
    if len(results.speed):
        tables["speed"] = speed_summary(results.speed).reset_index()
    if results.findings is not None:
        tables["findings"] = shares(results.findings.rows).reset_index()
    return tables


def _concatenated(
    columns: Sequence[MetricStatistics], tables: Sequence[pd.DataFrame]
) -> pd.DataFrame:
    """Tables of several metrics below each other; the first columns are profile and metric."""
    named = []
    for column, table in zip(columns, tables, strict=True):
        lines = table.reset_index()
        lines.insert(0, "metric", column.metric.name)
        lines.insert(0, "profile", column.metric.profile)
        named.append(lines)
    return pd.concat(named, ignore_index=True)


def _methods(results: Results) -> pd.DataFrame:
    lines = []
    for one in results.methods:
        patients = " ".join(development_patients_of(results, one))
        facts = {"method": one.name, "summary": one.summary, "source": one.source}
        lines.append(facts | {"development_patients": patients, "note": one.note})
    return pd.DataFrame(lines)


def _ranks(columns: Sequence[MetricStatistics]) -> Iterator[dict[str, object]]:
    for column in columns:
        ranking = column.ranking
        for method, rank in ranking.mean_ranks.items():
            yield {
                "profile": column.metric.profile,
                "metric": column.metric.name,
                "method": method,
                "mean_rank": rank,
                "unit": ranking.unit,
                "units": ranking.units,
                "friedman_statistic": ranking.statistic,
                "friedman_p": ranking.p,
                "critical_difference": ranking.critical_difference,
            }
