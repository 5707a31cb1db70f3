"""Zip archives, as a PACS sends them, unpacked where they can do no harm."""

import io
import stat
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import NoReturn

from radfuse.errors import InputError

ZIP_MAGIC = (b"PK\3\4", b"PK\5\6")
"""First bytes of a zip archive: of its first member, or of its end where it has none."""

METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
"""Ways to pack a member that are read; the others are rare and cost memory to unpack."""

MEMBERS_LIMIT = 50_000
"""Files in one archive, at most; a study of several thin-slice series has some thousands."""

TOTAL_LIMIT_BYTES = 8 << 30
"""Bytes of all members together, at most; a study of 10,000 slices of 512 x 512 has 5 GiB."""

RATIO_LIMIT = 200
"""Unpacked bytes for each byte of the archive, at most; images pack to a third, masks to 1 %."""

RATIO_GRACE_BYTES = 64 << 20
"""Up to here any ratio is harmless: a few blank slices."""

DIRECTORY_LIMIT_BYTES = 16 << 20
"""Bytes of an archive's table of contents, at most: 300 for each member that is allowed."""

BLOCK_BYTES = 1 << 20
"""Members are unpacked in pieces of this size."""

FORBIDDEN = '<>:"|?*'
"""Characters that a file system may refuse in a name; each becomes a low line."""

NAME_SHOWN = 100
"""Characters of a member's name in a message, at most."""

ENCRYPTED = 0x1 | 0x40 | 0x2000
"""Flag bits of a member that needs a password."""


def is_archive(path: Path) -> bool:
    """Whether a path is a regular file that is a zip archive, by its first bytes or its name.

    Raises `PermissionError` for what may not be read.
    """
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(4) in ZIP_MAGIC or path.suffix.lower() == ".zip"


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """The folder with the files of a zip archive, removed on leaving; another path as it is.

    Members keep their names, cleaned of what a file system may refuse. An archive in the archive
    is a file like another and stays packed. Raises `InputError`, naming the member, for an archive
    that is encrypted, damaged or larger than the limits of this module, and for one whose names
    leave the folder, stand there twice or belong to links.
    """
    try:
        archive = is_archive(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if not archive:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="radfuse-") as folder:
        _unpack(path, Path(folder))
        yield Path(folder)


class _Stream(io.FileIO):
    """The archive's file; a table of contents above the limit is not read into memory."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as ever, but never more than the limit at once."""
        if size is not None and size > DIRECTORY_LIMIT_BYTES:
            raise zipfile.BadZipFile(f"a table of contents of {size} bytes")
        return super().read(-1 if size is None else size)


def _unpack(path: Path, folder: Path) -> None:
    """Write all members below the folder, which is empty."""
    try:
        with _Stream(path) as stream, zipfile.ZipFile(stream) as archive:
            members = _checked(archive.infolist(), path)
            allowed = min(TOTAL_LIMIT_BYTES, RATIO_GRACE_BYTES + RATIO_LIMIT * path.stat().st_size)
            for member, place in members:
                allowed -= _write(archive, member, folder / place, allowed, path)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError) as error:
        _refuse(path, f"a damaged zip archive ({_shown(str(error))}); download it again")
    except OSError as error:
        reason = error.strerror or _shown(str(error))
        _refuse(path, f"cannot be unpacked ({reason}); unpack it and give the folder")


def _checked(
    members: list[zipfile.ZipInfo], path: Path
) -> list[tuple[zipfile.ZipInfo, PurePosixPath]]:
    """The files among the members, each with its place below the folder."""
    if len(members) > MEMBERS_LIMIT:
        _refuse(path, f"{len(members)} files, more than {MEMBERS_LIMIT}; unpack a part of it")
    places: dict[PurePosixPath, PurePosixPath] = {}
    files = []
    for member in members:
        place = _place(member, path)
        if member.filename.endswith(("/", "\\")):
            continue
        key = PurePosixPath(str(place).casefold())
        if key in places:
            _refuse_member(path, member, "is there twice; unpack it and give the folder")
        places[key] = place
        files.append((member, place))
    for key, place in places.items():
        if not places.keys().isdisjoint(key.parents):
            _refuse(path, f"'{_shown(str(place))}' lies below a file; unpack it by hand")
    return files


def _place(member: zipfile.ZipInfo, path: Path) -> PurePosixPath:
    """Where a member goes, relative to the folder; refuse one that is no plain file in it."""
    if member.flag_bits & ENCRYPTED:
        _refuse_member(path, member, "is encrypted; unpack it with its password first")
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        _refuse_member(path, member, "is a link or device, no file; unpack it by hand")
    if member.compress_type not in METHODS:
        _refuse_member(path, member, "is packed in a rare way; unpack it and give the folder")
    name = unicodedata.normalize("NFC", member.filename.replace("\\", "/"))
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or name[1:2] == ":":
        _refuse_member(path, member, "would be written outside its folder; unpack it by hand")
    cleaned = [_cleaned(part) for part in parts if part not in {"", "."}]
    if not cleaned:
        _refuse_member(path, member, "has no name; unpack it by hand")
    return PurePosixPath(*cleaned)


def _cleaned(part: str) -> str:
    """A part of a name without what a file system may refuse or drop."""
    fit = "".join(sign if sign.isprintable() and sign not in FORBIDDEN else "_" for sign in part)
    kept = fit.rstrip(" .")
    return kept + "_" * (len(fit) - len(kept))


def _write(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, allowed: int, path: Path
) -> int:
    """Unpack one member and return its bytes; they are counted as they come."""
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    try:
        with archive.open(member) as packed, target.open("xb") as plain:
            while block := packed.read(BLOCK_BYTES):
                written += len(block)
                if written > allowed:
                    _refuse_member(path, member, _too_large(path))
                plain.write(block)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        reason = _shown(str(error)) or "it ends too early"
        raise InputError(
            f"{path}: '{_shown(member.filename)}' is damaged ({reason}); download it again"
        ) from error
    if written != member.file_size:
        _refuse_member(
            path, member, f"has {written} bytes, not {member.file_size}; download it again"
        )
    return written


def _too_large(path: Path) -> str:
    packed = path.stat().st_size
    return (
        f"makes the archive of {packed} bytes unpack to more than {TOTAL_LIMIT_BYTES >> 30} GiB "
        f"or {RATIO_LIMIT} times its size; unpack it by hand if you trust it"
    )


def _refuse(path: Path, what: str) -> NoReturn:
    raise InputError(f"{path}: {what}")


def _refuse_member(path: Path, member: zipfile.ZipInfo, what: str) -> NoReturn:
    _refuse(path, f"'{_shown(member.filename)}' {what}")


def _shown(text: str) -> str:
    """A text from the file as part of one line."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)[:NAME_SHOWN]
