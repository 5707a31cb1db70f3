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
    DicomwebService,
    Tls,
    connection_problem,
    tls_context,
)
from radfuse.dicom.network.outgoing import OutgoingFile, SendFailure
from radfuse.dicom.network.pacs import (
    COLUMNS,
    MAX_OBJECTS,
    Query,
    Receive,
    RetrieveRequest,
    silence_libraries,
)
from radfuse.dicom.network.status import describe_failure
from radfuse.errors import PeerError
from radfuse.progress import ProgressCallback, no_progress

LOG = logging.getLogger(__name__)

AS_STORED = (("application/dicom", "*"),)
"""Media type of objects in the transfer syntax in which they are stored."""

MATCHES_PER_REQUEST = 500
"""Matches of a query in one response."""

ADVICE = {
    HTTPStatus.UNAUTHORIZED: "it requires a user and a password: put them into ~/.netrc",
    HTTPStatus.FORBIDDEN: "this user has no permission; ask its administrator",
    HTTPStatus.NOT_FOUND: "check the path: many end in /dicom-web",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "it does not accept objects of this size",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "it does not accept this transfer syntax",
}
"""What to do, by the HTTP status of a refusal."""

NO_ACCESS = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}
"""Statuses that apply to all objects, not only to the sent one."""

Search = Callable[..., list[dict[str, Any]]]


def echo(service: DicomwebService) -> None:
    """Verify that a service responds to a query. Raises `PeerError` otherwise."""
    with _client(service, answer_timeout_s=service.timeout_s) as client, _requesting(service):
        client.search_for_studies(limit=1)


def send(
    service: DicomwebService, files: Sequence[OutgoingFile], report: ProgressCallback = no_progress
) -> tuple[SendFailure, ...]:
    """STOW-RS, one file per request, unchanged; return those that were not stored.

    Raises `PeerError` if the service cannot be reached or denies access.
    """
    failures: list[SendFailure] = []
    with _client(service) as client:
        for count, file in enumerate(files, start=1):
            try:
                reason = _store(service, client, file)
            except _RefusedError as error:
                reason = str(error)
            except PeerError as error:
                if count == 1:
                    raise
                reason = str(error)
            failures += [SendFailure(file.path, reason)] if reason else []
            report("sending", count / len(files))
    return tuple(failures)


def find(service: DicomwebService, query: Query) -> list[Dataset]:
    """QIDO-RS. Raises `PeerError` if the service refuses or has too many matches."""
    keys = dict(query.keys)
    with _client(service) as client:
        search: Search = client.search_for_studies
        if query.level == "series":
            search = partial(client.search_for_series, keys.pop("StudyInstanceUID"))
        search = partial(search, fields=list(COLUMNS[query.level]), search_filters=keys)
        return _matches(service, search)


def get(service: DicomwebService, request: RetrieveRequest, receive: Receive) -> frozenset[str]:
    """WADO-RS of a study or a series; return the SOP instance UIDs that the service lists.

    Raises `PeerError` if the service refuses, and the errors of `receive`.
    """
    study, series = request.study_uid, request.series_uid
    with _client(service) as client:
        search = partial(client.search_for_instances, study, series, fields=["SOPInstanceUID"])
        instances = _matches(service, search)
        if not instances:
            return frozenset()
        parts = (
            client.iter_series(study, series, media_types=AS_STORED)
            if series
            else client.iter_study(study, media_types=AS_STORED)
        )
        while True:
            with _requesting(service):
                content = _next(parts)
            if content is None:
                return frozenset(str(match.get("SOPInstanceUID", "")) for match in instances)
            receive(content)


class _RefusedError(PeerError):
    """A service refuses one object but may accept the next."""


@contextmanager
def _client(
    service: DicomwebService, *, answer_timeout_s: float = ANSWER_TIMEOUT_S
) -> Iterator[DICOMwebClient]:
    """A client that logs the status of each response."""
    silence_libraries()
    with requests.Session() as session:
        session.max_redirects = 0  # data are sent to the given address only
        if service.tls:
            _encrypt(session, service, service.tls)
        client = DICOMwebClient(
            service.url,
            session=session,
            headers={"Accept": "application/dicom+json"},
            callback=_log_status,
            timeout=(service.timeout_s, answer_timeout_s),
        )
        client.set_http_retry_params(retry=False)
        yield client


