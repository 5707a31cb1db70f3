"""The errors that radfuse raises, as a tree.

RadfuseError               one line on the command line; anything else is a bug, with its traceback
├── InputError             a file, folder, value or option cannot be used
│   ├── GeometryError      slice positions or grids are irregular, impossible or unknown
│   ├── NoImageError       a folder has no image of the wanted kind
│   └── ReaderEndedError   the process that reads a file has ended without an answer
├── OutputError            a result cannot be written to the given path
│   └── DiskFullError      there is no space left for it
├── PeerError              a PACS cannot be reached, refuses, or answers wrongly
└── RegistrationError      registration QA failed
"""

import difflib
import importlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

MIN_RESEMBLANCE = 0.6
"""Of a name to one that is suggested for it, as `difflib` measures it: 1 for the same."""


class RadfuseError(Exception):
    """An error that the user can correct; the message says what, where and what to do."""

    exit_code: ClassVar[int] = 2
    """Exit status of the command line."""

    @property
    def kind(self) -> str:
        """What is wrong, for what is stored: the message may contain names of files."""
        return str(self.__doc__).splitlines()[0]


class InputError(RadfuseError):
    """A file, folder, value or option cannot be used."""


def unknown_name(kind: str, name: str, known: Iterable[str], listed_by: str) -> InputError:
    """The error for a name that is none of the `known`, with the nearest ones that resemble it."""
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=MIN_RESEMBLANCE)
    nearest = f"nearest: {', '.join(near)} (see {listed_by})" if near else f"see {listed_by}"
    return InputError(f"no {kind} '{name}'; {nearest}")


class GeometryError(InputError):
    """Slice positions or grids are irregular, impossible or unknown."""


class NoImageError(InputError):
    """A folder has no image of the wanted kind."""


class ReaderEndedError(InputError):
    """The process that reads a file has ended without an answer: it is damaged, or was killed."""


class OutputError(RadfuseError):
    """A result cannot be written to the given path."""

    def __init__(self, reason: str, folder: Path | None = None) -> None:
        super().__init__(reason, folder)
        self.reason = reason
        """The reason alone: clients of the service do not see its folders."""

        self.folder = folder

    def __str__(self) -> str:
        """The folder, if it is known, and the reason."""
        return f"{self.folder}: {self.reason}" if self.folder else self.reason


class DiskFullError(OutputError):
    """There is no space left for a result."""


class PeerError(RadfuseError):
    """A PACS cannot be reached, refuses the request, or answers wrongly."""


class RegistrationError(RadfuseError):
    """Registration QA failed: the estimated error is above its threshold, or unknown."""

    exit_code = 3

    def __init__(self, reason: str, remedies: str) -> None:
        super().__init__(reason, remedies)
        self.reason = reason
        """The reason alone: the command line and the viewer name their remedies differently."""

    @property
    def kind(self) -> str:
        """The reason, which has numbers alone."""
        return self.reason

    def __str__(self) -> str:
        """The reason and the remedies in one line."""
        return "; ".join(self.args)


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Around imports of packages that only an extra of radfuse installs.

    Raises `InputError` with the command that installs it where one is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        raise InputError(f"{package} is missing; {install_command(extra)}") from error


def install_command(extra: str) -> str:
    """How to add an extra to this installation of radfuse."""
    return command_of(extra, _origin())


def command_of(extra: str, origin: Mapping[str, Any]) -> str:
    """How to add an extra where pip noted `origin`: a checkout, a wheel, or {} for a package index.

    Folders are not named: clients of the service read such messages, too.
    """
    with_weights = extra in ("weights", "all")
    if "dir_info" in origin:
        how = "--editable " if origin["dir_info"].get("editable") else ""
        weights = f"{how}./weights " * with_weights
        return f'pip install {weights}{how}".[{extra}]" in the checkout of radfuse'
    name = PurePosixPath(unquote(urlsplit(origin.get("url", "")).path)).name
    if name.endswith(".whl"):
        beside = "--find-links . " * with_weights
        return f'pip install {beside}"./{name}[{extra}]" in the folder of that file'
    return f'pip install "radfuse[{extra}]"'


def _origin() -> dict[str, Any]:
    """What pip noted about the origin of radfuse (PEP 610); {} for a package index."""
    metadata = importlib.import_module("importlib.metadata")  # only where a message needs it
    try:
        text = metadata.distribution("radfuse").read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        text = None
    origin: dict[str, Any] = json.loads(text or "{}")
    return origin
