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

from pathlib import Path
from typing import ClassVar


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
