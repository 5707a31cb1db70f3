"""Small files of every format that is read, ways to corrupt them, and checks of the outcome."""

import gzip
import io
import re
import shutil
import tempfile
import time
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from PIL import Image
from pydicom.dataelem import RawDataElement
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

import dicom_kit
from radfuse.dicom.read.pixel_data.extent import missing_bytes
from radfuse.dicom.read.safe_read import check_size, open_dataset
from radfuse.errors import RadfuseError
from radfuse.io.archives import unpacked
from radfuse.modality import AIR_HU
from radfuse.pipeline.inspect import inspect
from radfuse.pipeline.read import read
from radfuse.series import Series

SECONDS_LIMIT = 5.0
"""CPU time of a reader for a small file, at most."""

POSITION_TOLERANCE_MM = 0.35
"""Distance of a slice from the position in its header: the tolerances of the reader together."""

WHOLE = (0, 1, 2, 7, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF, 0x10000, 0x7FFFFFFF,
         0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)  # fmt: skip
"""Integers at the limits of their types."""

TEXTS = (b"", b"0", b"-1", b"1", b"2", b"65535", b"99999999999999999999", b"1e308", b"-1e-308",
         b"nan", b"inf", b"x", b"1\\2", b"1\\2\\3", b"0\\0\\0", b"1\\0\\0\\0\\1\\0", b"\\" * 7,
         b"0\\1\\0\\1\\0\\0", b"1.2.840.10008.1.2.4.70", b"1.2.840.10008.1.2.1.99", b"CT", b"MR",
         b"../../x", b"\xff\xfe\0", b" ", b"1" * 300, b"MONOCHROME1", b"2.5", b"0.001",
         b"1,5")  # fmt: skip
"""Unexpected values of headers."""


@dataclass(frozen=True)
class Seed:
    """Files that are read together, one of which is corrupted."""

    name: str
    modality: str
    files: dict[str, bytes]
    target: str

    @property
    def is_dicom(self) -> bool:
        return self.target.endswith(".dcm")


@lru_cache
def seeds() -> tuple[Seed, ...]:
    """Series of three slices in several transfer syntaxes, volumes in every format, an archive."""
    with tempfile.TemporaryDirectory() as folder:
        return (*_dicom_seeds(Path(folder)), *_volume_seeds(Path(folder)))


def _dicom_seeds(folder: Path) -> Iterator[Seed]:
    image = dicom_kit.volume(count=3)
    edits: dict[str, Callable[[pydicom.Dataset], object]] = {
        "plain": dicom_kit.put("NumberOfFrames", 1),
        "padded": lambda header: header.add_new("PixelPaddingValue", "US", 0),
        "implicit": lambda header: setattr(
            header.file_meta, "TransferSyntaxUID", ImplicitVRLittleEndian
        ),
        "deflated": lambda header: setattr(
            header.file_meta, "TransferSyntaxUID", DeflatedExplicitVRLittleEndian
        ),
        "RLE": lambda header: header.compress(RLELossless),
        "JPEG-LS": lambda header: header.compress(JPEGLSLossless),
    }
    for name, edit in edits.items():
        dicom_kit.write(folder / name, image, name=name)
        dicom_kit.change_all(folder / name, edit)
        yield _seed(name, folder / name)
    dicom_kit.write(folder / "JPEG 2000", image, name="JPEG 2000")
    dicom_kit.change_all(folder / "JPEG 2000", _pack_jpeg_2000)
    yield _seed("JPEG 2000", folder / "JPEG 2000")
    plain = _seed("plain", folder / "plain")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in plain.files.items():
            archive.writestr(f"A/{name}", content)
    yield Seed("archive", "CT", {"study.zip": stream.getvalue()}, "study.zip")


def _seed(name: str, folder: Path) -> Seed:
    files = {path.name: path.read_bytes() for path in dicom_kit.slices(folder)}
    return Seed(name, "CT", files, sorted(files)[1])


def _pack_jpeg_2000(header: pydicom.Dataset) -> None:
    stream = io.BytesIO()
    image = Image.fromarray(header.pixel_array.astype(np.uint16))
    image.save(stream, "JPEG2000", no_jp2=True)
    header.PixelData = encapsulate([stream.getvalue()])
    header.file_meta.TransferSyntaxUID = JPEG2000Lossless


