"""What a benchmark's folder holds, ready for the report."""

import dataclasses
import os
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from radfuse.benchmark.results import Measure, Results
from radfuse.benchmark.run.plan import Plan
from radfuse.errors import NoImageError
from radfuse.metrics.catalogue import METRICS
from radfuse.metrics.profiles import columns_of
from radfuse.record import library_versions, now, platform_name

LIBRARIES = ("pandas", "statsmodels", "matplotlib", "PyWavelets")
"""Packages that decide a report's numbers, beside those that decide a fusion's."""


def results_of(plan: Plan) -> Results:
    """All that was measured of the plan; raises `NoImageError` where nothing was."""
    rows = plan.rows.read()
    names = [entrant.contestant.name for entrant in plan.entrants]
    cases = [case.name for case in plan.cases]
    rows = rows[
        rows["method"].isin(names)
        & rows["case"].isin(cases)
        & rows["profile"].isin(plan.settings.profiles)
    ]
    if rows.empty:
        raise NoImageError(
            f"{plan.folder}: nothing could be measured; {plan.failures.path.name} says why"
        )
    speed = plan.speed.read()
    return Results(
        title=plan.settings.title,
        measures=tuple(_measures(plan, set(zip(rows["profile"], rows["metric"], strict=True)))),
        contestants=tuple(entrant.contestant for entrant in plan.entrants),
        rows=rows.reset_index(drop=True),
        speed=speed[speed["method"].isin(names) & speed["case"].isin(cases)],
        failures=plan.failures.read(),
        record=_record(plan),
        folder=plan.folder,
    )


def _measures(plan: Plan, measured: set[tuple[str, str]]) -> Iterator[Measure]:
    """The columns of the profiles that have values; a picture has none of some."""
    for profile in plan.settings.profiles:
        for name, column in columns_of(profile).items():
            info = METRICS[column.metric]
            if (profile, name) in measured:
                choices = ", ".join(f"{key}={value}" for key, value in column.options.items())
                yield Measure(
                    profile=profile,
                    name=name,
                    larger_is_better=info.larger_is_better,
                    unit=info.unit,
                    summary=info.summary,
                    source=info.source + (f" ({choices})" if choices else ""),
                )


def _record(plan: Plan) -> dict[str, Any]:
    """What was run: settings, cases, versions, machine; plain JSON."""
    settings = dataclasses.asdict(plan.settings)
    patients = sorted({case.patient for case in plan.cases})
    kept = {key: value for key, value in settings.items() if value not in ((), "", None, {})}
    missing = set(plan.settings.installed) - {one.contestant.name for one in plan.entrants}
    return {
        "made": f"{now():%Y-%m-%d %H:%M} UTC",
        "cases": f"{len(plan.cases)} of {len(patients)} patients",
        "platform": platform_name(),
        "cores": os.cpu_count(),
        "not installed here": ", ".join(sorted(missing)) or "nothing",
        "settings": {key: _plain(value) for key, value in kept.items()},
        "versions": library_versions() | {name: version(name) for name in LIBRARIES},
        "weights": {
            entrant.contestant.name: entrant.digest
            for entrant in plan.entrants
            if not entrant.digest.startswith("radfuse")
        },
    }


def _plain(value: Any) -> Any:
    """Paths by their last two parts: a report is not the place for a home folder's name."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return "/".join(value.parts[-2:]) if isinstance(value, Path) else value
