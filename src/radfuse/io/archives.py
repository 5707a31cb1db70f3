"""Unpack zip and tar archives, as a PACS or a data set has them, into a temporary folder."""

import gzip
import io
import re
import stat
import tarfile
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO, Any, NoReturn

from radfuse.errors import InputError

ZIP_MAGIC = (b"PK\3\4", b"PK\5\6")
"""First bytes of a zip archive: of its first member, or of the end of an empty one."""

GZIP_MAGIC = b"\x1f\x8b"
"""First bytes of a gzip stream."""

TAR_MAGIC, TAR_MAGIC_OFFSET = b"ustar", 257
"""Of POSIX and GNU tar archives, which may be in a gzip stream."""

TAR_SUFFIXES = (".tar", ".tgz", ".tar.gz")
"""Names of tar archives."""

DICOM_MAGIC, DICOM_MAGIC_OFFSET = b"DICM", 128
"""Of DICOM files, which may be in a gzip stream."""

FOREIGN_MAGIC = {
    b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"7z\xbc\xaf\x27\x1c": "7-Zip", b"Rar!\x1a\x07": "RAR",
    b"\x28\xb5\x2f\xfd": "Zstandard",
}  # fmt: skip
"""First bytes of archives that are not unpacked."""

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
"""Maximum size of the central directory: 300 bytes for each member that is allowed; and of a
header in a tar archive."""

BLOCK_BYTES = 1 << 20
"""Members are unpacked in blocks of this size."""

GIVE_FOLDER = "unpack it with another program and give the folder"
"""Remedy for an archive that is not unpacked."""

KEPT_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha", ".zip", ".dcm", ".json")
"""Suffixes of generated names, because readers depend on them. DICOM slices need none."""

FORBIDDEN = '<>:"|?*'
"""Characters that file systems may refuse in a name; replaced by underscores."""

MAX_NAME_LENGTH = 100
"""Maximum length of a member's name in a message."""

ENCRYPTED = 0x1 | 0x40 | 0x2000
"""Flag bits of an encrypted member."""

DAMAGE = (
    zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError,
    NotImplementedError, ValueError, OverflowError,
)  # fmt: skip
"""Errors of the libraries at damaged archives."""


@dataclass(frozen=True)
class _Member:
    """One file or folder of an archive."""

    name: str
    is_folder: bool
    problem: str
    """Why it is not unpacked; empty for a plain file or folder."""

    size: int | None
    """Bytes by the entry of the archive, if it has one."""

    open: Callable[[], IO[bytes] | gzip.GzipFile]


def is_archive(path: Path) -> bool:
    """Whether a path is an archive or a compressed DICOM file, by its first bytes or its name.

    Raises `PermissionError` for a file without read permission.
    """
    return path.is_file() and bool(_kind(path))


def is_compressed_dicom(path: Path) -> bool:
    """Whether a path is a DICOM file in a gzip stream; raises as `is_archive`."""
    return _kind(path) == "DICOM"


def _kind(path: Path) -> str:
    """`zip`, `tar`, `DICOM` in a gzip stream, the name of a foreign format, or nothing."""
    name = path.name.lower()
    with path.open("rb") as stream:
        head = stream.read(tarfile.BLOCKSIZE)
    if foreign := next((FOREIGN_MAGIC[magic] for magic in FOREIGN_MAGIC if head.startswith(magic)),
                       ""):  # fmt: skip
        return foreign
    if head.startswith(ZIP_MAGIC) or name.endswith(".zip"):
        return "zip"
    if head.startswith(GZIP_MAGIC):
        try:
            with gzip.open(path) as stream:
                head = stream.read(tarfile.BLOCKSIZE)
        except (OSError, EOFError, zlib.error):
            head = b""
        is_dicom = head[DICOM_MAGIC_OFFSET:].startswith(DICOM_MAGIC)
        if is_dicom or name.endswith((".dcm.gz", ".ima.gz")):
            return "DICOM"
    is_tar = head[TAR_MAGIC_OFFSET:].startswith(TAR_MAGIC) or name.endswith(TAR_SUFFIXES)
    return "tar" if is_tar else ""


