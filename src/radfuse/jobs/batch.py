"""Fuse many patients into one folder, a BIDS derivative; the same call resumes after a stop."""

import csv
from collections.abc import Callable, Container, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path, PurePosixPath
from threading import Event

from radfuse.errors import OutputError
from radfuse.io.lock import locked_output
from radfuse.io.staging import refuse_overlap, remove_staging, staging
from radfuse.jobs.bids.dataset import write_description
from radfuse.jobs.bids.names import dicom_path, fused_path
from radfuse.jobs.bids.read import is_dataset
from radfuse.jobs.case import Case
from radfuse.jobs.cluster import Cluster, work_on_cluster
from radfuse.jobs.containment import warm_up
from radfuse.jobs.group.report import REPORT, write_group_report
from radfuse.jobs.group.rows import case_rows, incomplete_cases
from radfuse.jobs.job import Derivative, Job, JobState, identity_of
from radfuse.jobs.results import remove_results
from radfuse.jobs.store import JobStore, StoredJob
from radfuse.jobs.worker import Answer, Limits, shares_of_cores, work

STORE, LOGS, TABLE = "jobs.sqlite", "logs", "cases.csv"
"""Names in the folder: the list of jobs, what they print, and how each ended."""

DERIVATIVES = "derivatives"
"""Folder of a BIDS data set for what is made from it."""

ABSENT = "no longer in INPUT; its result was not deleted"
"""Why a job is cancelled."""

COLUMNS = ("case", "state", "reason", "seconds", "attempts", "output")
"""Of the table."""

Ended = Callable[[Job, Answer], None]


@dataclass(frozen=True)
class Plan:
    """What is to be done."""

    jobs: tuple[Job, ...]
    incomplete: dict[str, str]
    """What is missing, by case."""
    raw: Path | None = None
    """Root of the BIDS data set that the images are from; None where they are from elsewhere."""
    is_partial: bool = False
    """Whether the input has further cases, which are left out; what is missing of them is kept."""


def check_folders(output: Path, source: Path) -> None:
    """Raise `OutputError` for an output in the folder of the input, or around it.

    The next run would take it for a patient. In `derivatives` of a BIDS data set it belongs.
    """
    derivatives = source.resolve() / DERIVATIVES
    if is_dataset(source) and derivatives in output.resolve().parents:
        return
    refuse_overlap([output], [source])


def plan(
    cases: Sequence[Case], output: Path, *, as_dicom: bool = False, is_partial: bool = False
) -> Plan:
    """The jobs of the cases, and the cases that have none.

    Two cases of the same images are one patient by mistake: the second has none. Raises
    `OutputError` for an output inside an input, or around it.
    """
    jobs: dict[str, Job] = {}
    incomplete = {}
    for case in cases:
        if case.images is None:
            incomplete[case.name] = case.problem
            continue
        refuse_overlap([output], case.images.paths.values())
        identity = identity_of(case.images, case.recipe)
        if identity in jobs:
            incomplete[case.name] = f"has the images of {jobs[identity].case}; check the table"
            continue
        jobs[identity] = Job(
            identity=identity, case=case.name, images=case.images, recipe=case.recipe,
            output=result_path(output, case, as_dicom=as_dicom),
            derivative=None if as_dicom else Derivative(root=output, raw=case.raw),
        )  # fmt: skip
    raw = next((case.raw for case in cases), None)
    return Plan(tuple(jobs.values()), incomplete, raw, is_partial)


def result_path(output: Path, case: Case, *, as_dicom: bool) -> Path:
    """A BIDS name of the fused volume; for DICOM the folder of the patient and session."""
    if as_dicom:
        return output / dicom_path(case.name)
    return output / fused_path(case.name, case.recipe.method)


def run_batch(
    planned: Plan,
    output: Path,
    *,
    workers: int = 1,
    limits: Limits | None = None,
    cluster: Cluster | None = None,
    rerun: Sequence[JobState] = (),
    ended: Ended = lambda _job, _answer: None,
) -> list[StoredJob]:
    """Run those of the jobs that have not ended, some at a time; returns all of the folder.

    They run in `workers` processes of this machine, or else on a cluster.
    Ctrl-C stops the running jobs, which wait again; so does a full disk, with `DiskFullError`.
    Raises `OutputError` for a folder that another run uses, or that cannot be written to.
    """
    with locked_output(output), _opened(output / STORE) as store:
        _remove_staging(output, planned)
        write_description(output, planned.raw)
        store.release_all()  # the lock shows that no worker is left
        _remove_replaced(store, planned, output)
        store.add(planned.jobs)
        store.limit_to(planned.jobs)
        _cancel_absent(store, planned)
        store.rerun([*rerun, JobState.CANCELLED])  # those that are in the input again
        if cluster is None:
            _work_locally(store, workers, output / LOGS, limits or Limits(), ended)
        else:
            with cluster.connected(output) as client:
                work_on_cluster(client, store, output, output / LOGS, limits or Limits(), ended)
        _remove_staging(output, planned)
        incomplete = (incomplete_in(output) if planned.is_partial else {}) | planned.incomplete
        for job in planned.jobs:
            incomplete.pop(job.case, None)  # no longer
        found = _complete(store, incomplete)
        write_table(output / TABLE, found, incomplete)
        write_group_report(output, case_rows(output, found, incomplete))
    return found


