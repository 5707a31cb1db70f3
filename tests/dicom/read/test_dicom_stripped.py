"""Files without file meta information or UIDs are read where the content decides."""

import io
from pathlib import Path

import pydicom
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.filewriter import write_file_meta_info
from pydicom.tag import Tag
from pydicom.uid import JPEGLSLossless

from dicom_kit import assert_same_image, change_all, slices, write
from radfuse.errors import InputError
from radfuse.modality import CT
from radfuse.pipeline.inspect import inspect
from radfuse.pipeline.read import read

ENCODINGS = {"implicit": True, "explicit": False}
"""Names, and whether VRs are implicit."""


def strip(path: Path, *, implicit: bool, keep_preamble: bool) -> None:
    """Write a file again without its transfer syntax, or without any file meta information."""
    header = pydicom.dcmread(path)
    meta, header.file_meta = header.file_meta, pydicom.dataset.FileMetaDataset()
    header.preamble = None
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, header, implicit_vr=implicit, little_endian=True, force_encoding=True)
    start = io.BytesIO()
    if keep_preamble:
        del meta.TransferSyntaxUID
        start.write(bytes(128) + b"DICM")
        write_file_meta_info(start, meta, enforce_standard=False)
    path.write_bytes(start.getvalue() + stream.getvalue())


@pytest.mark.parametrize("keep_preamble", [True, False])
@pytest.mark.parametrize("encoding", ["implicit", "explicit"])
def test_missing_transfer_syntax_is_found_by_content(
    tmp_path: Path, encoding: str, keep_preamble: bool
) -> None:
    whole = read(write(tmp_path / "ct"), CT).image
    for path in slices(tmp_path / "ct"):
        strip(path, implicit=ENCODINGS[encoding], keep_preamble=keep_preamble)
    series = read(tmp_path / "ct", CT)
    assert_same_image(series.image, whole)
    assert "TransferSyntaxUID is missing" in " ".join(series.notes)
    (one,), _ = inspect(tmp_path / "ct")
    assert "TransferSyntaxUID is missing" in " ".join(one.notes)
    assert not one.problems


def test_compressed_pixels_without_syntax_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "ct")
    change_all(tmp_path / "ct", lambda header: header.compress(JPEGLSLossless))
    for path in slices(tmp_path / "ct"):
        strip(path, implicit=False, keep_preamble=True)
    with pytest.raises(InputError, match="TransferSyntaxUID is missing, and the pixel data are"):
        read(tmp_path / "ct", CT)


@pytest.mark.parametrize("keyword", ["SOPInstanceUID", "SOPClassUID"])
def test_slices_without_uids_are_read(tmp_path: Path, keyword: str) -> None:
    whole = read(write(tmp_path / "ct"), CT).image
    change_all(tmp_path / "ct", lambda header: header.pop(keyword))
    series = read(tmp_path / "ct", CT)
    assert_same_image(series.image, whole)
    assert (f"{keyword} is missing" in " ".join(series.notes)) == (keyword == "SOPInstanceUID")


@pytest.mark.parametrize("vr", ["UT", "LT", "UN"])
@pytest.mark.parametrize("keyword", ["PixelSpacing", "ImagePositionPatient"])
def test_geometry_stored_as_another_text_is_read(tmp_path: Path, keyword: str, vr: str) -> None:
    """By some scanners, in one text with backslashes."""
    write(tmp_path)
    right = read(tmp_path, CT).image

    def restore(header: pydicom.Dataset) -> None:
        text = "\\".join(map(str, header[keyword].value)).encode()
        text += b" " * (len(text) % 2)
        tag = Tag(keyword)
        header._dict[tag] = RawDataElement(tag, vr, len(text), text, 0, False, True)

    change_all(tmp_path, restore)
    assert_same_image(read(tmp_path, CT).image, right)


@pytest.mark.parametrize("keyword", ["Rows", "Columns"])
def test_a_size_of_two_numbers_is_refused(tmp_path: Path, keyword: str) -> None:
    write(tmp_path)
    change_all(tmp_path, lambda header: setattr(header, keyword, [6, 7]))
    with pytest.raises(InputError, match=keyword):
        read(tmp_path, CT)
