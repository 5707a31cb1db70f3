"""Results go back: into the Orthanc, all or none, and from there to the destinations."""

import logging
import shutil
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pydicom

from radfuse.dicom.read.grouping import VOLUME_MARK
from radfuse.errors import InputError, PeerError
from radfuse.jobs.job import JobState
from radfuse.node.each import for_each
from radfuse.node.orthanc import ArchivedSeries, NoAnswerError
from radfuse.node.part import Part
from radfuse.node.retrieval import IMAGES, RESULTS
from radfuse.node.state import Delivery, DeliveryState, Fusion, FusionState, is_due, pause_s
from radfuse.pipeline.outputs import files_of
from radfuse.record import SeriesReference, digest, read_record

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

MAX_SENDING = 5
"""Results that the Orthanc sends at a time; by default it remembers its last ten jobs."""

NEED_IMAGES = (FusionState.PLANNED, FusionState.QUEUED)
"""States of a fusion whose copies of the sources are needed."""

NEED_RESULTS = (
    FusionState.PLANNED, FusionState.QUEUED, FusionState.FUSED, FusionState.STORED,
)  # fmt: skip
"""States of a fusion whose DICOM files are needed."""


class Deliveries(Part):
    """Moves fusions whose job has ended into the Orthanc, and on to their destinations."""

    def collect(self) -> None:
        """Store what has become of the jobs."""
        for_each(self._store.fusions([FusionState.QUEUED]), self._collect)

    def _collect(self, fusion: Fusion) -> None:
        job = self._jobs.find(fusion.identity)
        if job is None:  # the list of jobs was lost
            self._store.change(fusion.number, only=QUEUED, state=FusionState.PLANNED)
        elif job.state in ENDED:
            state = ENDED[job.state]
            folder = (
                f"{self._settings.data / IMAGES / str(fusion.number)}/"  # means nothing to a user
            )
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
                if not fusion.series:
                    self._remove_instances(self._settings.data / RESULTS / str(fusion.number))
                self.delete_unneeded(fusion.number)
                return
            result = self._settings.data / RESULTS / str(fusion.number)
            if not is_whole(result, fusion):  # files were lost, by a power failure for instance
                self._store.change(fusion.number, state=FusionState.PLANNED, is_forced=True)
                return
            series = self._store_instances(result, fusion)
        except PeerError as error:
            self._store.change(
                fusion.number, reason=str(error), attempts=fusion.attempts + 1,
                next_attempt=time.time() + pause_s(fusion.attempts, self._settings.retry_s),
            )  # fmt: skip
            LOG.warning("result not stored", extra={"fusion": fusion.number})
            raise
        self._store.store_result(fusion.number, series, fusion.destinations)
        self.delete_unneeded(fusion.number)
        self._audit.write("result stored", facts={"fusion": fusion.number, "series": len(series)})

    def _has_sources(self, fusion: Fusion) -> bool:
        """Whether CT and MR are in the Orthanc: a result of deleted ones is not wanted."""
        job = self._jobs.find(fusion.identity)
        uids = (job.job.recipe.ct_series, job.job.recipe.mr_series) if job else ()
        stored = self._stored(fusion)
        return all(uid.partition(VOLUME_MARK)[0] in stored for uid in uids if uid)

    def _stored(self, fusion: Fusion) -> dict[str, ArchivedSeries]:
        """The series that the Orthanc has of the patient, by its identifiers and by their UIDs."""
        series = self._orthanc.series_of(fusion.patient, with_sender=False)
        return {name: one for one in series for name in (one.resource, one.uid)}

    def _store_instances(self, result: Path, fusion: Fusion) -> list[SeriesReference]:
        """Store the DICOM files of a result; raises `PeerError` where one is not there then.

        After a failure those that this attempt has stored are deleted again, unless the Orthanc
        does not answer: the next attempt stores the others. Those of an earlier delivery stay.
        """
        new, counts = [], Counter[str]()
        try:
            for path in files_below(result):
                stored = self._orthanc.store(path.read_bytes())
                counts[stored.series] += 1
                new += [stored.instance] if stored.is_new else []
            series = self._checked(fusion, counts)
        except PeerError:
            with suppress(PeerError):
                for instance in new if not fusion.series else ():
                    self._orthanc.delete_instance(instance)
            raise
        return [SeriesReference(study=one.study_uid, series=one.uid) for one in series]

    def _checked(self, fusion: Fusion, counts: Mapping[str, int]) -> list[ArchivedSeries]:
        """The stored series of a result; `PeerError` unless each has so many images."""
        stored, found = self._stored(fusion), []
        for name, count in counts.items():
            series = stored.get(name)
            if series is None or series.instances < count:
                has = series.instances if series else 0
                raise PeerError(
                    f"the Orthanc has {has} of {count} images of a series of the result"
                )
            found.append(series)
        return found

    def _remove_instances(self, result: Path) -> None:
        """Delete what an interrupted attempt has stored of a result that is not wanted any more."""
        for path in files_below(result):
            uid = pydicom.dcmread(path, specific_tags=["SOPInstanceUID"]).SOPInstanceUID
            for instance in self._orthanc.find_instances(str(uid)):
                self._orthanc.delete_instance(instance)

    def forward(self) -> None:
        """Let the Orthanc send results to their destinations, again after failures.

        Few at a time: it forgets how its oldest jobs ended.
        """
        deliveries = self._store.deliveries()
        sending = [one for one in deliveries if one.state is DeliveryState.SENDING]
        others = [one for one in deliveries if one.state is DeliveryState.WAITING]
        due = [one for one in others if is_due(one.next_attempt, time.time())]
        for_each(sending, self._check)
        for_each(due[: max(MAX_SENDING - len(sending), 0)], self._send)

    def _send(self, delivery: Delivery) -> None:
        fusion = self._store.fusion(delivery.fusion)
        result = self._settings.data / RESULTS / str(delivery.fusion)
        if fusion is None or not is_whole(result, fusion):
            self._change_lost(delivery.fusion, FusionState.PLANNED)
            return
        try:
            sizes = [len(files_of(folder)) for folder in folders_in(result)]
            uids = [one.series for one in fusion.series]
            stored = self._checked(fusion, dict(zip(uids, sizes, strict=True)))
        except NoAnswerError as error:
            self._wait(delivery, str(error))
            raise
        except PeerError:
            self._change_lost(delivery.fusion, FusionState.FUSED)
            return
        try:
            job = self._orthanc.send(delivery.destination, [one.resource for one in stored])
        except PeerError as error:
            self._wait(delivery, str(error))
            if isinstance(error, NoAnswerError):
                raise
            return
        self._store.change_delivery(
            delivery.number, state=DeliveryState.SENDING, orthanc_job=job, reason=""
        )

    def _change_lost(self, number: int, state: FusionState) -> None:
        """A result was deleted before it was at its destinations: it is stored or fused again."""
        self._store.change(number, state=state, is_forced=True, attempts=0, next_attempt=0)
        LOG.warning("result lost", extra={"fusion": number})
        self._audit.write("result lost", facts={"fusion": number})

    def _check(self, delivery: Delivery) -> None:
        state, problem = self._orthanc.job(delivery.orthanc_job)
        if state == "Success":
            self._store.change_delivery(delivery.number, state=DeliveryState.DONE, reason="")
            self.delete_unneeded(delivery.fusion)
            LOG.info("result sent", extra={"fusion": delivery.fusion})
            self._audit.write(
                "result sent",
                facts={"fusion": delivery.fusion, "destination": delivery.destination},
            )
        elif state in {"", "Failure", "Paused"}:
            self._wait(delivery, problem or "Orthanc has no record of sending it any more")

    def _wait(self, delivery: Delivery, reason: str) -> None:
        pause = pause_s(delivery.attempts, self._settings.retry_s)
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
            for path in (self._settings.data / folder).glob("*"):
                if path.name.isdecimal():
                    self.delete_unneeded(int(path.name))

    def delete_unneeded(self, number: int) -> None:
        """Delete the copies of the sources, and those of a result, that a fusion does not need.

        Record and QA sheet stay. The sources in the Orthanc are never deleted.
        """
        fusion = self._store.fusion(number)
        for folder, needed in ((IMAGES, NEED_IMAGES), (RESULTS, NEED_RESULTS)):
            if fusion is None or fusion.state not in needed:
                _delete_series(self._settings.data / folder / str(number))


def files_below(result: Path) -> list[Path]:
    """The DICOM files of a result, a folder for each series."""
    return [path for folder in folders_in(result) for path in files_of(folder)]


def folders_in(result: Path) -> list[Path]:
    """The folders of the series of a result."""
    return sorted(path for path in result.iterdir() if path.is_dir()) if result.is_dir() else []


def is_whole(result: Path, fusion: Fusion) -> bool:
    """Whether all that the record of a result lists is there, unchanged, and of this fusion."""
    try:
        record = read_record(result / "record.json")
        outputs = [(result / one.path, one.sha256) for one in record.outputs]
        is_unchanged = all(digest(files_of(path)) == sha256 for path, sha256 in outputs)
    except (InputError, OSError):
        return False
    return is_unchanged and record.job is not None and record.job.identity == fusion.identity


def _delete_series(folder: Path) -> None:
    """Delete the series in a folder, and the folder if it is empty then."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
    with suppress(OSError):  # it does not exist, or has other files
        folder.rmdir()