def _volume_seeds(folder: Path) -> Iterator[Seed]:
    """Every format that is read; of formats with two files the header is corrupted."""
    for name in ("a.nii", "a.nii.gz", "a.nrrd", "a.mha", "a.mhd", "a.nhdr", "a.hdr"):
        inside = folder / name.removeprefix("a.")
        inside.mkdir()
        sitk.WriteImage(dicom_kit.volume(count=3), str(inside / name), useCompression=False)
        yield Seed(name, "CT", {path.name: path.read_bytes() for path in inside.iterdir()}, name)
    inside = folder / "packed"
    inside.mkdir()
    for name in ("p.nrrd", "p.mha"):
        sitk.WriteImage(dicom_kit.volume(count=3), str(inside / name), useCompression=True)
        yield Seed(f"packed {name}", "CT", {name: (inside / name).read_bytes()}, name)


def mutated(seed: Seed, blob: bytes, rng: np.random.Generator) -> bytes:
    """The bytes of the target, corrupted one to four times."""
    for _ in range(rng.integers(1, 5)):
        ways: list[Callable[[bytes, np.random.Generator], bytes]] = [_corrupt_bytes]
        if seed.target.endswith(".gz"):
            ways += [_corrupt_inside] * 4
        elif seed.is_dicom:
            ways += [_corrupt_element] * 3
        elif seed.target.endswith((".nrrd", ".mha", ".mhd", ".nhdr")):
            ways += [_corrupt_text] * 2
        blob = ways[rng.integers(len(ways))](blob, rng)
    return blob


def _corrupt_bytes(blob: bytes, rng: np.random.Generator) -> bytes:
    """Change, drop, double or insert bytes anywhere; early ones more often."""
    if not blob:
        return rng.bytes(4)
    reach = len(blob) if rng.random() < 0.5 else min(len(blob), 400)
    at, span = int(rng.integers(reach)), int(2 ** rng.integers(0, 8))
    whole = int(WHOLE[rng.integers(len(WHOLE))])
    width = int(rng.choice([1, 2, 4, 8]))
    number = (whole % (1 << 8 * width)).to_bytes(width, "little" if rng.random() < 0.7 else "big")
    pieces = (
        bytes([blob[at] ^ 1 << rng.integers(8)]) + blob[at + 1 :],
        number + blob[at + width :],
        blob[at + span :],
        blob[at : at + span] + blob[at:],
        rng.bytes(span) + blob[at:],
        rng.bytes(span) + blob[at + span :],
        b"",
    )
    return blob[:at] + pieces[rng.integers(len(pieces))]


def _corrupt_inside(blob: bytes, rng: np.random.Generator) -> bytes:
    """Hurt what is packed, and pack it again."""
    try:
        return gzip.compress(_corrupt_bytes(gzip.decompress(blob), rng), mtime=0)
    except (OSError, EOFError, zlib.error):  # the compressed stream was corrupted before
        return _corrupt_bytes(blob, rng)


def _corrupt_text(blob: bytes, rng: np.random.Generator) -> bytes:
    """Change a word of a header line."""
    words = [*re.finditer(rb"[^\s:=(),]+", blob[:600])]
    if not words:
        return blob
    word = words[rng.integers(len(words))]
    text = TEXTS[rng.integers(len(TEXTS))] if rng.random() < 0.8 else rng.choice(words).group()
    return blob[: word.start()] + text + blob[word.end() :]


def _corrupt_element(blob: bytes, rng: np.random.Generator) -> bytes:
    """Change value, length or kind of a DICOM element, drop it or double it."""
    elements = _elements(blob)
    if not elements:
        return _corrupt_bytes(blob, rng)
    raw = elements[rng.integers(len(elements))]
    value_at, length = int(raw.value_tell), len(raw.value or b"")
    long = not raw.is_implicit_VR and raw.VR in pydicom.valuerep.EXPLICIT_VR_LENGTH_32
    width = 4 if long or raw.is_implicit_VR else 2
    start = value_at - (12 if long else 8)
    end = value_at + length
    whole = int(WHOLE[rng.integers(len(WHOLE))])
    value = TEXTS[rng.integers(len(TEXTS))]
    if raw.VR in {"US", "SS", "UL", "SL"} or rng.random() < 0.2:
        value = (whole % (1 << 16)).to_bytes(2, "little")
    value += b" " * (len(value) % 2)
    claimed = (whole % (1 << 8 * width)).to_bytes(width, "little")
    kind = str(rng.choice(["US", "DS", "IS", "SQ", "UN", "OB", "FD", "AT", "ZZ"])).encode()
    ways = (
        blob[: value_at - width] + len(value).to_bytes(width, "little") + value + blob[end:],
        blob[: value_at - width] + len(value).to_bytes(width, "little") + value + blob[end:],
        blob[: value_at - width] + claimed + blob[value_at:],
        blob[: start + 4] + kind + blob[start + 6 :],
        blob[:start] + blob[end:],
        blob[:end] + blob[start:end] + blob[end:],
    )
    return ways[rng.integers(len(ways))]


