"""The series of what a client opens, as lines of JSON while they are read."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from radfuse.errors import RadfuseError
from radfuse.jobs.containment import stream_contained
from radfuse.pipeline.study.series_table import SeriesRow, Suggestion, list_series

PNG = "data:image/png;base64,"
"""Begins the address of a thumbnail."""


def series_lines(paths: Sequence[Path], names: Sequence[str]) -> Iterator[str]:
    """Lines of JSON: `stage` with its fraction, `row`s, `suggestion`, or `error` at the end.

    Rows have the client's names of the paths.
    """
    try:
        for part in stream_contained(_list, list(paths), list(names), path=paths[0]):
            yield f"{json.dumps(part)}\n"
    except RadfuseError as error:
        yield f"{json.dumps({'error': str(error)})}\n"


def _list(send: Callable[[dict[str, Any]], None], paths: list[Path], names: list[str]) -> None:
    def send_part(part: SeriesRow | Suggestion) -> None:
        if isinstance(part, Suggestion):
            send({"suggestion": asdict(part)})
            return
        shown = f"{PNG}{b64encode(part.thumbnail).decode()}" if part.thumbnail else ""
        named = _client_name(Path(part.path), paths, names)
        send({"row": {**asdict(part), "path": named, "thumbnail": shown}})

    list_series(
        paths, send_part, lambda stage, fraction: send({"stage": stage, "fraction": fraction})
    )


def _client_name(path: Path, paths: list[Path], names: list[str]) -> str:
    """The name by which the client knows a path: that of what it opens, and the rest."""
    for opened, name in zip(paths, names, strict=True):
        if path == opened:
            return name
        if opened in path.parents:
            return f"{name}/{path.relative_to(opened).as_posix()}"
    return ""
