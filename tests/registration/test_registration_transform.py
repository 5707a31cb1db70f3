from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from radfuse.errors import InputError, OutputError
from radfuse.registration.transforms import (
    SHIFT_STEP_MM,
    canonicalize,
    matrix_of,
    read_transform,
    rigid_from_matrix,
    with_rotation_centre,
    write_transform,
)

angles = st.tuples(*[st.floats(-3.1, 3.1)] * 3)
points = st.tuples(*[st.floats(-300, 300)] * 3)


def rigid(angle_rad=(0.2, -0.1, 0.4), shift_mm=(10.0, -20.0, 5.0), centre_mm=(3.0, 4.0, 5.0)):
    return sitk.Euler3DTransform(centre_mm, *angle_rad, shift_mm)


@given(angles, points, points)
def test_a_matrix_is_the_same_map_as_its_transform(angle_rad, shift_mm, centre_mm):
    transform = rigid(angle_rad, shift_mm, centre_mm)
    again = rigid_from_matrix(matrix_of(transform), name="again")
    assert_allclose(
        again.TransformPoint((12.0, -80.0, 60.0)),
        transform.TransformPoint((12.0, -80.0, 60.0)),
        atol=1e-6,
    )


@given(angles, points, points, points)
def test_another_rotation_centre_is_the_same_map(angle_rad, shift_mm, centre_mm, other_mm):
    transform = rigid(angle_rad, shift_mm, centre_mm)
    centred = with_rotation_centre(np.array(other_mm), transform)
    assert_allclose(centred.GetCenter(), other_mm)
    assert_allclose(matrix_of(centred), matrix_of(transform), atol=1e-6)


@pytest.mark.parametrize("suffix", [".tfm", ".txt", ".h5"])
def test_a_written_transform_reads_back(tmp_path: Path, suffix: str):
    path = tmp_path / f"pose{suffix}"
    write_transform(path, rigid())
    assert_allclose(matrix_of(read_transform(path)), matrix_of(rigid()), atol=SHIFT_STEP_MM)
    assert list(tmp_path.iterdir()) == [path]


def test_a_matrix_as_text_reads_as_the_map_that_it_is(tmp_path: Path):
    path = tmp_path / "pose.txt"
    np.savetxt(path, matrix_of(rigid()), fmt="%.8f")
    assert_allclose(matrix_of(read_transform(path)), matrix_of(rigid()), atol=1e-6)


def test_a_versor_and_a_rigid_affine_are_read(tmp_path: Path):
    versor = sitk.VersorRigid3DTransform()
    versor.SetMatrix(rigid().GetMatrix())
    affine = sitk.AffineTransform(3)
    affine.SetMatrix(rigid().GetMatrix())
    for number, transform in enumerate((versor, affine)):
        path = tmp_path / f"{number}.tfm"
        sitk.WriteTransform(transform, str(path))
        assert_allclose(matrix_of(read_transform(path)), matrix_of(transform), atol=SHIFT_STEP_MM)


def test_writing_replaces_an_existing_file(tmp_path: Path):
    path = tmp_path / "pose.tfm"
    write_transform(path, rigid())
    write_transform(path, sitk.Euler3DTransform())
    assert_allclose(matrix_of(read_transform(path)), np.eye(4))


def refused(tmp_path: Path, matrix: np.ndarray) -> str:
    path = tmp_path / "pose.txt"
    np.savetxt(path, matrix)
    with pytest.raises(InputError) as caught:
        read_transform(path)
    assert "\n" not in str(caught.value)
    assert "pose.txt" in str(caught.value)
    return str(caught.value)


def test_a_scaling_is_named_with_its_size(tmp_path: Path):
    assert "scales by 0.9500 to 1.0000" in refused(tmp_path, np.diag([1.0, 0.95, 1.0, 1.0]))


def test_a_shear_is_refused(tmp_path: Path):
    matrix = np.eye(4)
    matrix[0, 1] = 0.1
    assert "not rigid" in refused(tmp_path, matrix)


def test_a_reflection_is_refused(tmp_path: Path):
    assert "mirrors" in refused(tmp_path, np.diag([-1.0, 1.0, 1.0, 1.0]))


def test_a_wrong_last_row_is_refused(tmp_path: Path):
    assert "last row" in refused(tmp_path, np.diag([1.0, 1.0, 1.0, 2.0]))


def test_a_matrix_with_nan_is_refused(tmp_path: Path):
    assert "homogeneous" in refused(tmp_path, np.diag([1.0, np.nan, 1.0, 1.0]))


def test_a_matrix_of_another_shape_is_named(tmp_path: Path):
    assert "3 x 4 numbers" in refused(tmp_path, np.eye(4)[:3])


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(InputError, match=r"no transform file at .*gone\.tfm"):
        read_transform(tmp_path / "gone.tfm")


@pytest.mark.parametrize("content", [b"not numbers at all", b"\xff\xfe\x00\x01", b""])
def test_a_file_without_a_transform_is_refused_in_one_line(tmp_path: Path, content: bytes):
    path = tmp_path / "pose.tfm"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"pose\.tfm") as caught:
        read_transform(path)
    assert "\n" not in str(caught.value)


def test_a_two_dimensional_transform_is_refused(tmp_path: Path):
    path = tmp_path / "flat.tfm"
    sitk.WriteTransform(sitk.Euler2DTransform(), str(path))
    with pytest.raises(InputError, match="2-D transform"):
        read_transform(path)


