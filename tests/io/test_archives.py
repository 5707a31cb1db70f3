"""Zip archives: unpacked completely, or refused in one line; no temporary files remain."""

import resource
import stat
import struct
import tempfile
import time
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import numpy as np
import pytest

from dicom_kit import as_nobody, assert_same_image, slices, write
from radfuse.errors import InputError
from radfuse.io import archives
from radfuse.io.archives import GIVE_FOLDER, is_archive, unpacked
from radfuse.pipeline.read import read


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where temporary folders go; after each test nothing is left there nor beside it."""
    outer = tmp_path / "outer"
    folder = outer / "scratch"
    folder.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert [*outer.rglob("*")] == [folder]


def pack(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def contents(path: Path) -> dict[str, bytes]:
    with unpacked(path) as folder:
        return {
            file.relative_to(folder).as_posix(): file.read_bytes()
            for file in folder.rglob("*")
            if file.is_file()
        }


def refusal(path: Path) -> str:
    """The one line that refuses an archive."""
    with pytest.raises(InputError) as caught, unpacked(path):
        pass
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert len(message.splitlines()) == 1
    return message.removeprefix(f"{path}: ")


def patched(path: Path, old: bytes, new: bytes) -> Path:
    """The archive with all occurrences of some bytes replaced."""
    whole = path.read_bytes()
    assert old in whole
    path.write_bytes(whole.replace(old, new))
    return path


def test_series_in_an_archive_equals_the_original(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    packed = pack(
        tmp_path / "study.zip", {f"A/B/{path.stem}": path.read_bytes() for path in slices(folder)}
    )
    with unpacked(packed) as inside:
        assert_same_image(read(inside, "CT").image, read(folder, "CT").image)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_are_unpacked_unchanged(tmp_path: Path, method: int) -> None:
    wanted = {
        "DICOM/IM0001": np.random.default_rng(3).bytes(3 << 20),
        "DICOM/empty": b"",
        "DICOM/blank": bytes(1000),
        "Müller/größe.dcm": b"x",
    }
    assert contents(pack(tmp_path / "a.zip", wanted, method)) == wanted


def test_folder_is_removed_after_an_error(tmp_path: Path, scratch: Path) -> None:
    packed = pack(tmp_path / "a.zip", {"a": b"1"})
    with suppress(KeyError), unpacked(packed) as folder:
        assert folder.parent.parent == scratch
        raise KeyError


def test_other_paths_are_unchanged(tmp_path: Path) -> None:
    file = tmp_path / "a.dcm"
    file.write_bytes(b"DICM")
    for path in (tmp_path, file, tmp_path / "missing.zip"):
        assert not is_archive(path)
        with unpacked(path) as same:
            assert same == path


def test_archive_is_recognized_by_content_or_name(tmp_path: Path) -> None:
    assert is_archive(pack(tmp_path / "export", {"a": b"1"}))
    assert is_archive(pack(tmp_path / "none", {}))
    cut = tmp_path / "cut.ZIP"
    cut.write_bytes(b"")
    assert is_archive(cut)
    assert refusal(cut) == "damaged zip archive (File is not a zip file); download it again"


def test_backslashes_and_special_characters_are_replaced(tmp_path: Path) -> None:
    packed = pack(tmp_path / "a.zip", {"S\\1.dcm": b"1", "./S//2?.dcm": b"2", "S/3\n. ": b"3"})
    assert contents(packed) == {"S/1.dcm": b"1", "S/2_.dcm": b"2", "S/3___": b"3"}


def test_names_in_unknown_encodings_are_read(tmp_path: Path) -> None:
    packed = patched(pack(tmp_path / "a.zip", {"PATxx/1": b"1"}), b"PATxx", b"PAT\xfc\xff")
    assert [*contents(packed).values()] == [b"1"]


def test_invalid_utf8_names_are_refused(tmp_path: Path) -> None:
    packed = patched(pack(tmp_path / "a.zip", {"ü": b"1"}), "ü".encode(), b"\xff\xff")
    assert refusal(packed).startswith("damaged zip archive ('utf-8' codec can't decode")


def test_archive_in_an_archive_is_not_unpacked(tmp_path: Path) -> None:
    inner = pack(tmp_path / "inner.zip", {"../../evil": b"1"}).read_bytes()
    assert contents(pack(tmp_path / "a.zip", {"in.zip": inner, "b": b"2"})) == {
        "in.zip": inner,
        "b": b"2",
    }


@pytest.mark.parametrize(
    "name",
    ["/etc/evil", "../evil", "a/../../evil", "..\\evil", "C:\\evil", "c:evil", "\\\\host\\evil",
     "a/..", "../"],
)  # fmt: skip
def test_names_outside_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    packed = pack(tmp_path / "a.zip", {"fine": b"1", name: b"2"})
    assert refusal(packed) == (f"'{name}' would be written outside the folder; {GIVE_FOLDER}")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_links_and_devices_are_refused(tmp_path: Path, kind: int) -> None:
    packed = tmp_path / "a.zip"
    member = zipfile.ZipInfo("link")
    member.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(member, "/etc/passwd")
    assert refusal(packed) == f"'link' is a link or device, not a file; {GIVE_FOLDER}"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a", "a"), "'a' is a duplicate"),
        (("S/IM1", "s\\im1"), "'s\\im1' is a duplicate"),
        (("\u00fc", "u\u0308"), "'u\u0308' is a duplicate"),
        (("a/b", "A"), "the folder of 'a/b' is also a file"),
        ((".",), "'.' has no name"),
    ],
)
def test_names_that_collide_are_refused(
    tmp_path: Path, names: tuple[str, ...], message: str
) -> None:
    packed = tmp_path / "a.zip"
    with warnings.catch_warnings(), zipfile.ZipFile(packed, "w") as archive:
        warnings.simplefilter("ignore")
        for name in names:
            archive.writestr(name, b"1")
    assert refusal(packed) == f"{message}; {GIVE_FOLDER}"


def test_name_too_long_for_the_disk_is_refused(tmp_path: Path) -> None:
    assert refusal(pack(tmp_path / "a.zip", {"a" * 300: b"1"})) == (
        f"cannot be unpacked (File name too long); {GIVE_FOLDER}"
    )


def test_encrypted_archive_is_refused(tmp_path: Path) -> None:
    packed = pack(tmp_path / "a.zip", {"a": b"1"})
    whole = bytearray(packed.read_bytes())
    whole[whole.index(b"PK\1\2") + 8] |= 1
    packed.write_bytes(whole)
    assert refusal(packed) == f"'a' is encrypted; decrypt it; {GIVE_FOLDER}"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unsupported_compression_is_refused(tmp_path: Path, method: int) -> None:
    packed = pack(tmp_path / "a.zip", {"a": b"1"}, method)
    assert refusal(packed) == f"'a' has an unsupported compression method; {GIVE_FOLDER}"


def test_damaged_member_is_named(tmp_path: Path) -> None:
    packed = pack(tmp_path / "a.zip", {"b": b"hello", "a\n": b"hallo"}, zipfile.ZIP_STORED)
    message = refusal(patched(packed, b"hallo", b"hullo"))
    assert message.startswith("'a?' is damaged (Bad CRC-32); download it again")


def test_truncated_archive_is_refused_at_every_length(tmp_path: Path) -> None:
    packed = pack(tmp_path / "a.zip", {f"{index}": b"x" * 50 for index in range(3)})
    whole = packed.read_bytes()
    for keep in range(len(whole)):
        packed.write_bytes(whole[:keep])
        refusal(packed)


def test_corrupted_archive_is_refused_or_harmless(tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    packed = pack(tmp_path / "a.zip", {f"d/{index}": rng.bytes(40) + bytes(60) for index in "123"})
    whole = np.frombuffer(packed.read_bytes(), np.uint8)
    for _ in range(1500):
        hurt = whole.copy()
        hurt[rng.integers(len(whole), size=rng.integers(1, 4))] = rng.integers(256)
        packed.write_bytes(hurt.tobytes())
        with suppress(InputError), unpacked(packed):
            pass


def bomb(path: Path, megabytes: int, claim: int | None = None) -> Path:
    """Zeros, packed to a thousandth; the directory may claim another size."""
    pack(path, {"zeros": bytes(megabytes << 20)})
    if claim is not None:
        patched(path, struct.pack("<I", megabytes << 20), struct.pack("<I", claim))
    return path


def test_zip_bomb_is_refused_while_unpacking(tmp_path: Path) -> None:
    packed = bomb(tmp_path / "a.zip", 160)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    assert refusal(packed) == (
        "'zeros' exceeds the maximum unpacked size, 8 GiB or 200 times the "
        f"{packed.stat().st_size} bytes of the archive; {GIVE_FOLDER}"
    )
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10
    assert time.monotonic() - start < 5


def test_all_members_count_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_TOTAL_BYTES", 250)
    packed = pack(tmp_path / "a.zip", dict.fromkeys("abc", b"x" * 100), zipfile.ZIP_STORED)
    assert refusal(packed).startswith("'c' exceeds the maximum")
    monkeypatch.setattr(archives, "MAX_TOTAL_BYTES", 300)
    assert len(contents(packed)) == 3


@pytest.mark.parametrize("claim", [1, (1 << 32) - 2])
def test_wrong_member_size_is_refused(tmp_path: Path, claim: int) -> None:
    assert "'zeros'" in refusal(bomb(tmp_path / "a.zip", 1, claim))


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", 2)
    packed = pack(tmp_path / "a.zip", dict.fromkeys("abc", b""))
    assert refusal(packed) == "3 files, the maximum is 2; unpack a part of it"


def directory(count: int) -> bytes:
    """A central directory of empty members named 'a', and its end."""
    entry = struct.pack(
        "<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 33, zlib.crc32(b""), 0, 0, 1, 0, 0, 0, 0, 0, 0
    )
    table = (entry + b"a") * count
    return table + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, len(table), 0, 0)


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (60_000, "60000 files, the maximum is 50000; unpack a part of it"),
        (360_000, "damaged zip archive (a central directory of 16920000 bytes); download it "),
    ],
)
def test_huge_central_directory_is_refused(tmp_path: Path, count: int, message: str) -> None:
    packed = tmp_path / "a.zip"
    packed.write_bytes(directory(count))
    start = time.monotonic()
    assert refusal(packed).startswith(message)
    assert time.monotonic() - start < 5


def test_full_disk_is_reported(
    tmp_path: Path, full_disk: Callable[[int], AbstractContextManager[None]]
) -> None:
    packed = pack(tmp_path / "a.zip", {"a": bytes(200_000)})
    with full_disk(100_000):
        message = refusal(packed)
    assert message == f"cannot be unpacked (File too large); {GIVE_FOLDER}"


def test_archive_without_read_permission_is_refused(tmp_path: Path) -> None:
    packed = pack(tmp_path / "a.zip", {"a": b"1"})
    packed.chmod(0)
    with as_nobody(tmp_path):
        assert refusal(packed) == "cannot be read (Permission denied)"
