"""A PACS by DICOMweb: STOW-RS, QIDO-RS, WADO-RS."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import pydicom
import requests
from dicomweb_client import DICOMwebClient
from pydicom import Dataset
from pydicom.config import disable_value_validation
from pydicom.uid import DeflatedExplicitVRLittleEndian

from radfuse.dicom.network.address import (
    ANSWER_TIMEOUT_S,
    Tls,
    WebService,
    tls_context,
    why_unreachable,
)
from radfuse.dicom.network.outgoing import Failure, Outgoing
from radfuse.dicom.network.pacs import (
    COLUMNS,
    MOST_OBJECTS,
    Allowance,
    Pacs,
    Progress,
    Query,
    Receive,
    Wanted,
    keep_quiet,
)
from radfuse.dicom.network.status import explained
from radfuse.errors import PeerError

LOG = logging.getLogger(__name__)

AS_STORED = (("application/dicom", "*"),)
"""Asks for objects in the transfer syntax in which they lie there."""

PAGE = 500
"""Answers of a search that are asked for at once."""

ADVICE = {
    HTTPStatus.UNAUTHORIZED: "it wants a user and a password: put them into ~/.netrc",
    HTTPStatus.FORBIDDEN: "this user may not; ask who runs it",
    HTTPStatus.NOT_FOUND: "check the path: many end in /dicom-web",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "it takes no object of this size",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "it does not take this transfer syntax",
}
"""What to do, by the status of a refusal."""

CLOSED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}
"""After these no other object would fare better."""

Search = Callable[..., list[dict[str, Any]]]


def connect(service: WebService) -> Pacs:
    """What can be asked of a service."""
    return Pacs(
        echo=partial(echo, service),
        send=partial(send, service),
        find=partial(find, service),
        get=partial(get, service),
    )


def echo(service: WebService) -> None:
    """Return if a service answers a search. Raises `PeerError` otherwise."""
    with _client(service, answer_timeout_s=service.timeout_s) as (client, _), _asking(service):
        client.search_for_studies(limit=1)


def send(
    service: WebService, files: Sequence[Outgoing], report: Progress | None = None
) -> tuple[Failure, ...]:
    """STOW-RS, a file a request, as they are stored; what the service did not take.

    Raises `PeerError` where it cannot be reached at all, or lets nobody in.
    """
    failures: list[Failure] = []
    with _client(service) as (client, allowance):
        for count, file in enumerate(files, start=1):
            allowance.refill()
            try:
                reason = _store(service, client, file)
            except _RefusedError as error:
                reason = str(error)
            except PeerError as error:
                if count == 1:
                    raise
                reason = str(error)
            failures += [Failure(file.path, reason)] if reason else []
            if report:
                report(count, len(files))
    return tuple(failures)


def find(service: WebService, query: Query) -> list[Dataset]:
    """QIDO-RS. Raises `PeerError` where the service refuses or finds too much."""
    keys = dict(query.keys)
    with _client(service) as (client, allowance):
        search: Search = client.search_for_studies
        if query.level == "series":
            search = partial(client.search_for_series, keys.pop("StudyInstanceUID"))
        search = partial(search, fields=list(COLUMNS[query.level]), search_filters=keys)
        return _answers(service, search, allowance)


def get(service: WebService, wanted: Wanted, receive: Receive) -> frozenset[str]:
    """WADO-RS of a study or a series; the SOP instance UIDs that the service said it has.

    Raises `PeerError` where the service refuses, and whatever `receive` raises.
    """
    with _client(service) as (client, allowance):
        search = partial(
            client.search_for_instances, wanted.study, wanted.series, fields=["SOPInstanceUID"]
        )
        told = _answers(service, search, allowance)
        if not told:
            return frozenset()
        parts = (
            client.iter_series(wanted.study, wanted.series, media_types=AS_STORED)
            if wanted.series
            else client.iter_study(wanted.study, media_types=AS_STORED)
        )
        while True:
            allowance.refill()
            with _asking(service):
                content = _next(parts)
            if content is None:
                return frozenset(str(answer.get("SOPInstanceUID", "")) for answer in told)
            receive(content)


class _RefusedError(PeerError):
    """A service refuses one object; it may take the next."""


@contextmanager
def _client(
    service: WebService, *, answer_timeout_s: float = ANSWER_TIMEOUT_S
) -> Iterator[tuple[DICOMwebClient, Allowance]]:
    """A client, and how much its service may answer."""
    keep_quiet()
    allowance = Allowance()
    with requests.Session() as session:
        session.max_redirects = 0  # what is sent has one place to go to
        if service.tls:
            _encrypt(session, service, service.tls)
        client = DICOMwebClient(
            service.url,
            session=session,
            headers={"Accept": "application/dicom+json"},
            callback=partial(_bound, allowance),
            timeout=(service.timeout_s, answer_timeout_s),
        )
        client.set_http_retry_params(retry=False)
        yield client, allowance


def _encrypt(session: requests.Session, service: WebService, tls: Tls) -> None:
    """Trust the certificates that were named, not those which the environment names."""
    tls_context(tls)  # tells what is wrong with the files
    if tls.ca:
        session.auth = requests.utils.get_netrc_auth(service.url)
        session.proxies = requests.utils.get_environ_proxies(service.url)
        session.trust_env = False
        session.verify = str(tls.ca)
    if tls.certificate:
        session.cert = (str(tls.certificate), str(tls.key or tls.certificate))


def _bound(allowance: Allowance, response: requests.Response, **_: object) -> requests.Response:
    """Let an answer's body spend an allowance as it comes in."""
    LOG.info("DICOMweb response", extra={"status": response.status_code})
    read = response.iter_content

    def bounded(*arguments: Any, **options: Any) -> Iterator[Any]:
        for chunk in read(*arguments, **options):
            allowance.spend(len(chunk))
            yield chunk

    setattr(response, "iter_content", bounded)  # noqa: B010  # mypy minds an assignment
    return response


