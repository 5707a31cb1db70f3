"""From a planned fusion to a job: retrieve the images, choose the pair, and see if it is new."""

import logging
import shutil
import time
import traceback
from dataclasses import dataclass, replace
from pathlib import Path

from radfuse.errors import DiskFullError, InputError, PeerError, RadfuseError, ReaderEndedError
from radfuse.jobs.containment import run_contained
from radfuse.jobs.job import Job, JobImages, identity_of
from radfuse.jobs.store import MAX_ATTEMPTS
from radfuse.modality import CT, MR
from radfuse.node.orthanc import NoAnswerError
from radfuse.node.part import Part
from radfuse.node.rules import Match, Rule, apply
from radfuse.node.state import RUNNING, Fusion, FusionState, PatientState, pause_s
from radfuse.pipeline.pairing import choose_pair
from radfuse.recipe import Recipe
from radfuse.series import Patient

LOG = logging.getLogger(__name__)

IMAGES, RESULTS = "images", "results"
"""Folders of the node: what is fused, and what is written."""

PLANNED = (FusionState.PLANNED,)
"""States of a fusion that an operator may cancel meanwhile."""


class Retrieval(Part):
    """Makes jobs of planned fusions."""

    def make_job(self, fusion: Fusion, rule: Rule) -> None:
        """Retrieve the series of a planned fusion, and add its job unless the pair is not new.

        Where the Orthanc or the reader does not answer, it remains planned for a later attempt;
        where the images cannot be used it is refused, and after a bug it has failed. Raises
        `OutputError` without space, and `NoAnswerError`.
        """
        folder = self._settings.data / IMAGES / str(fusion.number)
        shutil.rmtree(folder, ignore_errors=True)
        self._store.change(  # where this ends the node itself, others are done first
            fusion.number, only=PLANNED, attempts=fusion.attempts + 1,
            next_attempt=self._next_attempt(fusion),
        )  # fmt: skip
        try:
            self._make_job(fusion, rule, folder)
        except (PeerError, ReaderEndedError, DiskFullError) as error:
            self._try_later(fusion, error)
            if isinstance(error, NoAnswerError):
                raise
        except InputError as error:
            self._end(fusion, FusionState.REFUSED, str(error).replace(f"{folder}: ", ""))
        except (RadfuseError, OSError):
            raise
        except Exception as error:
            LOG.error("images not read", extra={"fusion": fusion.number})
            traceback.print_exception(error)
            problem = f"an internal error ({type(error).__name__}); see what the node printed"
            self._end(fusion, FusionState.FAILED, problem)
        finally:
            if not self._is_queued(fusion):
                shutil.rmtree(folder, ignore_errors=True)

    def _is_queued(self, fusion: Fusion) -> bool:
        """Whether the fusion has its job now."""
        stored = self._store.fusion(fusion.number)
        return stored is not None and stored.state is FusionState.QUEUED

    def _try_later(self, fusion: Fusion, error: RadfuseError) -> None:
        if isinstance(error, ReaderEndedError) and fusion.attempts + 1 >= MAX_ATTEMPTS:
            self._end(fusion, FusionState.REFUSED, str(error))
            return
        self._store.change(
            fusion.number, only=PLANNED, reason=str(error), next_attempt=self._next_attempt(fusion)
        )
        LOG.warning("images not retrieved", extra={"fusion": fusion.number})

    def _next_attempt(self, fusion: Fusion) -> float:
        return time.time() + pause_s(fusion.attempts, self._settings.retry_s)

    def _make_job(self, fusion: Fusion, rule: Rule, folder: Path) -> None:
        series = self._orthanc.series_of(fusion.patient, with_sender=rule.asks_for_sender)
        answer = apply(rule, series)
        if answer.match is None:
            reason = f"the rule does not apply any more: {', '.join(answer.reasons)}"
            self._end(fusion, FusionState.UNNEEDED, reason)
            self._store.reconsider(fusion.patient)
            return
        if not fusion.is_forced and self._is_arriving(fusion, answer.match):
            self._store.reconsider(fusion.patient)  # what is complete is planned again
            return
        self._retrieve(answer.match, folder)
        pair = run_contained(pair_of, folder, rule.recipe, path=folder)
        job = self._job(fusion, rule, pair.recipe, _kept(folder, pair))
        same = self._store.same_pair(job.identity, fusion.number)
        if same and (same.state in RUNNING or not fusion.is_forced):
            reason = f"fusion {same.number} is of the same images and recipe"
            self._end(fusion, FusionState.UNNEEDED, reason)
            return
        self._queue(fusion, rule, job)

    def _is_arriving(self, fusion: Fusion, match: Match) -> bool:
        """Whether something has arrived since the fusion was planned, or still arrives."""
        patient = self._store.patient(fusion.patient)
        if patient is None or patient.state is PatientState.ARRIVING:
            return True
        return not match.is_stable or match.fingerprint != patient.fingerprint

    def _retrieve(self, match: Match, folder: Path) -> None:
        """Retrieve all images of the series, if there is space for them.

        Raises `DiskFullError` if not, `PeerError` where a series changes meanwhile.
        """
        needed = sum(self._orthanc.series_bytes(one.resource) for one in match.series)
        free = shutil.disk_usage(self._settings.data).free - self._settings.min_free_bytes
        if needed > free:
            raise DiskFullError(
                f"the images have {needed / 1e9:.2f} GB, and {max(free, 0) / 1e9:.2f} GB are free "
                "above min_free_bytes"
            )
        for series in match.series:
            count = self._orthanc.download(series.resource, folder / series.resource)
            if count != series.instances:
                raise PeerError("images of a series arrived or were deleted during the retrieval")

    def _job(self, fusion: Fusion, rule: Rule, recipe: Recipe, images: JobImages) -> Job:
        stored = [
            one for one in self._store.fusions_of(fusion.patient)
            if one.rule == fusion.rule and one.series
        ]  # fmt: skip
        return Job(
            identity=identity_of(images, recipe),
            case=f"fusion-{fusion.number}",
            images=images,
            recipe=recipe,
            output=self._settings.data / RESULTS / str(fusion.number),
            replaces=stored[-1].series if stored else (),
            priority=rule.priority,
        )

    def _queue(self, fusion: Fusion, rule: Rule, job: Job) -> None:
        """Add the job, unless the fusion was cancelled; an ended one of its identity is replaced.

        A worker may take a job at once, so the fusion is changed first; `collect` plans a fusion
        again that has no job.
        """
        versions = [
            one for one in self._store.fusions_of(fusion.patient)
            if one.rule == fusion.rule and one.identity and one.number < fusion.number
        ]  # fmt: skip
        self._jobs.remove(job.identity)
        if self._store.change(
            fusion.number, only=PLANNED, state=FusionState.QUEUED, identity=job.identity,
            reason="", attempts=0, version=1 + len(versions), replaces=job.replaces,
            destinations=rule.destinations,
        ):  # fmt: skip
            self._jobs.add([job])
            if not self._is_queued(fusion):  # cancelled meanwhile
                self._jobs.cancel(job.identity)
            LOG.info("job added", extra={"fusion": fusion.number})

    def _end(self, fusion: Fusion, state: FusionState, reason: str) -> None:
        if self._store.change(fusion.number, only=PLANNED, state=state, reason=reason):
            LOG.info("fusion ended", extra={"fusion": fusion.number, "state": state})
            self._audit.write(f"fusion {state}", facts={"fusion": fusion.number})


