"""Provenance of a result: inputs, recipe, versions, registration, outputs; JSON beside it."""

import hashlib
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from radfuse.errors import InputError
from radfuse.recipe import Recipe
from radfuse.schema import Values, VersionedModel

SHORT_NOTICE = "Research use only. Not a medical device."
"""Notice for files with room for one line."""

NOTICE = (
    f"{SHORT_NOTICE} "
    "Not for diagnosis, treatment planning or dose calculation without independent review."
)
"""Notice on every output."""

LIBRARIES = ("radfuse", "numpy", "scipy", "SimpleITK", "pydicom", "highdicom", "openvino")
"""Packages whose versions a result depends on."""


PET_CT = "CT of the PET"
"""Role of the CT of a PET's scanner."""


class Input(BaseModel):
    """One source image."""

    model_config = ConfigDict(frozen=True)

    role: str
    source: str
    files: int
    sha256: str
    """Of the file; of several files, of their digests in the order of the slices."""

    size: tuple[int, ...]
    spacing_mm: tuple[float, ...]
    notes: tuple[str, ...] = ()
    """What reading corrected or left out, a sentence each."""


class FurtherInput(BaseModel):
    """Another image that was brought onto the CT's grid."""

    model_config = ConfigDict(frozen=True)

    label: str
    image: Input
    registered_by: Input | None = None
    """The CT of a PET's scanner, which was registered instead of it."""

    registration: Mapping[str, Any]
    """As that of the record; of a PET or SPECT its transform is `functional_from_anatomical`."""

    note: str
    """What it is registered by, a sentence."""


class Output(BaseModel):
    """One file or folder written, relative to the record."""

    model_config = ConfigDict(frozen=True)

    role: str
    path: str
    sha256: str


class SeriesReference(BaseModel):
    """A series by its UIDs."""

    model_config = ConfigDict(frozen=True)

    study: str
    series: str


class JobReference(BaseModel):
    """The job that a result is of; the UIDs of its DICOM objects are derived from it."""

    model_config = ConfigDict(frozen=True)

    identity: str
    replaces: tuple[SeriesReference, ...] = ()
    """Series of an earlier result of the same patient that this one replaces."""


CheckAnswer = Literal["yes", "no", "not checked"]
"""Answer to a check of the QA sheet."""


class Signature(BaseModel):
    """A person and the time."""

    model_config = ConfigDict(frozen=True)

    name: str
    """As the person typed it, or of the login."""

    time: datetime
    is_authenticated: bool = False
    """Whether the name is that of a login, and not typed."""

    @property
    def label(self) -> str:
        """The name, and whether it was authenticated."""
        return f"{self.name} (authenticated)" if self.is_authenticated else self.name

    def sentence(self) -> str:
        """Name and time."""
        return f"{self.label}, {self.time:%Y-%m-%d %H:%M} UTC"


class Signoff(BaseModel):
    """A person's sign-off of a registration, with the form of the QA sheet."""

    model_config = ConfigDict(frozen=True)

    state: Literal["accepted", "rejected"]
    name: str
    """As the person typed it, or of the login."""

    time: datetime
    is_authenticated: bool = False
    """Whether the name is that of a login, and not typed; false in older records."""

    registration_id: str = ""
    """Identifier of the alignment that was reviewed."""

    grade: Annotated[int, Field(ge=0, le=4)] | None = None
    """Grade of AAPM TG-132, 0 the best; None in older records, and where none was given."""

    checks: Mapping[str, CheckAnswer] = {}
    """Answers to the checks of the QA sheet, by their names."""

    region: str = ""
    """Intended use, and the region for which the registration is good."""

    comment: str = ""
    second: Signature | None = None
    """Of another person who confirms the sign-off."""

    @property
    def first(self) -> Signature:
        """The signature of the person who signed first."""
        return Signature(name=self.name, time=self.time, is_authenticated=self.is_authenticated)

    def sentence(self) -> str:
        """State, names and times."""
        first = f"{self.state} by {self.first.sentence()}"
        return f"{first}, confirmed by {self.second.sentence()}" if self.second else first

    def form(self) -> str:
        """The answers on the form in one text; empty without any."""
        facts = [] if self.grade is None else [f"TG-132 grade {self.grade}"]
        facts += [f"region: {self.region}"] if self.region else []
        for answer in ("yes", "no", "not checked"):
            names = [name for name, given in self.checks.items() if given == answer]
            facts += [f"{answer}: {', '.join(names)}"] if names else []
        facts += [f"comment: {self.comment}"] if self.comment else []
        return "; ".join(facts)


