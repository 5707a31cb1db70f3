"""Where a server listens, and how it starts and ends."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import uvicorn

from radfuse.errors import InputError

TCP = socket.IPPROTO_TCP
"""Protocol of the socket, so that asyncio sets TCP_NODELAY; else small responses take 40 ms."""

PRIVATE = 0o077
"""Umask of a server: files with patients are for the user alone."""

SHUTDOWN_S = 2
"""How long open responses may take when the server is ended."""


def bind(host: str, port: int) -> socket.socket:
    """Bind a socket for the server; port 0 takes a free port.

    Raises `InputError` on failure.
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


@contextmanager
def private_files() -> Iterator[None]:
    """Only the user can read what this process and its children write."""
    before = os.umask(PRIVATE)
    try:
        yield
    finally:
        os.umask(before)


class Server(uvicorn.Server):
    """Calls `ready` once it responds."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        config.timeout_graceful_shutdown = SHUTDOWN_S
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self._ready()
