"""A PACS that sends what it should not: nothing half, nothing endless, nothing outside."""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom import Dataset
from pydicom.config import disable_value_validation
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from pydicom.uid import CTImageStorage

from dicom_kit import slices, write
from orthanc_kit import Orthanc
from pacs_kit import by_instance, files, send
from radfuse.dicom.network import dicomweb as web
from radfuse.dicom.network import dimse as node
from radfuse.dicom.network import pacs
from radfuse.dicom.network import retrieve as inbox
from radfuse.dicom.network.connect import connect
from radfuse.dicom.network.pacs import Query, Receive, Wanted, rows
from radfuse.dicom.network.retrieve import fetch
from radfuse.dicom.uids import derive_uid
from radfuse.errors import OutputError, PeerError
from scp_kit import peer, web_peer

STUDY = derive_uid("test", "study")
SERIES = derive_uid("test", "CT", "head")
PATHS = ("../../etc/x", "/etc/passwd", "..", "CON", "a\0b", "1.2/../../3")


@pytest.fixture
def images(tmp_path: Path) -> list[Dataset]:
    return [pydicom.dcmread(path) for path in slices(write(tmp_path / "source" / "CT"))]


def told(images: Sequence[Dataset], **values: str) -> Callable[[str], list[Dataset]]:
    """What an honest node answers to searches about images, but for some values."""

    def found(level: str) -> list[Dataset]:
        answers = []
        for image in images[:1] if level == "SERIES" else images:
            answer = Dataset()
            answer.QueryRetrieveLevel = level
            for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
                setattr(answer, keyword, image[keyword].value)
            answer.SOPClassUID = CTImageStorage
            with disable_value_validation():
                answer.update(values)
            answers.append(answer)
        return answers

    return found


def nothing_but_the_source(folder: Path) -> bool:
    return [path.name for path in folder.iterdir()] == ["source"]


def test_identifiers_that_are_paths_name_no_file(images: list[Dataset], tmp_path: Path) -> None:
    with disable_value_validation():
        for image, name in zip(images, PATHS, strict=True):
            image.SOPInstanceUID = name
            image.SeriesInstanceUID = name
            image.Modality = name
        with peer(told(images), images) as hostile:
            received = fetch(connect(hostile), Wanted(STUDY), tmp_path / "OUT")
    names = [path.relative_to(tmp_path / "OUT").as_posix() for path in files(tmp_path / "OUT")]
    assert names == [f"series-00{number}/00001.dcm" for number in range(1, 7)]
    assert {series.modality for series in received} == {"?", "CON"}
    assert {path.name for path in tmp_path.iterdir()} == {"source", "OUT"}


def test_an_object_of_another_study_is_refused(images: list[Dataset], tmp_path: Path) -> None:
    honest = told(images)("IMAGE")
    images[3].StudyInstanceUID = "1.2.3"
    with (
        peer(lambda level: honest[:1] if level == "SERIES" else honest, images) as hostile,
        pytest.raises(PeerError, match="another study or series; nothing was kept"),
    ):
        fetch(connect(hostile), Wanted(STUDY), tmp_path / "OUT")
    assert nothing_but_the_source(tmp_path)


def test_a_study_that_comes_in_part_is_not_kept(images: list[Dataset], tmp_path: Path) -> None:
    with (
        peer(told(images), images[:4]) as hostile,
        pytest.raises(PeerError, match="2 of 6 objects did not come; nothing was kept"),
    ):
        fetch(connect(hostile), Wanted(STUDY), tmp_path / "OUT")
    assert nothing_but_the_source(tmp_path)


def test_bytes_that_are_no_dicom_are_refused(orthanc: Orthanc, tmp_path: Path) -> None:
    def junk(_: Wanted, receive: Receive) -> frozenset[str]:
        receive(b"junk")
        return frozenset()

    with pytest.raises(PeerError, match="no DICOM object; nothing was kept"):
        fetch(replace(connect(orthanc.node), get=junk), Wanted(STUDY), tmp_path / "OUT")
    assert list(tmp_path.iterdir()) == []


def test_node_without_sop_classes_is_offered_the_usual_ones(
    images: list[Dataset], tmp_path: Path
) -> None:
    with peer(told(images, SOPClassUID=""), images) as hostile:
        fetch(connect(hostile), Wanted(STUDY), tmp_path / "OUT")
    assert by_instance(files(tmp_path / "OUT")) == by_instance(files(tmp_path / "source"))


