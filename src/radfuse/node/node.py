"""The node: one control loop, some workers, and what an operator can ask of them."""

import logging
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from itertools import takewhile
from threading import Event, Lock, Thread

from radfuse.errors import DiskFullError, InputError, PeerError
from radfuse.io.lock import locked_output
from radfuse.io.staging import remove_staging
from radfuse.jobs.containment import warm_up
from radfuse.jobs.store import JobStore, StoredJob
from radfuse.jobs.worker import LEASE_S, Limits, run_job, shares_of_cores
from radfuse.node.arrivals import Arrivals
from radfuse.node.audit import Audit
from radfuse.node.delivery import Deliveries
from radfuse.node.each import for_each, sentence
from radfuse.node.orthanc import Orthanc
from radfuse.node.progress import Progress
from radfuse.node.retrieval import RESULTS, Retrieval
from radfuse.node.rules import Rule
from radfuse.node.rules_file import RulesFile
from radfuse.node.settings import NodeSettings
from radfuse.node.state import RUNNING, Fusion, FusionState, is_due
from radfuse.node.store import NodeStore

LOG = logging.getLogger(__name__)

JOBS, FUSIONS, AUDIT, LOGS = "jobs.sqlite", "node.sqlite", "audit.jsonl", "logs"
"""Names in the data folder."""

MAX_QUEUED = 2
"""Jobs per worker whose images are retrieved ahead; more would only take space."""

ALIVE_S = 600.0
"""The control loop does something at least so often, or the node is not healthy."""

CANCELLABLE = (FusionState.PLANNED, FusionState.QUEUED)
"""States of a fusion that can be cancelled."""

REPEATABLE = (
    FusionState.REFUSED, FusionState.FAILED, FusionState.CANCELLED, FusionState.DELIVERED,
    FusionState.UNNEEDED,
)  # fmt: skip
"""States of a fusion that can be run again."""


