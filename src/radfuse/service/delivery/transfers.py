"""Transfers to and from a PACS: each in a thread, with its progress, until the server ends."""

import logging
import secrets
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Literal

from radfuse.errors import InputError, OutputError, RadfuseError
from radfuse.progress import ProgressCallback
from radfuse.service.models import FrozenModel

LOG = logging.getLogger(__name__)

MAX_RUNNING = 2
"""Transfers at once; others wait."""

MAX_KEPT = 100
"""Transfers whose results are kept, the latest."""

INTERNAL_ERROR = "an internal error; the terminal of `radfuse view` has the details"
"""Message of a bug."""

TransferState = Literal["waiting", "running", "done", "failed", "cancelled"]


class TransferStatus(FrozenModel):
    """How far a transfer is, and its result in words."""

    id: str
    state: TransferState
    stage: str
    fraction: float | None
    message: str
    study: str = ""
    """Study that a retrieval has created."""

    is_reopened: bool = False
    """Whether that study was retrieved earlier, and may be older than at the PACS."""

    path: str = ""
    """What was retrieved, where it is not a study yet: the user chooses the series."""


@dataclass(frozen=True)
class TransferResult:
    """What a transfer ends with."""

    message: str
    is_complete: bool = True
    study: str = ""
    is_reopened: bool = False
    path: str = ""


_OPEN = {"waiting", "running"}
"""States of a transfer that has not ended."""


class _CancelledError(BaseException):
    """Ends a transfer at its next progress; no handler of `Exception` stops it."""


@dataclass
class _Transfer:
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    state: TransferState = "waiting"
    stage: str = "waiting"
    fraction: float | None = None
    result: TransferResult = field(default_factory=lambda: TransferResult(""))
    if_cancelled: str = ""
    cancelled: Event = field(default_factory=Event)

    def report(self, stage: str, fraction: float | None = None) -> None:
        if self.cancelled.is_set():
            raise _CancelledError
        self.stage, self.fraction = stage, fraction

    def status(self) -> TransferStatus:
        result = self.result
        return TransferStatus(
            id=self.id, state=self.state, stage=self.stage, fraction=self.fraction,
            message=result.message, study=result.study,
            is_reopened=result.is_reopened, path=result.path,
        )  # fmt: skip


class UnknownTransferError(InputError):
    """There is no transfer with this identifier."""


class Transfers:
    """Runs transfers, and keeps their results."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(MAX_RUNNING, "radfuse transfer")
        self._transfers: dict[str, _Transfer] = {}
        self._lock = Lock()

    def start(
        self, work: Callable[[ProgressCallback], TransferResult], if_cancelled: str
    ) -> TransferStatus:
        """Start a transfer, or let it wait; `work` gets its progress callback.

        `if_cancelled` is the message of a cancelled one.
        """
        transfer = _Transfer(if_cancelled=if_cancelled)
        with self._lock:
            self._transfers[transfer.id] = transfer
            ended = [one for one in self._transfers.values() if one.state not in _OPEN]
            for one in ended[: max(0, len(self._transfers) - MAX_KEPT)]:
                del self._transfers[one.id]
        self._threads.submit(self._run, transfer, work)
        return transfer.status()

    def status(self, identifier: str) -> TransferStatus:
        """How far a transfer is."""
        return self._get(identifier).status()

    def cancel(self, identifier: str) -> TransferStatus:
        """Stop a transfer after the object that is being sent or received."""
        transfer = self._get(identifier)
        transfer.cancelled.set()
        return transfer.status()

    def close(self) -> None:
        """Stop all transfers; returns when none runs."""
        for transfer in list(self._transfers.values()):
            transfer.cancelled.set()
        self._threads.shutdown(cancel_futures=True)

    def _get(self, identifier: str) -> _Transfer:
        if identifier not in self._transfers:
            raise UnknownTransferError(
                "no such transfer; the server keeps them only until it is ended"
            )
        return self._transfers[identifier]

    def _run(self, transfer: _Transfer, work: Callable[[ProgressCallback], TransferResult]) -> None:
        state: TransferState = "failed"
        try:
            transfer.state = "running"
            transfer.result = work(transfer.report)
            state = "done" if transfer.result.is_complete else "failed"
        except _CancelledError:
            state, transfer.result = "cancelled", TransferResult(transfer.if_cancelled)
        except OutputError as error:
            transfer.result = TransferResult(error.reason)
        except RadfuseError as error:
            transfer.result = TransferResult(str(error))
        except Exception:  # a bug: its traceback is for the terminal
            traceback.print_exc()
            transfer.result = TransferResult(INTERNAL_ERROR)
        finally:
            transfer.state = state
            LOG.info("transfer ended", extra={"state": state})
