"""Read and write volumes: NIfTI (`nifti`), NRRD and MetaImage (SimpleITK)."""

import gzip
import os
import re
import shutil
import tempfile
import zlib
from pathlib import Path

import SimpleITK as sitk

from radfuse.errors import GeometryError, InputError
from radfuse.io.nifti import read_nifti
from radfuse.io.volume_checks import check_dimensions, checked_volume
from radfuse.io.volume_headers import GZIP_MAGIC, check_data_file, check_itk_header
from radfuse.record import SHORT_NOTICE

NIFTI_SUFFIXES = (".nii", ".nii.gz", ".hdr")
"""Suffixes that nibabel reads."""

ITK_SUFFIXES = (".nrrd", ".nhdr", ".mha", ".mhd")
"""Suffixes that SimpleITK reads."""

SUFFIXES = (*NIFTI_SUFFIXES, *ITK_SUFFIXES)
"""Suffixes of all volume files."""

FIRST_BYTES = {b"NRRD": ".nrrd", b"ObjectType": ".mha", b"NDims": ".mha", GZIP_MAGIC: ".nii.gz"}
"""First bytes of volume files, for names without a suffix."""

NIFTI_MAGIC = {b"n+1\0": 344, b"n+2\0": 4}
"""Magic bytes of NIfTI-1 and NIfTI-2, and their offsets."""

PROBE_BYTES = 1 << 20
"""Size of a file that is written to learn whether a disk is full."""

HEAD_BYTES = 8192
"""Bytes of a file by which its format is recognised; ITK searches as many for NDims."""

OTHER_FORMATS = {
    ".mgh": "a FreeSurfer volume; convert it with mri_convert FILE OUT.nii.gz",
    ".mgz": "a FreeSurfer volume; convert it with mri_convert FILE OUT.nii.gz",
    ".mnc": "a MINC volume; convert it with mnc2nii FILE OUT.nii",
    ".head": "an AFNI volume; convert it with 3dAFNItoNIFTI -prefix OUT.nii.gz FILE",
    ".brik": "an AFNI volume; convert it with 3dAFNItoNIFTI -prefix OUT.nii.gz FILE",
    ".par": "a Philips PAR/REC volume; convert its folder with dcm2niix FOLDER",
    ".rec": "a Philips PAR/REC volume; convert its folder with dcm2niix FOLDER",
    ".img": "the voxels of a .hdr file; give that file",
}
"""What a file of no supported format is by the suffix of its name, and what to do."""

UNKNOWN_FORMAT = "not DICOM, NIfTI, NRRD, MetaImage, PNG, JPEG or TIFF"
"""Problem of a file whose name does not tell what it is, either."""

WITHIN_16_BITS = (sitk.sitkInt8, sitk.sitkUInt8, sitk.sitkInt16)
"""Pixel types whose every value is an int16."""

ITK_ZERO_SPACING = "Zero-valued spacing"
"""Part of ITK's message on such a header."""

NRRD_REASON = re.compile(r"\[nrrd\] \w+: (.{1,160}).*\s*$")
"""The reason in the last line of ITK's message on an NRRD."""

MAX_NIFTI_HEADER_BYTES = 1 << 16
"""Header and extensions of a NIfTI that we write; 352 without extensions."""


def volume_suffix(path: Path) -> str | None:
    """The suffix of the file format, by name or first bytes; None for an unknown format."""
    name = path.name.lower()
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if name.endswith(suffix):
            return suffix
    with path.open("rb") as stream:
        head = stream.read(348)
    for magic, offset in NIFTI_MAGIC.items():
        if head[offset : offset + len(magic)] == magic:
            return ".nii"
    return next((suffix for magic, suffix in FIRST_BYTES.items() if head.startswith(magic)), None)


def format_problem(path: Path) -> str:
    """What a file of no supported format is, by its name."""
    return OTHER_FORMATS.get(path.suffix.lower(), UNKNOWN_FORMAT)


def read_volume(path: Path, *, is_mask: bool = False, in_16_bits: bool = False) -> sitk.Image:
    """A scalar volume as float32, LPS mm; a mask may be constant.

    With `in_16_bits` as int16, where every value is a whole one of 16 bits. Raises `InputError` for
    unreadable or truncated files, 4-D or vector images, NaN or constant values; `GeometryError` for
    a grid that is sheared, contradictory or of implausible spacing.
    """
    suffix = volume_suffix(path)
    if suffix is None:
        raise InputError(f"{path}: {format_problem(path)}")
    suffix = _suffix_by_content(path, suffix)
    with tempfile.TemporaryDirectory() as folder:
        named = path
        if not path.name.lower().endswith(suffix):  # the libraries go by the name alone
            named = Path(folder) / f"volume{suffix}"
            link_or_copy(path, named)
        read = read_nifti if suffix in NIFTI_SUFFIXES else _read_itk
        image = read(named, path, in_16_bits=in_16_bits)
        return checked_volume(image, path, is_mask=is_mask)


