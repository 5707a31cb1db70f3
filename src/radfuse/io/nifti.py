"""Read NIfTI volumes, by nibabel, and write masks; in gzip slice by slice, and once.

The NIfTI reader of ITK is not used: it fills a truncated file with zeros, replaces a spacing of 0
by 1 mm and makes sheared axes perpendicular, each without an error.
"""

import gzip
import threading
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import SimpleITK as sitk
from nibabel.filebasedimages import ImageFileError
from nibabel.imageglobals import logger
from nibabel.spatialimages import HeaderDataError
from nibabel.volumeutils import apply_read_scaling
from numpy.typing import NDArray

from radfuse.arrays import UInt8Array, VolumeOfSlices, affine_of
from radfuse.errors import GeometryError, InputError
from radfuse.io.volume_checks import check_dimensions, check_right_angles, check_voxel_count
from radfuse.io.volume_headers import check_compressed
from radfuse.record import SHORT_NOTICE

MAX_REASON_LENGTH = 160
"""Characters of a library's message that an error repeats."""

MAX_COMPRESSION = 1032
"""Bytes that a byte of a zlib stream holds at most (RFC 1951: 258 in two bits)."""

LOG_LOCK = threading.Lock()
"""Of nibabel's log, which is silenced for the whole process."""

NIFTI_ERRORS = (
    OSError, EOFError, ValueError, TypeError, ArithmeticError, ImageFileError, HeaderDataError,
    zlib.error,
)  # fmt: skip
"""Errors of nibabel at damaged files."""

AXES_AGREE_MM = 1.0
"""Largest distance between the corners of the volume by sform and by qform."""

SPACING_AGREES = 0.01
"""Relative difference of the voxel spacings in pixdim and in the transform of a NIfTI header."""

LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""NIfTI axes are right, anterior, superior; DICOM and ITK axes left, posterior, superior."""


def read_nifti(named: Path, path: Path, *, in_16_bits: bool) -> sitk.Image:
    """The volume of a file with a suffix of NIfTI; messages call it `path`.

    float32, or with `in_16_bits` int16 where every value is a whole one of 16 bits. Raises
    `InputError` for a file that is damaged, truncated or no scalar volume, `GeometryError` for a
    grid that is sheared, contradictory or unknown.
    """
    try:
        with _silence():
            nifti = nibabel.load(named)
        check_dimensions(path, nifti.shape)
        if nifti.get_data_dtype().kind not in "iuf":
            raise InputError(
                f"{path}: voxels are {nifti.get_data_dtype()}, expected a real number each"
            )
        affine = _nifti_affine(nifti, path)
        check_voxel_count(nifti.shape[:3], path)
        with np.errstate(over="ignore"):  # infinity is refused with the other values
            image = _voxels(nifti, named, path, in_16_bits=in_16_bits)
    except FileNotFoundError as error:
        name = Path(str(error.filename)).name
        raise InputError(
            f"{path}: its voxel file {name!r} is missing; copy it to the header"
        ) from error
    except NIFTI_ERRORS as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:MAX_REASON_LENGTH]
        if isinstance(error, HeaderDataError):
            raise InputError(
                f"{path}: its header is not valid ({reason}); correct it, or convert it"
            ) from error
        raise InputError(f"{path}: damaged or truncated ({reason}); copy it again") from error
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    image.SetDirection((affine[:3, :3] / spacing).ravel().tolist())
    return image


def _voxels(nifti: nibabel.Nifti1Image, named: Path, path: Path, *, in_16_bits: bool) -> sitk.Image:
    """The values of a volume, slice by slice: the whole in float64 would be twice the memory."""
    filled = _Filled(nifti, in_16_bits=in_16_bits)
    if not named.name.lower().endswith(".gz"):
        stored = nifti.dataobj.get_unscaled().reshape(nifti.shape[:3], order="F")
        for index in range(stored.shape[2]):
            filled.store(stored[..., index].T)
        return filled.image
    if (held := MAX_COMPRESSION * named.stat().st_size) < filled.missing:
        raise InputError(_too_few(path, held, filled.missing))
    with named.open("rb") as stream:
        _, held = check_compressed(stream, path, filled.take)
    if filled.missing:
        raise InputError(_too_few(path, held, held + filled.missing))
    return filled.image


def _too_few(path: Path, held: int, required: int) -> str:
    return f"{path}: truncated, {held} bytes of at least {required}; copy it again"


class _Filled:
    """A volume that is filled from the bytes of a file."""

    def __init__(self, nifti: nibabel.Nifti1Image, *, in_16_bits: bool) -> None:
        self._stored = nifti.dataobj
        self._columns, self._rows, self._slices = nifti.shape[:3]
        self._volume = VolumeOfSlices(nifti.shape[:3], in_16_bits=in_16_bits)
        self._done = 0
        self._skipped = int(self._stored.offset)
        """Bytes before the voxels that are not taken yet."""
        self._bytes = bytearray()
        """What is taken of the next slice."""

    @property
    def image(self) -> sitk.Image:
        """The volume."""
        return self._volume.image

    @property
    def _size(self) -> int:
        """Bytes of a slice."""
        return int(self._columns * self._rows * self._stored.dtype.itemsize)

    @property
    def missing(self) -> int:
        """Bytes that are still to be taken."""
        left = (self._slices - self._done) * self._size - len(self._bytes)
        return int(self._skipped + left)

    def take(self, block: bytes) -> None:
        """The next bytes of the file; those after the voxels are ignored."""
        skipped = min(self._skipped, len(block))
        self._skipped -= skipped
        if self._done < self._slices:
            self._bytes += block[skipped:]
        while self._done < self._slices and len(self._bytes) >= self._size:
            values = np.frombuffer(bytes(self._bytes[: self._size]), self._stored.dtype)
            del self._bytes[: self._size]
            self.store(values.reshape(self._rows, self._columns))
        if self._done == self._slices:
            self._bytes.clear()

    def store(self, stored: NDArray[np.number[Any]]) -> None:
        """The next slice, (rows, columns), as it is stored in the file."""
        slope, intercept = np.float64(self._stored.slope), np.float64(self._stored.inter)
        self._volume.store(self._done, apply_read_scaling(stored, slope, intercept))
        self._done += 1


@contextmanager
def _silence() -> Iterator[None]:
    """Silence the log of nibabel on what it corrects in headers; radfuse refuses that instead."""
    with LOG_LOCK:
        before, logger.disabled = logger.disabled, True
        try:
            yield
        finally:
            logger.disabled = before


def _nifti_affine(nifti: nibabel.Nifti1Image, path: Path) -> np.ndarray:
    """The affine from voxel index to LPS mm; `GeometryError` if it is missing or contradictory."""
    header = nifti.header
    if not isinstance(header, nibabel.Nifti1Header):
        raise GeometryError(f"{path}: Analyze files have no orientation; convert it to NIfTI")
    zooms = _raw_zooms_mm(nifti)
    if not (np.isfinite(zooms).all() and zooms.min() > 0):
        raise GeometryError(f"{path}: voxel spacing {_shown(zooms)} mm; correct the header")
    sform, qform = header.get_sform(coded=True)[0], header.get_qform(coded=True)[0]
    if sform is None and qform is None:
        raise GeometryError(
            f"{path}: neither sform nor qform is set, so the orientation is unknown; set one"
        )
    affine: np.ndarray = qform if sform is None else sform
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.allclose(spacing, zooms, rtol=SPACING_AGREES):
        raise GeometryError(
            f"{path}: voxel spacing {_shown(zooms)} mm in pixdim and {_shown(spacing)} mm in the "
            "transform; correct the header"
        )
    check_right_angles(affine[:3, :3] / spacing, path)  # a qform cannot be sheared
    if sform is not None and qform is not None:
        corners = np.array([*np.ndindex(2, 2, 2)]) * (np.array(nifti.shape[:3]) - 1)
        distance = np.abs(np.c_[corners, np.ones(len(corners))] @ (sform - qform).T).max()
        if distance > AXES_AGREE_MM:
            raise GeometryError(
                f"{path}: sform and qform differ by {distance:.1f} mm; delete the wrong one"
            )
    return np.asarray(LPS_FROM_RAS @ affine)


def _raw_zooms_mm(nifti: nibabel.Nifti1Image) -> np.ndarray:
    """Voxel spacing of the file; nibabel silently corrects zeros and signs."""
    holder = nifti.file_map.get("header", nifti.file_map["image"])
    with holder.get_prepare_fileobj("rb") as stream:
        raw = type(nifti.header).from_fileobj(stream, check=False)
    zooms: np.ndarray = raw["pixdim"][1:4]
    return zooms


def _shown(spacing_mm: np.ndarray) -> str:
    return " x ".join(f"{step:g}" for step in spacing_mm)


def write_mask(path: Path, grid: sitk.Image, planes: Iterable[UInt8Array]) -> None:
    """Write a mask on the grid of an image, compressed, slice by slice (rows, columns).

    Raises `OSError` if that fails.
    """
    header = nibabel.Nifti1Header()
    header.set_data_shape(grid.GetSize())
    header.set_data_dtype(np.uint8)
    header.set_sform(affine_of(grid), "scanner")
    header.set_qform(affine_of(grid), "scanner")
    header.set_xyzt_units("mm", "sec")
    header["descrip"], header["vox_offset"] = SHORT_NOTICE, header.single_vox_offset
    with gzip.GzipFile(path, "wb", compresslevel=1, mtime=0) as stream:
        header.write_to(stream)
        for plane in planes:
            stream.write(plane.tobytes())