def spline() -> sitk.Transform:
    """A deformation of 8 mm that is the identity at most points, the origin among them."""
    deformation = sitk.BSplineTransform(3, 3)
    deformation.SetTransformDomainPhysicalDimensions([400.0] * 3)
    deformation.SetTransformDomainOrigin([-200.0] * 3)
    deformation.SetTransformDomainMeshSize([8] * 3)
    parameters = np.zeros(len(deformation.GetParameters()))
    parameters[0] = 8.0
    deformation.SetParameters(parameters.tolist())
    return deformation


def field() -> sitk.Transform:
    shifts = np.zeros((9, 9, 9, 3))
    shifts[1, 2, 3] = 8.0
    image = sitk.GetImageFromArray(shifts, isVector=True)
    image.SetOrigin([-200.0] * 3)
    image.SetSpacing([50.0] * 3)
    return sitk.DisplacementFieldTransform(image)


def composite(*parts: sitk.Transform) -> sitk.Transform:
    whole = sitk.CompositeTransform(3)
    for part in parts:
        whole.AddTransform(part)
    return whole


@pytest.mark.parametrize("suffix", [".tfm", ".h5"])
@pytest.mark.parametrize("deformation", [spline, field])
@pytest.mark.parametrize("is_part", [False, True])
def test_deformations_are_refused_wherever_they_are_not_zero(
    tmp_path: Path, suffix: str, deformation: Callable[[], sitk.Transform], is_part: bool
):
    transform = deformation()
    for point in ((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (-90.0, 70.0, 110.0)):
        assert_allclose(transform.TransformPoint(point), point, atol=1e-9)
    if is_part:
        transform = composite(rigid(), composite(transform), rigid())
        transform.FlattenTransform()
    path = tmp_path / f"warp{suffix}"
    sitk.WriteTransform(transform, str(path))
    with pytest.raises(InputError, match="not affine, so it cannot be rigid"):
        read_transform(path)


ANTS = """#Insight Transform File V1.0
#Transform 0
Transform: {}_double_3_3
Parameters: 1 0 0 0 1 0 0 0 1 1 2 3
FixedParameters: 0 0 0
"""


CURVED = """Transform: AzimuthElevationToCartesianTransform_double_3_3
Parameters: 1 0 0 0 1 0 0 0 1 0 0 0
FixedParameters: 0 0 0
"""
"""Spherical coordinates, of a class that ITK derives from affine transforms."""


@pytest.mark.parametrize("before", ["", "Transform: CompositeTransform_double_3_3\n#Transform 1\n"])
def test_no_curved_transform_passes_as_an_affine_one(tmp_path: Path, before: str):
    path = tmp_path / "curved.tfm"
    path.write_text(f"#Insight Transform File V1.0\n#Transform 0\n{before}{CURVED}")
    with pytest.raises(InputError, match=r"not affine|cannot read") as caught:
        read_transform(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["MatrixOffsetTransformBase", "AffineTransform"])
def test_linear_transforms_of_other_programs_are_read(tmp_path: Path, name: str):
    (tmp_path / "ants.tfm").write_text(ANTS.format(name))
    assert_allclose(read_transform(tmp_path / "ants.tfm").GetTranslation(), (1.0, 2.0, 3.0))


def test_a_composite_of_rigid_transforms_is_read(tmp_path: Path):
    both = composite(rigid(), sitk.TranslationTransform(3, (1.0, 2.0, 3.0)))
    sitk.WriteTransform(both, str(tmp_path / "both.tfm"))
    found = matrix_of(read_transform(tmp_path / "both.tfm"))
    assert_allclose(found, matrix_of(both), atol=SHIFT_STEP_MM)


def test_a_transform_without_finite_numbers_is_refused() -> None:
    nearly_the_identity = sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.0, 0.0, 5e-324)
    with pytest.raises(InputError, match="numbers that are not finite"):
        matrix_of(nearly_the_identity.GetInverse())


def test_an_unknown_suffix_is_not_written(tmp_path: Path):
    with pytest.raises(OutputError, match=r"\.tfm, \.txt or \.h5"):
        write_transform(tmp_path / "pose.doc", rigid())


def test_a_missing_folder_is_named(tmp_path: Path):
    with pytest.raises(OutputError, match="cannot write the transform"):
        write_transform(tmp_path / "gone" / "pose.tfm", rigid())


@settings(max_examples=30)
@given(angles, points, points)
def test_canonical_transform_is_same_map_and_bit_exact_on_disk(
    tmp_path_factory, angle_rad, shift_mm, centre_mm
):
    transform = rigid(angle_rad, shift_mm, centre_mm)
    once = canonicalize(transform)
    assert_allclose(matrix_of(once), matrix_of(transform), atol=1e-5)
    path = tmp_path_factory.mktemp("canonical") / "once.tfm"
    write_transform(path, once)
    again = canonicalize(read_transform(path))
    assert again.GetParameters() == once.GetParameters()
    back = canonicalize(canonicalize(once.GetInverse()).GetInverse())
    assert_allclose(matrix_of(back), matrix_of(once), atol=1e-4)


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("angle", [np.pi / 2, -np.pi / 2, np.pi, -np.pi])
def test_right_angles_are_canonical_after_one_step(axis, angle):
    once = canonicalize(rigid(tuple(angle * np.eye(3)[axis]), centre_mm=(0.0, 0.0, 0.0)))
    assert canonicalize(once).GetParameters() == once.GetParameters()