def _elements(blob: bytes) -> list[RawDataElement]:
    """Elements of the top level with their offsets in the file, as far as they can be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = pydicom.dcmread(io.BytesIO(blob), force=True)
            parts = [*header.file_meta.elements(), *header.elements()]
    except Exception:  # pydicom raises errors of many types at a corrupted file
        return []
    return [raw for raw in parts if isinstance(raw, RawDataElement)]


def outcome(seed: Seed, blob: bytes, folder: Path) -> str:
    """What reading makes of the files: a class of refusals, or 'read' for a right volume.

    Raises whatever is wrong: an exception that is no `RadfuseError`, a volume that is not where
    its header says, or too long a time.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in {**seed.files, seed.target: blob}.items():
        (folder / name).write_bytes(content)
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        labels = [_label(call) for call in _calls(seed, folder)]
    seconds = time.process_time() - start
    assert seconds < SECONDS_LIMIT, f"{seconds:.1f} s"
    return labels[-1]


def _calls(seed: Seed, folder: Path) -> list[Callable[[], object]]:
    target = folder / seed.target
    if seed.target.endswith(".zip"):
        return [lambda: _read_archive(seed, target)]
    if not seed.is_dicom:
        return [lambda: inspect(target), lambda: _read_volume(seed, target)]
    return [
        lambda: inspect(folder),
        lambda: missing_bytes(target, open_dataset(target, pixels=False)),
        lambda: _ask_for_all(open_dataset(target, pixels=True), target),
        lambda: check_volume(read(folder, seed.modality), seed, folder),
    ]


def _label(call: Callable[[], object]) -> str:
    try:
        call()
    except RadfuseError as error:
        words = re.sub(r"'[^']*'|\S*/\S*|\S*\d\S*|\([^)]*\)", "#", str(error).splitlines()[0])
        return f"{type(error).__name__}: {' '.join(words.split())[:70]}"
    return "read"


def _ask_for_all(header: pydicom.Dataset, path: Path) -> None:
    """Every value of a header that is opened can be asked for, without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for element in header.iterall():
            str(element.value)
    check_size(header, path)


def _read_archive(seed: Seed, path: Path) -> None:
    with unpacked(path) as folder:
        assert read(folder, seed.modality).image.GetSize()[:2] == (7, 9)


def _read_volume(seed: Seed, path: Path) -> None:
    """Read a volume, or an image that the bytes happen to be."""
    series = read(path, seed.modality)
    if series.is_volume:
        _check_values(series)


def _check_values(series: Series) -> None:
    values = sitk.GetArrayViewFromImage(series.image)
    assert np.isfinite(values).all()
    assert min(series.image.GetSize()) > 1
    assert np.isfinite(series.image.GetOrigin()).all()


def check_volume(series: Series, seed: Seed, folder: Path) -> None:
    """Every slice has the position of its header, and the unmodified ones have their values."""
    _check_values(series)
    image, values = series.image, sitk.GetArrayViewFromImage(series.image)
    if len(series.files) != len(series.slice_headers):
        return
    for index, (path, header) in enumerate(zip(series.files, series.slice_headers, strict=True)):
        plain = open_dataset(path, pixels=True)
        place = np.array(plain.ImagePositionPatient, np.float64)
        right, down = np.reshape(plain.ImageOrientationPatient, (2, 3)).astype(np.float64)
        height, width = plain.Rows - 1, plain.Columns - 1
        far = place + right * width * float(plain.PixelSpacing[1])
        far = far + down * height * float(plain.PixelSpacing[0])
        for at, wanted in (((0, 0, index), place), ((width, height, index), far)):
            found = image.TransformIndexToPhysicalPoint(at)
            np.testing.assert_allclose(found, wanted, rtol=0, atol=POSITION_TOLERANCE_MM)
        assert header.get("SOPInstanceUID") == plain.get("SOPInstanceUID")
        if path.name != seed.target:
            np.testing.assert_array_equal(values[index], _rescaled(plain))


def _rescaled(plain: pydicom.Dataset) -> np.ndarray:
    """Values of an unmodified slice, padding as air."""
    stored = plain.pixel_array
    values = stored * float(plain.RescaleSlope) + float(plain.RescaleIntercept)
    return np.where(stored == plain.get("PixelPaddingValue"), AIR_HU, values).astype(np.float32)
