"""Where a PACS is: a DICOM node or a DICOMweb service, and how to reach it."""

import re
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from radfuse.errors import InputError

OWN_TITLE = "RADFUSE"
"""The application entity title with which this program presents itself."""

TIMEOUT_S = 10.0
"""How long a PACS may take to let a connection in."""

ANSWER_TIMEOUT_S = 120.0
"""How long a PACS may take over one answer: it may fetch a study from tape first."""

LARGEST_PORT = 65535
"""Ports have 16 bits."""

TITLE = r"[!-?A-\[\]-~](?:[ -\[\]-~]{0,14}[!-\[\]-~])?"
"""An application entity title: at most 16 printable characters, no backslash, no outer space."""

HOST = r"\[[0-9A-Fa-f:.]+\]|[^\s:@/\[\]]+"
"""A name, an IPv4 address, or an IPv6 address in brackets."""


@dataclass(frozen=True)
class Tls:
    """How an encrypted connection is checked."""

    ca: Path | None = None
    """Certificates to trust, PEM; without it the usual ones."""

    certificate: Path | None = None
    """What this program shows of itself, PEM."""

    key: Path | None = None
    """The key of the certificate, PEM; without it the certificate's file has it."""


@dataclass(frozen=True)
class Node:
    """A PACS that speaks DIMSE."""

    title: str
    """Its application entity title."""

    host: str
    port: int
    own_title: str = OWN_TITLE
    tls: Tls | None = None
    timeout_s: float = TIMEOUT_S

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.title}@{host}:{self.port}"


@dataclass(frozen=True)
class WebService:
    """A PACS that speaks DICOMweb."""

    url: str
    tls: Tls | None = None
    timeout_s: float = TIMEOUT_S

    def __str__(self) -> str:
        return self.url


Address = Node | WebService


def parse_address(
    text: str,
    *,
    own_title: str = OWN_TITLE,
    tls: Tls | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Address:
    """The address that TITLE@HOST:PORT or a URL names.

    Raises `InputError` for anything else.
    """
    if "://" in text:
        return _parse_url(text, tls, timeout_s)
    return parse_node(text, own_title=own_title, tls=tls, timeout_s=timeout_s)


def parse_node(
    text: str,
    *,
    own_title: str = OWN_TITLE,
    tls: Tls | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Node:
    """The DICOM node that TITLE@HOST:PORT names. Raises `InputError` for anything else."""
    if not re.fullmatch(TITLE, own_title):
        raise InputError(f"--ae-title {own_title!r}: give 1 to 16 characters, no backslash")
    found = re.fullmatch(rf"({TITLE})@({HOST}):(\d{{1,5}})", text)
    if not found or not 1 <= int(found[3]) <= LARGEST_PORT:
        raise InputError(f"{text!r}: no address of a PACS; give TITLE@HOST:PORT or http(s)://...")
    return Node(found[1], found[2].strip("[]"), int(found[3]), own_title, tls, timeout_s)


def _parse_url(text: str, tls: Tls | None, timeout_s: float) -> WebService:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), 0
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise InputError(f"{text!r}: no address of a PACS; give http(s)://HOST[:PORT]/PATH")
    if parts.username is not None or parts.query or parts.fragment:
        raise InputError(
            f"{parts.scheme}://{parts.hostname}: give the URL without password, ? and #; "
            "a user and a password belong into the file ~/.netrc"
        )
    if tls and parts.scheme != "https":
        raise InputError(f"{text}: not encrypted; give https:// or leave the --tls options out")
    return WebService(text.rstrip("/"), tls, timeout_s)


def tls_context(tls: Tls) -> ssl.SSLContext:
    """The settings of encrypted connections; the other side's certificate is always checked.

    Raises `InputError` for a file that is missing or no certificate.
    """
    context = ssl.create_default_context()
    for option, file in (("ca", tls.ca), ("cert", tls.certificate), ("key", tls.key)):
        if file and not file.is_file():
            raise InputError(f"--tls-{option} {file}: no such file")
    try:
        if tls.ca:
            context = ssl.create_default_context(cafile=str(tls.ca))
        if tls.certificate:
            context.load_cert_chain(tls.certificate, tls.key)
    except ssl.SSLError as error:
        raise InputError(f"the --tls files cannot be used ({error.reason}); give PEM") from error
    return context


def why_unreachable(
    host: str, port: int, timeout_s: float, context: ssl.SSLContext | None = None
) -> str | None:
    """What keeps a connection from being made, and what to do; None where one can be made."""
    try:
        with socket.create_connection((host, port), timeout_s) as plain:
            if context:
                context.wrap_socket(plain, server_hostname=host).close()
    except ssl.SSLCertVerificationError as error:
        return (
            f"its certificate cannot be verified ({error.verify_message}); "
            "give the right one with --tls-ca, and the name that it is made out to"
        )
    except ssl.SSLError:
        return "it does not speak TLS there; leave the --tls options out, or give its TLS port"
    except socket.gaierror:
        return f"no computer has the name {host}; check the name"
    except TimeoutError:
        return f"no connection within {timeout_s:g} s; check host, port and firewalls"
    except OSError as error:
        return f"no connection ({error.strerror}); check host and port, and whether it runs"
    return None