def generated_name(number: int, name: str) -> str:
    """A name of a file that tells nothing of the patient: a number and the suffix."""
    suffix = next((one for one in KEPT_SUFFIXES if name.lower().endswith(one)), "")
    return f"{number:05}{suffix}"


@contextmanager
def unpacked(path: Path, *, numbered: bool = False) -> Iterator[Path]:
    """A temporary folder with the files of an archive; another path unchanged.

    Zip, tar and tar.gz archives are unpacked, and a DICOM file in a gzip stream. Members keep their
    names, except for characters that file systems refuse. Archives in the archive are not
    unpacked. With `numbered` members have generated names, see `member_names`. Raises `InputError`,
    naming the member, for an archive that is encrypted, damaged, of another format or larger than
    the limits of this module, and for names that are duplicate, outside the folder or of links.
    """
    try:
        kind = _kind(path) if path.is_file() else ""
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if not kind:
        yield path
        return
    if kind not in MEMBERS:
        _refuse(path, f"{kind} archives are not supported; {GIVE_FOLDER}")
    with tempfile.TemporaryDirectory(prefix="radfuse-") as temporary:
        folder = Path(temporary) / path.name
        folder.mkdir()
        _unpack(path, folder, kind, numbered)
        yield folder


def _unpack(path: Path, folder: Path, kind: str, numbered: bool) -> None:
    """Write all members into an empty folder."""
    try:
        with MEMBERS[kind](path) as members:
            allowed = _max_bytes(path)
            named = _numbered(members) if numbered else members
            for member, target in _checked(named, path):
                allowed -= _write(member, folder / target, allowed, path)
    except DAMAGE as error:
        _refuse(path, f"damaged {kind} archive ({_reason(error)}); download it again")
    except OSError as error:
        reason = error.strerror or _shown(str(error))
        _refuse(path, f"cannot be unpacked ({reason}); {GIVE_FOLDER}")


def member_names(path: Path) -> dict[PurePosixPath, str]:
    """The files of an archive that can be unpacked, with their generated names."""
    with MEMBERS[_kind(path)](path) as members:
        return {
            PurePosixPath(one.name.replace("\\", "/")): numbered.name
            for one, numbered in zip(members, _numbered(members), strict=True)
            if not one.is_folder
        }


def _numbered(members: list[_Member]) -> list[_Member]:
    """The same with generated names."""
    return [
        replace(one, name=generated_name(number, one.name)) for number, one in enumerate(members)
    ]


def _max_bytes(path: Path) -> int:
    return min(MAX_TOTAL_BYTES, UNCHECKED_BYTES + MAX_RATIO * path.stat().st_size)


class _ZipStream(io.FileIO):
    """The archive; a central directory above the limit is not read into memory."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as `io.FileIO`; raises `BadZipFile` for more than the limit."""
        if size is not None and size > MAX_DIRECTORY_BYTES:
            raise zipfile.BadZipFile(f"a central directory of {size} bytes")
        return super().read(-1 if size is None else size)


@contextmanager
def _zip_members(path: Path) -> Iterator[list[_Member]]:
    with _ZipStream(path) as stream, zipfile.ZipFile(stream) as archive:
        yield [
            _Member(
                info.filename,
                info.filename.endswith(("/", "\\")),
                _zip_problem(info),
                info.file_size,
                partial(archive.open, info),
            )
            for info in archive.infolist()
        ]


def _zip_problem(info: zipfile.ZipInfo) -> str:
    if info.flag_bits & ENCRYPTED:
        return "is encrypted; decrypt it"
    if stat.S_IFMT(info.external_attr >> 16) not in {0, stat.S_IFREG, stat.S_IFDIR}:
        return "is a link or device, not a file"
    return (
        "" if info.compress_type in SUPPORTED_METHODS else "has an unsupported compression method"
    )


class _TarStream:
    """The archive without its compression; neither long headers nor too many bytes are read."""

    def __init__(self, stream: IO[bytes] | gzip.GzipFile, maximum: int) -> None:
        self._stream, self._maximum = stream, maximum
        self.tell = stream.tell

    def seek(self, position: int) -> int:
        """Seek as a file; raises `TarError` above the maximum."""
        if position > self._maximum:
            raise tarfile.TarError(f"more than {self._maximum} bytes")
        return self._stream.seek(position)

    def read(self, size: int) -> bytes:
        """Read as a file; raises `TarError` for more than the limits."""
        if size > MAX_DIRECTORY_BYTES:
            raise tarfile.TarError(f"a header of {size} bytes")
        self.seek(self.tell())
        return self._stream.read(size)


