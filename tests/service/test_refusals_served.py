"""What the service refuses names neither a path of the server nor a file in an archive."""

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from service_kit import Site

from radfuse.phantom.dicom import write_phantom
from radfuse.phantom.head import make_phantom

NAME = "Montgomery"
"""The patient, in the name of every uploaded file and of every file in an archive."""


def packed(members: Mapping[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(f"{NAME}/{NAME}_{name}", data)
    return content.getvalue()


def encrypted(archive: bytes) -> bytes:
    """The same with the flag of encryption at every member."""
    local, central = archive.index(b"PK\3\4") + 6, archive.index(b"PK\1\2") + 8
    content = bytearray(archive)
    content[local] |= 1
    content[central] |= 1
    return bytes(content)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[bytes], list[bytes]]:
    """Slices of CT and MR."""
    folders = write_phantom(make_phantom(7, spacing_mm=6.0), tmp_path_factory.mktemp("head"))
    ct, mr = ([path.read_bytes() for path in sorted(folder.iterdir())] for folder in folders)
    return ct, mr


def damaged(sources: tuple[list[bytes], list[bytes]]) -> Iterator[tuple[str, bytes]]:
    """Uploads that some or all requests refuse."""
    ct, mr = sources
    both = {f"{number}.dcm": data for number, data in enumerate([*ct, *mr])}
    yield "no archive.zip", b"PK\x03\x04 rubbish"
    yield "checksum.zip", packed({"a.dcm": b"hallo"}).replace(b"hallo", b"hullo")
    yield "truncated slice.zip", packed({**both, "3.dcm": ct[3][:-900]})
    yield "missing slice.zip", packed({key: both[key] for key in both if key != "5.dcm"})
    yield "encrypted.zip", encrypted(packed({"a.dcm": b"hallo"}))
    yield "no image.zip", packed({"notes.txt": b"text", "a.nii": b"\0" * 400})
    yield "two masks.zip", packed({"a.nii.gz": b"\x1f\x8b", "b.nii.gz": b"\x1f\x8b"})
    yield "damaged.nii.gz", b"\x1f\x8b rubbish"
    yield "empty.nrrd", b""
    yield "matrix.json", b"[1, 2]"
    yield "slice.dcm", ct[0][:-300]
    yield "report.dcm", bytes(128) + b"DICM" + bytes(40)


def refusals(site: Site, prepared: str, path: str) -> Iterator[tuple[str, str]]:
    """What each route that takes a path says of an upload."""
    call = site.client.post
    yield "inspect", call("/api/v1/inspect", json={"path": path}).text
    yield (
        "structures",
        call(f"/api/v1/studies/{prepared}/structures/import", json={"path": path}).text,
    )
    made = call("/api/v1/studies", json={"study": path})
    yield "study", made.text
    pair = site.make(ct=path, mr=path)
    events = [*site.prepare(pair), *site.fuse(pair)]
    assert events[-1][0] == "error", events
    yield "jobs", json.dumps(events)
    stored = {"recipe": {"transform": path, "accept_registration": True}}
    yield "transform", json.dumps(site.fuse(prepared, **stored))
    yield "stored", site.client.get("/api/v1/studies").text


def test_refusals_name_neither_paths_nor_members(
    site: Site, prepared: str, sources: tuple[list[bytes], list[bytes]]
) -> None:
    errors = set()
    for name, content in damaged(sources):
        files = {"files": (f"{NAME} {name}", io.BytesIO(content))}
        uploaded = site.client.post("/api/v1/uploads", files=files)
        assert uploaded.status_code == 201, uploaded.text
        for route, text in (
            ("upload", uploaded.text), *refusals(site, prepared, uploaded.json()["path"]),
        ):  # fmt: skip
            found = [word for word in (NAME, str(site.folder), "/radfuse-") if word in text]
            assert found == [], (name, route, text)
            errors.add((name, route, "error" in text or "problems" in text))
    assert {name for name, _, refused in errors if refused} == {
        name for name, _ in damaged(sources)
    }


@pytest.mark.parametrize(
    "path", ["upload:../studies", "upload:/etc", "upload:", "upload:nothing", "upload:a/../../.."]
)
def test_only_uploads_are_reached_by_their_names(site: Site, path: str) -> None:
    answer = site.client.post("/api/v1/inspect", json={"path": path})
    assert answer.status_code == 400
    assert str(site.folder) not in answer.text
    assert Path(site.folder).name not in answer.text
