"""Series in many transfer syntaxes, and comparison of sent and received objects."""

import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import gdcm
import pydicom
from pydicom import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)
from pynetdicom.dsutils import split_dataset

from dicom_kit import change
from radfuse.dicom.network.address import Address
from radfuse.dicom.network.connect import connect
from radfuse.dicom.network.outgoing import SendFailure, collect_files
from radfuse.progress import no_progress

GDCM = {
    RLELossless: gdcm.TransferSyntax.RLELossless,
    JPEGLosslessSV1: gdcm.TransferSyntax.JPEGLosslessProcess14_1,
    JPEGLSLossless: gdcm.TransferSyntax.JPEGLSLossless,
}
PLAIN = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
)
SYNTAXES = (*PLAIN, *GDCM)


def recode(path: Path, syntax: str) -> None:
    """Write a file's object in another transfer syntax."""
    if syntax in PLAIN:
        dataset = pydicom.dcmread(path)
        plain = pydicom.dcmread(path)
        if syntax == ExplicitVRBigEndian:
            plain.PixelData = plain.pixel_array.astype(">i2").tobytes()
        plain.file_meta.TransferSyntaxUID = syntax
        pydicom.dcmwrite(
            path,
            plain,
            implicit_vr=syntax == ImplicitVRLittleEndian,
            little_endian=syntax != ExplicitVRBigEndian,
            force_encoding=True,
        )
        assert (pydicom.dcmread(path).pixel_array == dataset.pixel_array).all()
        return
    reader, change, writer = (
        gdcm.ImageReader(),
        gdcm.ImageChangeTransferSyntax(),
        gdcm.ImageWriter(),
    )
    reader.SetFileName(str(path))
    assert reader.Read()
    change.SetTransferSyntax(gdcm.TransferSyntax(GDCM[syntax]))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    writer.SetFileName(str(path))
    assert writer.Write()


def rename(path: Path, **values: str) -> None:
    """Change attributes of a file's object, and its UID in the file meta information."""

    def edit(header: Dataset) -> None:
        header.update(values)
        header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID

    change(path, edit)


def send(address: Address, *paths: Path) -> tuple[SendFailure, ...]:
    return connect(address).send(collect_files(paths).files, no_progress)


def content(path: Path) -> tuple[str, bytes]:
    """Transfer syntax and bytes of a file's data set: all its attributes and pixels."""
    meta, offset = split_dataset(path)
    data = path.read_bytes()[offset:]
    if meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian:
        data = zlib.decompress(data, -zlib.MAX_WBITS)
    return str(meta.TransferSyntaxUID), data


def by_instance(paths: Iterable[Path]) -> Mapping[str, tuple[str, bytes]]:
    return {
        str(pydicom.dcmread(path, specific_tags=["SOPInstanceUID"]).SOPInstanceUID): content(path)
        for path in paths
    }


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