def test_more_objects_than_any_study_has_are_refused(
    images: list[Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "MOST_OBJECTS", 3)
    with (
        peer(told(images), images) as hostile,
        pytest.raises(PeerError, match="more than 3 objects; fetch series by series"),
    ):
        fetch(connect(hostile), Wanted(STUDY), tmp_path / "OUT")
    assert nothing_but_the_source(tmp_path)


@pytest.mark.parametrize("way", ["node", "web"])
def test_an_object_without_end_is_refused(
    orthanc: Orthanc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    send(orthanc.node, write(tmp_path / "source"))
    monkeypatch.setattr(pacs, "LARGEST_OBJECT_BYTES", 700)
    with pytest.raises(PeerError, match="an answer of more than 700 bytes was refused"):
        fetch(
            connect(orthanc.node if way == "node" else orthanc.web), Wanted(STUDY), tmp_path / "OUT"
        )
    assert nothing_but_the_source(tmp_path)


def test_a_full_disk_leaves_nothing_half_written(
    orthanc: Orthanc, tmp_path: Path, full_disk: Callable[[int], AbstractContextManager[None]]
) -> None:
    send(orthanc.node, write(tmp_path / "source"))
    for address in (orthanc.node, orthanc.web):
        with full_disk(100), pytest.raises(OutputError, match="File too large"):
            fetch(connect(address), Wanted(STUDY), tmp_path / "OUT")
    assert nothing_but_the_source(tmp_path)


@pytest.mark.parametrize("way", ["node", "web"])
def test_an_interrupted_fetch_leaves_nothing_half_written(
    orthanc: Orthanc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    send(orthanc.node, write(tmp_path / "source"))
    take, taken = inbox._Inbox.take, []

    def interrupted(self: inbox._Inbox, content: bytes) -> None:
        take(self, content)
        taken.append(content)
        if len(taken) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(inbox._Inbox, "take", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch(
            connect(orthanc.node if way == "node" else orthanc.web), Wanted(STUDY), tmp_path / "OUT"
        )
    assert nothing_but_the_source(tmp_path)


def test_a_node_that_hangs_up_in_the_middle_leaves_nothing(
    images: list[Dataset], tmp_path: Path
) -> None:
    with (
        peer(told(images), [*images[:2], None]) as hostile,
        pytest.raises(PeerError, match="or the connection was closed"),
    ):
        fetch(connect(hostile), Wanted(STUDY), tmp_path / "OUT")
    assert nothing_but_the_source(tmp_path)


def test_refused_or_too_large_query_is_reported(
    images: list[Dataset], orthanc: Orthanc, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        peer({}.__getitem__, []) as peer_node,
        pytest.raises(PeerError, match="C-FIND was refused with status 0xC311"),
    ):
        connect(peer_node).find(Query("study"))
    send(orthanc.node, *[Path(str(image.filename)) for image in images])
    for module, address in ((node, orthanc.node), (web, orthanc.web)):
        monkeypatch.setattr(module, "MOST_OBJECTS", 0)
        with pytest.raises(PeerError, match="more than 0 answers; search for less"):
            connect(address).find(Query("study"))


def test_an_answer_without_end_is_refused(
    images: list[Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacs, "LARGEST_OBJECT_BYTES", 1000)
    with (
        peer(told(images, StudyDescription="x" * 5000), []) as hostile,
        pytest.raises(PeerError, match="an answer of more than 1000 bytes was refused"),
    ):
        connect(hostile).find(Query("study"))


def instance_found(image: Dataset) -> dict[str, object]:
    return {"00080018": {"vr": "UI", "Value": [str(image.SOPInstanceUID)]}}


def encoded(image: Dataset) -> bytes:
    stream = BytesIO()
    with disable_value_validation():
        pydicom.dcmwrite(stream, image)
    return stream.getvalue()


def test_identifiers_that_are_paths_name_no_file_by_dicomweb(
    images: list[Dataset], tmp_path: Path
) -> None:
    with disable_value_validation():
        for image, name in zip(images, PATHS, strict=True):
            image.SOPInstanceUID = image.SeriesInstanceUID = name
    found = [instance_found(image) for image in images]
    with web_peer(found, [encoded(image) for image in images]) as service:
        fetch(connect(service), Wanted(STUDY), tmp_path / "OUT")
    assert len(files(tmp_path / "OUT")) == len(images)
    assert {path.name for path in tmp_path.iterdir()} == {"source", "OUT"}


@pytest.mark.parametrize(
    "part", [b"", b"junk", bytes(128) + b"DICM" + b"\2\0\0\0UL\xff\xff", bytes(1000)]
)
def test_a_web_service_that_sends_junk_leaves_nothing(
    images: list[Dataset], tmp_path: Path, part: bytes
) -> None:
    found = [instance_found(image) for image in images[:2]]
    with (
        web_peer(found, [encoded(images[0]), part]) as service,
        pytest.raises(PeerError, match=r"no DICOMweb service|did not come|no DICOM object"),
    ):
        fetch(connect(service), Wanted(STUDY), tmp_path / "OUT")
    assert nothing_but_the_source(tmp_path)


@pytest.mark.parametrize("found", [[{"00080018": 7}], [7], [{"junk": {}}]])
def test_a_web_service_whose_answers_are_no_dicom_is_named(found: list[dict[str, object]]) -> None:
    with (
        web_peer(found, []) as service,
        pytest.raises(PeerError, match="answers as no DICOMweb service does"),
    ):
        connect(service).find(Query("study"))


def test_no_log_names_a_patient(
    orthanc: Orthanc, images: list[Dataset], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    paths = [Path(str(image.filename)) for image in images]
    for number, address in enumerate((orthanc.node, orthanc.web)):
        assert send(address, *paths) == ()
        assert connect(address).find(Query("study", {"PatientID": "T1"}))
        fetch(connect(address), Wanted(STUDY), tmp_path / f"OUT{number}")
    assert "Nobody" not in caplog.text
    assert "T1" not in caplog.text
    assert STUDY not in caplog.text


def test_peer_answers_are_escaped_and_damaged_ones_marked() -> None:
    answer = Dataset()
    with disable_value_validation():
        answer.StudyDescription = "\x1b[2J\x07evil\r\n"
        answer.PatientName = "A^B"
    number = Tag("NumberOfStudyRelatedInstances")
    answer._dict[number] = RawDataElement(number, "US", 3, b"odd", 0, False, True)
    (row,) = rows([answer, answer], "study")
    assert row["StudyDescription"] == "?[2J?evil??"
    assert row["NumberOfStudyRelatedInstances"] == "?"
    assert row["PatientName"] == "A^B"
