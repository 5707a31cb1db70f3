"""What a server has answered is there after it was killed."""

import subprocess
import sys
from pathlib import Path
from threading import Thread

import httpx
from drawing_kit import Board, show
from service_kit import TOKEN, Site, running

from radfuse.data.phantom import Phantom
from radfuse.recipe import Recipe
from radfuse.service.guard import TOKEN_HEADER, Access
from radfuse.service.studies import Studies

ANSWERS = 25
"""Changes that are answered before the server is killed."""


def test_a_killed_server_loses_nothing_that_it_answered(tmp_path: Path, phantom: Phantom) -> None:
    study = Studies(tmp_path).create("Killed", Path("ct"), Path("mr"), Recipe())
    show(Studies(tmp_path).place(study.id), phantom.ct.image)
    command = [
        sys.executable, "-m", "radfuse", "view", "--no-browser", "--folder", tmp_path, "--token",
        TOKEN,
    ]  # fmt: skip
    answered: list[dict[str, object]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().split(":")[2].split("/")[0])
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers={TOKEN_HEADER: TOKEN}, trust_env=False
        ) as client:
            board = Board(Site(Access("127.0.0.1", port, TOKEN, 0), tmp_path, client), study.id)
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
