"""Tar archives and compressed DICOM files: unpacked completely, or refused in one line."""

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from dicom_kit import assert_same_image, slices, write
from radfuse.errors import InputError, NoImageError
from radfuse.io import archives
from radfuse.io.archives import unpacked
from radfuse.pipeline.inspect import inspect
from radfuse.pipeline.read import read

SUFFIXES = (".tar", ".tar.gz", ".tgz", "")
"""Names of tar archives; without a suffix they are recognised by their content."""


def pack(path: Path, members: dict[str, bytes]) -> Path:
    packed = path.suffix in {".gz", ".tgz"}
    with tarfile.open(path, "w:gz" if packed else "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def pack_one(path: Path, edit: Callable[[tarfile.TarInfo], object]) -> Path:
    """An archive with one member that is not a plain file."""
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("a.dcm")
        edit(info)
        archive.addfile(info)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught, unpacked(path):
        pass
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_series_in_a_tar_equals_the_original(tmp_path: Path, suffix: str) -> None:
    folder = write(tmp_path / "in")
    with tarfile.open(tmp_path / f"a{suffix}", "w:gz" if "gz" in suffix else "w") as archive:
        archive.add(folder, ".")
    assert_same_image(read(tmp_path / f"a{suffix}", "CT").image, read(folder, "CT").image)


@pytest.mark.parametrize("name", ["a.dcm.gz", "a.gz", "A.DCM.GZ"])
def test_compressed_dicom_file_is_unpacked(tmp_path: Path, name: str) -> None:
    content = slices(write(tmp_path / "in"))[0].read_bytes()
    (tmp_path / name).write_bytes(gzip.compress(content))
    with unpacked(tmp_path / name) as folder:
        (file,) = folder.iterdir()
        assert file.read_bytes() == content


def test_compressed_slices_in_a_folder_are_named(tmp_path: Path) -> None:
    for path in slices(write(tmp_path / "in")):
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    (first, *_), others = inspect(tmp_path / "in")
    assert "decompress it with gunzip" in first.problems[0]
    assert others == 0
    with pytest.raises(InputError, match="compressed with gzip"):
        read(tmp_path / "in", "CT")


def test_archive_in_a_folder_is_named(tmp_path: Path) -> None:
    archive = pack(tmp_path / "study.tgz", {"a": b"1"})
    with pytest.raises(NoImageError, match=f"did you mean the file {archive}"):
        read(tmp_path, "CT")


@pytest.mark.parametrize("name", ["../a", "/a", "b/../../a", "C:/a", "..\\a"])
def test_names_outside_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    assert "outside the folder" in refusal(pack(tmp_path / "a.tar", {"b": b"1", name: b"2"}))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE]
)
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    def edit(info: tarfile.TarInfo) -> None:
        info.type, info.linkname = kind, "/etc/passwd"

    assert "is a link or device" in refusal(pack_one(tmp_path / "a.tar", edit))


def test_names_that_collide_are_refused(tmp_path: Path) -> None:
    assert "is a duplicate" in refusal(pack(tmp_path / "a.tar", {"a": b"1", "A": b"2"}))
    assert "is also a file" in refusal(pack(tmp_path / "b.tar", {"a": b"1", "a/b": b"2"}))


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_truncated_tar_is_refused_at_every_length(tmp_path: Path, suffix: str) -> None:
    whole = pack(tmp_path / f"a{suffix}", {name: bytes(700) for name in "abc"}).read_bytes()
    end = 3 * (512 + 1024) if suffix == ".tar" else len(whole) - 1
    for length in range(0, end, 97):
        (tmp_path / f"a{suffix}").write_bytes(whole[:length])
        assert "download it again" in refusal(tmp_path / f"a{suffix}")


def test_corrupted_header_of_a_tar_never_hides_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    whole = pack(path, {name: bytes(512) for name in "abc"}).read_bytes()
    for at in range(1024, 1536, 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x11]) + whole[at + 1 :])
        assert "damaged" in refusal(path)


def test_wrong_checksum_of_gzip_is_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.tgz", {"a": bytes(700)})
    whole = path.read_bytes()
    path.write_bytes(whole[:-8] + bytes([whole[-8] ^ 1]) + whole[-7:])
    assert "damaged tar archive (CRC" in refusal(path)


def test_tar_bomb_is_refused_while_unpacking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "UNCHECKED_BYTES", 1 << 20)
    assert "maximum unpacked size" in refusal(pack(tmp_path / "a.tgz", {"a": bytes(8 << 20)}))
    monkeypatch.setattr(archives, "MAX_MEMBERS", 10)
    many = pack(tmp_path / "b.tgz", {f"{number}": bytes(1 << 20) for number in range(9)})
    assert "more than" in refusal(many)


def test_too_many_files_in_a_tar_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", 3)
    assert "the maximum is 3" in refusal(pack(tmp_path / "a.tar", dict.fromkeys("abcd", b"1")))


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_huge_header_of_a_tar_is_not_read(tmp_path: Path, kind: bytes) -> None:
    def edit(info: tarfile.TarInfo) -> None:
        info.type, info.size = kind, 1 << 32

    path = pack_one(tmp_path / "a.tar", edit)
    assert "a header of 4294967296 bytes" in refusal(path)


@pytest.mark.parametrize(("magic", "name"), archives.FOREIGN_MAGIC.items())
def test_other_archives_are_named(tmp_path: Path, magic: bytes, name: str) -> None:
    (tmp_path / "study.zip").write_bytes(magic + bytes(100))
    words = f"{name} archives are not supported; {archives.GIVE_FOLDER}"
    assert refusal(tmp_path / "study.zip") == words


def test_compressed_volume_is_no_archive(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    path.write_bytes(gzip.compress(bytes(1000)))
    with unpacked(path) as same:
        assert same == path