@contextmanager
def _tar_members(path: Path) -> Iterator[list[_Member]]:
    with path.open("rb") as file:
        is_packed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    with gzip.open(path) if is_packed else path.open("rb") as plain:
        stream: Any = _TarStream(plain, _max_bytes(path) + 2 * tarfile.BLOCKSIZE * MAX_MEMBERS)
        with tarfile.open(fileobj=stream, mode="r:") as archive:
            infos = [*islice(archive, MAX_MEMBERS + 1)]
            stream.seek(archive.offset)
            if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):  # tarfile ends silently
                raise tarfile.TarError("no end of the archive")
            yield [
                _Member(
                    info.name,
                    info.isdir(),
                    "" if info.isdir() or (info.isreg() and not info.issparse())
                    else "is a link or device, not a file",
                    info.size,
                    partial(_tar_file, archive, info),
                )
                for info in infos
            ]  # fmt: skip
        while stream.read(BLOCK_BYTES):  # the checksum of gzip is at its end
            pass


def _tar_file(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    file = archive.extractfile(info)
    if file is None:
        raise tarfile.TarError("a file without content")
    return file


@contextmanager
def _dicom_members(path: Path) -> Iterator[list[_Member]]:
    yield [_Member(path.stem, False, "", None, partial(gzip.GzipFile, path))]


MEMBERS = {"zip": _zip_members, "tar": _tar_members, "DICOM": _dicom_members}
"""What opens each format: the members, while it is open."""


def _checked(members: list[_Member], path: Path) -> list[tuple[_Member, PurePosixPath]]:
    """The files among the members, each with its path relative to the folder."""
    if len(members) > MAX_MEMBERS:
        _refuse(path, f"{len(members)} files, the maximum is {MAX_MEMBERS}; unpack a part of it")
    targets: dict[PurePosixPath, PurePosixPath] = {}
    files = []
    for member in members:
        target = _target(member, path)
        if member.is_folder:
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


def _target(member: _Member, path: Path) -> PurePosixPath:
    """The path of a member relative to the folder; refuse links, devices and paths outside it."""
    if member.problem:
        _refuse_member(path, member, f"{member.problem}; {GIVE_FOLDER}")
    name = unicodedata.normalize("NFC", member.name.replace("\\", "/"))
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or name[1:2] == ":":
        _refuse_member(path, member, f"would be written outside the folder; {GIVE_FOLDER}")
    cleaned = [_cleaned(part) for part in parts if part not in {"", "."}]
    if not cleaned and not member.is_folder:
        _refuse_member(path, member, f"has no name; {GIVE_FOLDER}")
    return PurePosixPath(*cleaned)


def _cleaned(part: str) -> str:
    """A part of a name with the characters replaced that file systems may refuse or drop."""
    fit = "".join(sign if sign.isprintable() and sign not in FORBIDDEN else "_" for sign in part)
    kept = fit.rstrip(" .")
    return kept + "_" * (len(fit) - len(kept))


def _write(member: _Member, target: Path, allowed: int, path: Path) -> int:
    """Unpack one member and return its size, which is checked while it is unpacked."""
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    try:
        with member.open() as packed, target.open("xb") as plain:
            while block := packed.read(BLOCK_BYTES):
                written += len(block)
                if written > allowed:
                    _refuse_member(path, member, _too_large(path))
                plain.write(block)
    except DAMAGE as error:
        _refuse_member(path, member, f"is damaged ({_reason(error)}); download it again")
    if member.size not in {None, written}:
        _refuse_member(
            path, member, f"has {written} bytes, its entry says {member.size}; download it again"
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


def _refuse_member(path: Path, member: _Member, what: str) -> NoReturn:
    _refuse(path, f"'{_shown(member.name)}' {what}")


def _reason(error: Exception) -> str:
    """What a library says of a damaged archive, without the name of a file."""
    return _shown(re.split(" for file | in directory ", str(error))[0]) or "truncated"


def _shown(text: str) -> str:
    """Printable, shortened text."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)[:MAX_NAME_LENGTH]
