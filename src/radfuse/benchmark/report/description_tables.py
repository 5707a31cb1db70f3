"""Tables that describe a benchmark: methods, metrics, speed, failures, settings and versions."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from radfuse.benchmark.report.document import Cell, Head, Line, Table, words
from radfuse.benchmark.report.number_format import decimals_of, fixed
from radfuse.benchmark.report.result_tables import NOTHING, TRIVIAL, legend, signs_of
from radfuse.benchmark.results import ProfileMetric, Results
from radfuse.benchmark.statistics.analysis import development_patients_of, patients_of

SPEEDS = ("ms_low", "ms_median", "ms_high", "megapixels")
"""Columns of `speed_summary`: quartiles of the time per slice; megapixels per second."""


def methods_table(results: Results) -> Table:
    """The methods, and the patients that they were developed on."""
    total = len(patients_of(results))
    lines = []
    for one in results.methods:
        patients = development_patients_of(results, one)
        count = f"{len(patients)} of {total}" + f": {', '.join(patients)}" * bool(patients)
        cells = words(one.summary, one.source, count, one.note)
        lines.append(Line(one.name, cells, signs_of(results, one), one.name in TRIVIAL))
    return Table(
        "The methods, and the patients of this benchmark that each was developed on: trained, "
        "or its constants chosen.",
        _heads("Method", "What it does", "Source", "Development patients", "Tuning"),
        tuple(lines),
        legend(results),
        prose=True,
    )


def metrics_table(metrics: Sequence[ProfileMetric]) -> Table:
    """The metrics of one profile."""
    better = {True: "larger ↑", False: "smaller ↓"}
    lines = (
        Line(
            one.name, words(better[one.larger_is_better], one.unit or "1", one.summary, one.source)
        )
        for one in metrics
    )
    return Table(
        f"Profile {metrics[0].profile}: its metrics.",
        _heads("Metric", "Better", "Unit", "What it measures", "Source and convention"),
        tuple(lines),
        prose=True,
    )


def speed_summary(speed: pd.DataFrame) -> pd.DataFrame:
    """A line per method with `SPEEDS` over all runs, and the number of runs."""
    pixels = speed["slices"] * speed["height"] * speed["width"]
    rates = speed.assign(
        ms=1e3 * speed["seconds"] / speed["slices"], megapixels=pixels / 1e6 / speed["seconds"]
    )
    of_method = rates.groupby("method", sort=False)
    return pd.DataFrame(
        {
            "ms_low": of_method["ms"].quantile(0.25),
            "ms_median": of_method["ms"].quantile(0.5),
            "ms_high": of_method["ms"].quantile(0.75),
            "megapixels": of_method["megapixels"].median(),
            "runs": of_method.size(),
        }
    )


def speed_table(results: Results) -> Table:
    """The time per slice of every method."""
    summary = speed_summary(results.speed)
    sizes = results.speed[["height", "width"]].drop_duplicates().sort_values(["height", "width"])
    size_names = ", ".join(f"{height} x {width}" for height, width in sizes.itertuples(index=False))
    lines = (
        Line(one.name, _speed_cells(summary, one.name), signs_of(results, one), one.name in TRIVIAL)
        for one in results.methods
    )
    return Table(
        f"Speed: wall time to fuse, over whole cases with slices of {size_names} pixels.",
        (
            Head("Method"),
            Head("median ↓", "ms per slice"),
            Head("quartiles", "ms per slice"),
            Head("throughput ↑", "megapixels/s"),
            Head("runs"),
        ),
        tuple(lines),
        (
            "Scaling and registration are not included; a run is one fusion of one case.",
            *legend(results),
        ),
    )


def _speed_cells(summary: pd.DataFrame, name: str) -> tuple[Cell, ...]:
    if name not in summary.index:
        return (NOTHING,) * 4
    low, median, high, rate = (float(summary[key][name]) for key in SPEEDS)
    decimals = decimals_of([median])
    between = f"{fixed(low, decimals)} to {fixed(high, decimals)}"
    runs = str(int(summary["runs"][name]))
    return words(fixed(median, decimals), between, fixed(rate, decimals_of([rate])), runs)


def failures_table(failures: pd.DataFrame) -> Table:
    """Failures: a line per method and message, with its cases."""
    same = failures.astype(str).groupby(["method", "message"], sort=False)["case"]
    lines = (
        Line(str(method), words(str(message), str(len(cases)), ", ".join(cases)))
        for (method, message), cases in same
    )
    return Table(
        "Failures: cases without values.",
        _heads("Method", "Message", "Cases", "Which"),
        tuple(lines),
        prose=True,
    )


def record_tables(record: Mapping[str, Any]) -> Iterator[Table]:
    """Settings and versions: a table of the plain values, one per group, one per list of groups.

    Deeper levels are written as JSON.
    """
    plain = {key: value for key, value in record.items() if not _is_group(value)}
    if plain:
        yield _key_value_table("What was run.", plain)
    for key, value in record.items():
        if isinstance(value, Mapping):
            yield _key_value_table(f"What was run: {key}.", value)
        elif _is_group(value):
            yield _list_table(f"What was run: {key}.", value)


def _is_group(value: Any) -> bool:
    """Whether a value makes a table of its own: a mapping or a list of mappings."""
    if isinstance(value, list | tuple):
        return bool(value) and all(isinstance(one, Mapping) and one for one in value)
    return isinstance(value, Mapping)


def _key_value_table(caption: str, values: Mapping[str, Any]) -> Table:
    lines = (Line(str(key), words(_text(value))) for key, value in values.items())
    return Table(caption, _heads("", ""), tuple(lines), prose=True)


def _list_table(caption: str, entries: Sequence[Mapping[str, Any]]) -> Table:
    keys = list(dict.fromkeys(key for entry in entries for key in entry))
    lines = (
        Line(_text(entry.get(keys[0], "")), words(*(_text(entry.get(key, "")) for key in keys[1:])))
        for entry in entries
    )
    return Table(caption, _heads(*map(str, keys)), tuple(lines), prose=True)


def _text(value: Any) -> str:
    """A value as text: lists of plain values with commas, deeper ones as JSON."""
    if isinstance(value, list | tuple) and not any(isinstance(v, list | Mapping) for v in value):
        return ", ".join(_text(one) for one in value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _heads(*titles: str) -> tuple[Head, ...]:
    return tuple(Head(title) for title in titles)
