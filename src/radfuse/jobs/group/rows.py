"""What a group report states of each case: from the list of jobs, its record and its QA sheet."""

import csv
import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from radfuse.errors import InputError
from radfuse.jobs.bids.names import dicom_path, fused_path, sheet_path, sidecar_of
from radfuse.jobs.job import Job, JobState
from radfuse.jobs.store import StoredJob
from radfuse.record import Record, read_record
from radfuse.verdict import Grade

QA_FAILED = re.compile(r"(\S+: )?registration QA( of a region)? FAILED")
"""Start of a reason that has numbers alone."""

ERROR_MM = re.compile(r"the brain (?:in the region )?([\d.]+) mm")
"""The estimated error in such a reason."""

UNNAMED = {
    JobState.REFUSED: "an image is missing or cannot be used; the reason is in cases.csv",
    JobState.FAILED: "the reason is in cases.csv and in the log",
}
"""Instead of reasons that may name files, and by them the patient."""

PLANES = ("axial", "coronal")
"""Planes of a QA sheet whose fused images become thumbnails."""

THUMBNAIL_HEIGHT_PX, THUMBNAIL_QUALITY = 150, 80
"""Of the JPEG images: about 5 kB each."""

GRADES: tuple[Grade, ...] = ("refuse", "inspect", "pass")
"""From the worst."""

STATES = (JobState.FAILED, JobState.REFUSED, JobState.DONE)
"""In the order of the report; others follow."""


@dataclass(frozen=True)
class CaseRow:
    """One case of a report."""

    case: str
    state: JobState
    note: str = ""
    """What a person must know: why it has not been fused, or the warnings of a result."""
    grade: Grade | None = None
    """Of registration QA, the worst of all images of the case; None where it was not reached."""
    error_mm: float | None = None
    low_mm: float | None = None
    high_mm: float | None = None
    """The estimated error and its 90 % interval; None where it is not estimated."""
    method: str = ""
    seconds: float = 0.0
    """Wall time of the last attempt."""
    stages: Mapping[str, float] | None = None
    """Wall time by stage."""
    versions: Mapping[str, str] | None = None
    review: str = ""
    """Sign-off of a person: accepted, rejected, or empty."""
    sheet: str = ""
    log: str = ""
    """Paths relative to the report; empty where there is none."""
    panels: Mapping[str, bytes] = field(default_factory=dict)
    """Thumbnails of the fused image in JPEG, by plane."""

    @property
    def rank(self) -> tuple[int, int, float, str]:
        """Sort key of the report: those that need a person first."""
        state = STATES.index(self.state) if self.state in STATES else len(STATES)
        grade = GRADES.index(self.grade) if self.grade else len(GRADES)
        error_mm = self.error_mm if self.error_mm is not None else float("inf")
        return state, grade, -error_mm, self.case


def case_rows(
    output: Path, jobs: Sequence[StoredJob], incomplete: Mapping[str, str]
) -> list[CaseRow]:
    """A row for each case, those that need a person first."""
    rows = [_row(output, one) for one in jobs]
    rows += [CaseRow(case, JobState.REFUSED, UNNAMED[JobState.REFUSED]) for case in incomplete]
    return sorted(rows, key=lambda row: row.rank)


def incomplete_cases(table: Path) -> dict[str, str]:
    """The cases that had no job, with the reason, from the table of an earlier run."""
    try:
        with table.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        return {row["case"]: row["reason"] for row in rows if not row["output"]}
    except FileNotFoundError:
        return {}
    except (OSError, KeyError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{table}: not the table of a batch; run the batch again") from error


def _row(output: Path, stored: StoredJob) -> CaseRow:
    job, log = stored.job, f"logs/{stored.job.case}.log"
    known: dict[str, Any] = {
        "method": Path(job.recipe.method).name,
        "seconds": stored.seconds,
        "log": log if (output / log).exists() else "",
    }
    if stored.state is JobState.DONE:
        return CaseRow(job.case, stored.state, **(known | _result_facts(output, job)))
    failed = QA_FAILED.match(stored.reason)
    if failed:
        error = ERROR_MM.search(stored.reason)
        known |= {"grade": "refuse", "error_mm": float(error[1]) if error else None}
    is_public = failed or (job.derivative and job.derivative.raw)  # BIDS has no names of patients
    note = stored.reason if is_public else UNNAMED.get(stored.state, "")
    return CaseRow(job.case, stored.state, note, **known)


def _result_facts(output: Path, job: Job) -> dict[str, Any]:
    """What record and QA sheet say of a result, wherever its data set was moved to."""
    if job.derivative:
        record_path = sidecar_of(fused_path(job.case, job.recipe.method))
        sheet = sheet_path(job.case)
    else:
        folder = dicom_path(job.case)
        record_path, sheet = folder / "record.json", folder / "qa.html"
    try:
        record = read_record(output / record_path)
    except InputError:
        return {"note": f"no record in {record_path}; run the case again with --rerun all"}
    return {
        **_quality_facts(record),
        "note": " ".join(record.warnings),
        "stages": record.seconds,
        "versions": {**record.versions, "platform": record.platform},
        "review": record.signoff.state if record.signoff else "",
        **_sheet_facts(output, str(sheet)),
    }


def _quality_facts(record: Record) -> dict[str, Any]:
    """Grade and error of the worst registration of a result."""
    registrations = [record.registration, *(one.registration for one in record.further)]
    qualities = [one["quality"] for one in registrations if one]
    if not qualities:
        return {}
    worst = min(qualities, key=lambda one: (GRADES.index(one["grade"]), -one["error_mm"]))
    names = ("error_mm", "low_mm", "high_mm") if worst["is_estimated"] else ()
    return {"grade": worst["grade"], **{name: float(worst[name]) for name in names}}


def _sheet_facts(output: Path, sheet: str) -> dict[str, Any]:
    try:
        document = (output / sheet).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return {}
    panels = {plane: _thumbnail(document, plane) for plane in PLANES}
    return {"sheet": sheet, "panels": {plane: jpeg for plane, jpeg in panels.items() if jpeg}}


def _thumbnail(document: str, plane: str) -> bytes:
    """The fused image of a QA sheet in a plane as a small JPEG; empty where it has none."""
    _, _, rest = document.partition(f'alt="{plane}, fused" src="data:image/png;base64,')
    stream = BytesIO()
    try:
        with Image.open(BytesIO(b64decode(rest.partition('"')[0]))) as image:
            width = max(1, round(image.width * THUMBNAIL_HEIGHT_PX / image.height))
            small = image.convert("RGB").resize((width, THUMBNAIL_HEIGHT_PX))
        small.save(stream, "JPEG", quality=THUMBNAIL_QUALITY)
    except (OSError, ValueError):  # none, or one that was changed
        return b""
    return stream.getvalue()