def _encrypt(session: requests.Session, service: DicomwebService, tls: Tls) -> None:
    """Verify by the given certificates instead of those named in the environment."""
    tls_context(tls)  # raises for invalid files
    if tls.ca:
        session.auth = requests.utils.get_netrc_auth(service.url)
        session.proxies = requests.utils.get_environ_proxies(service.url)
        session.trust_env = False
        session.verify = str(tls.ca)
    if tls.certificate:
        session.cert = (str(tls.certificate), str(tls.key or tls.certificate))


def _log_status(response: requests.Response, **_: object) -> requests.Response:
    LOG.info("DICOMweb response", extra={"status": response.status_code})
    return response


@contextmanager
def _requesting(service: DicomwebService) -> Iterator[None]:
    """Raise `PeerError` for the errors of the libraries during a request."""
    try:
        yield
    except requests.HTTPError as error:
        status = 0 if error.response is None else error.response.status_code
        raise _refusal(service, status) from error
    except requests.TooManyRedirects as error:
        raise PeerError(
            f"{service}: the service redirects; give the address to which it redirects"
        ) from error
    except requests.Timeout as error:
        raise PeerError(
            f"{service}: no response in time; check that it is a DICOMweb service"
        ) from error
    except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
        raise PeerError(f"{service}: {_reason(service)}") from error
    except Exception as error:  # the parsers raise any type for an unexpected response
        raise PeerError(
            f"{service}: the response is not one of a DICOMweb service ({type(error).__name__}); "
            "check the path: many end in /dicom-web"
        ) from error


def _reason(service: DicomwebService) -> str:
    parts = urlsplit(service.url)
    context = tls_context(service.tls or Tls()) if parts.scheme == "https" else None
    port = parts.port or (443 if context else 80)
    reason = connection_problem(parts.hostname or "", port, service.timeout_s, context)
    return reason or "the connection was lost; try again, and check its log"


def _refusal(service: DicomwebService, status: int) -> PeerError:
    advice = ADVICE.get(HTTPStatus(status)) if status in set(HTTPStatus) else None
    message = f"{service}: HTTP status {status}; {advice or 'check its log'}"
    return PeerError(message) if status in NO_ACCESS else _RefusedError(message)


def _store(service: DicomwebService, client: DICOMwebClient, file: OutgoingFile) -> str | None:
    """Send one file; return why it was not stored."""
    try:
        with disable_value_validation():
            dataset = pydicom.dcmread(file.path)
    except Exception:  # pydicom raises any type for a damaged file
        return "damaged; copy it again"
    with _requesting(service), disable_value_validation():
        response = client.store_instances([dataset])
        failed = response.get("FailedSOPSequence") or []
        return describe_failure(int(failed[0].get("FailureReason", 0))) if failed else None


def _matches(service: DicomwebService, search: Search) -> list[Dataset]:
    """All matches of a query, requested in portions."""
    matches: list[Dataset] = []
    while True:
        with _requesting(service), disable_value_validation():
            portion = search(limit=MATCHES_PER_REQUEST, offset=len(matches))
            matches += [Dataset.from_json(match) for match in portion]
        if not portion:
            return matches
        if len(matches) > MAX_OBJECTS:
            raise PeerError(f"{service}: more than {MAX_OBJECTS} matches; narrow the query")


def _next(parts: Iterator[Dataset]) -> bytes | None:
    """The bytes of the next object as received; None after the last."""
    with disable_value_validation():
        dataset = next(parts, None)
        if dataset is None:
            return None
        if dataset.file_meta.TransferSyntaxUID != DeflatedExplicitVRLittleEndian:
            return bytes(dataset.buffer.getvalue())
        deflated = BytesIO()  # the library keeps only the inflated bytes
        pydicom.dcmwrite(deflated, dataset)
        return deflated.getvalue()
