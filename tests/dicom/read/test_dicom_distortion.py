"""What ImageType states on the distortion correction of an MR is said in one line."""

from pathlib import Path

import pytest

from dicom_kit import change, change_all, put, slices, write
from radfuse.modality import CT, MR, Modality
from radfuse.pipeline.inspect import inspect
from radfuse.pipeline.read import read

STATED = {
    "DIS3D": "ImageType DIS3D: the scanner corrected the geometric distortion of its gradients in "
    "3-D",
    "DIS2D": "ImageType DIS2D: the scanner corrected the geometric distortion of its gradients "
    "only within the slices; ",
    "ND": "ImageType ND: the scanner did not correct the geometric distortion",
}


def typed(folder: Path, modality: Modality, *values: str) -> Path:
    write(folder, modality=modality.code)
    change_all(folder, put("ImageType", ["ORIGINAL", "PRIMARY", "M", *values]))
    return folder


@pytest.mark.parametrize("value", STATED)
def test_info_and_reading_state_the_correction(tmp_path: Path, value: str) -> None:
    folder = typed(tmp_path / "mr", MR, "NORM", value)
    (note,) = read(folder, MR).notes
    assert note.startswith(STATED[value])
    (one,), _ = inspect(folder)
    assert note in one.notes


@pytest.mark.parametrize(("modality", "values"), [(MR, ("NORM",)), (CT, ("ND",))])
def test_nothing_is_said_where_nothing_is_stated(
    tmp_path: Path, modality: Modality, values: tuple[str, ...]
) -> None:
    assert not read(typed(tmp_path / "series", modality, *values), modality).notes


def test_images_that_state_another_correction_are_counted(tmp_path: Path) -> None:
    folder = typed(tmp_path / "mr", MR, "DIS2D")
    change(slices(folder)[0], put("ImageType", ["ORIGINAL", "PRIMARY", "M", "ND"]))
    notes = " ".join(read(folder, MR).notes)
    assert "5 images: ImageType DIS2D: " in notes
    assert "1 image: ImageType ND: " in notes
