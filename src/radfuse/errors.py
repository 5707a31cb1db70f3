"""What can go wrong, as a tree.

RadfuseError               shown as one line; anything else is a bug and keeps its traceback
├── InputError             a file, folder, value or option that cannot be used
│   ├── GeometryError      slices or grids whose place in the patient is irregular or impossible
│   └── NothingHereError   a folder without any image of the wanted kind
├── OutputError            a result that cannot be written where it was asked for
├── PeerError              a PACS that cannot be reached, refuses or answers wrongly
└── UntrustedError         a registration whose quality does not carry a fusion
"""

from typing import ClassVar


class RadfuseError(Exception):
    """An error that a user can mend; its message says what, where and what to do."""

    exit_code: ClassVar[int] = 2
    """Exit status of the command line."""


class InputError(RadfuseError):
    """A file, folder, value or option cannot be used."""


class GeometryError(InputError):
    """The place of an image in the patient is irregular, impossible or unknown."""


class NothingHereError(InputError):
    """A folder holds no image of the wanted kind."""


class OutputError(RadfuseError):
    """A result cannot be written where it was asked for."""


class PeerError(RadfuseError):
    """A PACS cannot be reached, refuses what was asked, or answers as none should."""


class UntrustedError(RadfuseError):
    """The registration's quality lies below the threshold of trust."""

    exit_code = 3

    def __init__(self, reason: str, ways_out: str) -> None:
        super().__init__(reason, ways_out)
        self.reason = reason
        """Without the ways out, which the command line and the page call by different names."""

    def __str__(self) -> str:
        """The reason and the ways out in one line."""
        return "; ".join(self.args)
