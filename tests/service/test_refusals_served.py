"""What the service refuses names neither a path of the server nor a file in an archive."""

import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pydicom
import pytest
from pydicom import DataElement, Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MediaStorageDirectoryStorage
from service_kit import Site

from radfuse.dicom.uids import derive_uid
from radfuse.phantom.dicom import write_phantom
from radfuse.phantom.head import make_phantom

NAME = "Montgomery"
"""The patient, in the name of every uploaded file and of every file in an archive."""


def packed(members: Mapping[str, bytes], index: Mapping[str, bytes] = {}) -> bytes:
    """An archive of files whose names get the patient's, and of one that lists them."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(f"{NAME}/{NAME}_{name}", data)
        for name, data in index.items():
            archive.writestr(f"{NAME}/{name}", data)
    return content.getvalue()


def dicomdir(files: list[bytes]) -> bytes:
    """A DICOMDIR of files as `Slices.packed` names them."""
    records = []
    for number, data in enumerate(files):
        header = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
        series, image = Dataset(), Dataset()
        series.DirectoryRecordType, series.SeriesInstanceUID = "SERIES", header.SeriesInstanceUID
        image.DirectoryRecordType, name = "IMAGE", f"{NAME}_{number}.dcm"
        image["ReferencedFileID"] = DataElement("ReferencedFileID", "CS", name, validation_mode=0)
        image.ReferencedSOPInstanceUIDInFile = header.SOPInstanceUID
        records += [series, image]
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    made.file_meta.MediaStorageSOPInstanceUID = derive_uid("test", "medium")
    made.DirectoryRecordSequence = records
    content = io.BytesIO()
    made.save_as(content, enforce_file_format=True)
    return content.getvalue()


def list_of_masks(name: str) -> dict[str, bytes]:
    listed = {"structures": [{"name": "Target", "label": 1, "file": f"{NAME}_{name}"}]}
    return {"structures.json": json.dumps(listed).encode()}


def encrypted(archive: bytes) -> bytes:
    """The same with the flag of encryption at every member."""
    local, central = archive.index(b"PK\3\4") + 6, archive.index(b"PK\1\2") + 8
    content = bytearray(archive)
    content[local] |= 1
    content[central] |= 1
    return bytes(content)


@dataclass(frozen=True)
class Slices:
    """Files of a CT and of an MR."""

    ct: list[bytes]
    mr: list[bytes]

    def packed(self, changed: Mapping[int, bytes | None], *, with_index: bool = False) -> bytes:
        """An archive of all, some of them changed or, with None, left out."""
        files = {**dict(enumerate([*self.ct, *self.mr])), **changed}
        index = {"DICOMDIR": dicomdir([*self.ct, *self.mr])} if with_index else {}
        return packed({f"{number}.dcm": data for number, data in files.items() if data}, index)


@pytest.fixture(scope="module")
def slices(tmp_path_factory: pytest.TempPathFactory) -> Slices:
    folders = write_phantom(make_phantom(7, spacing_mm=6.0), tmp_path_factory.mktemp("head"))
    return Slices(*([path.read_bytes() for path in sorted(one.iterdir())] for one in folders))


DAMAGED: Mapping[str, Callable[[Slices], bytes]] = {
    "no archive.zip": lambda _: b"PK\x03\x04 rubbish",
    "checksum.zip": lambda _: packed({"a.dcm": b"hallo"}).replace(b"hallo", b"hullo"),
    "truncated slice.zip": lambda slices: slices.packed({3: slices.ct[3][:-900]}),
    "missing slice.zip": lambda slices: slices.packed({5: None}),
    "truncated slice of a medium.zip": lambda slices: slices.packed(
        {3: slices.ct[3][:-900]}, with_index=True
    ),
    "missing slice of a medium.zip": lambda slices: slices.packed({5: None}, with_index=True),
    "missing mask.zip": lambda _: packed({"b.nii": b"text"}, list_of_masks("a.nii")),
    "damaged mask.zip": lambda _: packed({"a.nii.gz": b"\x1f\x8b"}, list_of_masks("a.nii.gz")),
    "damaged list.zip": lambda _: packed({"a.nii": b"text"}, {"structures.json": b"[1"}),
    "encrypted.zip": lambda _: encrypted(packed({"a.dcm": b"hallo"})),
    "no image.zip": lambda _: packed({"notes.txt": b"text", "a.nii": b"\0" * 400}),
    "two masks.zip": lambda _: packed({"a.nii.gz": b"\x1f\x8b", "b.nii.gz": b"\x1f\x8b"}),
    "damaged.nii.gz": lambda _: b"\x1f\x8b rubbish",
    "empty.nrrd": lambda _: b"",
    "matrix.json": lambda _: b"[1, 2]",
    "slice.dcm": lambda slices: slices.ct[0][:-300],
    "report.dcm": lambda _: bytes(128) + b"DICM" + bytes(40),
}
"""Uploads that some or all requests refuse, by the end of their names."""

SLOW = {
    "slice.dcm",
    "encrypted.zip",
    "no archive.zip",
    "checksum.zip",
    "truncated slice.zip",
    "missing slice.zip",
    "truncated slice of a medium.zip",
    "missing mask.zip",
    "damaged list.zip",
    "no image.zip",
    "two masks.zip",
    "damaged.nii.gz",
    "empty.nrrd",
    "matrix.json",
    "report.dcm",
}
"""Refused as others are, but by another reader or at another step."""


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


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in DAMAGED]
)
def test_refusals_name_neither_paths_nor_members(
    site: Site, prepared: str, slices: Slices, name: str
) -> None:
    files = {"files": (f"{NAME} {name}", io.BytesIO(DAMAGED[name](slices)))}
    uploaded = site.client.post("/api/v1/uploads", files=files)
    assert uploaded.status_code == 201, uploaded.text
    refused = False
    for route, text in (
        ("upload", uploaded.text), *refusals(site, prepared, uploaded.json()["path"]),
    ):  # fmt: skip
        found = [word for word in (NAME, str(site.folder), "/radfuse-") if word in text]
        assert found == [], (route, text)
        refused |= "error" in text or "problems" in text
    assert refused


def test_medium_under_generated_names_is_whole_or_refused(site: Site, slices: Slices) -> None:
    """Its DICOMDIR lists other names: the instances tell which files are missing."""
    answers, last = [], len(slices.ct) - 1
    for changed in ({}, {last: None}):
        content = slices.packed(changed, with_index=True)
        files = {"files": (f"{NAME}.zip", io.BytesIO(content))}
        path = site.client.post("/api/v1/uploads", files=files).json()["path"]
        answers.append(site.client.post("/api/v1/studies", json={"study": path}))
    assert [answer.status_code for answer in answers] == [201, 400]
    lost = rf"\.zip/\d{{5}} record {2 * last + 2}: missing, but DICOMDIR lists it in the CT series"
    assert re.search(lost, answers[1].json()["error"]), answers[1].text


@pytest.mark.parametrize(
    "path", ["upload:../studies", "upload:/etc", "upload:", "upload:nothing", "upload:a/../../.."]
)
def test_only_uploads_are_reached_by_their_names(site: Site, path: str) -> None:
    answer = site.client.post("/api/v1/inspect", json={"path": path})
    assert answer.status_code == 400
    assert str(site.folder) not in answer.text
    assert Path(site.folder).name not in answer.text
