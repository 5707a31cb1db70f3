"""The REST API of an Orthanc, as far as the node needs it.

https://orthanc.uclouvain.be/book/users/rest.html
"""

import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from http import HTTPStatus
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from urllib.parse import quote

from urllib3 import BaseHTTPResponse, PoolManager
from urllib3.exceptions import HTTPError

from radfuse.errors import DiskFullError, PeerError

TIMEOUT_S = 30.0
"""Longest time until Orthanc answers; it indexes in milliseconds."""

CHANGES_PER_REQUEST = 1000
"""Changes in one answer."""

STORED = ("Success", "AlreadyStored")
"""Answers to an instance that Orthanc now has."""

MAX_KNOWN = 10_000
"""Series whose patient is remembered: each is asked for when it is new, and when it is stable."""

PART_BYTES = 1 << 20
"""How much of a file is in memory while it is retrieved."""

PEER_PREFIX = "peer:"
"""Start of a destination that is an Orthanc peer; others are DICOM modalities."""


P = ParamSpec("P")
T = TypeVar("T")


class NoAnswerError(PeerError):
    """Orthanc does not answer at all: what else is asked of it would have to wait, too."""


def parses(method: Callable[P, T]) -> Callable[P, T]:
    """Let a method raise `PeerError` for an answer of another form than expected."""

    @wraps(method)
    def call(*args: P.args, **named: P.kwargs) -> T:
        try:
            return method(*args, **named)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise PeerError(
                f"an answer of Orthanc has an unknown form ({method.__name__}: {error!r})"
            ) from error

    return call


@dataclass(frozen=True)
class Change:
    """Something that has happened in the Orthanc."""

    number: int
    kind: str
    resource: str
    """Orthanc's identifier of the instance, series, study or patient."""
    date: str = ""

    @property
    def mark(self) -> str:
        """Differs from those of the changes of another index, whatever their numbers."""
        return f"{self.kind} {self.resource} {self.date}"


@dataclass(frozen=True)
class ArchivedSeries:
    """A series in the Orthanc, by its main attributes."""

    resource: str
    """Orthanc's identifier."""
    uid: str
    study_uid: str
    facts: dict[str, str] = field(default_factory=dict)
    """Values by the keywords of DICOM; `RemoteAET` is the title of who sent it."""
    instances: int = 0
    is_stable: bool = True
    last_update: str = ""
    """When an image of it last arrived, also one that replaced another."""


@dataclass(frozen=True)
class StoredInstance:
    """An instance that the Orthanc has, by Orthanc's identifiers."""

    instance: str
    series: str
    is_new: bool
    """Whether it was not there before."""


