"""The state of a study agrees with the files in its folder, however a job ended."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Event, Thread

import pydicom
import pytest

from radfuse.errors import DiskFullError, InputError, OutputError
from radfuse.jobs.job import JobState
from radfuse.jobs.store import JobList
from radfuse.record import Signoff, now
from radfuse.service.jobs.fusion import JobSpec
from radfuse.service.jobs.job_queue import CANCELLED, LIST, JobQueue, ViewerJob
from radfuse.service.jobs.worker import DETAILS, INTERNAL_ERROR
from radfuse.service.stores.results import INPUTS, RESULT, files_beside, run_folder
from radfuse.service.stores.shown_files import UnknownStudyError
from radfuse.service.stores.studies import STOPPED, Studies, Study

ACCEPTED = Signoff(state="accepted", name="A", time=now())


@pytest.fixture
def signed(copied: tuple[Studies, Study]) -> tuple[Studies, Study]:
    """A fused and accepted study in its own folder."""
    studies, study = copied
    return studies, studies.sign(study.id, study.current, ACCEPTED)


@pytest.fixture
def jobs(signed: tuple[Studies, Study]) -> Iterator[JobQueue]:
    opened = JobQueue(signed[0])
    yield opened
    opened.close()


def test_earlier_signoff_survives_a_failed_run(signed: tuple[Studies, Study]) -> None:
    studies, study = signed
    studies.change(study.id, state="running", message="")
    studies.recover()
    assert studies.get(study.id) == study.model_copy(update={"message": STOPPED})


def test_process_that_cannot_start_ends_only_its_own_job(
    signed: tuple[Studies, Study], jobs: JobQueue, capfd: pytest.CaptureFixture[str]
) -> None:
    studies, study = signed
    for sent in ((part for part in "ab"), None):  # cannot be pickled, and can
        jobs.start(studies.get(study.id), JobSpec("prepare", mr_from_ct=sent))  # type: ignore[arg-type]
        job = jobs.last_job(study.id)
        assert job is not None
        assert job.ended.wait(60)
        facts = {"error": INTERNAL_ERROR, "state": "failed"} if sent else {"outcome": None}
        assert job.events[-1] == ("error" if sent else "done", facts)
    assert "cannot pickle 'generator'" in capfd.readouterr().err
    assert studies.get(study.id).state == "done"


def test_jobs_are_listed_until_their_study_is_deleted(
    signed: tuple[Studies, Study], jobs: JobQueue
) -> None:
    studies, study = signed
    bare = studies.create("Bare", study.ct, study.ct / "nothing", study.recipe)
    for one in (study, bare):
        jobs.start(one, JobSpec("prepare"))
    for one in (study, bare):
        job = jobs.last_job(one.id)
        assert job is not None
        assert job.ended.wait(60)
    listed = JobList(studies.folder.parent / LIST, ViewerJob)
    found = {one.job.case: (one.state, one.reason) for one in listed.jobs()}
    assert found[study.id] == (JobState.DONE, "")
    state, reason = found[bare.id]
    assert state is JobState.REFUSED
    assert str(study.ct) not in reason
    jobs.delete(bare.id)
    assert [one.job.case for one in listed.jobs()] == [study.id]
    listed.close()


def test_jobs_that_a_killed_server_leaves_have_failed(copied: tuple[Studies, Study]) -> None:
    studies, study = copied
    left = JobList(studies.folder.parent / LIST, ViewerJob)
    left.add([ViewerJob(identity="1", case=study.id, kind="fuse")])
    left.take("viewer", 60)
    JobQueue(studies).close()
    assert [(one.state, one.reason) for one in left.jobs()] == [(JobState.FAILED, STOPPED)]
    left.close()


def test_full_disk_leaves_no_job_that_never_ends(
    signed: tuple[Studies, Study],
    jobs: JobQueue,
    full_disk: Callable[[int], AbstractContextManager[None]],
) -> None:
    studies, study = signed
    bare = studies.create("Bare", study.ct, study.ct / "nothing", study.recipe)
    jobs.start(bare, JobSpec("prepare"))
    job = jobs.last_job(bare.id)
    assert job is not None
    with full_disk(0):
        assert job.ended.wait(60)
    assert job.events[-1][0] == "error"
    failed = studies.get(bare.id)
    assert failed.state == "failed"
    assert failed.message == OutputError.__doc__ + " " + DETAILS  # no path is stored
    jobs.delete(bare.id)
    assert [one.id for one in studies.all()] == [study.id]


def test_cancel_while_a_run_is_placed_keeps_the_signed_one(
    signed: tuple[Studies, Study], jobs: JobQueue
) -> None:
    studies, study = signed
    view, folder = studies.view(study.id), studies.folder_of(study.id)
    before = {path.name for path in (folder / "results").iterdir()}
    recipe = study.recipe.model_copy(update={"method": "maximum"})
    jobs.start(study.model_copy(update={"recipe": recipe}), JobSpec("fuse", keep_registration=True))
    job = jobs.last_job(study.id)
    assert job is not None
    while not (job.ended.is_set() or job.events[-1][1].get("stage", "").startswith("moving")):
        job.ended.wait(0.001)
    job.cancelled.set()
    assert job.ended.wait(60)
    found = studies.get(study.id)
    assert not list(folder.rglob(".*"))
    runs = {path.name for path in (folder / "results").iterdir()}
    if job.events[-1][0] == "error":
        assert runs == before
        assert found == study.model_copy(update={"recipe": recipe, "message": CANCELLED})
        assert studies.view(study.id) == view
    else:
        assert found.outcome is not None
        assert (found.outcome.method, found.signoff) == ("maximum", None)
        assert runs == before | {found.current}


@pytest.mark.parametrize(
    ("role", "change"),
    [
        ("CT", "value"), ("MR", "removed"), ("CT", "added"),
        *(pytest.param(*one, marks=pytest.mark.slow)
          for one in (("MR", "value"), ("CT", "removed"), ("MR", "added"))),
    ],
)  # fmt: skip
def test_result_of_changed_inputs_is_not_signed(
    copied: tuple[Studies, Study], tmp_path: Path, role: str, change: str
) -> None:
    studies, study = copied
    listed = run_folder(studies.folder_of(study.id), study.current) / RESULT / INPUTS
    files, moved = json.loads(listed.read_bytes()), tmp_path / role
    source = Path(files[role][0]).parent
    shutil.copytree(source, moved)
    listed.write_text(json.dumps(files).replace(str(source), str(moved)))
    studies.change(study.id, **{role.lower(): moved})
    (moved / "notes.txt").write_text("of another program")
    other = pydicom.dcmread(files[role][0])
    other.SeriesInstanceUID = "1.2.3"
    other.save_as(moved / "other_series.dcm")
    assert study.outcome is not None
    identifier = study.outcome.registration_id
    signoff = Signoff(state="accepted", name="A", time=now(), registration_id=identifier)
    signed = studies.sign(study.id, study.current, signoff)
    assert signed.signoff == signoff
    studies.check_shown(study.id)
    slices = [moved / Path(name).name for name in files[role]]
    if change == "value":
        content = bytearray(slices[-1].read_bytes())
        content[-1] ^= 1
        slices[-1].write_bytes(content)
    elif change == "removed":
        slices[-1].unlink()
    else:
        shutil.copyfile(slices[-1], moved / "more")
    problem = f"the files of the {role} were changed after the fusion; fuse again, review"
    with pytest.raises(InputError, match=problem):
        studies.sign(study.id, signed.current, signoff.model_copy(update={"state": "rejected"}))
    assert studies.get(study.id).signoff == signoff
    if change != "value":
        with pytest.raises(InputError, match=problem):
            studies.check_shown(study.id)


def test_one_file_as_source_has_no_files_beside_it(tmp_path: Path) -> None:
    """An uploaded archive or a volume; the other files of its folder are none of the study's."""
    folder = tmp_path / "folder"
    folder.mkdir()
    paths = [tmp_path / "00000.zip", tmp_path / "mr.nii.gz", folder / "0001", folder / "DICOMDIR"]
    for path in paths:
        path.touch()
    assert files_beside(paths[:2]) == paths[:2]
    assert files_beside([paths[0], paths[0]]) == [paths[0]]
    assert files_beside([folder, paths[1]]) == files_beside([paths[3], paths[1]])
    assert set(files_beside([folder, paths[1]])) == set(paths[1:])


