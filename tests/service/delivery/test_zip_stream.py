"""A streamed zip archive: its announced length, its content, and what a broken one is."""

import io
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radfuse.errors import InputError
from radfuse.service.delivery import zip_stream as module
from radfuse.service.delivery.zip_stream import CHUNK_BYTES, ZipEntry, zip_length, zip_stream

TIME = datetime(2026, 3, 4, 5, 6, 8, tzinfo=UTC)


def entries(folder: Path, contents: list[bytes]) -> list[ZipEntry]:
    paths = [folder / f"{number}.bin" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return [ZipEntry.of(f"SERIES_{len(path.name)}/{path.name}", path) for path in paths]


@settings(max_examples=25, deadline=None)
@given(contents=st.lists(st.binary(max_size=50), max_size=12))
def test_archive_has_announced_length_and_the_files(
    tmp_path_factory: pytest.TempPathFactory, contents: list[bytes]
) -> None:
    given = entries(tmp_path_factory.mktemp("zip"), contents)
    whole = b"".join(zip_stream(given, TIME))
    assert len(whole) == zip_length(given)
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        assert archive.testzip() is None
        assert [archive.read(one.name) for one in given] == contents
        assert all(one.date_time == (2026, 3, 4, 5, 6, 8) for one in archive.infolist())


def test_large_file_is_sent_in_chunks(tmp_path: Path) -> None:
    given = entries(tmp_path, [bytes(3 * CHUNK_BYTES + 1)])
    chunks = list(zip_stream(given, TIME))
    assert max(map(len, chunks)) < 1.1 * CHUNK_BYTES
    assert sum(map(len, chunks)) == zip_length(given)


@pytest.mark.parametrize("change", [b"short", b"longer than before", None])
def test_changed_file_ends_the_stream(tmp_path: Path, change: bytes | None) -> None:
    given = entries(tmp_path, [b"first", b"1234567"])
    given[1].path.unlink() if change is None else given[1].path.write_bytes(change)
    chunks: list[bytes] = []
    with pytest.raises(OSError, match=r"changed while it was sent|No such file"):
        chunks.extend(zip_stream(given, TIME))
    sent = b"".join(chunks)
    assert len(sent) < zip_length(given)
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(sent))


def test_missing_file_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a/b is not there"):
        ZipEntry.of("a/b", tmp_path / "none")


def test_too_much_for_one_archive_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = entries(tmp_path, [b"x" * 100])
    monkeypatch.setattr(module, "MAX_BYTES", 150)
    with pytest.raises(InputError, match="too many for one archive"):
        zip_length(given)
