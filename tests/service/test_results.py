"""The state of a study agrees with the files in its folder, however a job ended."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Event, Thread

import pytest

from radfuse.errors import InputError, OutputError
from radfuse.record import Record, Signoff, now
from radfuse.service.jobs.fusion import JobSpec
from radfuse.service.jobs.job_queue import CANCELLED, JobQueue
from radfuse.service.jobs.worker import DETAILS, INTERNAL_ERROR
from radfuse.service.stores.results import INPUTS, OUTCOME, REPLACING, RESULT, FusionOutcome
from radfuse.service.stores.studies import MIXED, STOPPED, Studies, Study, UnknownStudyError


@pytest.fixture
def signed(copied: tuple[Studies, Study]) -> tuple[Studies, Study]:
    """A fused and accepted study in its own folder."""
    studies, study = copied
    assert study.outcome is not None
    identifier = study.outcome.registration_id
    signoff = Signoff(state="accepted", name="A", time=now(), registration_id=identifier)
    return studies, studies.sign(study.id, signoff)


@pytest.fixture
def jobs(signed: tuple[Studies, Study]) -> Iterator[JobQueue]:
    opened = JobQueue(signed[0])
    yield opened
    opened.close()


def replace_result(folder: Path, outcome: FusionOutcome) -> FusionOutcome:
    """Write what a job writes: its outcome, and a record without a sign-off."""
    new = outcome.model_copy(update={"job": "new", "registration_id": "other"})
    (folder / "result" / OUTCOME).write_text(new.model_dump_json(), encoding="utf-8")
    record = Record.model_validate_json((folder / outcome.record).read_bytes())
    unsigned = record.model_copy(update={"signoff": None}).model_dump_json()
    (folder / outcome.record).write_text(unsigned, encoding="utf-8")
    return new


def test_earlier_signoff_does_not_pass_to_an_unseen_result(signed: tuple[Studies, Study]) -> None:
    studies, study = signed
    assert study.outcome is not None
    new = replace_result(studies.folder_of(study.id), study.outcome)
    studies.change(study.id, state="running", message="")
    studies.recover()
    found = studies.get(study.id)
    assert (found.state, found.message) == ("done", "")
    assert (found.outcome, found.signoff) == (new, None)


def test_late_cancel_does_not_claim_earlier_results(signed: tuple[Studies, Study]) -> None:
    studies, study = signed
    assert study.outcome is not None
    studies.change(study.id, state="running", message="")
    replace_result(studies.folder_of(study.id), study.outcome)
    assert studies.finish_job(study.id, "cancelled", CANCELLED).message == ""


def test_earlier_signoff_survives_a_failed_run(signed: tuple[Studies, Study]) -> None:
    studies, study = signed
    studies.change(study.id, state="running", message="")
    studies.recover()
    assert studies.get(study.id) == study.model_copy(update={"message": STOPPED})


def test_mixed_results_of_two_jobs_are_removed(signed: tuple[Studies, Study]) -> None:
    studies, study = signed
    folder = studies.folder_of(study.id)
    (folder / REPLACING).touch()
    for half in (folder, folder / "view"):
        (half / ".radfuse-half").mkdir()
    studies.change(study.id, state="running")
    studies.recover()
    found = studies.get(study.id)
    assert (found.state, found.message) == ("ready", MIXED)
    assert (found.outcome, found.signoff) == (None, None)
    view = studies.view(study.id)
    assert (view.fused, view.preview) == (None, None)
    left = {str(path.relative_to(folder)) for path in folder.rglob("*")}
    left = {name for name in left if not name.startswith(("structures", "exports"))}
    assert left == {"study.json", "view", "view/ct.nii", "view/mr.nii", "view/view.json"}


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


def test_cancel_while_placing_keeps_earlier_or_whole_new_result(
    signed: tuple[Studies, Study], jobs: JobQueue
) -> None:
    studies, study = signed
    before = study.outcome
    jobs.start(study, JobSpec("fuse", keep_registration=True))
    job = jobs.last_job(study.id)
    assert job is not None
    while not (job.ended.is_set() or job.events[-1][1].get("stage", "").startswith("moving")):
        job.ended.wait(0.001)
    job.cancelled.set()
    assert job.ended.wait(60)
    found = studies.get(study.id)
    assert (found.state, found.outcome is not None) == ("done", True)
    assert not list(studies.folder_of(study.id).rglob(".*"))
    assert (found.signoff == study.signoff) == (found.outcome == before)


@pytest.mark.parametrize("change", ["value", "removed"])
@pytest.mark.parametrize("role", ["CT", "MR"])
def test_result_of_changed_inputs_is_not_signed(
    copied: tuple[Studies, Study], tmp_path: Path, role: str, change: str
) -> None:
    studies, study = copied
    listed = studies.folder_of(study.id) / RESULT / INPUTS
    files = json.loads(listed.read_bytes())
    moved = [tmp_path / f"{role}{number}" for number in range(len(files[role]))]
    for source, target in zip(files[role], moved, strict=True):
        shutil.copyfile(source, target)
    listed.write_text(json.dumps({**files, role: list(map(str, moved))}))
    assert study.outcome is not None
    identifier = study.outcome.registration_id
    signoff = Signoff(state="accepted", name="A", time=now(), registration_id=identifier)
    assert studies.sign(study.id, signoff).signoff == signoff
    if change == "value":
        content = bytearray(moved[-1].read_bytes())
        content[-1] ^= 1
        moved[-1].write_bytes(content)
    else:
        moved[-1].unlink()
    words = f"{role} were changed" if change == "value" else "cannot be read"
    with pytest.raises(InputError, match=words):
        studies.sign(study.id, signoff.model_copy(update={"state": "rejected"}))
    assert studies.get(study.id).signoff == signoff


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
