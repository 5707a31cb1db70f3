"""One door for every format: what it lets in and what it says to the rest."""

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from PIL import Image

from dicom_kit import slices, volume, write
from radfuse.errors import GeometryError, InputError
from radfuse.io.images import write_image
from radfuse.io.volumes import write_volume
from radfuse.phantom.head import Phantom
from radfuse.pipeline.read import check_pair, is_image_file, read
from radfuse.series import Series


def refusal(path: Path, modality: str = "CT") -> str:
    with pytest.raises(InputError) as caught:
        read(path, modality)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


def image_file(path: Path, shape: tuple[int, int] = (8, 9)) -> Path:
    write_image(path, np.linspace(0, 1, shape[0] * shape[1], dtype=np.float32).reshape(shape))
    return path


def test_a_missing_path_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "nothing") == "no such file or folder"


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ct.nii").touch()
    assert refusal(tmp_path / "ct.nii") == "an empty file"


def test_an_unknown_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ct.doc").write_text("hello")
    message = refusal(tmp_path / "ct.doc")
    assert message == "not DICOM, NIfTI, NRRD, MetaImage, PNG, JPEG or TIFF"


def test_a_single_dicom_file_is_refused_with_a_remedy(tmp_path: Path) -> None:
    path = slices(write(tmp_path / "in"))[0]
    assert (
        refusal(path) == "only one slice, a volume needs 2 or more; give the folder of the series"
    )


def test_a_constant_2d_image_is_refused(tmp_path: Path) -> None:
    Image.new("L", (5, 5), 255).save(tmp_path / "a.png")
    assert refusal(tmp_path / "a.png") == "every value is 1; the image is empty"


@pytest.mark.parametrize("name", ["ct.png", "ct"])
def test_a_2d_image_is_known_by_its_first_bytes(tmp_path: Path, name: str) -> None:
    path = image_file(tmp_path / "p.png").rename(tmp_path / name)
    assert is_image_file(path)
    series = read(str(path), "CT")
    assert not series.is_volume
    assert series.image.GetSize() == (9, 8)
    assert series.files == (path,)
    assert series.frame_of_reference_uid is None


def test_a_volume_file_is_its_own_source(tmp_path: Path) -> None:
    write_volume(tmp_path / "ct.nii.gz", volume())
    series = read(tmp_path / "ct.nii.gz", "CT")
    assert series.is_volume
    assert series.source == tmp_path / "ct.nii.gz"
    assert series.headers == ()


@pytest.mark.parametrize(
    ("lowest", "is_ct"), [(-1000, True), (-501, True), (-499, False), (0, False)]
)
def test_air_distinguishes_ct_from_mr(tmp_path: Path, lowest: int, is_ct: bool) -> None:
    image = sitk.Clamp(volume("MR"), lowerBound=0, upperBound=500)
    image[0, 0, 0] = lowest
    path = tmp_path / "image.nii"
    write_volume(path, image)
    right, wrong = ("CT", "MR") if is_ct else ("MR", "CT")
    assert read(path, right).is_volume
    message = refusal(path, wrong)
    if is_ct:
        assert (
            f"not MR: the lowest value is {lowest}, expected -500 or more; check that --ct"
            in message
        )
    else:
        assert f"not CT in HU: the lowest value is {lowest}, expected -500 or less" in message


def test_the_phantoms_series_cannot_be_swapped(phantom_folders: tuple[Path, Path]) -> None:
    ct, mr = phantom_folders
    with pytest.raises(
        InputError, match=r"no MR series; the folder contains:\n  CT 'CT head, phantom'"
    ):
        read(ct, "MR")
    with pytest.raises(
        InputError, match=r"no CT series; the folder contains:\n  MR 'T1 after contrast"
    ):
        read(mr, "CT")


def series(path: Path, modality: str) -> Series:
    return read(path, modality)


def test_a_volume_and_a_2d_image_are_no_pair(tmp_path: Path, phantom: Phantom) -> None:
    flat = series(image_file(tmp_path / "p.png"), "MR")
    with pytest.raises(InputError, match="CT is a 3-D volume, MR is a 2-D image; give two of one"):
        check_pair(phantom.ct, flat)
    with pytest.raises(InputError, match="CT is a 2-D image, MR is a 3-D volume"):
        check_pair(series(tmp_path / "p.png", "CT"), phantom.mr)
    with pytest.raises(InputError, match="MR is a 3-D volume, PT is a 2-D image"):
        check_pair(phantom.mr, series(tmp_path / "p.png", "PT"))


def test_2d_images_of_two_sizes_are_no_pair(tmp_path: Path) -> None:
    ct = series(image_file(tmp_path / "a.png"), "CT")
    mr = series(image_file(tmp_path / "b.png", (9, 9)), "MR")
    with pytest.raises(GeometryError, match="CT has 9x8 and MR 9x9 pixels; 2-D images must be"):
        check_pair(ct, mr)


def test_two_volumes_or_two_equal_sized_images_are_a_pair(tmp_path: Path, phantom: Phantom) -> None:
    check_pair(phantom.ct, phantom.mr)
    flat = series(image_file(tmp_path / "a.png"), "CT")
    check_pair(flat, flat)


def test_invalid_uid_of_a_series_is_noted(
    phantom_folders: tuple[Path, Path], tmp_path: Path
) -> None:
    shutil.copytree(phantom_folders[0], tmp_path / "CT")
    old = pydicom.dcmread(next((tmp_path / "CT").iterdir())).FrameOfReferenceUID.encode()
    for path in (tmp_path / "CT").iterdir():
        path.write_bytes(path.read_bytes().replace(old, b"2.025" + old[5:]))
    assert any("FrameOfReferenceUID" in note for note in read(tmp_path / "CT", "CT").notes)
    assert not any("UID" in note for note in read(phantom_folders[0], "CT").notes)
