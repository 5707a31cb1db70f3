"""A hostile PACS: no incomplete results, no files outside the folder."""

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
from radfuse.dicom.network import dicomweb, dimse
from radfuse.dicom.network import retrieve as retrieval
from radfuse.dicom.network.connect import connect
from radfuse.dicom.network.pacs import Query, Receive, RetrieveRequest, table_rows
from radfuse.dicom.network.retrieve import retrieve
from radfuse.dicom.uids import derive_uid
from radfuse.errors import OutputError, PeerError
from scp_kit import peer, web_peer

STUDY = derive_uid("test", "study")
SERIES = derive_uid("test", "CT", "head")
PATHS = ("../../etc/x", "/etc/passwd", "..", "CON", "a\0b", "1.2/../../3")


@pytest.fixture
def images(tmp_path: Path) -> list[Dataset]:
    return [pydicom.dcmread(path) for path in slices(write(tmp_path / "source" / "CT"))]


def honest_matches(images: Sequence[Dataset], **values: str) -> Callable[[str], list[Dataset]]:
    """The matches of an honest node for some images, with some values replaced."""

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
        with peer(honest_matches(images), images) as hostile:
            received = retrieve(connect(hostile), RetrieveRequest(STUDY), tmp_path / "OUT")
    names = [path.relative_to(tmp_path / "OUT").as_posix() for path in files(tmp_path / "OUT")]
    assert names == [f"series-00{number}/00001.dcm" for number in range(1, 7)]
    assert {series.modality for series in received} == {"?", "CON"}
    assert {path.name for path in tmp_path.iterdir()} == {"source", "OUT"}


def test_an_object_of_another_study_is_refused(images: list[Dataset], tmp_path: Path) -> None:
    honest = honest_matches(images)("IMAGE")
    images[3].StudyInstanceUID = "1.2.3"
    with (
        peer(lambda level: honest[:1] if level == "SERIES" else honest, images) as hostile,
        pytest.raises(PeerError, match="another study or series; nothing was kept"),
    ):
        retrieve(connect(hostile), RetrieveRequest(STUDY), tmp_path / "OUT")
    assert nothing_but_the_source(tmp_path)


def test_a_study_that_comes_in_part_is_not_kept(images: list[Dataset], tmp_path: Path) -> None:
    with (
        peer(honest_matches(images), images[:4]) as hostile,
        pytest.raises(PeerError, match="2 of 6 objects were not received; nothing was kept"),
    ):
        retrieve(connect(hostile), RetrieveRequest(STUDY), tmp_path / "OUT")
    assert nothing_but_the_source(tmp_path)


def test_bytes_that_are_no_dicom_are_refused(orthanc: Orthanc, tmp_path: Path) -> None:
    def junk(_: RetrieveRequest, receive: Receive) -> frozenset[str]:
        receive(b"junk")
        return frozenset()

    with pytest.raises(PeerError, match="not a DICOM object; nothing was kept"):
        retrieve(replace(connect(orthanc.node), get=junk), RetrieveRequest(STUDY), tmp_path / "OUT")
    assert list(tmp_path.iterdir()) == []


def test_node_without_sop_classes_is_offered_the_usual_ones(
    images: list[Dataset], tmp_path: Path
) -> None:
    with peer(honest_matches(images, SOPClassUID=""), images) as hostile:
        retrieve(connect(hostile), RetrieveRequest(STUDY), tmp_path / "OUT")
    assert by_instance(files(tmp_path / "OUT")) == by_instance(files(tmp_path / "source"))


def test_more_objects_than_any_study_has_are_refused(
    images: list[Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrieval, "MAX_OBJECTS", 3)
    with (
        peer(honest_matches(images), images) as hostile,
        pytest.raises(PeerError, match="more than 3 objects; retrieve single series"),
    ):
        retrieve(connect(hostile), RetrieveRequest(STUDY), tmp_path / "OUT")
    assert nothing_but_the_source(tmp_path)


def test_a_full_disk_leaves_nothing_half_written(
    orthanc: Orthanc, tmp_path: Path, full_disk: Callable[[int], AbstractContextManager[None]]
) -> None:
    send(orthanc.node, write(tmp_path / "source"))
    for address in (orthanc.node, orthanc.web):
        with full_disk(100), pytest.raises(OutputError, match="File too large"):
            retrieve(connect(address), RetrieveRequest(STUDY), tmp_path / "OUT")
    assert nothing_but_the_source(tmp_path)


@pytest.mark.parametrize("way", ["node", "web"])
def test_an_interrupted_fetch_leaves_nothing_half_written(
    orthanc: Orthanc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    send(orthanc.node, write(tmp_path / "source"))
    write_object, written = retrieval._Receiver.write, []

    def interrupted(self: retrieval._Receiver, content: bytes) -> None:
        write_object(self, content)
        written.append(content)
        if len(written) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(retrieval._Receiver, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        retrieve(
            connect(orthanc.node if way == "node" else orthanc.web),
            RetrieveRequest(STUDY),
            tmp_path / "OUT",
        )
    assert nothing_but_the_source(tmp_path)


def test_a_node_that_hangs_up_in_the_middle_leaves_nothing(
    images: list[Dataset], tmp_path: Path
) -> None:
    with (
        peer(honest_matches(images), [*images[:2], None]) as hostile,
        pytest.raises(PeerError, match="or the connection was closed"),
    ):
        retrieve(connect(hostile), RetrieveRequest(STUDY), tmp_path / "OUT")
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
    for module, address in ((dimse, orthanc.node), (dicomweb, orthanc.web)):
        monkeypatch.setattr(module, "MAX_OBJECTS", 0)
        with pytest.raises(PeerError, match="more than 0 matches; narrow the query"):
            connect(address).find(Query("study"))


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
        retrieve(connect(service), RetrieveRequest(STUDY), tmp_path / "OUT")
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
        pytest.raises(
            PeerError, match=r"not one of a DICOMweb service|were not received|not a DICOM object"
        ),
    ):
        retrieve(connect(service), RetrieveRequest(STUDY), tmp_path / "OUT")
    assert nothing_but_the_source(tmp_path)


@pytest.mark.parametrize("found", [[{"00080018": 7}], [7], [{"junk": {}}]])
def test_a_web_service_whose_answers_are_no_dicom_is_named(found: list[dict[str, object]]) -> None:
    with (
        web_peer(found, []) as service,
        pytest.raises(PeerError, match="response is not one of a DICOMweb service"),
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
        retrieve(connect(address), RetrieveRequest(STUDY), tmp_path / f"OUT{number}")
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
    (row,) = table_rows([answer, answer], "study")
    assert row["StudyDescription"] == "?[2J?evil??"
    assert row["NumberOfStudyRelatedInstances"] == "?"
    assert row["PatientName"] == "A^B"