def _remove_replaced(store: JobStore, planned: Plan, output: Path) -> None:
    """Forget cases that have other images, recipe, name or form now, and delete their results."""
    of_case = {job.case: job for job in planned.jobs}
    of_identity = {job.identity: job for job in planned.jobs}
    for job in [one.job for one in store.jobs()]:
        new = of_identity.get(job.identity) or of_case.get(job.case, job)
        if (new.identity, _output_of(new)) != (job.identity, _output_of(job)):
            store.remove(job.identity)
            here = Derivative(root=output) if job.derivative else None
            path = output / _output_of(job)
            remove_results(job.model_copy(update={"derivative": here, "output": path}))


def _cancel_absent(store: JobStore, planned: Plan) -> None:
    """Cancel the jobs of cases that a whole input no longer has; their results stay."""
    if not planned.is_partial:
        cases = {job.case for job in planned.jobs} | set(planned.incomplete)
        store.cancel_all((one.job for one in store.jobs() if one.job.case not in cases), ABSENT)


def _complete(store: JobStore, incomplete: Container[str]) -> list[StoredJob]:
    """The jobs of a list, but not those of cases of which something is missing now."""
    return [one for one in store.jobs() if one.job.case not in incomplete]


def _output_of(job: Job) -> PurePosixPath:
    """File or folder of a result relative to the folder of the batch, wherever that is."""
    if job.derivative:
        return fused_path(job.case, job.recipe.method)
    return dicom_path(job.case)


def _remove_staging(output: Path, planned: Plan) -> None:
    """Remove what killed attempts have left; no worker may run."""
    for parent in {output, *(job.output.parent for job in planned.jobs)}:
        remove_staging(parent)


def _work_locally(store: JobStore, workers: int, logs: Path, limits: Limits, ended: Ended) -> None:
    """Run the jobs of a list in processes of this machine, until none waits."""
    warm_up()
    stop = Event()
    try:
        with ThreadPoolExecutor(workers) as pool:
            try:
                runs = [
                    pool.submit(
                        work, store, f"worker {number}", logs, replace(limits, cores=cores), stop,
                        ended,
                    )
                    for number, cores in enumerate(shares_of_cores(workers), 1)
                ]  # fmt: skip
                for run in runs:
                    run.result()
            finally:
                stop.set()  # also where Ctrl-C arrives before the last has begun
    finally:
        store.release_all()  # also what an error of a worker has left


def stored_jobs(output: Path) -> list[StoredJob]:
    """The jobs of a folder, without those of cases of which something is missing now.

    Raises `OutputError` where there is no batch, `InputError` as of its table.
    """
    if not (output / STORE).exists():
        raise OutputError(f"{output}: no batch; run `radfuse batch INPUT -o {output}` first")
    with _opened(output / STORE) as store:
        return _complete(store, incomplete_in(output))


def incomplete_in(output: Path) -> dict[str, str]:
    """What was missing of which cases in the last run of a folder; `InputError` as of its table."""
    return incomplete_cases(output / TABLE)


def report_again(output: Path) -> Path:
    """Write the group report from what is in a folder; returns its path.

    Raises `OutputError` where there is no batch, another run writes, or it cannot be written.
    """
    found = stored_jobs(output)
    with locked_output(output):
        write_group_report(output, case_rows(output, found, incomplete_in(output)))
    return output / REPORT


def write_table(path: Path, jobs: Sequence[StoredJob], incomplete: dict[str, str]) -> None:
    """How each case ended, as CSV: those that need a person first."""
    order = [JobState.FAILED, JobState.REFUSED, *JobState]
    rows = [(name, JobState.REFUSED, why, 0.0, 0, "") for name, why in incomplete.items()]
    rows += [
        (one.job.case, one.state, one.reason, one.seconds, one.attempts, str(_output_of(one.job)))
        for one in jobs
    ]
    rows.sort(key=lambda row: (order.index(row[1]), row[0]))
    text = StringIO(newline="")
    csv.writer(text).writerows([COLUMNS, *rows])
    with staging(path.parent) as stage:
        stage.path_of(path).write_text(text.getvalue(), encoding="utf-8", newline="")


@contextmanager
def _opened(path: Path) -> Iterator[JobStore]:
    store = JobStore(path)
    try:
        yield store
    finally:
        store.close()
