"""The address of a PACS: a DIMSE node or a DICOMweb service, with its TLS settings."""

import re
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from radfuse.errors import InputError

OWN_TITLE = "RADFUSE"
"""The calling application entity title of this program."""

TIMEOUT_S = 10.0
"""Longest time until a PACS accepts a connection."""

ANSWER_TIMEOUT_S = 120.0
"""Longest time for one response: a PACS may load a study from tape first."""

MAX_PORT = 65535
"""Ports have 16 bits."""

TITLE = r"[!-?A-\[\]-~](?:[ -\[\]-~]{0,14}[!-\[\]-~])?"
"""An application entity title: 1 to 16 printable characters, no backslash, no outer spaces."""

HOST = r"\[[0-9A-Fa-f:.]+\]|[^\s:@/\[\]]+"
"""A host name, an IPv4 address, or an IPv6 address in brackets."""


@dataclass(frozen=True)
class Tls:
    """Certificates of an encrypted connection."""

    ca: Path | None = None
    """CA certificates, PEM; the default is the system's."""

    certificate: Path | None = None
    """The client certificate, PEM."""

    key: Path | None = None
    """Its private key, PEM; the default is in the certificate file."""


@dataclass(frozen=True)
class DimseNode:
    """A PACS that supports DIMSE."""

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
class DicomwebService:
    """A PACS that supports DICOMweb."""

    url: str
    tls: Tls | None = None
    timeout_s: float = TIMEOUT_S

    def __str__(self) -> str:
        return self.url


Address = DimseNode | DicomwebService


def parse_address(
    text: str, *, own_title: str = OWN_TITLE, tls: Tls | None = None, timeout_s: float = TIMEOUT_S
) -> Address:
    """Parse TITLE@HOST:PORT or a URL; raises `InputError` for any other text."""
    if "://" in text:
        return _parse_url(text, tls, timeout_s)
    if not re.fullmatch(TITLE, own_title):
        raise InputError(f"--ae-title {own_title!r}: give 1 to 16 characters without backslash")
    match = re.fullmatch(rf"({TITLE})@({HOST}):(\d{{1,5}})", text)
    if not match or not 1 <= int(match[3]) <= MAX_PORT:
        raise InputError(
            f"{text!r} is not an address of a PACS; give TITLE@HOST:PORT or http(s)://..."
        )
    return DimseNode(match[1], match[2].strip("[]"), int(match[3]), own_title, tls, timeout_s)


def _parse_url(text: str, tls: Tls | None, timeout_s: float) -> DicomwebService:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), 0
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise InputError(f"{text!r} is not an address of a PACS; give http(s)://HOST[:PORT]/PATH")
    if parts.username is not None or parts.query or parts.fragment:
        raise InputError(
            f"{parts.scheme}://{parts.hostname}: give the URL without user, ? and #; put "
            "user and password into ~/.netrc"
        )
    if tls and parts.scheme != "https":
        raise InputError(f"{text} is not encrypted; give https:// or omit the --tls options")
    return DicomwebService(text.rstrip("/"), tls, timeout_s)


def tls_context(tls: Tls) -> ssl.SSLContext:
    """The settings of encrypted connections; the certificate of the peer is always verified.

    Raises `InputError` for a file that is missing or not a certificate.
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
        raise InputError(f"invalid --tls files ({error.reason}); give PEM files") from error
    return context


def connection_problem(
    host: str, port: int, timeout_s: float, context: ssl.SSLContext | None = None
) -> str | None:
    """Why a connection cannot be made, and what to do; None if it can be made."""
    try:
        with socket.create_connection((host, port), timeout_s) as connection:
            if context:
                context.wrap_socket(connection, server_hostname=host).close()
    except ssl.SSLCertVerificationError as error:
        return (
            f"its certificate cannot be verified ({error.verify_message}); "
            "give its CA with --tls-ca, and the host name in the certificate"
        )
    except ssl.SSLError:
        return "the port does not support TLS; omit the --tls options, or give the TLS port"
    except socket.gaierror:
        return f"unknown host {host}; check the name"
    except TimeoutError:
        return f"no connection within {timeout_s:g} s; check host, port and firewalls"
    except OSError as error:
        return f"no connection ({error.strerror}); check host, port, and that the PACS is running"
    return None
