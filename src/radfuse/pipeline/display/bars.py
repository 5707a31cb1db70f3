"""Bars that show the progress of an operation in the terminal or in a notebook."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from radfuse.progress import ProgressCallback, no_progress

Report = ProgressCallback | bool | None
"""Where public functions report progress: to a function; True, to a bar in the terminal or
notebook; False, nowhere; None, to a bar in a notebook only."""


class Stages:
    """Progress on stderr, one line per stage: a context, called with stage and share."""

    def __init__(self, *, quiet: bool) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<44}"),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            disable=quiet,
        )
        self._stage = ""

    def __enter__(self) -> "Stages":
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        self._progress.stop()

    def __call__(self, stage: str, fraction: float | None = None) -> None:
        """Show a stage and its completed fraction, 0 to 1."""
        if stage != self._stage:
            self._close()
            self._stage = stage
            self._progress.start()
            self._progress.add_task(stage, total=None if fraction is None else 1)
        if fraction is not None and self._progress.tasks:
            self._progress.update(self._progress.tasks[-1].id, total=1, completed=fraction)

    def _close(self) -> None:
        """Complete the bar of the last stage."""
        if self._progress.tasks:
            self._progress.update(self._progress.tasks[-1].id, total=1, completed=1)


@contextmanager
def reporting(report: Report) -> Iterator[ProgressCallback]:
    """The callback of an operation; a bar ends with the operation."""
    if callable(report):
        yield report
        return
    display = None if report is False else notebook_display()
    if display:
        with NotebookBar(display) as bar:
            yield bar
    elif report:
        with Stages(quiet=False) as stages:
            yield stages
    else:
        yield no_progress


def notebook_display() -> Callable[..., Any] | None:
    """The function that displays in a notebook; None where Python runs in none.

    A notebook has imported IPython, so it is not imported here.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is None or not getattr(shell, "kernel", None):
        return None
    display: Callable[..., Any] = sys.modules["IPython.display"].display
    return display


class NotebookBar:
    """One line in a notebook that is replaced as the operation proceeds, and removed after it."""

    def __init__(self, display: Callable[..., Any]) -> None:
        self._handle = display(_bundle("", ""), raw=True, display_id=True)
        self._shown = ""

    def __enter__(self) -> "NotebookBar":
        return self

    def __exit__(self, *_: object) -> None:
        self._handle.update(_bundle("", ""), raw=True)

    def __call__(self, stage: str, fraction: float | None = None) -> None:
        """Show a stage and its completed fraction, 0 to 1, in whole percents."""
        value, text = "", stage
        if fraction is not None:
            percent = round(100 * fraction)
            value, text = f' value="{percent}"', f"{stage}, {percent} %"
        if text != self._shown:
            self._shown = text
            html = f'<progress max="100"{value}></progress> {escape(text)}'
            self._handle.update(_bundle(html, text), raw=True)


def _bundle(html: str, text: str) -> dict[str, str]:
    return {"text/html": html, "text/plain": text}
