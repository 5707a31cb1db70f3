"""The file of PACS: the same addresses as the options of `radfuse dicom send`."""

from pathlib import Path

import pytest

from radfuse.dicom.network.address import DicomwebService, DimseNode, Tls
from radfuse.errors import InputError
from radfuse.service.delivery.destinations import destination_named, protocol_of, read_destinations

WHOLE = """
[archive]
address = "ARCHIVE@10.0.0.5:104"
ae_title = "VIEWER"
timeout_s = 3

["planning system"]
address = "https://pacs.example/dicom-web"
tls_ca = "ca.pem"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "pacs.toml"
    path.write_text(text)
    return path


def test_addresses_are_read_in_the_order_of_the_file(tmp_path: Path) -> None:
    found = read_destinations(written(tmp_path, WHOLE))
    assert list(found) == ["archive", "planning system"]
    node = DimseNode("ARCHIVE", "10.0.0.5", 104, own_title="VIEWER", timeout_s=3.0)
    web = DicomwebService("https://pacs.example/dicom-web", tls=Tls(ca=tmp_path / "ca.pem"))
    assert list(found.values()) == [node, web]
    assert [protocol_of(one) for one in found.values()] == ["DIMSE", "DICOMweb"]
    assert destination_named(found, None) == ("archive", node)
    assert destination_named(found, "planning system") == ("planning system", web)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[a", "cannot be read as TOML"),
        ("a = 1", "a: give a table"),
        ("[a]", r"\[a\]: address: Field required"),
        ('[a]\naddress = "nowhere"', r"\[a\]: 'nowhere' is not an address of a PACS"),
        ('[a]\naddress = "A@b:1"\nport = 2', r"unknown settings \['port'\]"),
        ('[a]\naddress = "A@b:1"\ntimeout_s = 0', "timeout_s: .* greater than 0"),
        ('[a]\naddress = "A@b:1"\ntls_key = "k"', "give tls_cert as well"),
        ('[a]\naddress = "http://b/"\ntls_ca = "c"', "is not encrypted"),
    ],
)
def test_wrong_settings_are_refused_with_the_table(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_destinations(written(tmp_path, text))


def test_missing_file_and_unknown_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_destinations(tmp_path / "none.toml")
    with pytest.raises(InputError, match="no PACS is configured: start the viewer with --pacs"):
        destination_named({}, None)
    with pytest.raises(InputError, match="no PACS 'other'; configured are archive, planning"):
        destination_named(read_destinations(written(tmp_path, WHOLE)), "other")
