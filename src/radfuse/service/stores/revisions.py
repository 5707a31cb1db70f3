"""Revisions of what several windows may change: a change names the one that it is of."""

from radfuse.errors import InputError


class StaleRevisionError(InputError):
    """What is to be changed was changed meanwhile."""


def check_revision(what: str, found: int, changed: int) -> None:
    """Raise `StaleRevisionError` unless a change is of the revision that is stored."""
    if found != changed:
        raise StaleRevisionError(
            f"{what} changed elsewhere: revision {found}, this change is for {changed}; load again"
        )
