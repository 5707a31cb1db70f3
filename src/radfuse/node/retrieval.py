"""From a planned fusion to a job: retrieve the images, choose the pair, and see if it is new."""

import logging
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from radfuse.errors import InputError, PeerError
from radfuse.jobs.containment import run_contained
from radfuse.jobs.job import Job, JobImages, identity_of
from radfuse.jobs.store import JobStore
from radfuse.modality import CT, MR
from radfuse.node.audit import Audit
from radfuse.node.orthanc import Orthanc
from radfuse.node.rules import Rule, apply
from radfuse.node.state import Fusion, FusionState, pause_s
from radfuse.node.store import NodeStore
from radfuse.pipeline.pairing import choose_pair
from radfuse.recipe import Recipe

LOG = logging.getLogger(__name__)

IMAGES, RESULTS = "images", "results"
"""Folders of the node: what is fused, and what is written."""

RUNNING = (FusionState.QUEUED, FusionState.FUSED)
"""States of a fusion that is being done."""

DELIVERED = (FusionState.STORED, FusionState.DELIVERED)
"""States of a fusion whose result is in the Orthanc."""


class Retrieval:
    """Makes jobs of planned fusions."""

    def __init__(
        self, orthanc: Orthanc, store: NodeStore, jobs: JobStore, audit: Audit, data: Path
    ) -> None:
        self._orthanc, self._store, self._jobs, self._audit = orthanc, store, jobs, audit
        self._data = data

    def make_job(self, fusion: Fusion, rule: Rule) -> None:
        """Retrieve the series of a planned fusion, and add its job unless the pair is not new.

        Where the Orthanc does not answer, it remains planned for a later attempt. Raises
        `OutputError` without space.
        """
        try:
            self._make_job(fusion, rule)
        except PeerError as error:
            self._store.change(
                fusion.number, reason=str(error), attempts=fusion.attempts + 1,
                next_attempt=time.time() + pause_s(fusion.attempts),
            )  # fmt: skip
            LOG.warning("images not retrieved", extra={"fusion": fusion.number})

    def _make_job(self, fusion: Fusion, rule: Rule) -> None:
        folder = self._data / IMAGES / str(fusion.number)
        shutil.rmtree(folder, ignore_errors=True)
        answer = apply(rule, self._orthanc.series_of(fusion.patient))
        if answer.match is None:
            reason = f"the rule does not apply any more: {', '.join(answer.reasons)}"
            self._end(fusion, FusionState.UNNEEDED, reason)
            return
        for series in answer.match.series:
            self._orthanc.download(series.resource, folder / series.resource)
        try:
            pair = run_contained(pair_of, folder, rule.recipe, path=folder)
        except InputError as error:
            shutil.rmtree(folder, ignore_errors=True)
            self._end(fusion, FusionState.REFUSED, str(error).replace(f"{folder}: ", ""))
            return
        job = self._job(fusion, rule, pair.recipe, _kept(folder, pair))
        same = self._store.same_pair(job.identity, fusion.number)
        if same and (same.state in RUNNING or not fusion.is_forced):
            shutil.rmtree(folder, ignore_errors=True)
            reason = f"fusion {same.number} is of the same images and recipe"
            self._end(fusion, FusionState.UNNEEDED, reason)
            return
        self._queue(fusion, job)

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

    def _queue(self, fusion: Fusion, job: Job) -> None:
        """Add the job; an ended one of the same identity is replaced."""
        self._jobs.remove(job.identity)
        self._jobs.add([job])
        versions = [
            one for one in self._store.fusions_of(fusion.patient)
            if one.rule == fusion.rule and one.identity and one.number < fusion.number
        ]  # fmt: skip
        self._store.change(
            fusion.number, state=FusionState.QUEUED, identity=job.identity, reason="", attempts=0,
            version=1 + len(versions), replaces=job.replaces,
        )  # fmt: skip
        LOG.info("job added", extra={"fusion": fusion.number})

    def _end(self, fusion: Fusion, state: FusionState, reason: str) -> None:
        self._store.change(fusion.number, state=state, reason=reason)
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
