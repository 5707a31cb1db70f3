"""Structured logs: an event and its fields, which cannot identify a patient.

Each module has a logger, `LOG = logging.getLogger(__name__)`, and passes fields as `extra`:
counts, times, series numbers, method names; no names, no identifiers, no paths of input.
"""

import json
import logging
import time
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TextIO

Level = Literal["debug", "info", "warning", "error"]

LOG = logging.getLogger(__name__)

ROOT = "radfuse"
"""The logger above the loggers of all modules."""

STANDARD = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
"""Attributes that every record has; all others are fields of the event."""


def since(began: float) -> float:
    """Seconds from a reading of `time.perf_counter` until now, to the millisecond."""
    return round(time.perf_counter() - began, 3)


@dataclass(frozen=True)
class LogSettings:
    """Where events go; a child process is given the settings of its parent."""

    level: Level | None = None
    """Lowest level that is written; without it `info` to a file, nothing to stderr."""

    file: Path | None = None
    """A file that JSON lines are appended to; without it key=value lines go to stderr."""


class Events(logging.Formatter):
    """One line per event: time (UTC), level, logger, event and its fields."""

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """The event as a JSON object, or as key=value for a terminal."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        head = {"time": time, "level": record.levelname.lower(), "logger": record.name}
        fields = {key: value for key, value in vars(record).items() if key not in STANDARD}
        entry = {**head, "event": record.getMessage(), **fields}
        if self._as_json:
            return json.dumps(entry, default=str)
        return " ".join(f"{key}={json.dumps(value, default=str)}" for key, value in entry.items())


def current_settings() -> LogSettings:
    """The settings that `configure_logging` was called with, for a child process."""
    root = logging.getLogger(ROOT)
    handler = root.handlers[0] if root.handlers else None
    level: Any = logging.getLevelName(root.level).lower()
    if isinstance(handler, logging.FileHandler):
        return LogSettings(level, Path(handler.baseFilename))
    return LogSettings(level if isinstance(handler, logging.StreamHandler) else None)


def configure_logging(settings: LogSettings) -> None:
    """Write the events of radfuse as the settings say, and nowhere else; log Python's warnings.

    Raises `OSError` for a file that cannot be opened.
    """
    root = logging.getLogger(ROOT)
    for earlier in root.handlers[:]:
        root.removeHandler(earlier)
        earlier.close()
    handler: logging.Handler = logging.NullHandler()
    if settings.file:
        handler = logging.FileHandler(settings.file, encoding="utf-8")
    elif settings.level:
        handler = logging.StreamHandler()
    handler.setFormatter(Events(as_json=settings.file is not None))
    root.addHandler(handler)
    root.setLevel((settings.level or "info").upper())
    warnings.showwarning = log_warning


def log_warning(
    message: Warning | str,  # noqa: ARG001
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,  # noqa: ARG001
    line: str | None = None,  # noqa: ARG001
) -> None:
    """Log a warning of a library instead of `warnings.showwarning`, which writes to stderr.

    Its text is omitted: libraries quote values of headers.
    """
    source = f"{Path(filename).name}:{lineno}"
    LOG.debug("library warning", extra={"category": category.__name__, "source": source})
