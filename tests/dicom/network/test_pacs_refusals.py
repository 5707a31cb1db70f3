"""A PACS that is not there, refuses or is something else: one clear line, and soon."""

import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom.uid import CTImageStorage
from pynetdicom import AE, build_context

from dicom_kit import as_nobody, change, put, slices, write
from orthanc_kit import HOST, Orthanc, free_ports, running_orthanc, self_signed
from pacs_kit import by_instance, files, send
from radfuse.dicom.network.address import Address, DicomwebService, DimseNode, Tls, parse_address
from radfuse.dicom.network.association import associated
from radfuse.dicom.network.connect import connect
from radfuse.dicom.network.dimse import _store as store_one
from radfuse.dicom.network.outgoing import collect_files
from radfuse.dicom.network.pacs import Query, RetrieveRequest
from radfuse.dicom.network.retrieve import retrieve
from radfuse.dicom.uids import derive_uid
from radfuse.errors import InputError, NoImageError, OutputError, PeerError
from scp_kit import encrypted, listener, store_peer, web_peer

STUDY = derive_uid("test", "study")
SOON_S = 5.0
HTTP_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """A PACS that wants TLS with a certificate, and a password."""
    folder = tmp_path_factory.mktemp("closed")
    tls = self_signed(folder)
    with (
        running_orthanc(
            folder,
            DicomTlsEnabled=True,
            DicomTlsCertificate=str(tls.certificate),
            DicomTlsPrivateKey=str(tls.key),
            DicomTlsTrustedCertificates=str(tls.certificate),
            DicomTlsRemoteCertificateRequired=True,
            AuthenticationEnabled=True,
            RegisteredUsers={"me": "secret"},
        ) as server,
        encrypted(server.http_port, tls) as port,  # Debian's own HTTPS breaks down at once
    ):
        yield replace(server, http_port=port, tls=tls)


def refused(address: Address, words: str) -> None:
    began = time.monotonic()
    with pytest.raises(PeerError, match=re.escape(words)) as caught:
        connect(address).echo()
    assert time.monotonic() - began < SOON_S
    assert "\n" not in str(caught.value)


def test_a_pacs_answers(orthanc: Orthanc) -> None:
    connect(orthanc.node).echo()
    connect(orthanc.web).echo()


def test_a_port_where_nobody_listens_is_named() -> None:
    (port,) = free_ports(1)
    refused(DimseNode("PACS", HOST, port), "no connection (Connection refused)")
    refused(
        DicomwebService(f"http://{HOST}:{port}/dicom-web"), "no connection (Connection refused)"
    )


def test_a_name_that_no_computer_has_is_named() -> None:
    refused(DimseNode("PACS", "nowhere.invalid", 104), "unknown host nowhere.invalid")
    refused(DicomwebService("http://nowhere.invalid"), "unknown host nowhere.invalid")


def test_a_server_that_is_no_dicom_node_is_named(orthanc: Orthanc) -> None:
    refused(
        DimseNode("PACS", HOST, orthanc.http_port, timeout_s=2.0),
        "does not respond as a DICOM node",
    )
    with listener(HTTP_ANSWER) as port:
        refused(DimseNode("PACS", HOST, port), "does not respond as a DICOM node")
    with listener(HTTP_ANSWER) as port:
        refused(
            DicomwebService(f"http://{HOST}:{port}"), "response is not one of a DICOMweb service"
        )
    refused(DicomwebService(f"http://{HOST}:{orthanc.http_port}/elsewhere"), "HTTP status 404")
    refused(DicomwebService(f"http://{HOST}:{orthanc.dicom_port}"), "the connection was lost")


def test_a_server_that_says_nothing_is_not_waited_for() -> None:
    with listener(None) as port:
        refused(DimseNode("PACS", HOST, port, timeout_s=0.5), "does not respond as a DICOM node")
        refused(DicomwebService(f"http://{HOST}:{port}", timeout_s=0.5), "no response in time")


def test_a_redirect_is_not_followed() -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"
    with listener(moved) as port:
        refused(DicomwebService(f"http://{HOST}:{port}"), "the service redirects")


def test_a_packet_beyond_all_measure_ends_the_connection() -> None:
    with listener(b"\x02\x00\xff\xff\xff\xff" + bytes(100)) as port:
        refused(DimseNode("PACS", HOST, port), "does not respond as a DICOM node")


