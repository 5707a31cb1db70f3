"""A study says what lies in its folder, whatever became of the run that has put it there."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from service_kit import Site

from radfuse.record import Record, Signoff, now
from radfuse.service.jobs.job_queue import CANCELLED, Work
from radfuse.service.jobs.worker import INTERNAL, Task
from radfuse.service.stores.results import OUTCOME, PLACING, Outcome
from radfuse.service.stores.studies import MIXED, STOPPED, Studies, Study


@pytest.fixture
def copied(site: Site, done: str, tmp_path: Path) -> tuple[Studies, Study]:
    """A study that has run and is accepted, in a folder of its own."""
    shutil.copytree(site.folder / "studies" / done, tmp_path / "studies" / done)
    studies = Studies(tmp_path)
    outcome = studies.get(done).outcome
    assert outcome is not None
    seen = outcome.registration_id
    return studies, studies.sign(
        done, Signoff(state="accepted", name="A", time=now(), registration_id=seen)
    )


@pytest.fixture
def work(copied: tuple[Studies, Study]) -> Iterator[Work]:
    opened = Work(copied[0])
    yield opened
    opened.close()


def put_in_place(folder: Path, outcome: Outcome) -> Outcome:
    """What a run leaves: its outcome, and a record without a sign-off."""
    new = outcome.model_copy(update={"run": "new", "registration_id": "other"})
    (folder / "result" / OUTCOME).write_text(new.model_dump_json(), encoding="utf-8")
    record = Record.model_validate_json((folder / outcome.record).read_bytes())
    unsigned = record.model_copy(update={"signoff": None}).model_dump_json()
    (folder / outcome.record).write_text(unsigned, encoding="utf-8")
    return new


def test_earlier_signoff_does_not_pass_to_an_unseen_result(
    copied: tuple[Studies, Study],
) -> None:
    studies, study = copied
    assert study.outcome is not None
    new = put_in_place(studies.place(study.id), study.outcome)
    studies.change(study.id, state="running", message="")
    studies.recover()
    found = studies.get(study.id)
    assert (found.state, found.message) == ("done", "")
    assert (found.outcome, found.signoff) == (new, None)


def test_late_cancel_does_not_claim_earlier_results(
    copied: tuple[Studies, Study],
) -> None:
    studies, study = copied
    assert study.outcome is not None
    studies.change(study.id, state="running", message="")
    put_in_place(studies.place(study.id), study.outcome)
    assert studies.settle(study.id, "cancelled", CANCELLED).message == ""


def test_earlier_signoff_survives_a_failed_run(
    copied: tuple[Studies, Study],
) -> None:
    studies, study = copied
    studies.change(study.id, state="running", message="")
    studies.recover()
    assert studies.get(study.id) == study.model_copy(update={"message": STOPPED})


def test_of_results_of_two_runs_that_were_mixed_none_is_left(
    copied: tuple[Studies, Study],
) -> None:
    studies, study = copied
    folder = studies.place(study.id)
    (folder / PLACING).touch()
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
    copied: tuple[Studies, Study], work: Work, capfd: pytest.CaptureFixture[str]
) -> None:
    studies, study = copied
    for sent in ((part for part in "ab"), None):  # what cannot be sent to a process, and what can
        work.start(studies.get(study.id), Task("prepare", mr_from_ct=sent))  # type: ignore[arg-type]
        run = work.run_of(study.id)
        assert run is not None
        assert run.ended.wait(60)
        facts = {"error": INTERNAL, "state": "failed"} if sent else {"outcome": None}
        assert run.events[-1] == ("error" if sent else "done", facts)
    assert "cannot pickle 'generator'" in capfd.readouterr().err
    assert studies.get(study.id).state == "done"


def test_a_full_disk_leaves_no_run_that_never_ends(
    copied: tuple[Studies, Study],
    work: Work,
    full_disk: Callable[[int], AbstractContextManager[None]],
) -> None:
    studies, study = copied
    bare = studies.create("Bare", study.ct, study.ct / "nothing", study.recipe)
    work.start(bare, Task("prepare"))
    run = work.run_of(bare.id)
    assert run is not None
    with full_disk(0):
        assert run.ended.wait(60)
    assert run.events[-1][0] == "error"
    told = studies.get(bare.id)
    assert told.state == "failed"
    assert told.message == run.events[-1][1]["error"]
    work.delete(bare.id)
    assert [one.id for one in studies.all()] == [study.id]
