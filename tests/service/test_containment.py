"""Readers with limits: memory, time and crashes cost one clear line, no more."""

import multiprocessing
import os
import resource
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from service_kit import Site, refused
from study_kit import StudyClient

from radfuse.errors import GeometryError, InputError
from radfuse.jobs.containment import limit_memory, run_contained
from radfuse.service.jobs import job_queue
from volume_kit import grid

PATH = Path("scan.dcm")


def answered(number: int) -> np.ndarray:
    return np.full(3, number)


def too_large() -> int:
    return int(np.ones(1 << 30).sum())  # 8 GiB


def endless() -> None:
    time.sleep(60)


def crashing() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def refusing() -> None:
    raise GeometryError("scan.dcm: slices overlap; export it again")


def faulty() -> None:
    raise KeyError("a bug")


def test_result_and_errors_pass_through() -> None:
    np.testing.assert_array_equal(run_contained(answered, 7, path=PATH), [7, 7, 7])
    with pytest.raises(GeometryError, match=r"^scan.dcm: slices overlap; export it again$"):
        run_contained(refusing, path=PATH)


def test_reader_without_memory_names_the_file() -> None:
    with pytest.raises(InputError, match=r"^scan.dcm: reading needs more than 4 GiB of memory"):
        run_contained(too_large, path=PATH, memory_bytes=4 << 30)


def test_reader_that_takes_too_long_is_stopped() -> None:
    start = time.monotonic()
    with pytest.raises(InputError, match=r"^scan.dcm: reading was stopped after 2 s"):
        run_contained(endless, path=PATH, timeout_s=2)
    assert time.monotonic() - start < 30


def test_reader_that_crashes_names_the_file() -> None:
    with pytest.raises(InputError, match=r"^scan.dcm: the program that reads it ended .* -11\)"):
        run_contained(crashing, path=PATH)


def test_bug_in_a_reader_stays_a_bug(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="KeyError in a reader"):
        run_contained(faulty, path=PATH)


def unlimited() -> bool:
    limit_memory(None)
    return resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY


def test_memory_limit_can_be_lifted() -> None:
    assert run_contained(unlimited, path=PATH, memory_bytes=4 << 30)


def meta_image(path: Path, old: str, new: str) -> Path:
    """A MetaImage file with one value of its header replaced."""
    sitk.WriteImage(grid((0, 0, 0), (1, 2, 3), (0, 0, 0)), path)
    plain = path.read_bytes()
    assert old.encode() in plain
    path.write_bytes(plain.replace(old.encode(), new.encode()))
    return path


@pytest.fixture
def crash(tmp_path: Path) -> Path:
    """A file at which ITK itself would end its process with a segmentation fault."""
    return meta_image(tmp_path / "crash.mha", "NDims = 3", "NDims = 65535")


def test_crashing_file_costs_one_request(site: Site, crash: Path, prepared: str) -> None:
    answer = site.client.post("/api/v1/inspect", json={"path": str(crash)})
    (problem,) = answer.json()["images"][0]["problems"]
    assert "NDims is '65535', which is not supported" in problem
    client = StudyClient(site, prepared)
    refused(client.call("POST", "/structures/import", path=str(crash)), 400, "crash.mha: ")
    whole = meta_image(crash.with_name("whole.mha"), "NDims = 3", "NDims = 3")
    answer = site.client.post("/api/v1/inspect", json={"path": str(whole)})
    assert answer.json()["images"][0]["problems"] == []


def test_crashing_file_ends_one_job_and_is_named(site: Site, crash: Path) -> None:
    kind, facts = site.prepare(site.make(ct=str(crash), mr=str(crash)))[-1]
    assert kind == "error"
    assert facts["error"].startswith("crash.mha: NDims is '65535', which is not supported")


def signalled(site: Site, asked: dict[str, Any], number: signal.Signals) -> str:
    """The error of a job whose process gets a signal, without the names of its images."""
    identifier = site.make(**asked)
    answer = site.client.post(f"/api/v1/studies/{identifier}/prepare")
    assert answer.status_code == 202, answer.text
    end = time.monotonic() + 30
    while not (processes := multiprocessing.active_children()):
        assert time.monotonic() < end
        time.sleep(0.05)
    (process,) = processes
    assert process.pid is not None
    os.kill(process.pid, number)
    kind, facts = list(site.events(identifier))[-1]
    assert (kind, facts["state"]) == ("error", "failed")
    assert site.study(identifier)["state"] == "failed"
    names, _, reason = str(facts["error"]).partition(": ")
    assert names == f"{asked['ct']}, {asked['mr']}"
    return reason


def test_job_that_crashes_names_the_files(site: Site, asked: dict[str, Any]) -> None:
    reason = signalled(site, asked, signal.SIGSEGV)
    assert reason == (
        "the process that reads and fuses them ended (status -11); a file is damaged, or memory "
        "too small"
    )


def test_job_that_makes_no_progress_is_stopped(
    site: Site, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_queue, "JOB_TIMEOUT_S", 4.0)
    assert signalled(site, asked, signal.SIGSTOP) == "stopped after 4 s without progress"
