"""Collect the results of a benchmark from its output folder."""

import dataclasses
import os
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from radfuse.benchmark.profile_metrics import profile_metrics
from radfuse.benchmark.results import ProfileMetric, Results
from radfuse.benchmark.run.plan import Plan
from radfuse.errors import NoImageError
from radfuse.record import library_versions, now, platform_name

LIBRARIES = ("pandas", "matplotlib", "PyWavelets")
"""Packages that affect the numbers of a report, beside those of a fusion."""


def collect_results(plan: Plan) -> Results:
    """The measured values of a plan; raises `NoImageError` where there are none."""
    rows = plan.rows.read()
    names = [method.name for method in plan.methods]
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
        metrics=tuple(_measures(plan, set(zip(rows["profile"], rows["metric"], strict=True)))),
        methods=tuple(method.info for method in plan.methods),
        rows=rows.reset_index(drop=True),
        speed=speed[speed["method"].isin(names) & speed["case"].isin(cases)],
        failures=plan.failures.read(),
        record=_record(plan),
        folder=plan.folder,
        functional=plan.settings.functional,
        findings=plan.findings.collect(cases) if plan.findings else None,
    )


def _measures(plan: Plan, measured: set[tuple[str, str]]) -> Iterator[ProfileMetric]:
    """The metrics of the profiles that have values; metrics of volumes have none for images."""
    functional = plan.settings.functional is not None
    for profile in plan.settings.profiles:
        for metric in profile_metrics(profile, functional=functional):
            if (profile, metric.name) in measured:
                yield metric


def _record(plan: Plan) -> dict[str, Any]:
    """Settings, cases, versions and platform of the run; plain JSON."""
    settings = dataclasses.asdict(plan.settings)
    patients = sorted({case.patient for case in plan.cases})
    kept = {key: value for key, value in settings.items() if value not in ((), "", None, {})}
    missing = set(plan.settings.installed) - {one.name for one in plan.methods}
    return {
        "made": f"{now():%Y-%m-%d %H:%M} UTC",
        "cases": f"{len(plan.cases)} of {len(patients)} patients",
        "platform": platform_name(),
        "cores": os.cpu_count(),
        "not installed here": ", ".join(sorted(missing)) or "nothing",
        "settings": {key: _plain(value) for key, value in kept.items()},
        "versions": library_versions() | {name: version(name) for name in LIBRARIES},
        "weights": {
            method.name: method.digest
            for method in plan.methods
            if not method.digest.startswith("radfuse")
        },
    }


def _plain(value: Any) -> Any:
    """Paths by their last two parts, so that a report does not contain a user's name."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return "/".join(value.parts[-2:]) if isinstance(value, Path) else value
