"""Unpack zip archives, as a PACS sends them, into a temporary folder."""

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
"""First bytes of a zip archive: of its first member, or of the end of an empty one."""

SUPPORTED_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
"""Supported compression methods; the others are rare and need much memory."""

MAX_MEMBERS = 50_000
"""Maximum number of files; a study of several thin-slice series has some thousands."""

MAX_TOTAL_BYTES = 8 << 30
"""Maximum size of all members; a study of 10,000 slices of 512 x 512 has 5 GiB."""

MAX_RATIO = 200
"""Maximum compression ratio; images are compressed to a third, masks to 1 %."""

UNCHECKED_BYTES = 64 << 20
"""Unpacked size up to which any ratio is accepted: a few blank slices."""

MAX_DIRECTORY_BYTES = 16 << 20
"""Maximum size of the central directory: 300 bytes for each member that is allowed."""

BLOCK_BYTES = 1 << 20
"""Members are unpacked in blocks of this size."""

GIVE_FOLDER = "unpack it with another program and give the folder"
"""Remedy for an archive that is not unpacked."""

FORBIDDEN = '<>:"|?*'
"""Characters that file systems may refuse in a name; replaced by underscores."""

MAX_NAME_LENGTH = 100
"""Maximum length of a member's name in a message."""

ENCRYPTED = 0x1 | 0x40 | 0x2000
"""Flag bits of an encrypted member."""


def is_archive(path: Path) -> bool:
    """Whether a path is a zip archive, by its first bytes or its name.

    Raises `PermissionError` for a file without read permission.
    """
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(4) in ZIP_MAGIC or path.suffix.lower() == ".zip"


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """A temporary folder with the files of a zip archive; another path unchanged.

    Members keep their names, except for characters that file systems refuse. Archives in the
    archive are not unpacked. Raises `InputError`, naming the member, for an archive that is
    encrypted, damaged or larger than the limits of this module, and for names that are duplicate,
    outside the folder or of links.
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
    """The archive; a central directory above the limit is not read into memory."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as `io.FileIO`; raises `BadZipFile` for more than the limit."""
        if size is not None and size > MAX_DIRECTORY_BYTES:
            raise zipfile.BadZipFile(f"a central directory of {size} bytes")
        return super().read(-1 if size is None else size)


def _unpack(path: Path, folder: Path) -> None:
    """Write all members into an empty folder."""
    try:
        with _Stream(path) as stream, zipfile.ZipFile(stream) as archive:
            members = _checked(archive.infolist(), path)
            allowed = min(MAX_TOTAL_BYTES, UNCHECKED_BYTES + MAX_RATIO * path.stat().st_size)
            for member, target in members:
                allowed -= _write(archive, member, folder / target, allowed, path)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError) as error:
        _refuse(path, f"damaged zip archive ({_shown(str(error))}); download it again")
    except OSError as error:
        reason = error.strerror or _shown(str(error))
        _refuse(path, f"cannot be unpacked ({reason}); {GIVE_FOLDER}")


def _checked(
    members: list[zipfile.ZipInfo], path: Path
) -> list[tuple[zipfile.ZipInfo, PurePosixPath]]:
    """The files among the members, each with its path relative to the folder."""
    if len(members) > MAX_MEMBERS:
        _refuse(path, f"{len(members)} files, the maximum is {MAX_MEMBERS}; unpack a part of it")
    targets: dict[PurePosixPath, PurePosixPath] = {}
    files = []
    for member in members:
        target = _target(member, path)
        if member.filename.endswith(("/", "\\")):
            continue
        key = PurePosixPath(str(target).casefold())
        if key in targets:
            _refuse_member(path, member, f"is a duplicate; {GIVE_FOLDER}")
        targets[key] = target
        files.append((member, target))
    for key, target in targets.items():
        if not targets.keys().isdisjoint(key.parents):
            _refuse(path, f"the folder of '{_shown(str(target))}' is also a file; {GIVE_FOLDER}")
    return files


def _target(member: zipfile.ZipInfo, path: Path) -> PurePosixPath:
    """The path of a member relative to the folder; refuse links, devices and paths outside it."""
    if member.flag_bits & ENCRYPTED:
        _refuse_member(path, member, f"is encrypted; decrypt it; {GIVE_FOLDER}")
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        _refuse_member(path, member, f"is a link or device, not a file; {GIVE_FOLDER}")
    if member.compress_type not in SUPPORTED_METHODS:
        _refuse_member(path, member, f"has an unsupported compression method; {GIVE_FOLDER}")
    name = unicodedata.normalize("NFC", member.filename.replace("\\", "/"))
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or name[1:2] == ":":
        _refuse_member(path, member, f"would be written outside the folder; {GIVE_FOLDER}")
    cleaned = [_cleaned(part) for part in parts if part not in {"", "."}]
    if not cleaned:
        _refuse_member(path, member, f"has no name; {GIVE_FOLDER}")
    return PurePosixPath(*cleaned)


def _cleaned(part: str) -> str:
    """A part of a name with the characters replaced that file systems may refuse or drop."""
    fit = "".join(sign if sign.isprintable() and sign not in FORBIDDEN else "_" for sign in part)
    kept = fit.rstrip(" .")
    return kept + "_" * (len(fit) - len(kept))


def _write(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, allowed: int, path: Path
) -> int:
    """Unpack one member and return its size, which is checked while it is unpacked."""
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
        reason = _shown(str(error)) or "truncated"
        raise InputError(
            f"{path}: '{_shown(member.filename)}' is damaged ({reason}); download it again"
        ) from error
    if written != member.file_size:
        _refuse_member(
            path,
            member,
            f"has {written} bytes, its entry says {member.file_size}; download it again",
        )
    return written


def _too_large(path: Path) -> str:
    packed = path.stat().st_size
    return (
        f"exceeds the maximum unpacked size, {MAX_TOTAL_BYTES >> 30} GiB or {MAX_RATIO} times "
        f"the {packed} bytes of the archive; {GIVE_FOLDER}"
    )


def _refuse(path: Path, what: str) -> NoReturn:
    raise InputError(f"{path}: {what}")


def _refuse_member(path: Path, member: zipfile.ZipInfo, what: str) -> NoReturn:
    _refuse(path, f"'{_shown(member.filename)}' {what}")


def _shown(text: str) -> str:
    """Printable, shortened text."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)[:MAX_NAME_LENGTH]