class Node:
    """Follows an Orthanc, fuses what its rules name, and brings the results back.

    Raises `InputError` for wrong rules, `OutputError` for a data folder that cannot be written to.
    """

    def __init__(self, settings: NodeSettings, clock: Callable[[], float] = time.monotonic) -> None:
        data = settings.data
        self.settings, self.rules = settings, RulesFile(settings.rules)
        self.orthanc = Orthanc(settings.orthanc, settings.orthanc_user, settings.password())
        self.store, self.jobs = NodeStore(data / FUSIONS), JobStore(data / JOBS)
        self.audit = Audit(data / AUDIT, with_identifiers=settings.audit_identifiers)
        parts = self.orthanc, self.store, self.jobs, self.audit, settings
        self._arrivals = Arrivals(self.orthanc, self.store, self.audit, settings, clock)
        self._retrieval, self._deliveries = Retrieval(*parts), Deliveries(*parts)
        self._ticked, self._running, self._lock = time.monotonic(), 0, Lock()
        self.progress = Progress()
        self.problem = ""
        """Why the last round of the control loop ended early; empty if it did not."""
        self.full = ""
        """What a worker had no space for; empty once a fusion ends again."""

    def close(self) -> None:
        """Release files and connections."""
        self.store.close()
        self.jobs.close()
        self.orthanc.close()

    def run(self, stop: Event) -> None:
        """Work until `stop` is set; running jobs are stopped then, and run again after a start.

        Raises `OutputError` where another node uses the data folder.
        """
        with locked_output(self.settings.data):
            warm_up()
            self._recover()
            self.audit.write("node started")
            workers = [
                Thread(target=self._work, args=(f"worker {number}", cores, stop))
                for number, cores in enumerate(shares_of_cores(self.settings.workers), 1)
            ]
            for worker in workers:
                worker.start()
            try:
                while not stop.is_set():
                    self.tick()
                    stop.wait(self.settings.poll_s)
            finally:
                stop.set()
                for worker in workers:
                    worker.join()
                self.audit.write("node ended")

    def _recover(self) -> None:
        """After a start: no worker is left, and what an interrupted run wrote is not needed."""
        self.jobs.release_all()
        results = self.settings.data / RESULTS
        results.mkdir(parents=True, exist_ok=True)
        remove_staging(results)
        self._deliveries.recover()

    def tick(self) -> None:
        """One round: what arrived, what is to be fused, what is to be brought back."""
        self.problem = self._round()
        self._is_at_work()

    def _is_at_work(self) -> None:
        with self._lock:
            self._ticked = time.monotonic()

    def _round(self) -> str:
        """The problem that an operator has to know, or nothing."""
        if self.rules.refresh():
            self.store.reconsider_unmatched()
        problems = []
        for step in (
            self._arrivals.follow,
            lambda: self._arrivals.apply_rules(self.rules.rules),
            self._make_jobs,
            self._deliveries.collect,
            self._deliveries.store_results,
            self._deliveries.forward,
        ):
            try:
                step()
            except Exception as error:
                problems.append(sentence(error))
        return next(iter(problems), "")

    def _make_jobs(self) -> None:
        """Retrieve the images of planned fusions, as many as the workers soon need."""
        if self.paused or self._is_full:
            return
        rules = {rule.name: rule for rule in self.rules.rules}
        planned = self.store.fusions([FusionState.PLANNED])
        for_each((one for one in planned if one.rule not in rules), self._drop)
        planned = [one for one in planned if one.rule in rules]
        planned.sort(key=lambda one: -rules[one.rule].priority)
        room = takewhile(lambda _: not self._is_full, planned)
        for_each(room, lambda fusion: self._make_job(fusion, rules[fusion.rule]))

    @property
    def _is_full(self) -> bool:
        return self.store.count(FusionState.QUEUED) >= MAX_QUEUED * self.settings.workers

    def _make_job(self, fusion: Fusion, rule: Rule) -> None:
        now = time.time()
        if not (is_due(fusion.next_attempt, now) and rule.is_open(datetime.fromtimestamp(now))):
            return  # hours of rules are local
        if any(one.state in RUNNING for one in self.store.fusions_of(fusion.patient)):
            return  # so that this one can name what it replaces
        self._retrieval.make_job(fusion, rule)
        self._is_at_work()

    def _drop(self, fusion: Fusion) -> None:
        """Its rule was removed: others are tried."""
        reason = f"there is no rule {fusion.rule} any more"
        self.store.change(
            fusion.number, only=[FusionState.PLANNED], state=FusionState.UNNEEDED, reason=reason
        )
        self.store.reconsider(fusion.patient)

    def _work(self, worker: str, cores: tuple[int, ...], stop: Event) -> None:
        """Run jobs, one after the other; without space left the job waits again, and this worker.

        It does not count as an attempt.
        """
        limits = Limits(seconds=self.settings.time_limit_s, cores=cores)
        unfinished = ""  # the job whose end could not be stored
        while not stop.is_set():
            try:
                if unfinished:
                    self.jobs.release(unfinished, worker)
                unfinished = ""
                taken = None if self.paused else self.jobs.take(worker, LEASE_S)
                if taken is not None:
                    unfinished = taken.job.identity
                    self._run(taken, worker, limits, stop)
                    unfinished = ""
                    self.full = ""
                    continue
            except DiskFullError as error:
                self.full = sentence(error)
                stop.wait(self.settings.retry_s)
            except Exception as error:
                unfinished = ""
                sentence(error)
            stop.wait(self.settings.poll_s)

    def _run(self, taken: StoredJob, worker: str, limits: Limits, stop: Event) -> None:
        """Run a job; what a stopped one has left is deleted."""
        log = self.settings.data / LOGS / f"{taken.job.case}.log"
        with self._lock:
            self._running += 1
        try:
            with self.progress.running(taken.job.identity) as job:
                answer = run_job(self.jobs, taken, worker, log, limits, stop, job.report)
                job.has_ended = answer is not None
        finally:
            with self._lock:
                self._running -= 1
                if not self._running:
                    remove_staging(self.settings.data / RESULTS)
            self._deliveries.delete_unneeded(int(taken.job.output.name))

    @property
    def paused(self) -> str:
        """Why no patient is taken: suspended by an operator, or too little space; or nothing."""
        if self.store.is_suspended:
            return "suspended by an operator"
        free = shutil.disk_usage(self.settings.data).free
        if free < self.settings.min_free_bytes:
            return (
                f"{free / (1 << 30):.1f} GiB free for {self.settings.data}, "
                f"{self.settings.min_free_bytes / (1 << 30):.1f} needed (min_free_bytes)"
            )
        return ""

    @property
    def is_alive(self) -> bool:
        """Whether the control loop works; a long retrieval is no problem."""
        with self._lock:
            return time.monotonic() - self._ticked < ALIVE_S

    def problems(self, orthanc: Orthanc | None = None) -> list[str]:
        """What keeps the node from working, a sentence each.

        Another thread than that of the control loop has a client of the Orthanc of its own.
        """
        found = [self.paused, self.rules.problem, self.problem, self.full]
        with suppress(PeerError):
            known = set((orthanc or self.orthanc).destinations())
            found += [
                f"rule {rule.name}: Orthanc has no destination {one}"
                for rule in self.rules.rules
                for one in rule.destinations
                if one not in known
            ]
        return [one for one in found if one]

    def suspend(self, who: str, *, suspended: bool) -> None:
        """Take no patient, or go on; fusions that run end."""
        self.store.suspend(suspended)
        self.audit.write("suspended" if suspended else "resumed", who=who)

    def force(self, patient: str, who: str) -> None:
        """Fuse what is there of a patient now, and again; `InputError` for an unknown one."""
        if not self.orthanc.patient_facts(patient):
            raise InputError("the Orthanc has no such patient; search again")
        self.store.force(patient)
        self.audit.write("patient forced", who=who)

    def run_again(self, number: int, who: str) -> None:
        """Run an ended fusion again; `InputError` for another one."""
        self._changed(
            number, REPEATABLE, state=FusionState.PLANNED, is_forced=True, reason="", attempts=0,
            next_attempt=0,
        )  # fmt: skip
        self.audit.write("run again", who=who, facts={"fusion": number})

    def cancel(self, number: int, who: str) -> None:
        """Cancel a fusion that is not done; `InputError` for another one."""
        fusion = self._changed(
            number, CANCELLABLE, state=FusionState.CANCELLED, reason=f"cancelled by {who}"
        )
        if fusion.state is FusionState.QUEUED:
            self.jobs.cancel(fusion.identity)
        self._deliveries.delete_unneeded(number)
        self.audit.write("cancelled", who=who, facts={"fusion": number})

    def _changed(self, number: int, states: tuple[FusionState, ...], **values: object) -> Fusion:
        """Change a fusion in one of some states; returns it as it was."""
        fusion = self.store.fusion(number)
        if fusion is None or fusion.state not in states:
            what = f"is {fusion.state}" if fusion else "does not exist"
            raise InputError(f"fusion {number} {what}; reload the list")
        if not self.store.change(number, only=[fusion.state], **values):
            raise InputError(f"fusion {number} has gone on meanwhile; reload the list")
        return fusion