class Orthanc:
    """An Orthanc; all methods raise `PeerError` where it does not answer as expected."""

    def __init__(
        self, url: str, user: str = "", password: str = "", timeout_s: float = TIMEOUT_S
    ) -> None:
        self.url = url
        credentials = b64encode(f"{user}:{password}".encode()).decode()
        headers = {"Authorization": f"Basic {credentials}"} if user else {}
        self._connections = PoolManager(headers=headers, retries=False, timeout=timeout_s)
        self._patients: dict[str, str] = {}

    def close(self) -> None:
        """Close the connections."""
        self._connections.clear()

    @parses
    def name(self) -> str:
        """The name of this Orthanc; it shows that it answers."""
        return str(self._json("GET", "/system").get("Name", ""))

    @parses
    def changes(self, since: int) -> tuple[list[Change], bool]:
        """Changes after a position, and whether there are more."""
        path = f"/changes?since={since}&limit={CHANGES_PER_REQUEST}"
        answer = self._json("GET", path)
        found = [
            Change(one["Seq"], one["ChangeType"], one["ID"], one["Date"])
            for one in answer["Changes"]
        ]
        return found, not answer["Done"]

    @parses
    def last_change(self) -> int:
        """The position of the newest change."""
        return int(self._json("GET", "/changes?last")["Last"])

    @parses
    def patients(self) -> list[str]:
        """Identifiers of all patients."""
        return list(self._json("GET", "/patients"))

    @parses
    def patient_of(self, series: str) -> str | None:
        """The patient of a series; None where it has been deleted, unless it was known before."""
        if series not in self._patients:
            answer = self._json("GET", f"/series/{series}/patient", missing=True)
            if answer is None:
                return None
            self._remember(series, str(answer["ID"]))
        return self._patients[series]

    def _remember(self, series: str, patient: str) -> None:
        if len(self._patients) >= MAX_KNOWN:
            self._patients.clear()
        self._patients[series] = patient

    @parses
    def patient_facts(self, patient: str) -> dict[str, str]:
        """Name, ID and others of a patient, by the keywords of DICOM; empty if deleted."""
        answer = self._json("GET", f"/patients/{patient}", missing=True)
        return dict(answer["MainDicomTags"]) if answer else {}

    @parses
    def find_patients(self, value: str, keyword: str = "PatientID") -> list[str]:
        """Identifiers of the patients with a PatientID or name; `*` matches any characters."""
        query = {"Level": "Patient", "Query": {keyword: value}}
        return list(self._json("POST", "/tools/find", body=query))

    @parses
    def series_of(self, patient: str, *, with_sender: bool = True) -> list[ArchivedSeries]:
        """All series of a patient; none where it has been deleted.

        `with_sender` needs a request for each series.
        """
        path = f"/patients/{patient}"
        studies = {
            one["ID"]: one for one in self._json("GET", f"{path}/studies", missing=True) or []
        }
        series = self._json("GET", f"{path}/series", missing=True) or []
        return [
            self._archived(one, studies[one["ParentStudy"]], with_sender=with_sender)
            for one in series
            if one["ParentStudy"] in studies  # another has arrived in between
        ]

    def _archived(
        self, series: dict[str, Any], study: dict[str, Any], *, with_sender: bool
    ) -> ArchivedSeries:
        tags = series["MainDicomTags"]
        facts = {**study["MainDicomTags"], **tags}
        if with_sender and series["Instances"]:
            facts["RemoteAET"] = self._text(
                f"/instances/{series['Instances'][0]}/metadata/RemoteAET"
            )
        return ArchivedSeries(
            resource=series["ID"], uid=tags.get("SeriesInstanceUID", ""),
            study_uid=study["MainDicomTags"].get("StudyInstanceUID", ""), facts=facts,
            instances=len(series["Instances"]), is_stable=bool(series["IsStable"]),
            last_update=str(series.get("LastUpdate", "")),
        )  # fmt: skip

    @parses
    def series_bytes(self, series: str) -> int:
        """Size of the files of a series."""
        return int(self._json("GET", f"/series/{series}/statistics")["DiskSize"])

    @parses
    def download(self, series: str, folder: Path) -> int:
        """Write the instances of a series into a folder; returns how many there are.

        They are not held in memory, whatever their size. Raises `DiskFullError` where they cannot
        be written.
        """
        instances = self._json("GET", f"/series/{series}")["Instances"]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for number, instance in enumerate(sorted(instances)):
                self._write(f"/instances/{instance}/file", folder / f"{number:05}.dcm")
        except OSError as error:
            raise DiskFullError(f"cannot be written ({error.strerror})", folder) from error
        return len(instances)

    def _write(self, path: str, target: Path) -> None:
        """Write the body of an answer into a file, part by part."""
        with self._ask("GET", path, stream=True) as answer, target.open("wb") as file:
            try:
                for part in answer.stream(PART_BYTES):
                    file.write(part)
            except HTTPError as error:
                raise self._no_answer(error) from error

    @parses
    def store(self, content: bytes) -> StoredInstance:
        """Store an instance."""
        answer = self._json("POST", "/instances", body=content)
        status = answer.get("Status")
        if status not in STORED:
            raise PeerError(f"{self.url}: an instance was not stored ({status})")
        series = str(answer["ParentSeries"])
        self._remember(series, str(answer["ParentPatient"]))
        return StoredInstance(str(answer["ID"]), series, is_new=status == STORED[0])

    def delete_instance(self, instance: str) -> None:
        """Delete an instance that the node has stored."""
        self._ask("DELETE", f"/instances/{instance}", missing=True)

    @parses
    def destinations(self) -> list[str]:
        """The names that results can be sent to: modalities, and peers with their prefix."""
        peers = (f"{PEER_PREFIX}{name}" for name in self._json("GET", "/peers"))
        return [*self._json("GET", "/modalities"), *peers]

    @parses
    def send(self, destination: str, series: list[str]) -> str:
        """Let Orthanc send series to a destination; returns its job."""
        kind = "peers" if destination.startswith(PEER_PREFIX) else "modalities"
        name = quote(destination.removeprefix(PEER_PREFIX), safe="")
        body = {"Resources": series, "Synchronous": False}
        return str(self._json("POST", f"/{kind}/{name}/store", body=body)["ID"])

    @parses
    def find_instances(self, uid: str) -> list[str]:
        """Orthanc's identifiers of the instances with a SOPInstanceUID: one, or none."""
        found = self._json("POST", "/tools/lookup", body=uid.encode())
        return [str(one["ID"]) for one in found if one["Type"] == "Instance"]

    @parses
    def job(self, job: str) -> tuple[str, str]:
        """State and error of one of its jobs; the state is empty where Orthanc has lost it."""
        answer = self._json("GET", f"/jobs/{job}", missing=True)
        if answer is None:
            return "", ""
        return str(answer["State"]), str(answer.get("ErrorDescription", ""))

    def _json(self, method: str, path: str, *, body: Any = None, missing: bool = False) -> Any:
        answer = self._ask(method, path, body=body, missing=missing)
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        try:
            return answer.json()
        except ValueError as error:
            raise PeerError(f"{self.url}: an answer is not JSON") from error

    def _text(self, path: str) -> str:
        answer = self._ask("GET", path, missing=True)
        return "" if answer.status == HTTPStatus.NOT_FOUND else answer.data.decode()

    def _no_answer(self, error: Exception) -> NoAnswerError:
        kind = type(error).__name__
        return NoAnswerError(f"{self.url}: Orthanc does not answer ({kind}); is it running?")

    def _ask(
        self, method: str, path: str, *, body: Any = None, missing: bool = False,
        stream: bool = False,
    ) -> BaseHTTPResponse:  # fmt: skip
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        try:
            answer = self._connections.request(
                method, self.url + path, body=data, preload_content=not stream
            )
        except HTTPError as error:
            raise self._no_answer(error) from error
        if missing and answer.status == HTTPStatus.NOT_FOUND:
            return answer
        if answer.status == HTTPStatus.UNAUTHORIZED:
            raise PeerError(
                f"{self.url}: Orthanc refuses the user; check orthanc_user and its password file"
            )
        if answer.status == HTTPStatus.INSUFFICIENT_STORAGE:
            raise PeerError(f"{self.url}: Orthanc has no space left")
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            level = path.split("/")[1].partition("?")[0]  # what follows is a hash of the PatientID
            raise PeerError(f"{self.url}: {method} {level}: Orthanc answers {answer.status}")
        return answer
