"""Runs of a study: killed at any moment, the earlier or the new result is whole."""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from service_kit import Site, refused

from radfuse.io.staging import staging
from radfuse.pipeline.outputs import files_of
from radfuse.record import Signoff, digest, now, read_record
from radfuse.service.stores.results import (
    INPUTS,
    OUTCOME,
    REGISTRATION,
    REPLACING,
    RESULT,
    RUNS,
    check_inputs,
    place_run,
    read_outcome,
    run_folder,
)
from radfuse.service.stores.studies import STUDY_FILE, Studies, Study

MAX_STEPS = 2000
"""Changes of the disk in one operation, at most."""

CHANGES_OF_THE_DISK = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "open"}
"""Events of `sys.addaudithook`; `open` also reads."""

SIGNOFF = Signoff(state="accepted", name="A", time=now(), registration_id="-")


def killed_at(step: int, folder: Path, act: Callable[[], object]) -> bool:
    """Whether a process that acts was killed by SIGKILL before its n-th change of a folder."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    left = step

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        writes = event != "open" or (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR)
        if event in CHANGES_OF_THE_DISK and writes:
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    try:
        sys.addaudithook(count)
        act()
    finally:
        os._exit(0)


def place(studies: Studies, study: Study, method: str) -> str:
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
        return place_run(stage, run, record)


def sign(studies: Studies, study: Study, state: str = "accepted") -> Study:
    study = studies.get(study.id)
    assert study.outcome is not None
    current = study.outcome.registration_id
    changes = {"state": state, "registration_id": current}
    return studies.sign(study.id, SIGNOFF.model_copy(update=changes))


def fuse(studies: Studies, study: Study, method: str) -> Study:
    run = place(studies, studies.get(study.id), method)
    return studies.finish_job(study.id, "failed", "", run=run)


def check_whole(studies: Studies, study: Study) -> tuple[str, str]:
    """Method and review state of the shown result, all parts of which agree."""
    study, view = studies.get(study.id), studies.view(study.id)
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
    shown = studies.qa_sheet(study.id).read_text()
    assert (f"{state} by A" in shown) == bool(state)
    check_inputs(run, (study.ct, study.mr))
    return study.outcome.method, state


def kill_everywhere(
    saved: Path, tmp_path: Path, act: Callable[[Studies, Study], object]
) -> list[tuple[str, str]]:
    """Kill an act at each change of the disk; what is shown then, after a restart."""
    shown = []
    for step in range(MAX_STEPS):
        folder = tmp_path / str(step)
        shutil.copytree(saved, folder / "studies" / saved.name, copy_function=os.link)
        file = folder / "studies" / saved.name / STUDY_FILE
        file.write_bytes(unlinked(file))
        studies = Studies(folder)
        study = Study.model_validate_json(file.read_bytes())
        killed = killed_at(step, folder, lambda s=studies, one=study: act(s, one))  # type: ignore[misc]
        again = Studies(folder)
        again.recover()
        shown.append(check_whole(again, study))
        left = {path.name for path in (folder / "studies").rglob(".*")}
        assert not {name for name in left if name.startswith(".radfuse") and not killed}
        shutil.rmtree(folder)
        if not killed:
            return shown
    raise AssertionError("more steps than expected")


def unlinked(path: Path) -> bytes:
    content = path.read_bytes()
    path.unlink()
    return content
