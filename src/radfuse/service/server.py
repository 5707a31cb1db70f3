"""Serve the viewer until the process is ended."""

import logging
import multiprocessing.util
import re
import secrets
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import uvicorn

from radfuse.dicom.network.address import Address
from radfuse.errors import InputError
from radfuse.jobs.containment import warm_up
from radfuse.methods.installed import user_data_folder
from radfuse.service.app import make_app
from radfuse.service.identification import Identification
from radfuse.service.responses import LOOPBACK_NAMES
from radfuse.service.routes.dependencies import Dependencies
from radfuse.service.routes.studies import StudyRequest, create_study
from radfuse.service.security import Access
from radfuse.service.sockets import Server, private_files
from radfuse.service.stores.lock import locked
from radfuse.service.users import Users

LOG = logging.getLogger(__name__)

MIN_TOKEN_LENGTH = 16
"""Characters of a token of the user."""

HEADER_NAME = re.compile(r"[A-Za-z0-9-]{1,64}")
"""What the name of a header may be; proxies drop one with an underscore."""

MAX_UPLOAD_BYTES = 4 * 10**9
"""Largest upload: CT and MR of thin slices, unpacked, with room."""

SPOOL = "spool"
"""Folder of temporary files in the folder of studies."""


def default_folder() -> Path:
    """Default folder of studies, in the user's data folder."""
    return user_data_folder() / "view"


def make_access(
    sock: socket.socket,
    host: str,
    token: str | None,
    roots: Sequence[Path] = (),
    *,
    behind_proxy: bool = False,
    known: Identification | None = None,
) -> Access:
    """Access rules of a server on a bound socket; only files in the `roots`, if any, are opened.

    Raises `InputError` for a token that is too short, without a token for a non-local host or
    behind a proxy unless users sign in, and for a root that is no folder.
    """
    for root in roots:
        if not root.is_dir():
            raise InputError(f"--root {root}: no such folder")
    if token is None and needs_token(known) and (behind_proxy or host not in LOOPBACK_NAMES):
        where = "--behind-proxy" if behind_proxy else f"--host {host}"
        raise InputError(f"{where} is reachable from other machines; pass a --token-file")
    if token is not None and not (len(token) >= MIN_TOKEN_LENGTH and token.isascii()):
        raise InputError(
            f"the token is too short: at least {MIN_TOKEN_LENGTH} ASCII characters are required"
        )
    port = sock.getsockname()[1]
    token = token or secrets.token_urlsafe(24)
    resolved = tuple(root.resolve() for root in roots) or None
    return Access(host, port, token, MAX_UPLOAD_BYTES, behind_proxy, resolved, known)


def needs_token(known: Identification | None) -> bool:
    """Whether a server that other machines reach needs a token: unless users sign in."""
    return known is None or bool(known.header)


def identification_of(
    host: str, users: Path | None, user_header: str = "", *, behind_proxy: bool = False
) -> Identification | None:
    """How the users are known; None where the token alone gives access.

    Raises `InputError` for options that exclude each other, and for a wrong file of users.
    """
    if user_header and not behind_proxy:
        raise InputError(
            f"--user-header {user_header}: anybody could send it; give --behind-proxy where a "
            "proxy authenticates the users"
        )
    if user_header:
        if not HEADER_NAME.fullmatch(user_header):
            raise InputError(f"--user-header {user_header}: not the name of a header")
        return Identification(Users(users) if users else None, user_header)
    if users is None:
        return None
    if not (behind_proxy or host in LOOPBACK_NAMES):
        raise InputError(
            f"--host {host} is reachable from other machines without encryption; give "
            "--behind-proxy where a proxy provides TLS"
        )
    return Identification(Users(users))


def serve(
    sock: socket.socket,
    access: Access,
    folder: Path,
    request: StudyRequest | None,
    announce: Callable[[str, str], None],
    destinations: Mapping[str, Address] | None = None,
) -> None:
    """Serve the viewer on a bound socket.

    `announce` gets its URL, and one that can be used once, when it responds.

    `destinations` are the addresses of PACS by name. With `request` a study is created first and
    the URL opens it. Returns when the process is asked to end. Raises the errors of `create_study`,
    `OutputError` for a folder that is not writable, `InputError` for one that another server uses.
    """
    with private_files(), locked(folder), _spool_in(folder):
        warm_up()
        app = make_app(access, folder, destinations)
        deps: Dependencies = app.state.deps
        try:
            study = create_study(deps, request) if request else None
            urls = [
                f"{url}#{study.id}" if study else url for url in (access.url, access.ticket_url)
            ]
            config = uvicorn.Config(
                app, log_level="warning", server_header=False, proxy_headers=False
            )
            server = Server(config, lambda: announce(*urls))
            LOG.info("service started", extra={"host": access.host, "port": access.port})
            with suppress(KeyboardInterrupt):  # uvicorn raises it again at its end
                server.run(sockets=[sock])
        finally:
            deps.transfers.close()
            deps.jobs.close()
            LOG.info("service ended")


@contextmanager
def _spool_in(folder: Path) -> Iterator[None]:
    """Temporary files, such as those of an upload, are on the disk of the studies."""
    multiprocessing.util.get_temp_dir()  # of its sockets, whose paths must be short
    spool, before = folder / SPOOL, tempfile.tempdir
    shutil.rmtree(spool, ignore_errors=True)  # of a killed server
    spool.mkdir()
    tempfile.tempdir = str(spool)
    try:
        yield
    finally:
        tempfile.tempdir = before
        shutil.rmtree(spool, ignore_errors=True)
