"""`radfuse batch`."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from radfuse.cli.options import (
    PATH,
    listed,
    named_options,
    named_values,
    output_options,
    print_json,
    registration_options,
)
from radfuse.errors import DiskFullError, InputError
from radfuse.intensity import WINDOWS
from radfuse.jobs.batch import (
    TABLE,
    Plan,
    check_folders,
    incomplete_in,
    plan,
    report_again,
    run_batch,
    stored_jobs,
)
from radfuse.jobs.case import Case
from radfuse.jobs.cases import read_cases
from radfuse.jobs.cluster import Cluster, DaskScheduler
from radfuse.jobs.group.report import REPORT
from radfuse.jobs.job import Job, JobState
from radfuse.jobs.slurm import Slurm, slurm_options
from radfuse.jobs.store import StoredJob
from radfuse.jobs.worker import Answer, Limits
from radfuse.methods.loading import check_options, method_info
from radfuse.recipe import DEFAULT_METHOD, DEFAULT_WINDOW, make_recipe
from radfuse.record import NOTICE

RERUN = {
    "failed": (JobState.FAILED,),
    "refused": (JobState.REFUSED,),
    "all": (JobState.DONE, JobState.REFUSED, JobState.FAILED, JobState.CANCELLED),
}
"""Values of `--rerun`, and the states that they name."""

REFUSED_STATUS, FAILED_STATUS = 3, 4
"""Exit status where a case was refused; where one has failed, or no space was left."""

FULL = "nothing is lost: free some space, and run the same command"
"""What to do where no space is left."""


@click.command("batch")
@click.argument("source", metavar="[INPUT]", type=PATH, required=False)
@click.option("-o", "--output", type=PATH, required=True, help="Output folder.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Patients at a time, or SLURM jobs; each needs about 2 GiB of memory.",
)
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Run on the Dask cluster of a scheduler: tcp://host:8786.",
)
@click.option(
    "--slurm",
    metavar="NAME=VALUE,...",
    help="Run in --workers jobs of SLURM with options of sbatch: partition=short,time=02:00:00.",
)
@click.option(
    "--participant-label",
    "--participant_label",
    "labels",
    multiple=True,
    metavar="LABEL,...",
    help="Only these patients, with or without sub-; repeatable.",
)
@click.option(
    "--outputs",
    multiple=True,
    metavar="NAME,...",
    help="As of fuse: fused, mr, colour, registration; default: all in DICOM, fused in NIfTI.",
)
@click.option("--dicom", "as_dicom", is_flag=True, help="Write DICOM series instead of NIfTI.")
@click.option("--dry-run", is_flag=True, help="List what would run, and what is missing.")
@click.option("--rerun", type=click.Choice(list(RERUN)), help="Run these ended cases again, too.")
@click.option("--status", is_flag=True, help="Count the cases of OUTPUT by state, and end.")
@click.option(
    "--report-only", is_flag=True, help="Write the group report of OUTPUT again, and end."
)
@click.option(
    "--time-limit",
    type=click.FloatRange(min=1),
    default=Limits().seconds,
    show_default=True,
    metavar="S",
    help="Seconds after which a case fails.",
)
@click.option("--method", metavar="NAME", default=DEFAULT_METHOD, show_default=True)
@named_values("Set an option of the method, see `radfuse methods NAME`")
@click.option(
    "--window-preset",
    "window",
    type=click.Choice(list(WINDOWS)),
    default=DEFAULT_WINDOW,
    show_default=True,
    help="CT window.",
)
@registration_options
@output_options
def batch_command(
    *,
    source: Path | None,
    output: Path,
    workers: int,
    scheduler: str | None,
    slurm: str | None,
    labels: tuple[str, ...],
    outputs: tuple[str, ...],
    as_dicom: bool,
    dry_run: bool,
    rerun: str | None,
    status: bool,
    report_only: bool,
    time_limit: float,
    options: tuple[str, ...],
    as_json: bool,
    quiet: bool,
    **settings: Any,
) -> None:
    """Fuse many patients into one folder; the same command resumes after an interruption.

    INPUT is a table (CSV or TSV: id, ct, mr, and optionally session, pet, pet_ct, spect; several
    MR are separated by semicolons, paths are relative to the table), a BIDS data set (CT with the
    suffix ct or CT; T1w, T2w, FLAIR; pet), or a folder that has a folder of DICOM for each
    patient, in which CT and MR are chosen as by --study. OUTPUT becomes a BIDS derivative. How
    each case ended is in OUTPUT/cases.csv, the group report in OUTPUT/group.html.

    The exit status is 0 if every case of INPUT, or of those chosen by --participant-label, is done,
    3 if some were refused, 4 if some failed or no space was left.

    Research use only. Not a medical device.
    """
    if status:
        _print_counts(stored_jobs(output), incomplete_in(output), output, as_json=as_json)
        return
    if report_only:
        click.echo(report_again(output))
        return
    if source is None:
        raise InputError("give INPUT: a table, a BIDS data set, or a folder of patients")
    if source.is_dir():
        check_folders(output, source)
    names = _listed_outputs(outputs, as_dicom=as_dicom)
    recipe = make_recipe(options=named_options(options), outputs=names, **settings)
    cluster = _cluster(scheduler, slurm, workers)
    method_info(recipe.method)  # what is wrong for every case is refused once
    check_options(recipe.method, recipe.options, recipe.device)
    cases = _chosen(read_cases(source, recipe), listed(labels))
    planned = plan(cases, output, as_dicom=as_dicom, is_partial=bool(labels))
    if dry_run:
        _print_plan(planned, as_json=as_json)
        return

    def ended(job: Job, answer: Answer) -> None:
        if not quiet:
            click.echo(f"{job.case}: {': '.join(filter(None, answer))}", err=True)

    try:
        found = run_batch(
            planned, output, workers=workers, limits=Limits(seconds=time_limit),
            cluster=cluster, rerun=RERUN[rerun] if rerun else (), ended=ended,
        )  # fmt: skip
    except DiskFullError as error:
        click.echo(f"error: {error}; {FULL}", err=True)
        click.get_current_context().exit(FAILED_STATUS)
    _print_counts(found, planned.incomplete, output, as_json=as_json)
    chosen = {job.identity for job in planned.jobs}
    states = {one.state for one in found if one.job.identity in chosen}
    if JobState.FAILED in states:
        click.get_current_context().exit(FAILED_STATUS)
    if JobState.REFUSED in states or planned.incomplete:
        click.get_current_context().exit(REFUSED_STATUS)


def _listed_outputs(outputs: Sequence[str], *, as_dicom: bool) -> list[str] | None:
    """The names of the outputs; None for the default. `InputError` for those NIfTI cannot have."""
    names = listed(outputs)
    if names and not as_dicom and not {"fused"} <= set(names) <= {"fused", "mr"}:
        raise InputError(
            f"--outputs {','.join(names)}: in NIfTI fused, or fused,mr; add --dicom for others"
        )
    return names or None


def _cluster(scheduler: str | None, slurm: str | None, workers: int) -> Cluster | None:
    """Where to run, unless on this machine; `InputError` for options that exclude each other."""
    if scheduler and (slurm or workers > 1):
        other = "--slurm" if slurm else "--workers"
        raise InputError(f"--scheduler runs on the workers of that cluster; leave out {other}")
    if slurm:
        return Slurm(slurm_options(slurm), workers)
    return DaskScheduler(scheduler) if scheduler else None


def _chosen(cases: list[Case], labels: Sequence[str]) -> list[Case]:
    """The cases of some patients; `InputError` for a patient that is not there."""
    if not labels:
        return cases
    wanted = {f"sub-{label.removeprefix('sub-')}" for label in labels}
    found = [case for case in cases if case.name.partition("_")[0] in wanted]
    if absent := wanted - {case.name.partition("_")[0] for case in found}:
        raise InputError(f"--participant-label {min(absent)}: not in INPUT")
    return found


def _print_plan(planned: Plan, *, as_json: bool) -> None:
    if as_json:
        print_json({
            "jobs": [one.model_dump(mode="json") for one in planned.jobs],
            "incomplete": planned.incomplete,
        })  # fmt: skip
        return
    for job in planned.jobs:
        click.echo(f"{job.case}: {job.output}")
    for case, problem in planned.incomplete.items():
        click.echo(f"{case}: cannot run: {problem}")


def _print_counts(
    jobs: list[StoredJob], incomplete: dict[str, str], output: Path, *, as_json: bool
) -> None:
    """How many cases there are in each state."""
    counts = Counter(one.state for one in jobs)
    counts[JobState.REFUSED] += len(incomplete)
    facts = {"total": len(jobs) + len(incomplete)}
    facts |= {state.value: counts[state] for state in JobState}
    if as_json:
        print_json(facts)
        return
    click.echo("; ".join(f"{name}: {number}" for name, number in facts.items()))
    click.echo(f"{output / TABLE}\n{output / REPORT}\n{NOTICE}")
