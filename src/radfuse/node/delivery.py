"""Results go back: into the Orthanc, all or none, and from there to the destinations."""

import logging
import shutil
import time
from contextlib import suppress
from pathlib import Path

import pydicom

from radfuse.dicom.read.grouping import VOLUME_MARK
from radfuse.errors import PeerError
from radfuse.jobs.job import JobState
from radfuse.jobs.store import JobStore
from radfuse.node.audit import Audit
from radfuse.node.each import for_each
from radfuse.node.orthanc import NoAnswerError, Orthanc
from radfuse.node.retrieval import IMAGES, RESULTS
from radfuse.node.settings import NodeSettings
from radfuse.node.state import Delivery, DeliveryState, Fusion, FusionState, is_due, pause_s
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

QUEUED = (FusionState.QUEUED,)
"""States of a fusion that is a job."""

NEED_IMAGES = (FusionState.PLANNED, FusionState.QUEUED)
"""States of a fusion whose copies of the sources are needed."""

NEED_RESULTS = (FusionState.PLANNED, FusionState.QUEUED, FusionState.FUSED)
"""States of a fusion whose DICOM files are needed."""


class Deliveries:
    """Moves fusions whose job has ended into the Orthanc, and on to their destinations."""

    def __init__(
        self,
        orthanc: Orthanc,
        store: NodeStore,
        jobs: JobStore,
        audit: Audit,
        settings: NodeSettings,
    ) -> None:
        self._orthanc, self._store, self._jobs, self._audit = orthanc, store, jobs, audit
        self._data, self._retry_s = settings.data, settings.retry_s

    def collect(self) -> None:
        """Store what has become of the jobs."""
        for_each(self._store.fusions([FusionState.QUEUED]), self._collect)

    def _collect(self, fusion: Fusion) -> None:
        job = self._jobs.find(fusion.identity)
        if job is None:  # the list of jobs was lost
            self._store.change(fusion.number, only=QUEUED, state=FusionState.PLANNED)
        elif job.state in ENDED:
            state = ENDED[job.state]
            folder = f"{self._data / IMAGES / str(fusion.number)}/"  # means nothing to a user
            reason = job.reason.replace(folder, "")
            if self._store.change(fusion.number, only=QUEUED, state=state, reason=reason):
                self.delete_unneeded(fusion.number)
                LOG.info("fusion ended", extra={"fusion": fusion.number, "state": state})
                self._audit.write(f"fusion {state}", facts={"fusion": fusion.number})

    def store_results(self) -> None:
        """Store each result in the Orthanc, all of its instances or none."""
        fused = self._store.fusions([FusionState.FUSED])
        for_each([one for one in fused if is_due(one.next_attempt, time.time())], self._store_one)

    def _store_one(self, fusion: Fusion) -> None:
        try:
            if not self._has_sources(fusion):
                reason = "the images were deleted from the Orthanc before the result was stored"
                self._store.change(fusion.number, state=FusionState.UNNEEDED, reason=reason)
                self._store.reconsider(fusion.patient)
                self.delete_unneeded(fusion.number)
                return
            series = self._store_instances(self._data / RESULTS / str(fusion.number))
        except PeerError as error:
            self._store.change(
                fusion.number, reason=str(error), attempts=fusion.attempts + 1,
                next_attempt=time.time() + pause_s(fusion.attempts, self._retry_s),
            )  # fmt: skip
            LOG.warning("result not stored", extra={"fusion": fusion.number})
            raise
        if not series:  # the files were lost
            self._store.change(fusion.number, state=FusionState.PLANNED, is_forced=True)
            return
        self._store.store_result(fusion.number, series, fusion.destinations)
        self.delete_unneeded(fusion.number)
        self._audit.write("result stored", facts={"fusion": fusion.number, "series": len(series)})

    def _has_sources(self, fusion: Fusion) -> bool:
        """Whether CT and MR are in the Orthanc: a result of deleted ones is not wanted."""
        job = self._jobs.find(fusion.identity)
        uids = (job.job.recipe.ct_series, job.job.recipe.mr_series) if job else ()
        return all(self._orthanc.find_series(uid.partition(VOLUME_MARK)[0]) for uid in uids if uid)

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
        for_each(self._store.deliveries(), self._forward)

    def _forward(self, delivery: Delivery) -> None:
        if delivery.state is DeliveryState.SENDING:
            self._check(delivery)
        elif is_due(delivery.next_attempt, time.time()):
            self._send(delivery)

    def _send(self, delivery: Delivery) -> None:
        fusion = self._store.fusion(delivery.fusion)
        references = fusion.series if fusion else ()
        try:
            found = [self._orthanc.find_series(one.series) for one in references]
            if not all(found):
                self._fuse_again(delivery.fusion)
                return
            job = self._orthanc.send(delivery.destination, [one for both in found for one in both])
        except PeerError as error:
            self._wait(delivery, str(error))
            if isinstance(error, NoAnswerError):
                raise
            return
        self._store.change_delivery(
            delivery.number, state=DeliveryState.SENDING, orthanc_job=job, reason=""
        )

    def _fuse_again(self, number: int) -> None:
        """A result was deleted from the Orthanc before it was at its destinations."""
        self._store.change(number, state=FusionState.PLANNED, is_forced=True, attempts=0)
        LOG.warning("result lost", extra={"fusion": number})
        self._audit.write("result lost", facts={"fusion": number})

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
        pause = pause_s(delivery.attempts, self._retry_s)
        self._store.change_delivery(
            delivery.number, state=DeliveryState.WAITING, orthanc_job="", reason=reason,
            attempts=delivery.attempts + 1, next_attempt=time.time() + pause,
        )  # fmt: skip
        LOG.warning("result not sent", extra={"fusion": delivery.fusion})

    def recover(self) -> None:
        """After a start: cancel jobs, and delete copies, of fusions that do not need them."""
        wanted = {one.identity for one in self._store.fusions(QUEUED)}
        for job in self._jobs.jobs([JobState.WAITING, JobState.RUNNING]):
            if job.job.identity not in wanted:
                self._jobs.cancel(job.job.identity)
        for folder in (IMAGES, RESULTS):
            for path in (self._data / folder).glob("*"):
                if path.name.isdecimal():
                    self.delete_unneeded(int(path.name))

    def delete_unneeded(self, number: int) -> None:
        """Delete the copies of the sources, and those of a result, that a fusion does not need.

        Record and QA sheet stay. The sources in the Orthanc are never deleted.
        """
        fusion = self._store.fusion(number)
        for folder, needed in ((IMAGES, NEED_IMAGES), (RESULTS, NEED_RESULTS)):
            if fusion is None or fusion.state not in needed:
                _delete_series(self._data / folder / str(number))


def _delete_series(folder: Path) -> None:
    """Delete the series in a folder, and the folder if it is empty then."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
    with suppress(OSError):  # it does not exist, or has other files
        folder.rmdir()
