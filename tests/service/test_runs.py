"""Runs of a study: killed at any moment, the earlier or the new result is whole."""

import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from service_kit import Site, fuzzing, refused

from radfuse.errors import InputError
from radfuse.io.staging import staging
from radfuse.pipeline.outputs import files_of
from radfuse.record import Signoff, digest, now, read_record
from radfuse.service.jobs.view_files import FUSED, VIEW, VIEW_FILE
from radfuse.service.stores.results import (
    OUTCOME,
    REGISTRATION,
    REPLACING,
    RESULT,
    RUNS,
    check_inputs,
    read_outcome,
    run_folder,
    store_run,
)
from radfuse.service.stores.studies import STUDY_FILE, Studies, Study

Act = Callable[[Studies, str], object]

CHANGES_OF_THE_DISK = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "open"}
"""Audit events of changes; of `open`, those that write."""

APART = 150
"""A process is killed before and after each renaming, and at other changes this far apart; outside
of `make study` only at the first change, and before and after the last renaming."""

MAX_S = 60
"""A process that acts is ended after this time."""

SIGNOFF = Signoff(state="accepted", name="A", time=now())


def changes_until(kill_at: int | None, act: Callable[[], object], log: Path) -> list[str]:
    """Changes of the disk by a process that acts; it is killed before the n-th, if given."""
    child = os.fork()
    if not child:
        try:
            os._exit(_act(kill_at, act, log))
        finally:
            traceback.print_exc()
            os._exit(1)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert ended == (0 if kill_at is None else -signal.SIGKILL)
    return list(json.loads(log.read_bytes())) if kill_at is None else []


def _act(kill_at: int | None, act: Callable[[], object], log: Path) -> int:
    changes: list[str] = []

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        if event in CHANGES_OF_THE_DISK and (event != "open" or arguments[2] & os.O_ACCMODE):
            if len(changes) == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            changes.append(event)

    signal.alarm(MAX_S)
    sys.addaudithook(count)
    act()
    log.write_text(json.dumps(changes[:]))
    return 0


def stored(studies: Studies, study: Study, method: str) -> str:
    """Write a run as a job does, of another method."""
    folder = studies.folder_of(study.id)
    with staging(folder / RUNS) as stage:
        run = shutil.copytree(run_folder(folder, study.current), stage.folder / "run")
        outcome, _ = read_outcome(run)
        assert outcome is not None
        new = outcome.model_copy(update={"method": method, "job": method})
        (run / RESULT / OUTCOME).write_text(new.model_dump_json())
        path = run / outcome.record
        record = read_record(path)
        recipe = record.recipe.model_copy(update={"method": method})
        record = record.model_copy(update={"recipe": recipe, "signoff": None})
        path.write_text(record.model_dump_json())
        return store_run(stage, run, record)


def sign(studies: Studies, identifier: str, state: str) -> Study:
    study = studies.get(identifier)
    assert study.outcome is not None
    changed = SIGNOFF.model_copy(update={"state": state})
    return studies.sign(study.id, study.current, changed)


def fuse(studies: Studies, identifier: str, method: str) -> Study:
    run = stored(studies, studies.get(identifier), method)
    return studies.finish_job(identifier, "failed", "", run=run)


def check_whole(studies: Studies, identifier: str) -> tuple[str, str]:
    """Method and review state of the shown result, all parts of which agree."""
    study, view = studies.get(identifier), studies.view(identifier)
    run = run_folder(studies.folder_of(study.id), study.current)
    assert study.state == "done"
    assert view.fused is not None
    assert studies.volume(study.id, "fused").stat().st_size > 0
    assert (run / REGISTRATION).is_file()
    assert study.outcome is not None
    record = read_record(run / study.outcome.record)
    for output in record.outputs:
        assert digest(files_of(run / RESULT / output.path)) == output.sha256
    assert (study.outcome, study.signoff) == read_outcome(run)
    assert record.signoff == study.signoff
    state = study.signoff.state if study.signoff else ""
    assert studies.qa_sheet(study.id).parent == run / RESULT
    check_inputs(run, (study.ct, study.mr))
    return study.outcome.method, state


def shown_after_kills(
    saved: Path, tmp_path: Path, act: Act, *, everywhere: bool
) -> list[tuple[str, str]]:
    """What is shown after a restart, for later and later kills of an act; the last has none."""

    def shown(kill_at: int | None) -> tuple[tuple[str, str], list[str]]:
        folder = tmp_path / "killed"
        shutil.copytree(saved, folder / "studies" / saved.name)
        studies, log = Studies(folder), tmp_path / "log.json"
        changes = changes_until(kill_at, lambda: act(studies, saved.name), log)
        again = Studies(folder)
        again.recover()
        found = check_whole(again, saved.name)
        assert signed_runs(folder / "studies" / saved.name) >= signed_runs(saved)
        shutil.rmtree(folder)
        return found, changes

    last, changes = shown(None)
    renamings = [at for at, change in enumerate(changes) if change == "os.rename"]
    others = range(0, len(changes), APART) if everywhere else [0]
    near = renamings if everywhere else renamings[-1:]
    steps = sorted({*others, *near, *(at + 1 for at in near if at + 1 < len(changes))})
    return [*(shown(step)[0] for step in steps), last]


