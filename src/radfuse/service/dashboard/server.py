"""Run a node with its dashboard."""

import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import closing
from threading import Event, Thread
from urllib.parse import urlencode

import uvicorn

from radfuse.errors import InputError
from radfuse.node.node import Node
from radfuse.node.settings import NodeSettings
from radfuse.service.dashboard.app import make_dashboard
from radfuse.service.dashboard.health import Health
from radfuse.service.responses import LOOPBACK_NAMES
from radfuse.service.sockets import Server, bind, private_files
from radfuse.service.users import Users

LOG = logging.getLogger(__name__)


def serve_node(settings: NodeSettings, stop: Event, announce: Callable[[str], None]) -> None:
    """Run a node and its dashboard until `stop` is set; first the node ends, then the dashboard.

    `announce` gets the URL when it responds. Raises `InputError` for an address that cannot be
    used, a certificate that cannot be read and wrong rules, `OutputError` where another node uses
    the data folder.
    """
    check_address(settings)
    with (
        private_files(),
        bind(settings.host, settings.port) as sock,
        closing(Node(settings)) as node,
        closing(Health.of(node)) as health,
    ):
        users = Users(settings.users)
        url = url_of(settings, sock.getsockname()[1], users.local_token)
        server = Server(_config(settings, health, users), lambda: announce(url))
        thread = Thread(target=_serve, args=(server, [sock], stop), name="dashboard")
        thread.start()
        try:
            node.run(stop)
        finally:
            server.should_exit = True
            thread.join()


def check_address(settings: NodeSettings) -> None:
    """Raise `InputError` where passwords and patients would go over a network unencrypted."""
    if bool(settings.certificate) != bool(settings.key):
        raise InputError("give both certificate and key, or neither")
    is_local = settings.host in LOOPBACK_NAMES
    if not (is_local or settings.certificate or settings.behind_proxy):
        raise InputError(
            f"host {settings.host} is reachable from other machines without encryption; give "
            "certificate and key, or set behind_proxy where a proxy provides TLS"
        )
    if settings.users is None and (not is_local or settings.behind_proxy):
        raise InputError(
            f"host {settings.host} is reachable from other machines; give a file of users "
            "(`radfuse node token NAME ROLE` prints its lines)"
        )


def url_of(settings: NodeSettings, port: int, token: str = "") -> str:
    """URL of the dashboard, with the token of a node without users."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    query = f"?{urlencode({'token': token})}" if token else ""
    return f"{'https' if settings.certificate else 'http'}://{host}:{port}/{query}"


def _config(settings: NodeSettings, health: Health, users: Users) -> uvicorn.Config:
    """Settings of the server, its certificate read."""
    config = uvicorn.Config(
        make_dashboard(health, users), log_level="warning", access_log=False, server_header=False,
        proxy_headers=False, ssl_certfile=settings.certificate, ssl_keyfile=settings.key,
    )  # fmt: skip
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise InputError(
            f"{settings.certificate}, {settings.key}: not a certificate and its key in PEM "
            f"({error.strerror or error})"
        ) from error
    return config


def _serve(server: Server, sockets: list[socket.socket], stop: Event) -> None:
    """Serve until it is to end; where it fails, the node ends, too."""
    try:
        server.run(sockets=sockets)
    finally:
        stop.set()
        LOG.info("dashboard ended")
