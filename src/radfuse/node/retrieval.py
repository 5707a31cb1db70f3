"""From a planned fusion to a job: retrieve the images, choose the pair, and see if it is new."""

import logging
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from radfuse.errors import InputError, PeerError, RadfuseError, ReaderEndedError
from radfuse.jobs.containment import run_contained
from radfuse.jobs.job import Job, JobImages, identity_of
from radfuse.jobs.store import MAX_ATTEMPTS, JobStore
from radfuse.modality import CT, MR
from radfuse.node.audit import Audit
from radfuse.node.orthanc import NoAnswerError, Orthanc
from radfuse.node.rules import Rule, apply
from radfuse.node.settings import NodeSettings
from radfuse.node.state import Fusion, FusionState, pause_s
from radfuse.node.store import NodeStore
from radfuse.pipeline.pairing import choose_pair
from radfuse.recipe import Recipe

LOG = logging.getLogger(__name__)

IMAGES, RESULTS = "images", "results"
"""Folders of the node: what is fused, and what is written."""

RUNNING = (FusionState.QUEUED, FusionState.FUSED)
"""States of a fusion that is being done."""

PLANNED = (FusionState.PLANNED,)
"""States of a fusion that an operator may cancel meanwhile."""

DELIVERED = (FusionState.STORED, FusionState.DELIVERED)
"""States of a fusion whose result is in the Orthanc."""


class Retrieval:
    """Makes jobs of planned fusions."""

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

    def make_job(self, fusion: Fusion, rule: Rule) -> None:
        """Retrieve the series of a planned fusion, and add its job unless the pair is not new.

        Where the Orthanc or the reader does not answer, it remains planned for a later attempt;
        where the images cannot be used it is refused, and after a bug it has failed. Raises
        `OutputError` without space, and `NoAnswerError`.
        """
        folder = self._data / IMAGES / str(fusion.number)
        shutil.rmtree(folder, ignore_errors=True)
        try:
            self._make_job(fusion, rule, folder)
        except (PeerError, ReaderEndedError) as error:
            self._try_later(fusion, error)
            if isinstance(error, NoAnswerError):
                raise
        except InputError as error:
            self._end(fusion, FusionState.REFUSED, str(error).replace(f"{folder}: ", ""))
        except (RadfuseError, OSError):
            raise
        except Exception as error:
            LOG.exception("images not read", extra={"fusion": fusion.number})
            problem = f"an internal error ({type(error).__name__}); see the log"
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
            fusion.number, only=PLANNED, reason=str(error), attempts=fusion.attempts + 1,
            next_attempt=time.time() + pause_s(fusion.attempts, self._retry_s),
        )  # fmt: skip
        LOG.warning("images not retrieved", extra={"fusion": fusion.number})

    def _make_job(self, fusion: Fusion, rule: Rule, folder: Path) -> None:
        answer = apply(rule, self._orthanc.series_of(fusion.patient))
        if answer.match is None:
            reason = f"the rule does not apply any more: {', '.join(answer.reasons)}"
            self._end(fusion, FusionState.UNNEEDED, reason)
            self._store.reconsider(fusion.patient)
            return
        for series in answer.match.series:
            self._orthanc.download(series.resource, folder / series.resource)
        pair = run_contained(pair_of, folder, rule.recipe, path=folder)
        job = self._job(fusion, rule, pair.recipe, _kept(folder, pair))
        same = self._store.same_pair(job.identity, fusion.number)
        if same and (same.state in RUNNING or not fusion.is_forced):
            reason = f"fusion {same.number} is of the same images and recipe"
            self._end(fusion, FusionState.UNNEEDED, reason)
            return
        self._queue(fusion, rule, job)

    def _job(self, fusion: Fusion, rule: Rule, recipe: Recipe, images: JobImages) -> Job:
        stored = [
            one for one in self._store.fusions_of(fusion.patient)
            if one.rule == fusion.rule and one.number != fusion.number and one.state in DELIVERED
        ]  # fmt: skip
        identity = identity_of(images, recipe)
        replaced = stored[-1] if stored and stored[-1].identity != identity else None
        return Job(
            identity=identity,
            case=f"fusion-{fusion.number}",
            images=images,
            recipe=recipe,
            output=self._data / RESULTS / str(fusion.number),
            replaces=replaced.series if replaced else (),
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
    """The CT and the MR that are chosen in a folder with a folder for each series."""
    pair = choose_pair(folder, recipe)
    uids = {"ct_series": pair.ct.volume.uid, "mr_series": pair.mr.volume.uid}
    folders = (
        frozenset(one.path.parent.name for one in candidate.volume.slices)
        for candidate in (pair.ct, pair.mr)
    )
    return ChosenPair(recipe.model_copy(update=uids), *folders)


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
