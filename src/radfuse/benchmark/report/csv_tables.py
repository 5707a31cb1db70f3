"""Every table of a report as plain numbers, a CSV file each."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict

import pandas as pd

from radfuse.benchmark.report.summary_tables import speed_summary
from radfuse.benchmark.results import Results
from radfuse.benchmark.statistics.analysis import UNITS, Column, seen_here


def frames(results: Results, columns: Sequence[Column]) -> dict[str, pd.DataFrame]:
    """Tables by the name of their file; columns as `statistics` describes them."""
    tables = {
        "methods": _methods(results),
        "metrics": pd.DataFrame([asdict(one) for one in results.measures]),
        "summary": _stacked(columns, [one.summary for one in columns]),
        "never_seen": _stacked(columns, [one.never_seen for one in columns]),
        "ranks": pd.DataFrame(_ranks(columns)),
        "failures": results.failures,
    }
    for unit in UNITS:
        compared = [one.comparisons[unit] for one in columns]
        tables[f"comparisons_by_{unit}"] = _stacked(columns, compared)
    if len(results.speed):
        tables["speed"] = speed_summary(results.speed).reset_index()
    return tables


def _stacked(columns: Sequence[Column], tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables of several metrics below each other, profile and metric in front."""
    named = []
    for column, table in zip(columns, tables, strict=True):
        lines = table.reset_index()
        lines.insert(0, "metric", column.measure.name)
        lines.insert(0, "profile", column.measure.profile)
        named.append(lines)
    return pd.concat(named, ignore_index=True)


def _methods(results: Results) -> pd.DataFrame:
    lines = []
    for one in results.contestants:
        seen = " ".join(seen_here(results, one))
        facts = {"method": one.name, "summary": one.summary, "source": one.source}
        lines.append(facts | {"patients_seen": seen, "note": one.note})
    return pd.DataFrame(lines)


def _ranks(columns: Sequence[Column]) -> Iterator[dict[str, object]]:
    for column in columns:
        ranking = column.ranking
        for method, rank in ranking.mean_ranks.items():
            yield {
                "profile": column.measure.profile,
                "metric": column.measure.name,
                "method": method,
                "mean_rank": rank,
                "unit": ranking.unit,
                "units": ranking.units,
                "friedman_statistic": ranking.statistic,
                "friedman_p": ranking.p,
                "critical_difference": ranking.critical_difference,
            }
