"""Transfers in threads: progress, result, cancelling, errors."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event

import pytest

from radfuse.dicom.network.outgoing import SendFailure
from radfuse.errors import DiskFullError, PeerError
from radfuse.progress import ProgressCallback
from radfuse.service.delivery import transfers as module
from radfuse.service.delivery.sending import _sentence
from radfuse.service.delivery.transfers import (
    INTERNAL_ERROR,
    TransferResult,
    Transfers,
    TransferStatus,
    UnknownTransferError,
)


@pytest.fixture
def transfers() -> Iterator[Transfers]:
    running = Transfers()
    yield running
    running.close()


def ended(transfers: Transfers, identifier: str) -> TransferStatus:
    until = time.monotonic() + 20
    while transfers.status(identifier).state in {"waiting", "running"}:
        assert time.monotonic() < until
        time.sleep(0.005)
    return transfers.status(identifier)


def test_progress_and_result_are_kept(transfers: Transfers) -> None:
    reached, go_on = Event(), Event()

    def work(report: ProgressCallback) -> TransferResult:
        report("sending", 0.5)
        reached.set()
        go_on.wait(20)
        return TransferResult("2 objects are stored", study="s")

    started = transfers.start(work, "cancelled")
    assert reached.wait(20)
    now = transfers.status(started.id)
    assert (now.state, now.stage, now.fraction) == ("running", "sending", 0.5)
    go_on.set()
    last = ended(transfers, started.id)
    assert (last.state, last.message, last.study) == ("done", "2 objects are stored", "s")


def test_cancelled_transfer_ends_at_its_next_progress(transfers: Transfers) -> None:
    reached, cancelled, sent = Event(), Event(), []

    def work(report: ProgressCallback) -> TransferResult:
        for number in range(1000):
            with suppress(Exception):  # a library's handler does not hold it up
                report("sending", number / 1000)
            sent.append(number)
            reached.set()
            cancelled.wait(20)
        return TransferResult("all")

    started = transfers.start(work, "cancelled; some were sent")
    assert reached.wait(20)
    transfers.cancel(started.id)
    cancelled.set()
    last = ended(transfers, started.id)
    assert (last.state, last.message) == ("cancelled", "cancelled; some were sent")
    assert sent == [0]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PeerError("A@b:1: no connection"), "A@b:1: no connection"),
        (DiskFullError("the disk is full", Path("/secret")), "the disk is full"),
        (ZeroDivisionError("a bug"), INTERNAL_ERROR),
    ],
)
def test_errors_become_one_sentence(
    transfers: Transfers, capsys: pytest.CaptureFixture[str], error: Exception, message: str
) -> None:
    def work(_: ProgressCallback) -> TransferResult:
        raise error

    last = ended(transfers, transfers.start(work, "").id)
    assert (last.state, last.message) == ("failed", message)
    assert ("ZeroDivisionError: a bug" in capsys.readouterr().err) == (message == INTERNAL_ERROR)


def test_incomplete_transfer_has_failed(transfers: Transfers) -> None:
    work: Callable[[ProgressCallback], TransferResult]
    work = lambda _: TransferResult("1 of 2 objects were not stored", is_complete=False)  # noqa: E731
    assert ended(transfers, transfers.start(work, "").id).state == "failed"


def test_only_the_latest_results_are_kept(
    transfers: Transfers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_KEPT", 3)
    started = []
    for _ in range(6):
        started.append(transfers.start(lambda _: TransferResult(""), "").id)
        ended(transfers, started[-1])
    with pytest.raises(UnknownTransferError, match="no such transfer"):
        transfers.status(started[0])
    assert transfers.status(started[-1]).state == "done"


def test_sentence_counts_reasons() -> None:
    failures = [SendFailure(Path("a"), "full"), SendFailure(Path("b"), "full")]
    failures.append(SendFailure(Path("c"), "refused"))
    expected = "3 of 9 objects were not stored at X: full (2 objects); refused (1 objects)"
    assert _sentence("X", 9, failures) == expected
    assert _sentence("X", 9, []) == "9 objects are stored at X"