def signed_runs(folder: Path) -> set[str]:
    """Signed runs that are whole, by what was signed."""
    found = ((path, *read_outcome(path)) for path in (folder / RUNS).glob("*"))
    flat = (folder, *read_outcome(folder))
    return {
        signoff.model_dump_json()
        for path, outcome, signoff in (*found, flat)
        if outcome and signoff and path.name[0] != "."
    }


@pytest.fixture
def saved(copied: tuple[Studies, Study]) -> Path:
    """The folder of a fused and accepted study."""
    studies, study = copied
    folder = studies.folder_of(study.id)
    (folder / STUDY_FILE).write_text(study.model_copy(update={"message": ""}).model_dump_json())
    fuse(studies, study.id, "average")
    sign(studies, study.id, "accepted")
    return folder


def as_flat(folder: Path) -> None:
    """Bring a study into the form of version 1."""
    study = Study.model_validate_json((folder / STUDY_FILE).read_bytes())
    run = run_folder(folder, study.current)
    (run / VIEW / FUSED).replace(folder / VIEW / FUSED)
    (run / VIEW / VIEW_FILE).replace(folder / VIEW / VIEW_FILE)
    for name in (RESULT, REGISTRATION):
        (run / name).replace(folder / name)
    shutil.rmtree(folder / RUNS)
    facts = {**study.model_dump(mode="json", exclude={"current"}), "schema_version": 1}
    (folder / STUDY_FILE).write_text(json.dumps(facts))


ACTS: dict[str, tuple[Act, tuple[str, str]]] = {
    "fuse": (lambda studies, one: fuse(studies, one, "maximum"), ("maximum", "")),
    "sign": (lambda studies, one: sign(studies, one, "rejected"), ("average", "rejected")),
    "read": (lambda studies, one: studies.get(one), ("average", "accepted")),
}
"""What is killed, and what it shows; the last reads a study of version 1."""


@pytest.mark.parametrize("everywhere", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ACTS)
def test_kill_leaves_the_old_or_the_new_result_whole(
    saved: Path, tmp_path: Path, name: str, everywhere: bool
) -> None:
    if name == "read":
        as_flat(saved)
    act, new = ACTS[name]
    before = ("average", "accepted")
    shown = shown_after_kills(saved, tmp_path, act, everywhere=everywhere)
    assert set(shown) == {before, new}
    assert shown[0] == before
    assert shown == sorted(shown, key=lambda one: one == new)


@fuzzing(12)
@given(st.lists(st.sampled_from(["maximum", "average", "accepted", "rejected"]), max_size=4))
def test_every_signed_run_is_kept_in_any_order(
    copied: tuple[Studies, Study], tmp_path_factory: pytest.TempPathFactory, acts: list[str]
) -> None:
    studies, study = copied
    folder = tmp_path_factory.mktemp("order")
    shutil.copytree(studies.folder_of(study.id), folder / "studies" / study.id)
    studies = Studies(folder)
    fuse(studies, study.id, "dwt")
    expected, signed = ("dwt", ""), set[tuple[str, str]]()
    others = {path.name for path in (studies.folder_of(study.id) / RUNS).iterdir()}
    others.remove(studies.get(study.id).current)
    for act in acts:
        if act in {"accepted", "rejected"}:
            sign(studies, study.id, act)
            expected = expected[0], act
            signed.add(expected)
        else:
            fuse(studies, study.id, act)
            expected = act, ""
        Studies(folder).recover()
        assert check_whole(studies, study.id) == expected
        runs = {path.name for path in (studies.folder_of(study.id) / RUNS).iterdir()}
        current = studies.get(study.id).current
        assert current in runs
        assert len(runs - others) == len(signed) + (expected[1] == "")


def test_run_is_named_by_its_inputs(copied: tuple[Studies, Study]) -> None:
    studies, study = copied
    names = [fuse(studies, study.id, method).current for method in ("maximum", "dwt", "maximum")]
    assert names[0] == names[2] != names[1]


def test_mixed_flat_result_is_not_shown(saved: Path, tmp_path: Path) -> None:
    as_flat(saved)
    signed = signed_runs(saved)
    (saved / REPLACING).touch()
    study = Studies(tmp_path).get(saved.name)
    assert (study.state, study.outcome, study.signoff, study.current) == ("ready", None, None, "")
    assert Studies(tmp_path).view(study.id).fused is None
    with pytest.raises(InputError, match="there is no result to sign off; fuse first"):
        Studies(tmp_path).sign(study.id, study.current, SIGNOFF)
    assert signed_runs(saved) == signed
    assert not {path.name for path in saved.iterdir()} & {REPLACING, RESULT, REGISTRATION}


def test_viewer_refuses_a_result_of_fewer_or_more_slices(
    site: Site, asked: dict[str, Any], tmp_path: Path
) -> None:
    ct = tmp_path / "ct"
    shutil.copytree(asked["ct"], ct)
    identifier = site.make(**{**asked, "ct": str(ct)})
    assert site.fuse(identifier)[-1][0] == "done"
    view, slices = site.view(identifier), sorted(ct.iterdir())
    changes = [slices[-1].rename, lambda path: shutil.copyfile(slices[0], path)]
    for change in changes:
        change(tmp_path / "away" if change == changes[0] else ct / "more")
        answer = site.client.get(f"/api/v1/studies/{identifier}/view")
        refused(answer, 400, "the files of the CT were changed after the fusion; fuse again")
        refused(site.sign(identifier, "accepted"), 400, "the files of the CT were changed")
        if change == changes[0]:
            (tmp_path / "away").rename(slices[-1])
            assert site.view(identifier) == view
