"""Transforms of other programs are named with how to convert them; ITK's are read."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.testing import assert_allclose

from radfuse.errors import InputError
from radfuse.registration.transforms import matrix_of, read_transform

RIGID = sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.2, -0.1, 0.4, (10.0, -20.0, 5.0))
MATRIX = matrix_of(RIGID)


def rows(form: str, between: str = " ", end: str = "\n") -> str:
    return "".join(between.join(form % number for number in row) + end for row in MATRIX)


FLIRT = rows("%.10f", "  ", "  \n")
ELASTIX = """(Transform "EulerTransform")
(NumberOfParameters 6)
(TransformParameters 0.2 -0.1 0.4 10 -20 5)
"""
LTA = f"""# transform file /x/reg.lta
# created by nobody

type      = 1
nxforms   = 1
mean      = 0.0000 0.0000 0.0000
sigma     = 1.0000
1 4 4
{rows("%.15e")}
src volume info
"""
REGISTER_DAT = f"bert\n1.000000\n1.000000\n0.150000\n{rows('%e')}round\n"

FOREIGN = {
    "ct2mr.mat": (FLIRT, "FSL flirt"),
    "ct2mr.txt": (FLIRT, "FSL flirt"),
    "one_space.mat": (rows("%.6f"), "FSL flirt"),
    "TransformParameters.0.txt": (ELASTIX, "elastix"),
    "commented.txt": (f"// by hand\n\n{ELASTIX}", "elastix"),
    "reg.lta": (LTA, "lta_convert --inlta"),
    "lta.txt": (LTA.partition("nobody\n\n")[2], "lta_convert --inlta"),
    "register.dat": (REGISTER_DAT, "lta_convert --inreg"),
    "a.xfm": ("MNI Transform File\n\nTransform_Type = Linear;\n", "lta_convert --inmni"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_transform_is_named_with_the_way_out(tmp_path: Path, name: str) -> None:
    content, words = FOREIGN[name]
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=words) as caught:
        read_transform(tmp_path / name)
    assert "maps CT points" in str(caught.value) or "must map CT points" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["AffineTransform", "MatrixOffsetTransformBase"])
def test_what_the_named_programs_write_is_read(tmp_path: Path, name: str) -> None:
    """lta_convert writes the one, c3d_affine_tool the other."""
    numbers = " ".join(f"{one:.17g}" for one in [*MATRIX[:3, :3].ravel(), *MATRIX[:3, 3]])
    path = tmp_path / "OUT.txt"
    path.write_text(
        f"#Insight Transform File V1.0\n#Transform 0\nTransform: {name}_double_3_3\n"
        f"Parameters: {numbers}\nFixedParameters: 0 0 0\n"
    )
    assert_allclose(matrix_of(read_transform(path)), MATRIX, atol=1e-7)


@pytest.mark.parametrize("name", ["sub_1Warp.nii.gz", "warp.nrrd", "warp.tfm"])
def test_displacement_field_is_named(tmp_path: Path, name: str) -> None:
    image = sitk.Image(4, 4, 4, sitk.sitkVectorFloat32)
    written = tmp_path / (name if "." + name.split(".", 1)[1] in {".nii.gz", ".nrrd"} else "a.nrrd")
    sitk.WriteImage(image, str(written))
    path = written.rename(tmp_path / name)
    with pytest.raises(InputError, match="displacement field"):
        read_transform(path)


def test_matrix_file_of_ants_is_read(tmp_path: Path) -> None:
    path = tmp_path / "sub_0GenericAffine.mat"
    affine = sitk.AffineTransform(3)
    affine.SetMatrix(RIGID.GetMatrix())
    affine.SetTranslation(RIGID.GetTranslation())
    sitk.WriteTransform(affine, str(path))
    assert_allclose(matrix_of(read_transform(path)), MATRIX, atol=1e-6)


@pytest.mark.parametrize("form", ["%.8f", "%.18e", "%g"])
@pytest.mark.parametrize("between", [" ", "\t", "  "])
def test_matrix_in_patient_coordinates_is_read(tmp_path: Path, form: str, between: str) -> None:
    path = tmp_path / "pose.txt"
    path.write_text("# CT to MR\n" + rows(form, between))
    assert_allclose(matrix_of(read_transform(path)), MATRIX, atol=1e-4)


def test_written_transforms_are_not_foreign(tmp_path: Path) -> None:
    for suffix in (".tfm", ".txt", ".h5", ".hdf5"):
        path = tmp_path / f"pose{suffix}"
        sitk.WriteTransform(RIGID, str(path))
        np.testing.assert_allclose(matrix_of(read_transform(path)), MATRIX, atol=1e-6)
