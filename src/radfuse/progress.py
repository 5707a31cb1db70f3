"""The callback through which long operations report progress."""

from collections.abc import Callable

ProgressCallback = Callable[[str, float | None], None]
"""Called with the name of a stage as it begins, and the completed fraction, 0 to 1, or None."""


def no_progress(stage: str, fraction: float | None = None) -> None:
    """Report nothing."""