def test_an_encrypted_pacs_takes_and_gives_by_dimse(closed: Orthanc, tmp_path: Path) -> None:
    folder = write(tmp_path / "CT")
    assert send(closed.node, folder) == ()
    retrieve(connect(closed.node), RetrieveRequest(STUDY), tmp_path / "OUT")
    assert by_instance(files(tmp_path / "OUT")) == by_instance(slices(folder))


def test_tls_dicomweb_round_trip_with_netrc_password(
    closed: Orthanc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused(closed.web, "put them into ~/.netrc")
    (tmp_path / "netrc").write_text(f"machine {HOST} login me password secret\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    folder = write(tmp_path / "CT", name="web")
    assert send(closed.web, folder) == ()
    wanted = RetrieveRequest(STUDY, derive_uid("test", "CT", "web"))
    retrieve(connect(closed.web), wanted, tmp_path / "OUT")
    assert by_instance(files(tmp_path / "OUT")) == by_instance(slices(folder))


def test_a_certificate_that_is_not_trusted_is_refused(tmp_path: Path) -> None:
    with listener(b"", self_signed(tmp_path)) as port:
        for address in (
            DimseNode("A", HOST, port, tls=Tls()),
            DicomwebService(f"https://{HOST}:{port}"),
        ):
            refused(address, "its certificate cannot be verified (self-signed certificate)")


def test_a_pacs_that_wants_our_certificate_is_told_so(closed: Orthanc) -> None:
    assert closed.tls is not None
    refused(replace(closed.node, tls=Tls(closed.tls.ca)), "--tls-cert")


def test_tls_where_there_is_none_and_none_where_there_is(orthanc: Orthanc, closed: Orthanc) -> None:
    plain = DicomwebService(f"https://{HOST}:{orthanc.http_port}")
    refused(plain, "the port does not support TLS")
    refused(replace(closed.node, tls=None, timeout_s=1.0), "whether it requires TLS")


def test_a_wrong_title_is_refused_with_its_reason(orthanc: Orthanc) -> None:
    node = replace(orthanc.node, title="OTHER")
    for _ in range(200):  # about 1 % of rejections arrive with the end of the connection
        refused(node, "Called AE title not recognised")


def test_objects_refused_by_the_pacs_are_named_rest_is_sent(
    orthanc: Orthanc, tmp_path: Path
) -> None:
    paths = slices(write(tmp_path / "CT"))
    change(paths[1], put("SOPInstanceUID", "1.2.3"))  # not what its file meta information says
    change(paths[2], lambda header: setattr(header.file_meta, "TransferSyntaxUID", "1.2.3.4"))
    change(paths[3], lambda header: setattr(header.file_meta, "MediaStorageSOPClassUID", "1.2.3"))
    refusals = {failure.path: failure.reason for failure in send(orthanc.node, tmp_path / "CT")}
    assert set(refusals) == set(paths[1:4])
    assert refusals[paths[1]].startswith("status 0xA900, Data Set Does Not Match SOP Class; ")
    assert refusals[paths[2]].startswith("the PACS does not accept CT Image Storage in 1.2.3.4; ")
    assert refusals[paths[3]].startswith(
        "the PACS does not accept 1.2.3 in Explicit VR Little Endian; "
    )
    assert orthanc.count() == len(paths) - 3


def test_a_pacs_that_takes_nothing_of_the_kind_is_no_dead_end(
    orthanc: Orthanc, tmp_path: Path
) -> None:
    paths = slices(write(tmp_path / "CT"))[:2]
    for path in paths:
        change(path, lambda h: setattr(h.file_meta, "TransferSyntaxUID", "1.2.3.4"))
    failures = send(orthanc.node, *paths)
    assert [failure.path for failure in failures] == paths


def test_objects_refused_by_dicomweb_are_named_rest_is_sent(
    orthanc: Orthanc, tmp_path: Path
) -> None:
    paths = slices(write(tmp_path / "CT"))
    whole = paths[1].read_bytes()
    paths[1].write_bytes(whole[:400])
    change(paths[2], lambda header: header.pop("SOPInstanceUID"))
    failures = send(orthanc.web, tmp_path / "CT")
    assert {failure.path for failure in failures} >= {paths[2]}
    assert orthanc.count() == len(paths) - len(failures)


def test_after_a_node_hangs_up_on_one_file_the_rest_is_sent(tmp_path: Path) -> None:
    paths = slices(write(tmp_path / "CT"))
    with store_peer(lambda number, _: number == 2) as node:
        (failure,) = send(node, *paths)
    assert failure.path == paths[1]
    assert failure.reason.startswith("no response, the connection was lost; ")
    assert "whether the PACS lets this AE title store objects" in failure.reason


def test_after_a_node_is_gone_the_rest_is_named(tmp_path: Path) -> None:
    def gone(number: int, entity: AE) -> bool:
        entity.require_calling_aet = ["SOMEBODY"] if number == 2 else []
        return number == 2

    paths = slices(write(tmp_path / "CT"))
    with store_peer(gone) as node:
        failures = send(node, *paths)
    assert [failure.path for failure in failures] == paths[1:]
    assert "Calling AE title not recognised" in failures[-1].reason


def test_a_connection_that_has_just_ended_is_said(orthanc: Orthanc, tmp_path: Path) -> None:
    (file, *_) = collect_files([write(tmp_path / "CT")]).files
    with associated(orthanc.node, [build_context(file.sop_class)]) as association:
        association.release()
        reason = store_one(association, file)
    assert reason is not None
    assert reason.startswith("no response, the connection was lost; ")


def test_what_a_web_service_says_to_each_file_is_told(tmp_path: Path) -> None:
    paths = slices(write(tmp_path / "CT"))
    with web_peer([], [], [200, 409, 413, 401, 200, 500]) as service:
        failures = send(service, *paths)
    assert [failure.path for failure in failures] == [paths[1], paths[2], paths[3], paths[5]]
    assert [failure.reason.split("; ")[1] for failure in failures] == [
        "check its log",
        "it does not accept objects of this size",
        "it requires a user and a password: put them into ~/.netrc",
        "check its log",
    ]
    with web_peer([], [], [401]) as service, pytest.raises(PeerError, match="HTTP status 401"):
        send(service, *paths)


def test_a_large_object_goes_in_chunks(orthanc: Orthanc, tmp_path: Path) -> None:
    image = sitk.GetImageFromArray(
        np.arange(1024 * 1024, dtype=np.float32).reshape(1, 1024, 1024) % 4096
    )
    folder = write(tmp_path / "CT", image)
    assert send(orthanc.web, folder) == ()
    retrieve(connect(orthanc.web), RetrieveRequest(STUDY), tmp_path / "OUT")
    assert by_instance(files(tmp_path / "OUT")) == by_instance(slices(folder))


def test_what_may_not_be_read_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "CT")
    slices(folder)[1].chmod(0)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    with as_nobody(tmp_path):
        (failure,) = collect_files([folder]).damaged
        assert failure.reason == "cannot be read: Permission denied"
        with pytest.raises(InputError, match="no permission to read"):
            collect_files([closed / "inside"])


def test_files_that_vanish_while_being_sent_are_named(orthanc: Orthanc, tmp_path: Path) -> None:
    paths = slices(write(tmp_path / "CT"))
    parcel = collect_files([tmp_path / "CT"])
    paths[2].unlink()
    for address in (orthanc.node, orthanc.web):
        (failure,) = connect(address).send(parcel.files, lambda *_: None)
        assert failure.path == paths[2]
    assert orthanc.count() == len(paths) - 1


def test_a_folder_with_junk_is_sent_without_it(orthanc: Orthanc, tmp_path: Path) -> None:
    folder = write(tmp_path / "CT")
    (folder / "readme.txt").write_text("not a slice")
    (folder / "empty").touch()
    (folder / "._0001.dcm").write_bytes(b"\0\5\x16\7 resource fork of macOS")
    shutil.copy(slices(folder)[2], folder / "DICOMDIR")
    change(
        folder / "DICOMDIR",
        lambda h: setattr(h.file_meta, "MediaStorageSOPClassUID", "1.2.840.10008.1.3.10"),
    )
    (folder / "cut.dcm").write_bytes(b"not any more")
    (folder / "garbled").write_bytes(bytes(128) + b"DICM" + b"\2\0\0\0UL\xff\xff" + bytes(9))
    nameless = folder / "nameless"
    nameless.write_bytes(bytes(128) + b"DICM")
    parcel = collect_files([folder])
    assert parcel.skipped == 4
    assert {failure.path.name for failure in parcel.damaged} == {"cut.dcm", "garbled", "nameless"}
    assert send(orthanc.node, folder) == ()
    assert orthanc.count() == len(parcel.files) == 6


def test_a_path_without_dicom_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        collect_files([tmp_path / "nowhere"])
    (tmp_path / "readme.txt").write_text("not a slice")
    with pytest.raises(NoImageError, match="no DICOM among 1 files"):
        collect_files([tmp_path])
    (failure,) = collect_files([tmp_path / "readme.txt"]).damaged
    assert failure.reason == "damaged, or not a DICOM file"


@pytest.mark.parametrize("name", ["node", "web"])
def test_a_study_that_is_not_there_is_said_to_be_missing(
    orthanc: Orthanc, tmp_path: Path, name: str
) -> None:
    pacs = connect(orthanc.node if name == "node" else orthanc.web)
    with pytest.raises(NoImageError, match="no objects of this UID"):
        retrieve(pacs, RetrieveRequest("1.2.3"), tmp_path / "OUT")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(orthanc: Orthanc, tmp_path: Path) -> None:
    (tmp_path / "OUT").mkdir()
    (tmp_path / "OUT" / "mine").touch()
    with pytest.raises(OutputError, match="exists; give another --output"):
        retrieve(connect(orthanc.node), RetrieveRequest(STUDY), tmp_path / "OUT")


def test_an_empty_folder_is_filled(orthanc: Orthanc, tmp_path: Path) -> None:
    send(orthanc.node, write(tmp_path / "CT"))
    (tmp_path / "OUT").mkdir()
    retrieve(connect(orthanc.node), RetrieveRequest(STUDY), tmp_path / "OUT")
    assert len(files(tmp_path / "OUT")) == 6


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ORTHANC@pacs.clinic:104", DimseNode("ORTHANC", "pacs.clinic", 104)),
        ("A B@[::1]:11112", DimseNode("A B", "::1", 11112)),
        ("https://pacs:8443/dicom-web/", DicomwebService("https://pacs:8443/dicom-web")),
    ],
)
def test_an_address_is_understood(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    "text",
    ["ORTHANC", "ORTHANC@host", "@host:104", "A@host:0", "A@host:65536", "A\\B@host:104",
     "ABCDEFGHIJKLMNOPQ@host:104", "A@two words:104", "ftp://host/", "http://", "http://h:x/",
     "http://h:0/"],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not an address of a PACS; give"):
        parse_address(text)


def test_a_password_in_a_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(InputError, match="netrc") as caught:
        parse_address("https://me:secret@pacs/dicom-web")
    assert "secret" not in str(caught.value)


def test_tls_options_that_cannot_hold_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not encrypted"):
        parse_address("http://pacs/", tls=Tls())
    with pytest.raises(InputError, match="--ae-title"):
        parse_address("A@h:1", own_title="MUCH TOO LONG A TITLE")
    with pytest.raises(InputError, match=r"--tls-ca .*nowhere: no such file"):
        connect(DimseNode("A", HOST, 1, tls=Tls(tmp_path / "nowhere"))).echo()
    (tmp_path / "junk").write_text("junk")
    for tls in (Tls(tmp_path / "junk"), Tls(None, tmp_path / "junk")):
        with pytest.raises(InputError, match="invalid --tls files"):
            connect(DimseNode("A", HOST, 1, tls=tls)).echo()


def test_a_search_for_series_wants_a_study() -> None:
    with pytest.raises(InputError, match="--study-uid"):
        Query("series", {"Modality": "CT"})


@pytest.mark.parametrize("uid", ["../../etc/x", "", "1.2*", "1" * 65])
def test_what_is_no_uid_is_not_fetched(uid: str) -> None:
    with pytest.raises(InputError, match="is not a UID"):
        RetrieveRequest(uid)


def test_log_has_the_peer_of_each_association(caplog: pytest.LogCaptureFixture) -> None:
    contexts = [build_context(CTImageStorage)]
    with (
        caplog.at_level("INFO", "radfuse"),
        store_peer(lambda _count, _node: False) as node,
        associated(node, contexts),
    ):
        pass
    events = [(record.message, vars(record)["port"]) for record in caplog.records]
    assert events == [("association opened", node.port), ("association closed", node.port)]
