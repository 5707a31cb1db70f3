"""Rigid transforms on disk: ITK files, 4x4 text matrices, DICOM registrations; LPS, mm."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from radfuse.arrays import Float64Array
from radfuse.dicom.read.safe_read import is_dicom
from radfuse.dicom.write.spatial_registration import read_registration
from radfuse.errors import InputError, OutputError
from radfuse.registration.foreign_transforms import refuse_foreign
from radfuse.series import Series

RIGID_TOLERANCE = 1e-4
"""Largest entry of R^T R - I that is still a rotation: 0.01 mm at 100 mm, and what a matrix
printed with five decimals keeps."""

ANGLE_STEP_RAD = 2.0**-26
"""Angles of a canonical transform are whole multiples of this, 1.5e-6 mm at 100 mm. Neither 180 nor
90 degrees round up, so angles stay within the ranges that ITK gives them."""

SHIFT_STEP_MM = 2.0**-20
"""Translations of a canonical transform are whole multiples of this."""

TRANSFORM_SUFFIXES = (".tfm", ".txt", ".h5", ".hdf5")
"""Suffixes of the formats that transforms are written in."""


def read_transform(
    path: Path, *, ct: Series | None = None, mr: Series | None = None, accept_patients: bool = False
) -> sitk.Transform:
    """Read a rigid transform: an ITK transform file, a 4x4 matrix as text or a DICOM registration.

    An ITK transform, or a homogeneous matrix row by row, maps CT points to MR points (LPS, mm). A
    transform whose matrix is orthonormal with determinant +1 is rigid whatever its class. A DICOM
    Spatial Registration needs both series, as DICOM: its frames of reference must be theirs, and
    tell whether it is to be inverted; its patient must be theirs unless `accept_patients`. The
    result is canonical, see `canonicalize`. Raises `InputError` for a file that is missing, cannot
    be read, is of other series, or is not rigid.
    """
    if not path.is_file():
        raise InputError(f"no transform file at {path}")
    refuse_foreign(path)
    if is_dicom(path):
        if ct is None or mr is None or not (ct.headers and mr.headers):
            raise InputError(
                f"{path}: a DICOM registration is of two DICOM series; give CT and MR as DICOM, or "
                "an ITK transform file"
            )
        matrix = matrix_of(read_registration(path, ct, mr, accept_patients=accept_patients))
    elif (numbers := _matrix_from_text(path)) is not None:
        matrix = numbers
    else:
        matrix = _matrix_from_itk(path)
    return canonicalize(rigid_from_matrix(matrix, name=str(path)))


def write_transform(path: Path, mr_from_ct: sitk.Transform) -> None:
    """Write a transform for ITK: first a draft in the same folder, then one rename.

    Raises `OutputError` for a suffix that ITK does not write, or a file that cannot be written.
    """
    if path.suffix.lower() not in TRANSFORM_SUFFIXES:
        raise OutputError(f"cannot write a transform as {path.name}; use .tfm, .txt or .h5")
    draft = path.with_name(f".{path.stem}.draft{path.suffix.lower()}")
    try:
        sitk.WriteTransform(mr_from_ct, str(draft))
        draft.replace(path)
    except (RuntimeError, OSError) as error:
        raise OutputError(f"cannot write the transform {path}: {_last_line(error)}") from error
    finally:
        draft.unlink(missing_ok=True)


def matrix_of(transform: sitk.Transform) -> Float64Array:
    """Homogeneous 4x4 matrix of an affine map, from the images of four points.

    Raises `InputError` for a transform of a class that is not linear in ITK, for instance a
    deformation that is the identity at these points, and for coordinates that are not finite. A
    composite transform is linear if all its parts are.
    """
    if not transform.IsLinear():
        raise InputError(f"{transform.GetName()} is not affine, so it cannot be rigid")
    origin = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    matrix = np.eye(4)
    matrix[:3, 3] = origin
    for axis in range(3):
        unit = [0.0, 0.0, 0.0]
        unit[axis] = 1.0
        matrix[:3, axis] = np.array(transform.TransformPoint(unit)) - origin
    if not np.isfinite(matrix).all():
        raise InputError(f"{transform.GetName()} has numbers that are not finite; align again")
    return matrix


def rigid_from_matrix(matrix: Float64Array, *, name: str) -> sitk.Transform:
    """Euler transform of a homogeneous 4x4 matrix.

    Raises `InputError`, beginning with `name`, for a matrix that scales, shears, reflects, has a
    wrong last row or is not finite.
    """
    if not np.all(np.isfinite(matrix)) or not np.allclose(matrix[3], (0, 0, 0, 1)):
        raise InputError(f"{name} is not a homogeneous matrix: its last row must be 0 0 0 1")
    rotation = matrix[:3, :3]
    excess = float(np.abs(rotation.T @ rotation - np.eye(3)).max())
    if excess > RIGID_TOLERANCE:
        scales = np.linalg.svd(rotation, compute_uv=False)
        raise InputError(
            f"{name} is not rigid: it scales by {scales.min():.4f} to {scales.max():.4f}; "
            "give a transform of rotation and translation only"
        )
    if np.linalg.det(rotation) < 0:
        raise InputError(f"{name} is not rigid: it mirrors left and right (determinant -1)")
    left, _, right = np.linalg.svd(rotation)
    rigid = sitk.Euler3DTransform()
    rigid.SetMatrix((left @ right).ravel().tolist())
    rigid.SetTranslation(matrix[:3, 3].tolist())
    return rigid


def canonicalize(rigid: sitk.Transform) -> sitk.Euler3DTransform:
    """A rigid transform in canonical form: one pose has one set of parameters.

    The centre of rotation is the origin, and the six parameters are whole multiples of small
    steps, so writing, reading and composing do not change the last digits. Raises `InputError`
    for a transform that is not rigid.
    """
    plain = rigid_from_matrix(matrix_of(rigid), name=rigid.GetName())
    steps = np.repeat([ANGLE_STEP_RAD, SHIFT_STEP_MM], 3)
    whole = np.rint(np.array(plain.GetParameters()) / steps) + 0.0  # no negative zero
    rounded = sitk.Euler3DTransform()
    rounded.SetParameters((whole * steps).tolist())
    return rounded


def rotation_rad(rigid: sitk.Transform) -> float:
    """The angle of a rigid transform's rotation, about whichever axis, 0 to pi."""
    cosine = (np.trace(matrix_of(rigid)[:3, :3]) - 1) / 2
    return float(np.arccos(np.clip(cosine, -1, 1)))


