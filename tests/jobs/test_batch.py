"""Batches: every patient ends done, refused or failed, once, whatever is killed."""

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from radfuse.errors import OutputError
from radfuse.io.lock import locked_output
from radfuse.io.staging import PREFIX
from radfuse.io.volumes import write_volume
from radfuse.jobs.batch import STORE, TABLE, plan, run_batch, stored_jobs
from radfuse.jobs.case import Case
from radfuse.jobs.cases import read_cases
from radfuse.jobs.job import Job, JobImages, JobState
from radfuse.jobs.store import JobStore
from radfuse.jobs.worker import Limits
from radfuse.phantom.dicom import write_phantom
from radfuse.phantom.head import Phantom, make_phantom
from radfuse.recipe import Recipe
from radfuse.record import read_record

QUICK = Recipe(method="average", register_rigidly=False, accept_registration=True)
"""No search."""


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("heads")
    rows = ["id,ct,mr"]
    for seed in (1, 2, 3):
        phantom = make_phantom(seed, spacing_mm=6.0)
        write_volume(folder / f"ct{seed}.nii.gz", phantom.ct.image)
        write_volume(folder / f"mr{seed}.nii.gz", phantom.mr.image)
        rows.append(f"{seed},ct{seed}.nii.gz,mr{seed}.nii.gz")
    (folder / "patients.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture
def cases(heads: Path) -> list[Case]:
    return read_cases(heads / "patients.csv", QUICK)


def states(output: Path) -> list[JobState]:
    return [one.state for one in stored_jobs(output)]


def table(output: Path) -> list[dict[str, str]]:
    with (output / TABLE).open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_every_patient_is_fused_and_not_again(cases: list[Case], tmp_path: Path) -> None:
    output = tmp_path / "out"
    cases = cases[:2]
    run_batch(plan(cases, output), output, workers=2)
    assert states(output) == [JobState.DONE] * 2
    images = sorted(output.rglob("*_fused.nii.gz"))
    assert [path.relative_to(output).parts[0] for path in images] == ["sub-1", "sub-2"]
    for path in images:
        record = read_record(path.with_name(path.name.replace(".nii.gz", ".json")))
        assert record.recipe.method == "average"
    written = [path.stat().st_mtime_ns for path in images]
    run_batch(plan(cases, output), output)
    assert [path.stat().st_mtime_ns for path in images] == written
    run_batch(plan(cases, output), output, rerun=[JobState.DONE])
    assert all(path.stat().st_mtime_ns > old for path, old in zip(images, written, strict=True))


def test_other_waiting_cases_are_left_alone(cases: list[Case], tmp_path: Path) -> None:
    output = tmp_path / "out"
    store = JobStore(output / STORE)
    store.add(plan(cases, output).jobs)
    store.close()
    run_batch(plan(cases[1:2], output, is_partial=True), output)
    assert states(output) == [JobState.WAITING, JobState.DONE, JobState.WAITING]


def test_a_moved_batch_is_resumed(
    cases: list[Case], heads: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tmp_path / "before"
    before.mkdir()
    monkeypatch.chdir(before)
    first = Path("out")
    run_batch(plan(cases[:1], first), first, limits=Limits(seconds=0.01))
    moved = shutil.copytree(heads, tmp_path / "moved")
    monkeypatch.chdir(tmp_path)
    output = Path("before/out")
    again = read_cases(moved / "patients.csv", QUICK)[:1]
    run_batch(plan(again, output), output, rerun=[JobState.FAILED])
    assert states(output) == [JobState.DONE]
    (row,) = table(output)
    assert (output / row["output"]).is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["before", "moved"]


def test_another_recipe_replaces_the_job_of_a_case(cases: list[Case], tmp_path: Path) -> None:
    output = tmp_path / "out"
    run_batch(plan(cases[:1], output), output)
    recipe = QUICK.model_copy(update={"method": "maximum"})
    changed = [Case(cases[0].name, cases[0].images, recipe)]
    (stored,) = run_batch(plan(changed, output), output)
    assert stored.job.recipe.method == "maximum"
    assert len(list(output.rglob("*_fused.nii.gz"))) == 1


def test_refused_and_incomplete_patients_do_not_stop_others(
    cases: list[Case], heads: Path, tmp_path: Path
) -> None:
    bad = heads / "bad.nii.gz"
    bad.write_bytes(b"no image")
    output = tmp_path / "out"
    table_text = (
        "id,ct,mr\n1,ct1.nii.gz,bad.nii.gz\n2,ct2.nii.gz,mr2.nii.gz\n3,ct3.nii.gz,none.nii\n"
        "4,ct2.nii.gz,mr2.nii.gz\n"
    )
    (heads / "some.csv").write_text(table_text)
    planned = plan(read_cases(heads / "some.csv", QUICK), output)
    run_batch(planned, output)
    assert states(output) == [JobState.REFUSED, JobState.DONE]
    rows = {row["case"]: row for row in table(output)}
    assert [row["state"] for row in table(output)] == ["refused"] * 3 + ["done"]
    assert "bad.nii.gz" in rows["sub-1"]["reason"]
    assert "does not exist" in rows["sub-3"]["reason"]
    assert "has the images of sub-2" in rows["sub-4"]["reason"]


def unreadable(folder: Path, number: int) -> Case:
    """A case that is refused at once."""
    path = folder / f"{number}.nii.gz"
    path.write_text(f"no image {number}")
    return Case(f"sub-{number}", JobImages(ct=path, mrs=(path,)), QUICK)


def test_a_case_that_left_the_input_is_cancelled(tmp_path: Path) -> None:
    output, before = tmp_path / "out", [unreadable(tmp_path, 1), unreadable(tmp_path, 2)]
    run_batch(plan(before, output), output)
    run_batch(plan(before[:1], output), output, rerun=[JobState.REFUSED])
    assert states(output) == [JobState.REFUSED, JobState.CANCELLED]
    assert table(output)[1]["reason"].startswith("no longer in INPUT")
    run_batch(plan(before[1:], output, is_partial=True), output)
    assert states(output) == [JobState.REFUSED] * 2


def test_names_that_were_exchanged_are_run_again(tmp_path: Path) -> None:
    output, before = tmp_path / "out", [unreadable(tmp_path, 1), unreadable(tmp_path, 2)]
    run_batch(plan(before, output), output)
    names = ("sub-2", "sub-1")
    after: list[Job] = []
    swapped = [replace(one, name=name) for one, name in zip(before, names, strict=True)]
    run_batch(plan(swapped, output), output, ended=lambda job, _answer: after.append(job))
    assert [job.case for job in after] == ["sub-2", "sub-1"]
    assert {one.job.case: one.job.images for one in stored_jobs(output)} == {
        one.name: one.images for one in swapped
    }


def test_another_form_of_the_result_is_run(tmp_path: Path) -> None:
    output, before = tmp_path / "out", [unreadable(tmp_path, 1)]
    run_batch(plan(before, output), output)
    after: list[Job] = []
    run_batch(
        plan(before, output, as_dicom=True), output, ended=lambda job, _answer: after.append(job)
    )
    assert [job.derivative for job in after] == [None]


def test_what_is_missing_now_wins_over_an_old_job(tmp_path: Path) -> None:
    output, before = tmp_path / "out", [unreadable(tmp_path, 1), unreadable(tmp_path, 2)]
    run_batch(plan(before, output), output)
    incomplete = replace(before[0], images=None, problem="no mr in the table")
    run_batch(plan([incomplete, before[1]], output), output)
    assert [row["reason"] for row in table(output) if row["case"] == "sub-1"] == [
        "no mr in the table"
    ]
    assert [one.job.case for one in stored_jobs(output)] == ["sub-2"]


def test_a_patient_that_takes_too_long_fails(cases: list[Case], tmp_path: Path) -> None:
    output = tmp_path / "out"
    run_batch(plan(cases[:1], output), output, limits=Limits(seconds=0.01))
    (failed,) = stored_jobs(output)
    assert failed.state is JobState.FAILED
    assert "raise the time limit" in failed.reason
    run_batch(plan(cases[:1], output), output, rerun=[JobState.FAILED])
    assert states(output) == [JobState.DONE]


def test_two_runs_do_not_share_a_folder(cases: list[Case], tmp_path: Path) -> None:
    with locked_output(tmp_path / "out"), pytest.raises(OutputError, match="another run"):
        run_batch(plan(cases[:1], tmp_path / "out"), tmp_path / "out")


def test_the_output_is_not_an_input(cases: list[Case], heads: Path) -> None:
    with pytest.raises(OutputError, match="overlaps"):
        plan(cases, heads)


@pytest.mark.parametrize("at_s", [0.7, pytest.param(0.0, marks=pytest.mark.slow)])
def test_a_killed_batch_is_resumed(heads: Path, tmp_path: Path, at_s: float) -> None:
    output = tmp_path / "out"
    command = [
        sys.executable, "-m", "radfuse", "batch", str(heads / "patients.csv"), "-o", str(output),
        "--workers", "2", "--method", "average",
    ]  # fmt: skip
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list((output / "logs").glob("*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(at_s)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    cases = read_cases(heads / "patients.csv", QUICK)
    run_batch(plan(cases, output), output, workers=2)
    assert states(output) == [JobState.DONE] * 3
    assert len(list(output.rglob("*_fused.nii.gz"))) == 3
    assert not list(output.rglob(f"{PREFIX}*"))


def test_an_interrupted_batch_leaves_its_cases_waiting(phantom: Phantom, tmp_path: Path) -> None:
    """Cases that take far longer than the interrupt."""
    rows = ["id,ct,mr"]
    write_volume(tmp_path / "mr.nii.gz", phantom.mr.image)
    for case in (1, 2, 3):
        write_volume(tmp_path / f"ct{case}.nii.gz", phantom.ct.image + case)
        rows.append(f"{case},ct{case}.nii.gz,mr.nii.gz")
    (tmp_path / "patients.csv").write_text("\n".join(rows) + "\n")
    output = tmp_path / "out"
    command = [
        sys.executable, "-m", "radfuse", "batch", str(tmp_path / "patients.csv"),
        "-o", str(output), "--workers", "2",
    ]  # fmt: skip
    running = subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True, text=True)
    deadline = time.monotonic() + 120
    while not (output / STORE).exists() or JobState.RUNNING not in states(output):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does: all processes get it
    _, printed = running.communicate()
    assert printed.splitlines() == ["radfuse: interrupted; the result was not completed"]
    assert states(output) == [JobState.WAITING] * 3


def test_a_folder_of_patients_is_paired_as_studies_are(tmp_path: Path) -> None:
    write_phantom(make_phantom(1, spacing_mm=6.0), tmp_path / "in" / "Anna")
    output = tmp_path / "out"
    (case,) = read_cases(tmp_path / "in", QUICK)
    (job,) = plan([case], output, as_dicom=True).jobs
    assert job.output == output / "sub-Anna" / "dicom"
    run_batch(plan([case], output, as_dicom=True), output)
    assert states(output) == [JobState.DONE]
    assert list(job.output.rglob("*.dcm"))
