"""The log of a service has its jobs, and what their processes did."""

import json
from pathlib import Path
from typing import Any

from service_kit import Site

from radfuse.log import LogSettings, configure_logging


def test_log_has_jobs_and_events_of_their_processes(
    site: Site, asked: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "log.jsonl"
    configure_logging(LogSettings("info", path))
    try:
        study = site.make(**asked)
        assert site.prepare(study)[-1][0] == "done"
    finally:
        configure_logging(LogSettings())
    events = [json.loads(line) for line in path.read_text().splitlines()]
    jobs = [event for event in events if event["event"].startswith("job ")]
    assert [(job["event"], job["study"]) for job in jobs] == [
        ("job started", study),
        ("job ended", study),
    ]
    assert jobs[1]["end"] == "done"
    assert {event["modality"] for event in events if event["event"] == "series read"} == {
        "CT",
        "MR",
    }
    assert "Quick phantom" not in path.read_text()
