"""Rigid transforms on disk: ITK files, 4x4 text matrices, DICOM registrations; LPS, mm."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from radfuse.dicom.read.scan import is_dicom
from radfuse.dicom.write.spatial_registration import read_registration
from radfuse.errors import InputError, OutputError
from radfuse.series import Series

Matrix = npt.NDArray[np.float64]

RIGID_TOLERANCE = 1e-4
"""Largest entry of R^T R - I that is still a rotation: 0.01 mm at 100 mm, and what a matrix
printed with five decimals keeps."""

ANGLE_STEP_RAD = 2.0**-26
"""Angles of a settled transform are whole multiples of this, 1.5e-6 mm at 100 mm. Neither half a
turn nor a quarter rounds up, so angles stay within the ranges that ITK gives them."""

SHIFT_STEP_MM = 2.0**-20
"""Translations of a settled transform are whole multiples of this."""

WRITTEN_SUFFIXES = (".tfm", ".txt", ".h5", ".hdf5")
"""What transforms are written as."""


def read_transform(
    path: Path, *, ct: Series | None = None, mr: Series | None = None
) -> sitk.Transform:
    """Read a rigid transform: an ITK transform file, a 4x4 matrix as text or a DICOM registration.

    The file is taken as it stands: an ITK transform that maps points of the CT to points of the
    MR (LPS, mm), or the same as a homogeneous matrix, row by row. A transform whose matrix is
    orthonormal with determinant +1 is rigid whatever its class is called. A DICOM Spatial
    Registration is turned round where it maps the MR to the CT; the series say which is which.
    What is read is `settled`.

    Raises
    ------
    InputError
        The file is missing, cannot be read, or is not rigid.
    """
    if not path.is_file():
        raise InputError(f"no transform file at {path}")
    if is_dicom(path):
        frames = {
            f"{series.modality}_frame".lower(): series.frame_of_reference_uid
            for series in (ct, mr)
            if series is not None
        }
        read = rigid_from_matrix(matrix_of(read_registration(path, **frames)), name=str(path))
        return settled(read)
    matrix = _matrix_from_text(path)
    if matrix is None:
        matrix = _matrix_from_itk(path)
    return settled(rigid_from_matrix(matrix, name=str(path)))


def write_transform(path: Path, mr_from_ct: sitk.Transform) -> None:
    """Write a transform for ITK: a draft beside `path` first, then one rename.

    Raises
    ------
    OutputError
        The suffix is none that ITK writes, or the file cannot be written there.
    """
    if path.suffix.lower() not in WRITTEN_SUFFIXES:
        raise OutputError(f"cannot write a transform as {path.name}; use .tfm, .txt or .h5")
    draft = path.with_name(f".{path.stem}.draft{path.suffix.lower()}")
    try:
        sitk.WriteTransform(mr_from_ct, str(draft))
        draft.replace(path)
    except (RuntimeError, OSError) as error:
        raise OutputError(f"cannot write the transform {path}: {_last_line(error)}") from error
    finally:
        draft.unlink(missing_ok=True)


def matrix_of(transform: sitk.Transform) -> Matrix:
    """Give the homogeneous 4x4 matrix of an affine map, found by where it takes four points.

    Raises
    ------
    InputError
        The transform is not affine, or takes points to no place at all.
    """
    origin = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    matrix = np.eye(4)
    matrix[:3, 3] = origin
    for axis in range(3):
        unit = [0.0, 0.0, 0.0]
        unit[axis] = 1.0
        matrix[:3, axis] = np.array(transform.TransformPoint(unit)) - origin
    if not np.isfinite(matrix).all():
        raise InputError(f"{transform.GetName()} has numbers that are not finite; align again")
    far = np.array([-90.0, 70.0, 110.0])
    if not np.allclose(matrix[:3, :3] @ far + origin, transform.TransformPoint(far), atol=1e-3):
        raise InputError(f"{transform.GetName()} is not affine, so it cannot be rigid")
    return matrix


def rigid_from_matrix(matrix: Matrix, *, name: str) -> sitk.Transform:
    """Make an Euler transform of a homogeneous 4x4 matrix.

    Raises
    ------
    InputError
        The matrix scales, shears, reflects, has a wrong last row or is not finite; `name` says
        in the message which one it was.
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


def settled(rigid: sitk.Transform) -> sitk.Euler3DTransform:
    """Give a rigid transform in the one form that a file gives back: no two names for one pose.

    It turns about the origin, and its six parameters are whole multiples of small steps: what
    writing, reading and composing do to the last digits is rounded away.

    Raises
    ------
    InputError
        It is not rigid.
    """
    plain = rigid_from_matrix(matrix_of(rigid), name=rigid.GetName())
    steps = np.repeat([ANGLE_STEP_RAD, SHIFT_STEP_MM], 3)
    whole = np.rint(np.array(plain.GetParameters()) / steps) + 0.0  # no negative zero
    rounded = sitk.Euler3DTransform()
    rounded.SetParameters((whole * steps).tolist())
    return rounded


def turning_about(middle: npt.NDArray[np.float64], rigid: sitk.Transform) -> sitk.Euler3DTransform:
    """Give a rigid transform as one that turns about `middle`, LPS mm.

    Raises
    ------
    InputError
        It is not rigid.
    """
    plain = rigid_from_matrix(matrix_of(rigid), name=rigid.GetName())
    turning = sitk.Euler3DTransform()
    turning.SetCenter(middle.tolist())
    turning.SetMatrix(plain.GetMatrix())
    turning.SetTranslation((np.array(plain.TransformPoint(middle.tolist())) - middle).tolist())
    return turning


def _matrix_from_text(path: Path) -> Matrix | None:
    """Read sixteen numbers in four rows, or None where the file holds something else."""
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
            f"{path} holds {' x '.join(map(str, matrix.shape))} numbers; "
            "a rigid transform is a 4 x 4 matrix or an ITK transform file"
        )
    return matrix


def _matrix_from_itk(path: Path) -> Matrix:
    """Read the matrix of a 3-D ITK transform file."""
    try:
        transform = sitk.ReadTransform(str(path))
    except RuntimeError as error:
        raise InputError(
            f"cannot read {path} as a transform: neither an ITK transform file (.tfm, .txt, .h5) "
            f"nor a 4x4 matrix of numbers nor a DICOM registration ({_last_line(error)})"
        ) from error
    if transform.GetDimension() != 3:
        raise InputError(f"{path} holds a {transform.GetDimension()}-D transform, not a 3-D one")
    return matrix_of(transform)


def _last_line(error: Exception) -> str:
    """Give the sentence at the end of an ITK exception, without its source lines."""
    return str(error).strip().splitlines()[-1].strip()
