"""Responses of a server are still true after it was killed."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import httpx
import pytest
from service_kit import TOKEN, Site, running
from study_kit import StudyClient, write_volumes

from radfuse.phantom.head import Phantom
from radfuse.recipe import Recipe
from radfuse.registration.transforms import matrix_of
from radfuse.service.security import TOKEN_HEADER, Access
from radfuse.service.stores.results import OUTCOME, RESULT
from radfuse.service.stores.studies import STOPPED, Studies

CHANGES = 25
"""Confirmed changes before the server is killed."""

MAX_WAIT_S, POLL_S = 60.0, 0.05
"""How long a test waits for a condition, and how often it checks."""


@contextmanager
def served(folder: Path) -> Iterator[tuple[subprocess.Popen[str], Site]]:
    """A server in a child process, to be killed."""
    folder.mkdir(exist_ok=True)
    (folder / "token").write_text(TOKEN)
    command = [
        sys.executable, "-m", "radfuse", "view", "--no-browser", "--folder", str(folder),
        "--token-file", str(folder / "token"),
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().split(":")[2].split("/")[0])
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers={TOKEN_HEADER: TOKEN}, trust_env=False,
            timeout=MAX_WAIT_S,
        ) as client:  # fmt: skip
            try:
                yield process, Site(Access("127.0.0.1", port, TOKEN, 0), folder, client)
            finally:
                process.kill()


def children_of(process: int) -> list[Path]:
    """Child processes, as folders of /proc."""
    lists = Path(f"/proc/{process}/task").glob("*/children")
    return [Path("/proc") / one for path in lists for one in path.read_text().split()]


def running_of(processes: list[Path]) -> list[Path]:
    """The processes that have not ended."""
    states = {one: one / "status" for one in processes if one.exists()}
    return [one for one, status in states.items() if "State:\tZ" not in status.read_text()]


def wait_for(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + MAX_WAIT_S
    while not happened():
        assert time.monotonic() < end
        time.sleep(POLL_S)


def runs_in(folder: Path) -> int:
    """Number of runs with an outcome, in their place or about to be moved there."""
    patterns = f"results/.radfuse-*/run/{RESULT}/{OUTCOME}", f"results/*/{RESULT}/{OUTCOME}"
    return sum(len(list(folder.glob(pattern))) for pattern in patterns)


@pytest.mark.parametrize("late", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_killed_server_keeps_the_earlier_signed_result(
    site: Site, done: str, phantom: Phantom, tmp_path: Path, late: bool
) -> None:
    folder = tmp_path / "studies" / done
    shutil.copytree(site.folder / "studies" / done, folder)
    other = matrix_of(phantom.mr_from_ct)
    other[:3, 3] += 0.5
    with served(tmp_path) as (process, own):
        assert own.sign(done, "accepted").status_code == 200
        before, view = own.study(done), own.view(done)
        earlier = runs_in(folder)
        asked = {"mr_from_ct": other.tolist(), "refine": False}
        own.client.post(f"/api/v1/studies/{done}/fuse", json=asked)
        next(facts for _, facts in own.events(done) if facts.get("stage") == "fusing")
        children = children_of(process.pid)
        assert children
        if late:
            process.send_signal(signal.SIGSTOP)  # it cannot receive messages
            wait_for(lambda: runs_in(folder) > earlier)
        process.kill()
    wait_for(lambda: not running_of(children))
    with running(tmp_path) as again:
        after, shown = again.study(done), again.view(done)
    assert after == {**before, "message": STOPPED}
    assert shown == view
    assert not list(folder.rglob(".*"))


def test_killed_server_loses_no_confirmed_change(tmp_path: Path, phantom: Phantom) -> None:
    study = Studies(tmp_path).create("Killed", Path("ct"), Path("mr"), Recipe())
    write_volumes(Studies(tmp_path).folder_of(study.id), phantom.ct.image)
    confirmed: list[dict[str, object]] = []
    with served(tmp_path) as (process, site):
        client = StudyClient(site, study.id)
        made = client.add("GTVp")

        def draw() -> None:
            path = f"/structures/{made['id']}"
            while True:
                revision = 1 + len(confirmed)
                runs = {str(revision % client.shape[0]): [revision, 7]}
                try:
                    answer = client.call("PATCH", path, revision=revision, runs=runs)
                except httpx.HTTPError:
                    return
                confirmed.append({"response": answer.json(), "runs": runs})
                if len(confirmed) == CHANGES:
                    process.kill()

        drawing = Thread(target=draw)
        drawing.start()
        drawing.join(60)
        process.wait(10)
    assert len(confirmed) >= CHANGES
    with running(tmp_path) as again:
        found = StudyClient(again, study.id).get(made["id"])
    assert found["revision"] in {1 + len(confirmed), 2 + len(confirmed)}
    for one in confirmed:
        assert found["runs"].items() >= one["runs"].items()
