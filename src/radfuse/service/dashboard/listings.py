"""What the dashboard shows of fusions, patients, deliveries and the audit log, as JSON."""

import json
from pathlib import Path
from typing import Any

from radfuse.node.node import CANCELLABLE, LOGS, REPEATABLE, Node
from radfuse.node.orthanc import Orthanc
from radfuse.node.retrieval import RESULTS
from radfuse.node.state import Delivery, Fusion, FusionState, Patient
from radfuse.service.users import Role, User

MAX_LOG_BYTES = 64 << 10
"""How much of the end of a log is shown."""

SHEET = "qa.html"
"""The QA sheet in the folder of a result."""

NAME, ID = "PatientName", "PatientID"
"""What identifies a patient."""


def fusion_json(node: Node, fusion: Fusion, user: User) -> dict[str, Any]:
    """A fusion; patient, reason and what can be done with it are for operators."""
    running = node.progress.find(fusion.identity) if fusion.identity else None
    if fusion.state is not FusionState.QUEUED:
        running = None
    found: dict[str, Any] = {
        "number": fusion.number,
        "state": "running" if running else fusion.state,
        "rule": fusion.rule,
        "version": fusion.version,
        "is_forced": fusion.is_forced,
        "created": fusion.created,
        "changed": fusion.changed,
        "progress": running
        and {"stage": running.stage, "fraction": running.fraction, "seconds": running.seconds},
    }
    if not user.role.includes(Role.OPERATOR):
        return found
    return found | {
        "patient": fusion.patient,
        "reason": fusion.reason,
        "next_attempt": fusion.next_attempt,
        "can_cancel": fusion.state in CANCELLABLE,
        "can_run_again": fusion.state in REPEATABLE,
        "has_log": log_of(node, fusion.number).is_file(),
        "has_sheet": sheet_of(node, fusion.number).is_file(),
    }


def log_of(node: Node, number: int) -> Path:
    """File of what the job of a fusion has printed."""
    return node.settings.data / LOGS / f"fusion-{number}.log"


def sheet_of(node: Node, number: int) -> Path:
    """File of the QA sheet of a fusion."""
    return node.settings.data / RESULTS / str(number) / SHEET


def patient_json(patient: Patient) -> dict[str, Any]:
    """A patient by the identifier of the Orthanc."""
    return {
        "patient": patient.patient,
        "state": patient.state,
        "reason": patient.reason,
        "changed": patient.changed,
    }


def delivery_json(delivery: Delivery) -> dict[str, Any]:
    """A result that is not yet at a destination."""
    return {
        "number": delivery.number,
        "fusion": delivery.fusion,
        "destination": delivery.destination,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "next_attempt": delivery.next_attempt,
        "reason": delivery.reason,
    }


def identity_json(orthanc: Orthanc, patient: str) -> dict[str, str]:
    """Name and ID of a patient, as the Orthanc has them now; empty where it has been deleted."""
    facts = orthanc.patient_facts(patient)
    return {"patient": patient, "name": facts.get(NAME, ""), "id": facts.get(ID, "")}


def end_of(path: Path, max_bytes: int = MAX_LOG_BYTES, before: int | None = None) -> bytes:
    """The last bytes of a file, or of its start up to a position; from a line's start."""
    with path.open("rb") as stream:
        end = stream.seek(0, 2)
        end = end if before is None else min(before, end)
        start = max(end - max_bytes, 0)
        stream.seek(start)
        text = stream.read(end - start)
    return text if start == 0 else text.partition(b"\n")[2]


def audit_json(path: Path, before: int | None, most: int) -> dict[str, Any]:
    """The newest entries of the audit log, and the position for those before."""
    if not path.exists():
        return {"entries": [], "next": None}
    end = path.stat().st_size if before is None else min(before, path.stat().st_size)
    lines = end_of(path, before=end).splitlines(keepends=True)[-most:]
    start = end - sum(map(len, lines))
    entries = [_entry(line) for line in reversed(lines)]
    return {"entries": [one for one in entries if one], "next": start if lines and start else None}


def _entry(line: bytes) -> dict[str, Any] | None:
    """An entry; None for a line that an interrupted run has left."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None