def with_rotation_centre(centre: Float64Array, rigid: sitk.Transform) -> sitk.Euler3DTransform:
    """The same transform with another centre of rotation, LPS mm; `InputError` if not rigid."""
    plain = rigid_from_matrix(matrix_of(rigid), name=rigid.GetName())
    centred = sitk.Euler3DTransform()
    centred.SetCenter(centre.tolist())
    centred.SetMatrix(plain.GetMatrix())
    centred.SetTranslation((np.array(plain.TransformPoint(centre.tolist())) - centre).tolist())
    return centred


def _matrix_from_text(path: Path) -> Float64Array | None:
    """Sixteen numbers in four rows, or None where the file has other content."""
    try:
        lines = path.read_text().splitlines()
        rows = [line.split() for line in lines if line.strip() and not line.startswith("#")]
        matrix = np.array(rows, dtype=np.float64)
    except ValueError:
        return None
    if matrix.size == 0:
        return None
    if matrix.shape != (4, 4):
        raise InputError(
            f"{path} has {' x '.join(map(str, matrix.shape))} numbers; "
            "a rigid transform is a 4 x 4 matrix or an ITK transform file"
        )
    return matrix


def _matrix_from_itk(path: Path) -> Float64Array:
    """Matrix of a 3-D ITK transform file."""
    try:
        transform = sitk.ReadTransform(str(path))
    except RuntimeError as error:
        raise InputError(
            f"cannot read {path} as a transform: neither an ITK transform file (.tfm, .txt, .h5) "
            f"nor a 4x4 matrix of numbers nor a DICOM registration ({_last_line(error)})"
        ) from error
    if transform.GetDimension() != 3:
        raise InputError(f"{path} has a {transform.GetDimension()}-D transform, not a 3-D one")
    return matrix_of(transform)


def _last_line(error: Exception) -> str:
    """Last sentence of an ITK exception, without its source lines."""
    return str(error).strip().splitlines()[-1].strip()