@dataclass(frozen=True)
class ChosenPair:
    """The CT and the MR that are fused."""

    recipe: Recipe
    """With their UIDs."""
    ct: frozenset[str]
    """Names of the folders that the slices of the CT are in; several where a scanner split it."""
    mr: frozenset[str]


def pair_of(folder: Path, recipe: Recipe) -> ChosenPair:
    """The CT and the MR that are chosen in a folder with a folder for each series.

    Raises `InputError` as `choose_pair`, and for two that nobody can know to be of one patient.
    """
    pair = choose_pair(folder, recipe)
    _check_patient(*(Patient.of(one.header) for one in (pair.ct, pair.mr)))
    uids = {"ct_series": pair.ct.volume.uid, "mr_series": pair.mr.volume.uid}
    folders = (
        frozenset(one.path.parent.name for one in candidate.volume.slices)
        for candidate in (pair.ct, pair.mr)
    )
    return ChosenPair(recipe.model_copy(update=uids), *folders)


def _check_patient(ct: Patient, mr: Patient) -> None:
    """An Orthanc groups by PatientID alone: an empty one, or one of two sites, is many persons."""
    if not (ct.id and mr.id):
        raise InputError("CT or MR has no PatientID; fuse it by `radfuse fuse`, which shows both")
    if replace(ct, id="").differs_from(replace(mr, id="")):
        raise InputError(
            "CT and MR have one PatientID, and different names or birth dates; correct the "
            "headers, or fuse them by `radfuse fuse --accept-patients`"
        )


def _kept(folder: Path, pair: ChosenPair) -> JobImages:
    """Move the pair into the folders CT and MR, and delete what else was retrieved.

    The identity of a job counts only the files of its images.
    """
    for role, names in ((CT, pair.ct), (MR, pair.mr)):
        (folder / role.code).mkdir()
        for name in names:
            (folder / name).rename(folder / role.code / name)
    for path in folder.iterdir():
        if path.name not in {CT.code, MR.code}:
            shutil.rmtree(path)
    return JobImages(ct=folder / CT.code, mrs=(folder / MR.code,))
