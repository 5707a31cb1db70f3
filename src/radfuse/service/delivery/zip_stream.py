"""A zip archive that is written while it is sent, of a length that is known before.

A file that cannot be read to its end ends the stream with an error, so that the receiver gets fewer
bytes than were announced, and no directory of the archive: nobody can mistake it for a whole one.
"""

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from radfuse.errors import InputError

CHUNK_BYTES = 1 << 20
"""Bytes that are read and sent at a time."""

MAX_BYTES = zipfile.ZIP64_LIMIT
"""Longest archive of the plain format."""

HEADER_BYTES, DESCRIPTOR_BYTES, DIRECTORY_BYTES, END_BYTES = 30, 16, 46, 22
"""Sizes of the parts of an archive, without names: PKWARE APPNOTE 4.3."""


@dataclass(frozen=True)
class ZipEntry:
    """A file, and its name in the archive: ASCII, with / between folders."""

    name: str
    path: Path
    size: int

    @classmethod
    def of(cls, name: str, path: Path) -> "ZipEntry":
        """The entry of a file as it is now; raises `InputError` where it is not there."""
        try:
            return cls(name, path, path.stat().st_size)
        except OSError as error:
            raise InputError(f"{name} is not there; load the study again") from error


def zip_length(entries: Sequence[ZipEntry]) -> int:
    """Bytes of the archive; `InputError` where they are too many for one archive."""
    each = HEADER_BYTES + DESCRIPTOR_BYTES + DIRECTORY_BYTES
    length = END_BYTES + sum(each + 2 * len(one.name) + one.size for one in entries)
    if length > MAX_BYTES or len(entries) > zipfile.ZIP_FILECOUNT_LIMIT:
        raise InputError(
            f"{len(entries)} files of {length / 1e9:.1f} GB are too many for one archive; send "
            "them to a PACS, or copy the folder of the study"
        )
    return length


def zip_stream(entries: Sequence[ZipEntry], time: datetime) -> Iterator[bytes]:
    """The archive in chunks; the files are stored as they are.

    Raises `OSError` for a file that cannot be read, or has another size now.
    """
    sink = _Sink()
    with zipfile.ZipFile(sink, "w") as archive:  # type: ignore[call-overload]  # it is not seekable
        for entry in entries:
            info = zipfile.ZipInfo(entry.name, time.timetuple()[:6])
            info.external_attr, info.file_size = 0o600 << 16, entry.size
            with entry.path.open("rb") as source, archive.open(info, "w") as target:
                read = 0
                while chunk := source.read(CHUNK_BYTES):
                    read += len(chunk)
                    target.write(chunk)
                    yield sink.take()
                if read != entry.size:
                    raise OSError(f"{entry.name} was changed while it was sent")
    yield sink.take()


class _Sink:
    """Keeps what is written until it is taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, part: bytes) -> int:
        self._parts.append(bytes(part))
        return len(part)

    def flush(self) -> None:
        """Nothing is kept elsewhere."""

    def take(self) -> bytes:
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken
