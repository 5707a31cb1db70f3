"""Uploads beyond a number at once are refused, comparisons wait; all others are answered."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from service_kit import MAX_UPLOAD_BYTES, TOKEN, Site, refused
from study_kit import StudyClient, ball

from radfuse.service.app import make_app
from radfuse.service.routes.dependencies import MAX_COMPARISONS, MAX_UPLOADS
from radfuse.service.security import TOKEN_HEADER, Access

BLOCKED_S, END_S = 0.3, 30.0
"""How long a request must not be answered, and how long a test waits."""


async def upload(client: httpx.AsyncClient, name: str, proceed: asyncio.Event) -> httpx.Response:
    """Upload a file, its second half when it may proceed."""

    async def halves() -> AsyncIterator[bytes]:
        part = f'Content-Disposition: form-data; name="files"; filename="{name}"'
        yield f"--x\r\n{part}\r\n\r\n".encode()
        await proceed.wait()
        yield b"content\r\n--x--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    return await client.post("/api/v1/uploads", content=halves(), headers=headers)


async def uploads_at_once(folder: Path, *, is_cancelled: bool) -> None:
    app = make_app(Access("127.0.0.1", 80, TOKEN, MAX_UPLOAD_BYTES), folder)
    deps, now, later = app.state.deps, asyncio.Event(), asyncio.Event()
    now.set()
    client = httpx.AsyncClient(
        base_url="http://127.0.0.1:80",
        headers={TOKEN_HEADER: TOKEN},
        transport=httpx.ASGITransport(app),
    )
    async with asyncio.timeout(END_S), client:
        slow = [asyncio.create_task(upload(client, "a.nii", later)) for _ in range(MAX_UPLOADS)]
        while not deps.uploads_at_once.locked():
            await asyncio.sleep(0.01)
        late = await upload(client, "b.nii", now)
        refused(late, 429, "try again later")
        assert int(late.headers["retry-after"]) > 0
        assert not list(folder.rglob("b.nii"))
        assert (await client.get("/api/v1/studies")).status_code == 200
        if is_cancelled:
            slow.pop().cancel()
            while deps.uploads_at_once.locked():
                await asyncio.sleep(0.01)
            assert (await upload(client, "b.nii", now)).status_code == 201
        later.set()
        assert {answer.status_code for answer in await asyncio.gather(*slow)} == {201}
        assert (await upload(client, "b.nii", now)).status_code == 201
    deps.jobs.close()


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_uploads_beyond_the_limit_are_refused(tmp_path: Path, is_cancelled: bool) -> None:
    """Until another is stored, or its client disconnects."""
    asyncio.run(uploads_at_once(tmp_path, is_cancelled=is_cancelled))


def test_comparisons_beyond_the_limit_wait(site: Site, prepared: str) -> None:
    assert site.deps is not None
    limit = site.deps.comparisons_at_once
    client = StudyClient(site, prepared)
    identifier = client.add("A", ball(client.shape, 6))["id"]
    asked = {"first": identifier, "reference": identifier}
    with ExitStack() as running, ThreadPoolExecutor(1) as pool:
        for _ in range(MAX_COMPARISONS):
            running.enter_context(limit)
        late = pool.submit(client.call, "POST", "/structures/compare", **asked)
        with pytest.raises(TimeoutError):
            late.result(BLOCKED_S)
        assert site.client.get("/api/v1/studies").status_code == 200
        running.close()
        assert late.result(END_S).json()["dice"] == 1
    for _ in range(MAX_COMPARISONS):
        assert limit.acquire(blocking=False)
    limit.release(MAX_COMPARISONS)
    client.clear()
