"""NRRD and MetaImage files: a missing or damaged geometry is refused."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from radfuse.errors import GeometryError, InputError
from radfuse.io.volumes import read_volume, write_volume
from radfuse.pipeline.read import read
from volume_kit import VALUES, assert_in_place, grid, refusal


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_vectors_and_time_series_are_refused(tmp_path: Path, suffix: str) -> None:
    image, path = grid((0, 0, 0), (1, 2, 3), (0, 0, 0)), tmp_path / f"a{suffix}"
    sitk.WriteImage(sitk.Compose(image, image, image), path)
    assert refusal(path, InputError) == "3 values per voxel, expected one"
    sitk.WriteImage(sitk.JoinSeries([image, image]), path)
    assert "a 4-D image of 6 x 7 x 8 x 2" in refusal(path, InputError)
    sitk.WriteImage(image[:, :, 0], path)
    assert "a 2-D image of 6 x 7" in refusal(path, InputError)


def test_voxel_data_files_are_read_and_checked(tmp_path: Path) -> None:
    for suffix, data in ((".mhd", ".zraw"), (".nhdr", ".raw.gz")):
        path = tmp_path / f"image{suffix}"
        write_volume(path, grid((0, 0, 0), (1, 2, 3), (4, 5, 6)))
        np.testing.assert_array_equal(sitk.GetArrayFromImage(read_volume(path)), VALUES.T)
        beside = path.with_name(f"image{data}")
        whole = beside.read_bytes()
        beside.write_bytes(whole[:-9] + bytes([whole[-9] ^ 255]) + whole[-8:])
        with pytest.raises(InputError, match=f"{beside.name}: .*; copy it again"):
            read_volume(path)
        beside.unlink()
        words = f"its voxel data file '{beside.name}' is missing"
        assert words in refusal(path, InputError)


def edited(folder: Path, suffix: str, edit: Callable[[bytes], bytes]) -> Path:
    """A file whose text header was changed."""
    path = folder / f"a{suffix}"
    sitk.WriteImage(grid((0, 0, 0), (1, 2, 3), (0, 0, 0)), path)
    before = path.read_bytes()
    path.write_bytes(edit(before))
    assert path.read_bytes() != before
    return path


def without(line: bytes) -> Callable[[bytes], bytes]:
    return lambda text: re.sub(rb"(?m)^" + line + rb".*\n", b"", text)


def instead(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda text: text.replace(old, new)


MATRIX = b"TransformMatrix = 1 0 0 0 1 0 0 0 1"
DIRECTIONS = b"(1,0,0) (0,2,0) (0,0,3)"
SPACINGS_ONLY = b"NRRD0004\ntype: short\ndimension: 3\nsizes: 6 7 8"
SPACINGS_ONLY += b"\nspacings: 1 2 3\nendian: little\nencoding: raw"
LPS = b"left-posterior-superior"


@pytest.mark.parametrize(
    ("suffix", "edit", "said"),
    [
        (".nrrd", without(b"space directions"), "the header has no voxel spacing; add it"),
        (".nrrd", lambda text: SPACINGS_ONLY + text[text.index(b"\n\n") :],
         "the header has no anatomical 'space' with 'space directions', so the orientation"),
        (".nrrd", instead(b"space: " + LPS, b"space dimension: 3"), "the orientation is unknown"),
        (".nrrd", instead(LPS, b"scanner-xyz"), "the orientation is unknown; add them"),
        (".nrrd", instead(DIRECTIONS, b"(0,0,0) (0,2,0) (0,0,3)"), "zero or not a number"),
        (".nrrd", instead(DIRECTIONS, b"(1,0,0) (.5,2,0) (0,0,3)"), "axes are not perpendicular"),
        (".mha", without(b"ElementSpacing"), "the header has no voxel spacing; add it"),
        (".mha", instead(b"ElementSpacing = 1 2 3", b"ElementSpacing = 0 2 3"),
         "voxel spacing 0 2 3 mm, expected positive values"),
        (".mha", instead(b"ElementSpacing = 1 2 3", b"ElementSpacing = -1 2 3"),
         "voxel spacing -1 2 3 mm, expected positive values"),
        (".mha", instead(b"ElementSpacing = 1 2 3", b"ElementSpacing = nan 2 3"),
         "ElementSpacing is 'nan 2 3', not numbers; correct the header"),
        (".mha", instead(b"Offset = 0 0 0", b"Offset = x 0 0"), "Offset is 'x 0 0', not numbers"),
        (".mha", instead(MATRIX, b"TransformMatrix = 1 0 0 .3 .95 0 0 0 1"), "not perpendicular"),
        (".mha", instead(MATRIX, b"TransformMatrix = 2 0 0 0 2 0 0 0 2"), "not perpendicular"),
        (".mha", instead(MATRIX, b"TransformMatrix = nan 0 0 0 1 0 0 0 1"), "not numbers; correct"),
        *((".mha", instead(MATRIX, b"TransformMatrix = 1 0 0 0 1 0 %s 0 1" % huge), "not numbers")
          for huge in (b"1e308", b"-1e200", b"1e155", b"1e30")),
        (".mha", instead(b"Offset = 0 0 0", b"Offset = 0 0 1e308"), "not numbers; correct"),
        (".nrrd", instead(DIRECTIONS, b"(1,0,1e308) (0,2,0) (0,0,3)"), "not numbers; correct"),
        (".nrrd", instead(b"origin: (0,0,0)", b"origin: (0,0,-1e308)"), "not numbers; correct"),
    ],
)  # fmt: skip
def test_header_without_geometry_is_refused(
    tmp_path: Path, suffix: str, edit: Callable[[bytes], bytes], said: str
) -> None:
    assert said in refusal(edited(tmp_path, suffix, edit), GeometryError)


def test_older_key_of_meta_image_spacing_is_read(tmp_path: Path) -> None:
    path = edited(tmp_path, ".mha", instead(b"ElementSpacing", b"ElementSize"))
    assert "voxel spacing" not in str(read_volume(path).GetSpacing())


def test_nrrd_in_ras_is_converted_to_lps(tmp_path: Path) -> None:
    def to_ras(text: bytes) -> bytes:
        text = text.replace(LPS, b"right-anterior-superior")
        return text.replace(b"origin: (0,0,0)", b"origin: (5,6,7)")

    path = edited(tmp_path, ".nrrd", to_ras)
    affine = np.diag([1.0, 2.0, 3.0, 1.0])
    affine[:3, 3] = (5, 6, 7)
    assert_in_place(read_volume(path), affine, VALUES)


def test_left_handed_meta_image_is_read(tmp_path: Path) -> None:
    def mirror(data: bytes) -> bytes:
        data = instead(MATRIX, b"TransformMatrix = 1 0 0 0 1 0 0 0 -1")(data)
        return instead(b"Orientation = RAI", b"Orientation = RAS")(data)

    path = edited(tmp_path, ".mha", mirror)
    assert_in_place(read_volume(path), np.diag([-1.0, -2.0, -3.0, 1.0]), VALUES)


@pytest.mark.parametrize("key", ["TransformMatrix", "Offset"])
def test_meta_image_without_axes_or_origin_is_refused(tmp_path: Path, key: str) -> None:
    path = tmp_path / "a.mha"
    sitk.WriteImage(grid((0, 0, 0), (1, 2, 3), (4, 5, 6)), path)
    content = re.sub(rf"{key} = [^\n]*\n".encode(), b"", path.read_bytes(), count=1)
    path.write_bytes(content)
    assert f"the header has no {key}" in refusal(path, GeometryError)


def test_voxel_data_file_belongs_to_the_series(tmp_path: Path) -> None:
    image = sitk.Cast(grid((0, 0, 0), (1, 2, 3), (4, 5, 6)), sitk.sitkFloat32)
    path = tmp_path / "image.mhd"
    sitk.WriteImage(image - 3000, path)
    files = read(path, "CT").files
    assert [file.name for file in files] == ["image.mhd", "image.raw"]


@pytest.mark.parametrize("suffix", [".mhd", ".nhdr"])
@pytest.mark.parametrize(
    "name", ["%s%n.raw", "LIST", "LIST 2", "/etc/passwd", "../image.raw", "a\\..\\..\\b", "1" * 400]
)
def test_voxels_outside_the_header_folder_are_refused(
    tmp_path: Path, suffix: str, name: str
) -> None:
    path = tmp_path / f"image{suffix}"
    sitk.WriteImage(grid((0, 0, 0), (1, 2, 3), (0, 0, 0)), path)
    assert read_volume(path).GetSize() == (6, 7, 8)
    whole = path.read_bytes()
    hurt = re.sub(rb"(data ?file: |ElementDataFile = ).*", lambda m: m[1] + name.encode(), whole)
    assert hurt != whole
    path.write_bytes(hurt)
    assert "not one file beside the header; save it as one file" in refusal(path, InputError)


def test_nrrd_without_an_origin_is_refused(tmp_path: Path) -> None:
    path = edited(tmp_path, ".nrrd", lambda data: re.sub(rb"space origin:[^\n]*\n", b"", data))
    assert "no 'space origin', so the position is unknown; add it" in refusal(path, GeometryError)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 0, 2)])
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, -1, 1), (1, -1, -1)])
def test_orientation_that_contradicts_the_axes_is_refused(
    tmp_path: Path, order: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    image = grid((0, 0, 0), (1, 2, 3), (0, 0, 0))
    image.SetDirection((np.eye(3)[list(order)] * signs).ravel().tolist())
    path = tmp_path / "a.mha"
    sitk.WriteImage(image, path)
    read_volume(path)
    data = path.read_bytes()
    stated = re.search(rb"AnatomicalOrientation = (...)", data)
    assert stated
    other = stated[1][::-1]
    path.write_bytes(data.replace(b"Orientation = " + stated[1], b"Orientation = " + other))
    message = refusal(path, GeometryError)
    assert f"AnatomicalOrientation is {other.decode()}, but the axes in" in message
    path.write_bytes(data.replace(b"Orientation = " + stated[1], b"Orientation = ???"))
    read_volume(path)
