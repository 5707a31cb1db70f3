"""The content of a volume file decides its format; what is not read is named with the reason."""

import gzip
import re
import shutil
from itertools import product
from pathlib import Path

import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from dicom_kit import assert_same_image
from radfuse.errors import InputError
from radfuse.io.volumes import OTHER_FORMATS, SUFFIXES, link_or_copy, read_volume, write_volume
from radfuse.pipeline.inspect import inspect
from radfuse.pipeline.read import read
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


def edited(folder: Path, suffix: str, old: str, new: str, *, packed: bool = False) -> Path:
    """A volume whose header has another value, written as the suffix is, packed or not."""
    path = folder / f"a{suffix}"
    sitk.WriteImage(grid((0.2, 0.1, 0.3), (1, 2, 3), (4, 5, 6)), str(path), useCompression=packed)
    whole = path.read_bytes()
    assert re.search(old.encode(), whole)
    path.write_bytes(re.sub(old.encode(), new.encode(), whole, count=1))
    return path


SIZED = [
    ("DimSize = 6 7 8", "DimSize = 6 7", "DimSize is '6 7', expected 3 whole numbers"),
    ("DimSize = 6 7 8", "DimSize = 6 7 -8", "DimSize is '6 7 -8', expected 3 whole numbers"),
    ("NDims = 3", "NDims = 4", "DimSize is '6 7 8', expected 4 whole numbers"),
    ("DimSize = [^\n]*\n", "", "its header has no DimSize"),
    ("ElementType = [^\n]*\n", "", "its header has no ElementType"),
    ("NDims = 3\n", "Offset = 4 5 6\nNDims = 3\n", "has Offset, expected NDims before"),
    ("ElementSpacing =", "a note\nElementSpacing =", "'a note' without = and a value"),
    ("NDims = 3", "NDims  3", "'NDims  3' without = and a value"),
]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("old", "new", "said"), SIZED)
def test_wrong_metaimage_header_is_named(
    tmp_path: Path, packed: bool, old: str, new: str, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = edited(tmp_path, ".mha", old, new, packed=packed)
    assert said in refusal(path, InputError)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("DimSize = 6 7 8", "DimSize = 6 7 9", "672 bytes of voxels, but the header requires 756"),
        ("MET_SHORT", "MET_DOUBLE", "672 bytes of voxels, but the header requires 2688"),
        ("BinaryData = True", "BinaryData = False", "numbers of voxels, but the header requires"),
    ],
)
def test_too_few_voxels_are_counted(
    tmp_path: Path, old: str, new: str, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert said in refusal(edited(tmp_path, ".mha", old, new), InputError)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("suffix", [".mha", ".mhd"])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("DimSize = 6 7 8", "DimSize = 6 7 9"),
        ("DimSize = 6 7 8", "DimSize = 6 7 7"),
        ("MET_SHORT", "MET_FLOAT"),
        ("(CompressedDataSize = )\\d+", "\\g<1>10"),
        ("(CompressedDataSize = )\\d+", "\\g<1>9999"),
    ],
)
def test_packed_voxels_of_another_size_are_refused(
    tmp_path: Path, suffix: str, old: str, new: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """MetaIO reads them as uninitialised memory, without an error."""
    message = refusal(edited(tmp_path, suffix, old, new, packed=True), InputError)
    assert re.search("compressed bytes .* but the header", message)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("BinaryData = True\n", ""),
        ("ElementSpacing =", "Comment =\nElementSpacing ="),
        ("ElementSpacing =", "\nComment = a: b = c\n\nElementSpacing ="),
        ("ElementSpacing = ", "ElementSpacing="),
        ("ElementSpacing = ", "ElementSpacing: "),
    ],
)
def test_valid_metaimage_headers_are_read(tmp_path: Path, old: str, new: str) -> None:
    image = read_volume(edited(tmp_path, ".mha", old, new))
    assert_same_image(image, read_volume(saved(tmp_path, ".nrrd")))


def test_packed_voxels_need_their_size_in_one_file_only(tmp_path: Path) -> None:
    size = ("CompressedDataSize = [^\n]*\n", "")
    one = edited(tmp_path, ".mha", *size, packed=True)
    assert "has no CompressedDataSize" in refusal(one, InputError)
    two = read_volume(edited(tmp_path, ".mhd", *size, packed=True))
    assert_same_image(two, read_volume(saved(tmp_path, ".nrrd")))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("dimension: 3", "dimension: 4", "parsed 3 values, but dimension is 4"),
        ("dimension: 3", "dimension: 2", "seem to have more than expected 2 sizes"),
        ("sizes: 6 7 8", "sizes: 60 70 80", "fread got only 336 2-sized things, not 336000"),
        ("endian: little\n", "", "require endian info"),
    ],
)
def test_wrong_nrrd_header_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    message = refusal(edited(tmp_path, ".nrrd", old, new), InputError)
    assert message.startswith("its header or its voxels are not valid (")
    assert said in message


def test_header_without_its_voxels_names_them(tmp_path: Path) -> None:
    path = saved(tmp_path, ".hdr")
    voxels = path.with_suffix(".img")
    with pytest.raises(InputError, match=r"a \.hdr file; give that file"):
        read(voxels, "MR")
    voxels.unlink()
    assert refusal(path, InputError) == (
        "its voxel file 'right.img' is missing; copy it to the header"
    )


@pytest.mark.parametrize("suffix", OTHER_FORMATS)
@pytest.mark.parametrize("content", [b"other", gzip.compress(bytes(400))], ids=["plain", "packed"])
def test_other_format_is_named_with_the_way_out(
    tmp_path: Path, suffix: str, content: bytes
) -> None:
    path = tmp_path / f"a{suffix.upper()}"
    path.write_bytes(content)
    assert refusal(path, InputError) == OTHER_FORMATS[suffix]
    (one,), _ = inspect(path)
    assert OTHER_FORMATS[suffix] in one.problems[0]


@pytest.mark.parametrize("can_link", [True, False])
def test_file_is_copied_where_it_cannot_be_linked(tmp_path: Path, can_link: bool) -> None:
    """A link cannot replace a file."""
    path, target = tmp_path / "volume", tmp_path / "volume.nii"
    path.write_bytes(b"voxels")
    if not can_link:
        target.write_bytes(b"another file")
    link_or_copy(path, target)
    assert target.is_symlink() == can_link
    assert target.read_bytes() == path.read_bytes() == b"voxels"
