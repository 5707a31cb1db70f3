"""The group report of a batch: one self-contained HTML document, and a table as CSV."""

import csv
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from io import StringIO
from pathlib import Path
from statistics import median
from string import Template

from radfuse.io.staging import staging
from radfuse.jobs.group.charts import Bar, histogram, share_bar
from radfuse.jobs.group.rows import GRADES, CaseRow
from radfuse.jobs.job import JobState
from radfuse.record import NOTICE, now
from radfuse.verdict import Grade, at_most

REPORT, REPORT_TABLE = "group.html", "group.csv"
"""Names in the folder."""

TEMPLATE = Path(__file__).parent / "templates" / "group.html"
"""With `string.Template` fields."""

VERDICTS: dict[Grade, str] = {"pass": "passed", "inspect": "inspect", "refuse": "failed"}
"""Verdicts of registration QA in words; that of other cases is `NO_VERDICT`."""

NO_VERDICT = "not assessed"

STAGES = ("reading", "registering", "fusing")
"""Stages whose times a record has."""

COLUMNS = (
    "case", "state", "verdict", "error_mm", "low_mm", "high_mm", "review", "method", "seconds",
    *(f"{stage}_s" for stage in STAGES), "radfuse",
)  # fmt: skip
"""Of the table."""


def write_group_report(output: Path, rows: Sequence[CaseRow]) -> None:
    """Write both files; `OutputError` where they cannot be written."""
    with staging(output) as stage:
        report, table = (stage.path_of(output / name) for name in (REPORT, REPORT_TABLE))
        report.write_text(group_html(rows), encoding="utf-8")
        table.write_text(group_csv(rows), encoding="utf-8", newline="")


def group_csv(rows: Iterable[CaseRow]) -> str:
    """A line for each case; what is unknown is empty."""
    text = StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row in rows:
        stages, versions = row.stages or {}, row.versions or {}
        errors = (f"{one:.2f}" if one is not None else "" for one in _errors(row))
        writer.writerow([
            row.case, row.state, VERDICTS[row.grade] if row.grade else "", *errors, row.review,
            row.method, row.seconds, *(stages.get(stage, "") for stage in STAGES),
            versions.get("radfuse", ""),
        ])  # fmt: skip
    return text.getvalue()


def group_html(rows: Sequence[CaseRow]) -> str:
    """The document, which needs no other file but for its links."""
    counts = Counter(row.state for row in rows)
    ended = ", ".join(f"{counts[state]} {state}" for state in JobState if counts[state])
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        notice=escape(NOTICE),
        summary=f"{len(rows)} cases: {ended or 'none'}. Written {now():%Y-%m-%d %H:%M} UTC.",
        verdicts=share_bar(_bars(rows)),
        errors=histogram({
            grade: [row.error_mm for row in rows if row.grade == grade and row.error_mm is not None]
            for grade in GRADES[::-1]
        }),
        cases="\n".join(map(_case_html, rows)),
        times=_times_html(rows),
        versions=_versions_html(rows),
    )  # fmt: skip


def _errors(row: CaseRow) -> tuple[float | None, float | None, float | None]:
    return row.error_mm, row.low_mm, row.high_mm


def _bars(rows: Sequence[CaseRow]) -> list[Bar]:
    """The number of cases of each verdict."""
    counts = Counter(row.grade for row in rows)
    bars = [Bar(grade, VERDICTS[grade], counts[grade]) for grade in GRADES[::-1]]
    return [*bars, Bar("none", NO_VERDICT, counts[None])]


def _case_html(row: CaseRow) -> str:
    images = "".join(
        f'<img alt="{plane} plane of the fused image" src="{_jpeg_url(panel)}">'
        for plane, panel in row.panels.items()
    )
    name = escape(row.case)
    links = [f'<a href="{escape(row.sheet)}">QA sheet</a>'] if row.sheet else []
    links += [f'<a href="{escape(row.log)}">log</a>'] if row.log else []
    verdict = f"registration QA: {VERDICTS[row.grade]}" if row.grade else row.state
    ended = [
        *([row.state] if row.grade else []),
        *([f"{row.seconds:.0f} s"] if row.seconds else []),
    ]
    review = f"<p>{escape(row.review)} by a person</p>" if row.review else ""
    note = f"<p>{escape(row.note)}</p>" if row.note else ""
    return (
        f'<article class="{row.grade or "none"} {row.state}"><div class="images">{images}</div>'
        f"<h3>{name}</h3><p><b>{escape(verdict)}</b>{_error_text(row)}</p>{note}{review}"
        f"<p>{', '.join([*ended, *links])}</p></article>"
    )


def _error_text(row: CaseRow) -> str:
    if row.error_mm is None:
        return ", the error is not estimated" if row.grade else ""
    interval = ""
    if row.low_mm is not None and row.high_mm is not None:
        interval = f" ({row.low_mm:.1f} to {at_most(row.high_mm)} mm)"
    return f", estimated error {row.error_mm:.1f} mm{interval}"


def _jpeg_url(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{b64encode(jpeg).decode()}"


def _times_html(rows: Sequence[CaseRow]) -> str:
    """Wall time of each stage, and of the whole cases that ended."""
    times = {
        stage: [row.stages[stage] for row in rows if row.stages and stage in row.stages]
        for stage in STAGES
    }
    times["whole case, with the start of its process"] = [
        row.seconds for row in rows if row.state is JobState.DONE
    ]
    lines = [
        (stage, f"{median(values):.1f}", f"{min(values):.1f}", f"{max(values):.1f}", len(values))
        for stage, values in times.items()
        if values
    ]
    return _table(("stage", "median, s", "shortest, s", "longest, s", "cases"), lines)


def _versions_html(rows: Sequence[CaseRow]) -> str:
    """Each version with the number of its cases: one line for a library, unless they differ."""
    counts = Counter(item for row in rows for item in (row.versions or {}).items())
    names = list(dict.fromkeys(name for name, _ in counts))
    lines = [
        (name, version, count)
        for name in names
        for (other, version), count in counts.items()
        if other == name
    ]
    return _table(("program", "version", "cases"), lines)


def _table(heads: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    head = "".join(f"<th>{escape(one)}</th>" for one in heads)
    body = "\n".join(
        f"<tr>{''.join(f'<td>{escape(str(value))}</td>' for value in line)}</tr>" for line in lines
    )
    return f"<table>\n<tr>{head}</tr>\n{body}\n</table>"