def link_or_copy(path: Path, target: Path) -> None:
    """Make a file available under another name; by a copy where links cannot be made."""
    try:
        target.symlink_to(path.resolve())
    except OSError:  # Windows without the right to make links
        shutil.copyfile(path, target)


def _suffix_by_content(path: Path, suffix: str) -> str:
    """The suffix of the format that the content has, where the name is that of another.

    Raises `InputError` for content of no supported format.
    """
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    if is_packed := head.startswith(GZIP_MAGIC):
        try:
            with gzip.open(path) as stream:
                head = stream.read(HEAD_BYTES)
        except (OSError, EOFError, zlib.error):
            return suffix  # the reader says that it is damaged
    if any(head[at : at + len(magic)] == magic for magic, at in NIFTI_MAGIC.items()):
        return ".nii.gz" if is_packed else ".nii"
    found = ".nrrd" if head.startswith(b"NRRD") else ".mha" if b"NDims" in head else ""
    if is_packed and found:
        raise InputError(f"{path}: {found} in gzip; decompress it with gunzip first")
    if suffix == ".hdr" and not found:  # with its voxels beside it, or Analyze
        return suffix
    if not found and not path.name.lower().endswith(suffix):
        raise InputError(f"{path}: {format_problem(path)}")
    if not found:
        name = "NIfTI" if suffix in NIFTI_SUFFIXES else "NRRD or MetaImage"
        raise InputError(
            f"{path}: damaged, or not {name} in spite of its name; copy it again, or convert it"
        )
    kept = suffix in {".nrrd", ".nhdr"} if found == ".nrrd" else suffix in {".mha", ".mhd"}
    return suffix if kept else found


def _read_itk(named: Path, path: Path, *, in_16_bits: bool) -> sitk.Image:
    check_data_file(named, path)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(named))
    try:
        reader.ReadImageInformation()
        if reader.GetNumberOfComponents() > 1:
            raise InputError(
                f"{path}: {reader.GetNumberOfComponents()} values per voxel, expected one"
            )
        check_dimensions(path, reader.GetSize())
        check_itk_header(named, path)
        if reader.GetDimension() == 4:
            reader.SetExtractSize([*reader.GetSize()[:3], 0])
        image = reader.Execute()
    except RuntimeError as error:
        if ITK_ZERO_SPACING in str(error):
            raise GeometryError(
                f"{path}: the voxel spacing is zero or not a number; correct the header"
            ) from error
        reason = NRRD_REASON.search(str(error))
        raise InputError(
            f"{path}: its header or its voxels are not valid{f' ({reason[1]})' if reason else ''}; "
            "correct the header, or copy it again"
        ) from error
    if in_16_bits and image.GetPixelID() in WITHIN_16_BITS:
        return sitk.Cast(image, sitk.sitkInt16)
    return sitk.Cast(image, sitk.sitkFloat32)


def write_volume(path: Path, image: sitk.Image) -> None:
    """Write a compressed volume in the format of the suffix; raises `OSError` if that fails."""
    image = sitk.Image(image)
    image.SetMetaData("ITK_FileNotes", SHORT_NOTICE)
    try:
        sitk.WriteImage(image, str(path), useCompression=True, compressionLevel=1)
        _check_written(path, image)
    except (RuntimeError, InputError) as error:
        reason = f"{path.name} could not be written; is the disk full?"
        raise OSError(_errno_of_full_disk(path.parent), reason) from error


def _errno_of_full_disk(folder: Path) -> int | None:
    """Why a small file cannot be written: libraries do not say it of a large one."""
    try:
        with tempfile.TemporaryFile(dir=folder) as stream:
            stream.write(bytes(PROBE_BYTES))
    except OSError as error:
        return error.errno
    return None


def _check_written(path: Path, image: sitk.Image) -> None:
    """Raise `InputError` for a NIfTI that is truncated: ITK does not report a full disk.

    A gzip file ends with the size of what it holds, modulo 2^32 (RFC 1952).
    """
    if not path.name.endswith((".nii", ".nii.gz")):
        return
    size = path.stat().st_size
    if path.suffix == ".gz":
        with path.open("rb") as stream:
            stream.seek(-min(size, 4), os.SEEK_END)
            size = int.from_bytes(stream.read(), "little")
    voxels = sitk.GetArrayViewFromImage(image).nbytes
    if (size - voxels) % (1 << 32) > MAX_NIFTI_HEADER_BYTES:
        raise InputError(f"{path}: truncated")
