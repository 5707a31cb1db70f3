"""Serving the page until somebody ends it."""

import logging
import secrets
import socket
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from radfuse.errors import InputError
from radfuse.methods.installed import user_data_folder
from radfuse.service.app import make_app
from radfuse.service.routes.dependencies import Desk
from radfuse.service.routes.studies import NewStudy, create_study
from radfuse.service.security import LOOPBACK_NAMES, Access
from radfuse.service.stores.lock import held

LOG = logging.getLogger(__name__)

LOCAL = LOOPBACK_NAMES[0]
"""Where the page is served unless another host is asked for."""

SHORTEST_TOKEN = 16
"""Characters of a token of the user's own."""

TCP = socket.IPPROTO_TCP
"""Said of a socket, so that asyncio sends small answers at once: else each waits for 40 ms."""

MOST_UPLOAD_BYTES = 4 * 10**9
"""Largest upload: CT and MR of thin slices, unpacked, with room."""

LAST_ANSWERS_S = 2
"""How long answers that are under way may take when the server is ended."""


def default_folder() -> Path:
    """Where studies lie without `--folder`: in the user's folder for data."""
    return user_data_folder() / "view"


def access_of(sock: socket.socket, host: str, token: str | None) -> Access:
    """Who may talk to a server on a bound socket.

    Raises `InputError` for a token that is too short, and without one beyond this machine.
    """
    if token is None and host not in LOOPBACK_NAMES:
        raise InputError(f"--host {host} is reachable for others; give a --token of your own")
    if token is not None and not (len(token) >= SHORTEST_TOKEN and token.isascii()):
        raise InputError(f"--token: give at least {SHORTEST_TOKEN} ASCII characters")
    port = sock.getsockname()[1]
    return Access(host, port, token or secrets.token_urlsafe(24), MOST_UPLOAD_BYTES)


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens for the server; port 0 takes a free one.

    Raises `InputError` where that cannot be.
    """
    with ExitStack() as unused:
        try:
            family, *_, address = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0]
            sock = unused.enter_context(socket.socket(family, socket.SOCK_STREAM, TCP))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((address[0], port, *address[2:]))
        except (OSError, OverflowError, UnicodeError) as error:
            raise InputError(
                f"cannot listen on {host}, port {port}: {error}; choose another --host or --port"
            ) from error
        unused.pop_all()
    return sock


def serve(
    sock: socket.socket,
    access: Access,
    folder: Path,
    asked: NewStudy | None,
    tell: Callable[[str], None],
) -> None:
    """Serve the page on a bound socket; `tell` is called with its address once it answers.

    With `asked` a study is made first and the address leads to it. Returns when the process is
    told to end. Raises what `create_study` does, `OutputError` for a folder that cannot be used,
    `InputError` for one that another server uses.
    """
    with held(folder):
        _serve(sock, make_app(access, folder), access, asked, tell)


def _serve(
    sock: socket.socket,
    app: FastAPI,
    access: Access,
    asked: NewStudy | None,
    tell: Callable[[str], None],
) -> None:
    desk: Desk = app.state.desk
    try:
        study = create_study(desk, asked) if asked else None
        place = f"{access.url}#{study.id}" if study else access.url
        server = _Server(
            uvicorn.Config(
                app,
                log_level="warning",
                server_header=False,
                timeout_graceful_shutdown=LAST_ANSWERS_S,
            )
        )
        server.ready = lambda: tell(place)
        LOG.info("service started", extra={"host": access.host, "port": access.port})
        with suppress(KeyboardInterrupt):  # which uvicorn raises again when all has ended
            server.run(sockets=[sock])
    finally:
        desk.work.close()
        LOG.info("service ended")


class _Server(uvicorn.Server):
    """Tells when it answers."""

    ready: Callable[[], None]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready()
