"""What a server has answered is there after it was killed."""

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
from drawing_kit import Board, show
from numpy.testing import assert_allclose
from service_kit import TOKEN, Site, running

from radfuse.phantom.head import Phantom
from radfuse.recipe import Recipe
from radfuse.registration.transforms import matrix_of
from radfuse.service.security import TOKEN_HEADER, Access
from radfuse.service.stores.results import PLACING
from radfuse.service.stores.studies import STOPPED, Studies

ANSWERS = 25
"""Changes that are answered before the server is killed."""

LONGEST_S, LOOK_S = 60.0, 0.05
"""How long something may take to happen, and how often a test looks."""


@contextmanager
def served(folder: Path) -> Iterator[tuple[subprocess.Popen[str], Site]]:
    """A server in a process of its own, to be killed within."""
    command = [
        sys.executable, "-m", "radfuse", "view", "--no-browser", "--folder", str(folder), "--token",
        TOKEN,
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().split(":")[2].split("/")[0])
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers={TOKEN_HEADER: TOKEN}, trust_env=False
        ) as client:
            try:
                yield process, Site(Access("127.0.0.1", port, TOKEN, 0), folder, client)
            finally:
                process.kill()


def children_of(process: int) -> list[Path]:
    """What it has started and what has not ended yet, as folders of /proc."""
    lists = Path(f"/proc/{process}/task").glob("*/children")
    return [Path("/proc") / one for path in lists for one in path.read_text().split()]


def running_of(processes: list[Path]) -> list[Path]:
    """Those that have not ended, reaped or not."""
    states = {one: one / "status" for one in processes if one.exists()}
    return [one for one, status in states.items() if "State:\tZ" not in status.read_text()]


def wait_for(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + LONGEST_S
    while not happened():
        assert time.monotonic() < end
        time.sleep(LOOK_S)


@pytest.mark.parametrize("late", [False, True])
def test_killed_server_never_keeps_signoff_of_other_registration(
    site: Site, done: str, phantom: Phantom, tmp_path: Path, late: bool
) -> None:
    folder = tmp_path / "studies" / done
    shutil.copytree(site.folder / "studies" / done, folder)
    other = matrix_of(phantom.mr_from_ct)
    other[:3, 3] += 0.5
    with served(tmp_path) as (process, own):
        assert own.sign(done, "accepted").status_code == 200
        before, seen = own.study(done), own.view(done)
        put_in_place = (folder / "result").stat().st_ino
        asked = {"mr_from_ct": other.tolist(), "refine": False}
        own.client.post(f"/api/v1/studies/{done}/run", json=asked)
        next(facts for _, facts in own.events(done) if facts.get("stage") == "fusing")
        children = children_of(process.pid)
        assert children
        if late:
            process.send_signal(signal.SIGSTOP)  # it can be told of nothing any more
            wait_for(lambda: (folder / "result").stat().st_ino != put_in_place)
            wait_for(lambda: not (folder / PLACING).exists())
        process.kill()
    wait_for(lambda: not running_of(children))
    with running(tmp_path) as again:
        after, shown = again.study(done), again.view(done)
    assert after["state"] == "done"
    if late:
        assert after["signoff"] is None
        assert after["outcome"]["registration_id"] != before["outcome"]["registration_id"]
        assert after["outcome"]["alignment"] == shown["alignment"] == "manual"
        assert_allclose(shown["mr_from_ct"], other, atol=1e-5)
    else:
        assert after == {**before, "message": STOPPED}
        assert shown == seen
    assert not list(folder.rglob(".*"))


def test_a_killed_server_loses_nothing_that_it_answered(tmp_path: Path, phantom: Phantom) -> None:
    study = Studies(tmp_path).create("Killed", Path("ct"), Path("mr"), Recipe())
    show(Studies(tmp_path).place(study.id), phantom.ct.image)
    answered: list[dict[str, object]] = []
    with served(tmp_path) as (process, site):
        board = Board(site, study.id)
        made = board.add("GTVp")

        def draw() -> None:
            path = f"/structures/{made['id']}"
            while True:
                revision = 1 + len(answered)
                runs = {str(revision % board.shape[0]): [revision, 7]}
                try:
                    answer = board.call("PATCH", path, revision=revision, runs=runs)
                except httpx.HTTPError:
                    return
                answered.append({"told": answer.json(), "runs": runs})
                if len(answered) == ANSWERS:
                    process.kill()

        drawing = Thread(target=draw)
        drawing.start()
        drawing.join(60)
        process.wait(10)
    assert len(answered) >= ANSWERS
    with running(tmp_path) as again:
        found = Board(again, study.id).get(made["id"])
    assert found["revision"] in {1 + len(answered), 2 + len(answered)}
    for one in answered:
        assert found["runs"].items() >= one["runs"].items()
