"""The content of a volume file decides its format; what is not read is named with the reason."""

import gzip
import shutil
from itertools import product
from pathlib import Path

import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from dicom_kit import assert_same_image
from radfuse.errors import InputError
from radfuse.io.volumes import SUFFIXES, read_volume, write_volume
from volume_kit import grid, refusal

SINGLE = (".nii", ".nii.gz", ".nrrd", ".mha")
"""Formats of one file."""


def saved(folder: Path, suffix: str) -> Path:
    write_volume(folder / f"right{suffix}", grid((0.2, 0.1, 0.3), (1, 2, 3), (4, 5, 6)))
    return folder / f"right{suffix}"


@pytest.mark.parametrize(("content", "name"), [*product(SINGLE, (*SUFFIXES, "", ".dcm"))])
def test_content_decides_whatever_the_name(tmp_path: Path, content: str, name: str) -> None:
    right = saved(tmp_path, content)
    wrong = Path(shutil.copy(right, tmp_path / f"wrong{name}"))
    assert_same_image(read_volume(wrong), read_volume(right))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("content", [b"<!DOCTYPE html>", b"version https://git-lfs", b"CDF\1"])
def test_other_content_is_not_called_truncated(
    tmp_path: Path, suffix: str, content: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content + bytes(400))
    message = refusal(path, InputError)
    assert ("in spite of its name" in message) == (suffix != ".hdr")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_volume_in_gzip_is_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}.gz"
    path.write_bytes(gzip.compress(saved(tmp_path, suffix).read_bytes()))
    assert refusal(path, InputError) == f"{suffix} in gzip; decompress it with gunzip first"


@pytest.mark.parametrize(
    ("suffix", "old", "new"),
    [
        (".mha", "NDims = 3", "NDims = 65535"),
        (".mha", "NDims = 3", "NDims = 11"),
        (".mha", "ElementType = MET_SHORT", "ElementType = MET_COMPLEX"),
        (".mha", "ElementType = MET_SHORT", "ElementType = MET_SHORT_ARRAY"),
        (".mha", "ObjectType = Image", "ObjectType = Mesh"),
        (".nrrd", "encoding: gzip", "encoding: bzip2"),
        (".nrrd", "type: short", "type: block"),
    ],
)
def test_unsupported_header_value_is_named(tmp_path: Path, suffix: str, old: str, new: str) -> None:
    path = saved(tmp_path, suffix)
    whole = path.read_bytes()
    assert old.encode() in whole
    path.write_bytes(whole.replace(old.encode(), new.encode(), 1))
    key, _, value = new.replace(" =", ":").partition(": ")
    assert refusal(path, InputError).startswith(f"{key} is {value!r}, which is not supported")


@pytest.mark.parametrize("suffix", [".mhd", ".nhdr"])
def test_missing_voxel_file_is_named(tmp_path: Path, suffix: str) -> None:
    path = saved(tmp_path, suffix)
    (data,) = (one for one in tmp_path.iterdir() if one != path)
    renamed = Path(shutil.copy(path, tmp_path / "header.nii"))
    assert "name it .mhd or .nhdr" in refusal(renamed, InputError)
    data.unlink()
    assert f"its voxel data file {data.name!r} is missing" in refusal(path, InputError)


@pytest.mark.parametrize("seed", range(40))
def test_orientation_that_itk_states_is_no_contradiction(tmp_path: Path, seed: int) -> None:
    image = grid((0, 0, 0), (1, 2, 3), (0, 0, 0))
    image.SetDirection(Rotation.random(random_state=seed).as_matrix().ravel().tolist())
    write_volume(tmp_path / "a.mha", image)
    found = read_volume(tmp_path / "a.mha")
    assert sitk.GetArrayFromImage(found).shape == sitk.GetArrayFromImage(image).shape