def test_study_deleted_during_a_read_is_unknown(copied: tuple[Studies, Study]) -> None:
    studies, study = copied
    path, messages, ended = studies.folder_of(study.id) / "study.json", set[str](), Event()

    def delete_and_restore() -> None:
        while not ended.is_set():
            path.replace(path.with_suffix(".away"))
            path.with_suffix(".away").replace(path)

    deleting = Thread(target=delete_and_restore)
    deleting.start()
    for _ in range(300):
        try:
            studies.get(study.id)
        except UnknownStudyError as error:
            messages.add(str(error))
        assert studies.unreadable() == []
    ended.set()
    deleting.join()
    assert messages <= {f"no study '{study.id}'; see the list of studies"}


def test_a_study_is_unchanged_if_its_job_cannot_be_listed(
    signed: tuple[Studies, Study], jobs: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_jobs: object) -> None:
        raise DiskFullError("no space left")

    studies, study = signed
    with monkeypatch.context() as patched:
        patched.setattr(jobs._list, "add", full)
        with pytest.raises(DiskFullError):
            jobs.start(study, JobSpec("prepare"))
    assert studies.get(study.id) == study
    with monkeypatch.context() as patched:
        patched.setattr(studies, "change", full)
        with pytest.raises(TypeError):
            jobs.start(study, JobSpec("prepare"))
    assert list(jobs._list.jobs()) == []