RENAMED_KEYS = {
    "score": "error_mm", "threshold": "threshold_mm", "trusted": "passed",
    "drift_mm": "reregistration_mm", "fitting": "within_tolerance", "pieces": "patches",
    "judged": "is_estimated", "one_frame_of_reference": "header_alignment",
    "Beyond the MR's field of view": "Outside the MR field of view",
    "MR values that become 0 and 1": "MR values scaled to 0 and 1",
}  # fmt: skip
"""Keys of registration and scaling in version 1, and in version 2."""


def _with_renamed_keys(values: Values) -> Values:
    """Version 1 to 2."""

    def renamed(part: Any) -> Any:
        if not isinstance(part, Mapping):
            return part
        return {RENAMED_KEYS.get(key, key): renamed(value) for key, value in part.items()}

    changed = ("registration", "scaling")
    return {key: renamed(value) if key in changed else value for key, value in values.items()}


class Record(VersionedModel):
    """Provenance of one result: frozen, and plain JSON.

    Examples
    --------
    >>> import numpy as np
    >>> import radfuse
    >>> ct, mr = np.random.default_rng(1).integers(0, 256, (2, 64, 64), np.uint8)
    >>> record = radfuse.fuse(ct, mr, recipe=radfuse.Recipe(method="maximum")).record
    >>> record  # doctest: +ELLIPSIS
    <Record: CT and MR fused by maximum, 20...>
    >>> record.model_dump()["scaling"]
    {'Fused 1.0 is stored as': 255}
    """

    migrations = (_with_renamed_keys,)

    notice: str = NOTICE
    """The intended use."""

    created: datetime
    """When, in UTC."""

    recipe: Recipe
    """The settings, without paths unless identifiers are shown."""

    inputs: tuple[Input, ...]
    """The sources with their SHA-256, without names of patients."""

    method: Mapping[str, Any]
    """Name, summary, options, device; with networks also their files and sha256."""

    scaling: Mapping[str, Any]
    """How HU, MR values and fused values map to [0, 1]."""

    registration: Mapping[str, Any] | None
    """Origin, transform (row-major 4x4, CT point to MR point, LPS mm), quality; None for 2-D."""

    further: tuple[FurtherInput, ...] = ()
    """Other images of the patient on the CT's grid; older records have none."""

    outputs: tuple[Output, ...] = ()
    """What was written, with its SHA-256."""

    warnings: tuple[str, ...] = ()
    """What to check before the result is used, a sentence each; older records have none."""

    left_out: tuple[str, ...] = ()
    """Default outputs that were not written, with the reason, a sentence each."""

    seconds: Mapping[str, float]
    """Wall time by stage."""

    signoff: Signoff | None = None
    """None before the review."""

    job: JobReference | None = None
    """None where no job of a batch or node asked for the result."""

    versions: Mapping[str, str]
    """Versions of radfuse and of the libraries that a result depends on."""

    platform: str
    """Python, operating system and processor."""

    @property
    def method_sentence(self) -> str:
        """Name and summary of the method, and the options that were set."""
        options = (f"; {name}: {value}" for name, value in self.recipe.options.items())
        return f"{self.recipe.method}: {self.method['summary']}{''.join(options)}"

    def __repr__(self) -> str:
        """One line: what was fused, by what, when."""
        sources = " and ".join(one.role for one in self.inputs[:2])
        return f"<Record: {sources} fused by {self.method['name']}, {self.created:%Y-%m-%d %H:%M}>"


def read_record(path: Path) -> Record:
    """The record in a file, migrated; `InputError` for a file without one that can be read."""
    try:
        return Record.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise InputError(f"{path}: not a record of a fusion; run the fusion again") from error
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def now() -> datetime:
    """The current time in UTC, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


def library_versions() -> dict[str, str]:
    """Versions of `LIBRARIES`."""
    return {name: version(name) for name in LIBRARIES}


def platform_name() -> str:
    """Python, operating system and processor."""
    return f"Python {platform.python_version()}, {platform.platform()}"


def _file_digest(path: Path) -> bytes:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


def digest(files: Sequence[Path]) -> str:
    """SHA-256 of a file, or of the digests of several files in their order."""
    try:
        digests = [_file_digest(path) for path in files]
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read: {error.strerror}") from error
    if len(digests) == 1:
        return digests[0].hex()
    return hashlib.sha256(b"".join(digests)).hexdigest()
