"""Results go back: into the Orthanc, all or none, and from there to the destinations."""

import logging
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import pydicom

from radfuse.errors import PeerError
from radfuse.jobs.job import JobState
from radfuse.jobs.store import JobStore
from radfuse.node.audit import Audit
from radfuse.node.orthanc import Orthanc
from radfuse.node.retrieval import IMAGES, RESULTS
from radfuse.node.rules import Rule
from radfuse.node.state import Delivery, DeliveryState, FusionState, pause_s
from radfuse.node.store import NodeStore
from radfuse.record import SeriesReference

LOG = logging.getLogger(__name__)

ENDED = {
    JobState.DONE: FusionState.FUSED,
    JobState.REFUSED: FusionState.REFUSED,
    JobState.FAILED: FusionState.FAILED,
    JobState.CANCELLED: FusionState.CANCELLED,
}
"""What a fusion becomes when its job ends."""

NEED_IMAGES = (FusionState.QUEUED,)
"""States of a fusion whose copies of the sources are needed."""

NEED_RESULTS = (FusionState.QUEUED, FusionState.FUSED)
"""States of a fusion whose DICOM files are needed."""


class Deliveries:
    """Moves fusions whose job has ended into the Orthanc, and on to their destinations."""

    def __init__(
        self, orthanc: Orthanc, store: NodeStore, jobs: JobStore, audit: Audit, data: Path
    ) -> None:
        self._orthanc, self._store, self._jobs, self._audit = orthanc, store, jobs, audit
        self._data = data

    def collect(self) -> None:
        """Store what has become of the jobs."""
        for fusion in self._store.fusions([FusionState.QUEUED]):
            job = self._jobs.find(fusion.identity)
            if job is None:  # the list of jobs was lost
                self._store.change(fusion.number, state=FusionState.PLANNED)
            elif job.state in ENDED:
                state = ENDED[job.state]
                self._store.change(fusion.number, state=state, reason=job.reason)
                if state is not FusionState.FUSED:
                    self._delete_copies(fusion.number)
                LOG.info("fusion ended", extra={"fusion": fusion.number, "state": state})
                self._audit.write(f"fusion {state}", facts={"fusion": fusion.number})

    def store_results(self, rules: Iterable[Rule]) -> None:
        """Store each result in the Orthanc, all of its instances or none."""
        destinations = {rule.name: rule.destinations for rule in rules}
        for fusion in self._store.fusions([FusionState.FUSED]):
            if fusion.next_attempt > time.time():
                continue
            try:
                series = self._store_instances(self._data / RESULTS / str(fusion.number))
            except PeerError as error:
                self._store.change(
                    fusion.number, reason=str(error), attempts=fusion.attempts + 1,
                    next_attempt=time.time() + pause_s(fusion.attempts),
                )  # fmt: skip
                LOG.warning("result not stored", extra={"fusion": fusion.number})
                continue
            self._store.store_result(fusion.number, series, destinations.get(fusion.rule, ()))
            self._audit.write(
                "result stored", facts={"fusion": fusion.number, "series": len(series)}
            )
            self._delete_copies(fusion.number)

    def _store_instances(self, result: Path) -> list[SeriesReference]:
        """Store the DICOM files of a result; after a failure none of them is in the Orthanc.

        Files that the Orthanc already has are left there: they are of an interrupted attempt.
        """
        new: list[str] = []
        series: dict[Path, SeriesReference] = {}
        try:
            for path in sorted(result.glob("*/*")):
                instance, _, is_new = self._orthanc.store(path.read_bytes())
                new += [instance] if is_new else []
                if path.parent not in series:
                    header = pydicom.dcmread(path, stop_before_pixels=True)
                    series[path.parent] = SeriesReference(
                        study=header.StudyInstanceUID, series=header.SeriesInstanceUID
                    )
        except PeerError:
            for instance in new:
                self._orthanc.delete_instance(instance)
            raise
        return list(series.values())

    def forward(self) -> None:
        """Let the Orthanc send results to their destinations, again after failures."""
        for delivery in self._store.deliveries():
            if delivery.state is DeliveryState.SENDING:
                self._check(delivery)
            elif delivery.next_attempt <= time.time():
                self._send(delivery)

    def _send(self, delivery: Delivery) -> None:
        fusion = self._store.fusion(delivery.fusion)
        references = fusion.series if fusion else ()
        try:
            series = [one for ref in references for one in self._orthanc.find_series(ref.series)]
            if not series:
                raise PeerError("the result is no longer in the Orthanc; run the fusion again")
            job = self._orthanc.send(delivery.destination, series)
        except PeerError as error:
            self._wait(delivery, str(error))
            return
        self._store.change_delivery(
            delivery.number, state=DeliveryState.SENDING, orthanc_job=job, reason=""
        )

    def _check(self, delivery: Delivery) -> None:
        state, problem = self._orthanc.job(delivery.orthanc_job)
        if state == "Success":
            self._store.change_delivery(delivery.number, state=DeliveryState.DONE, reason="")
            LOG.info("result sent", extra={"fusion": delivery.fusion})
            self._audit.write(
                "result sent",
                facts={"fusion": delivery.fusion, "destination": delivery.destination},
            )
        elif state in {"", "Failure", "Paused"}:
            self._wait(delivery, problem or "Orthanc has no record of sending it any more")

    def _wait(self, delivery: Delivery, reason: str) -> None:
        self._store.change_delivery(
            delivery.number, state=DeliveryState.WAITING, orthanc_job="", reason=reason,
            attempts=delivery.attempts + 1, next_attempt=time.time() + pause_s(delivery.attempts),
        )  # fmt: skip
        LOG.warning("result not sent", extra={"fusion": delivery.fusion})

    def delete_copies(self) -> None:
        """Delete what an interrupted run has left: images and results that are not needed."""
        for folder, needed in ((IMAGES, NEED_IMAGES), (RESULTS, NEED_RESULTS)):
            for path in (self._data / folder).glob("[0-9]*"):
                fusion = self._store.fusion(int(path.name))
                if fusion is None or fusion.state not in needed:
                    _delete_series(path)

    def _delete_copies(self, number: int) -> None:
        """Delete the copies of the sources, and those of a stored result.

        Record and QA sheet stay. The sources in the Orthanc are never deleted.
        """
        _delete_series(self._data / IMAGES / str(number))
        _delete_series(self._data / RESULTS / str(number))


def _delete_series(folder: Path) -> None:
    """Delete the series in a folder, and the folder if it is empty then."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
    with suppress(OSError):  # it does not exist, or has other files
        folder.rmdir()
