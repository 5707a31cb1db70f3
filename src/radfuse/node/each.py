"""One faulty patient or fusion does not keep the others waiting."""

import logging
import traceback
from collections.abc import Callable, Iterable
from typing import TypeVar

from radfuse.errors import RadfuseError
from radfuse.node.orthanc import NoAnswerError

LOG = logging.getLogger(__name__)

T = TypeVar("T")


def for_each(items: Iterable[T], act: Callable[[T], object]) -> None:
    """Act on each item; the first error is raised at the end.

    Where the Orthanc does not answer, the others would only wait for it, too: that is raised at
    once.
    """
    first: Exception | None = None
    for one in items:
        try:
            act(one)
        except NoAnswerError:
            raise
        except Exception as error:
            first = first or error
    if first:
        raise first


def sentence(error: Exception) -> str:
    """An error for an operator; the traceback of a bug is printed."""
    if isinstance(error, (RadfuseError, OSError)):
        LOG.warning("round ended early", extra={"error": type(error).__name__})
        return str(error)
    LOG.error("internal error", extra={"error": type(error).__name__})
    traceback.print_exception(error)  # it may quote values of a header, which no log has
    return f"an internal error ({type(error).__name__}); see what the node printed"