@contextmanager
def _asking(service: WebService) -> Iterator[None]:
    """Turn what the libraries raise during a request into `PeerError`."""
    try:
        yield
    except PeerError:
        raise
    except requests.HTTPError as error:
        status = 0 if error.response is None else error.response.status_code
        raise _refusal(service, status) from error
    except requests.TooManyRedirects as error:
        raise PeerError(f"{service}: it redirects; give the address to which it leads") from error
    except requests.Timeout as error:
        raise PeerError(
            f"{service}: no answer in time; check that it is a DICOMweb service"
        ) from error
    except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
        raise PeerError(f"{service}: {_why(service)}") from error
    except Exception as error:  # an answer of another kind makes the parsers raise what they like
        raise PeerError(
            f"{service}: it answers as no DICOMweb service does ({type(error).__name__}); "
            "check the path: many end in /dicom-web"
        ) from error


def _why(service: WebService) -> str:
    parts = urlsplit(service.url)
    context = tls_context(service.tls or Tls()) if parts.scheme == "https" else None
    port = parts.port or (443 if context else 80)
    reason = why_unreachable(parts.hostname or "", port, service.timeout_s, context)
    return reason or "the connection was lost; try again, and look at its log"


def _refusal(service: WebService, status: int) -> PeerError:
    advice = ADVICE.get(HTTPStatus(status)) if status in set(HTTPStatus) else None
    words = f"{service}: HTTP status {status}; {advice or 'look at its log'}"
    return PeerError(words) if status in CLOSED else _RefusedError(words)


def _store(service: WebService, client: DICOMwebClient, file: Outgoing) -> str | None:
    """Send one file; why it was not stored."""
    try:
        with disable_value_validation():
            dataset = pydicom.dcmread(file.path)
    except Exception:  # a damaged file makes the parser raise whatever it likes
        return "damaged; copy it again"
    with _asking(service), disable_value_validation():
        answer = client.store_instances([dataset])
        failed = answer.get("FailedSOPSequence") or []
        return explained(int(failed[0].get("FailureReason", 0))) if failed else None


def _answers(service: WebService, search: Search, allowance: Allowance) -> list[Dataset]:
    """All pages of a search."""
    found: list[Dataset] = []
    while True:
        allowance.refill()
        with _asking(service), disable_value_validation():
            page = search(limit=PAGE, offset=len(found))
            found += [Dataset.from_json(answer) for answer in page]
        if not page:
            return found
        if len(found) > MOST_OBJECTS:
            raise PeerError(f"{service}: more than {MOST_OBJECTS} answers; search for less")


def _next(parts: Iterator[Dataset]) -> bytes | None:
    """The bytes of the next object as they came; None after the last."""
    with disable_value_validation():
        dataset = next(parts, None)
        if dataset is None:
            return None
        if dataset.file_meta.TransferSyntaxUID != DeflatedExplicitVRLittleEndian:
            return bytes(dataset.buffer.getvalue())
        deflated = BytesIO()  # the library keeps only what it has inflated
        pydicom.dcmwrite(deflated, dataset)
        return deflated.getvalue()
