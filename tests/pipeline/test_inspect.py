"""What a folder holds, in one line an image."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from dicom_kit import CORONAL, SAGITTAL, Angles, change_all, put, slices, volume, write
from radfuse.errors import InputError
from radfuse.io.images import write_picture
from radfuse.io.volumes import write_volume
from radfuse.phantom.head import Phantom
from radfuse.pipeline.inspect import Finding, inspect


def only(path: Path) -> Finding:
    findings, others = inspect(path)
    assert others == 0
    assert len(findings) == 1
    return findings[0]


def test_the_phantoms_two_series_are_found(
    phantom: Phantom, phantom_folders: tuple[Path, Path]
) -> None:
    findings, others = inspect(phantom_folders[0].parent)
    assert others == 0
    ct, mr = sorted(findings, key=lambda finding: finding.kind)
    assert (ct.kind, ct.name, ct.plane) == ("CT", "'CT head, phantom'", "axial")
    assert (mr.kind, mr.name, mr.plane) == ("MR", "'T1 after contrast, phantom'", "axial, oblique")
    for finding, image in ((ct, phantom.ct.image), (mr, phantom.mr.image)):
        assert finding.size == image.GetSize()
        assert finding.spacing_mm == pytest.approx(image.GetSpacing())
        assert finding.files == image.GetSize()[2]
        assert finding.problems == ()
    size = " x ".join(map(str, phantom.ct.image.GetSize()))
    assert ct.line() == (
        f"CT  'CT head, phantom'  {ct.files} files  {size}  3 x 3 x 3.6 mm  axial  "
        f"Explicit VR Little Endian  UID {ct.uid}"
    )


@pytest.mark.parametrize(("angles", "plane"), [(SAGITTAL, "sagittal"), (CORONAL, "coronal")])
def test_the_plane_is_that_of_the_slices(tmp_path: Path, angles: Angles, plane: str) -> None:
    assert only(write(tmp_path / "in", volume(angles=angles))).plane == plane


def test_a_series_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    for path in slices(folder)[2:4]:
        path.unlink()
    finding = only(folder)
    assert finding.size is finding.spacing_mm is finding.plane is None
    assert len(finding.problems) == 1
    assert "the step is 7.5 between" in finding.problems[0]
    assert finding.line() == f"CT  'head'  4 files  Explicit VR Little Endian  UID {finding.uid}"


def test_a_series_without_contrast_says_so(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    change_all(folder, lambda header: setattr(header, "PixelData", bytes(len(header.PixelData))))
    assert "this is an empty image" in only(folder).problems[0]


def test_a_scout_without_description_is_named_as_such(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    change_all(folder, put("ImageType", ["ORIGINAL", "PRIMARY", "LOCALIZER"]))
    change_all(folder, put("SeriesDescription", None))
    assert only(folder).name == "'no description', localizer"


def test_volumes_damage_and_junk_in_a_folder_are_told_apart(tmp_path: Path) -> None:
    write(tmp_path / "in")
    broken = slices(write(tmp_path / "more", name="other"))[0].rename(tmp_path / "broken")
    shutil.rmtree(tmp_path / "more")
    broken.write_bytes(broken.read_bytes()[:300])
    write_volume(tmp_path / "mr.nii.gz", volume("MR", SAGITTAL))
    (tmp_path / "bad.NII").write_text("no volume")
    (tmp_path / "folder.nii").mkdir()
    (tmp_path / "notes.txt").write_text("junk")
    findings, others = inspect(tmp_path)
    assert others == 1
    told = {Path(finding.name).name: (finding.kind, finding.problems) for finding in findings}
    assert told["'head'"] == ("CT", ())
    assert told["mr.nii.gz"] == ("volume", ())
    assert told["broken"] == ("DICOM", ("damaged: (0002,0012) has 20 of 44 bytes",))
    assert "damaged or truncated" in told["bad.NII"][1][0]
    assert len(told) == 4


def test_a_picture_has_a_size_and_no_place(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", np.eye(4, 6, dtype=np.float32))
    finding = only(tmp_path / "a.png")
    assert finding.line() == f"picture  {tmp_path / 'a.png'}  6 x 4"
    Image.new("RGB", (4, 4), (255, 0, 0)).save(tmp_path / "b.png")
    assert "a colour picture" in only(tmp_path / "b.png").problems[0]


def test_one_volume_file_is_found(tmp_path: Path) -> None:
    write_volume(tmp_path / "a.mha", volume("MR"))
    assert only(tmp_path / "a.mha").size == (7, 9, 6)


def test_one_dicom_file_is_told_what_to_do(tmp_path: Path) -> None:
    finding = only(slices(write(tmp_path / "in"))[0])
    assert finding.kind == "CT"
    assert "one slice only; give the folder with 2 or more of its series" in finding.problems[0]


@pytest.mark.parametrize("content", [b"", b"hello", bytes(500)])
def test_one_unknown_file_is_unknown(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    finding = only(tmp_path / "a")
    assert (finding.kind, finding.problems) == ("unknown", ("no known image format",))


def test_an_empty_folder_holds_nothing(tmp_path: Path) -> None:
    assert inspect(tmp_path) == ([], 0)


def test_a_missing_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing: no such file or folder"):
        inspect(tmp_path / "nothing")


def test_real_folders_show_their_problems(shared: Path) -> None:
    folder = shared / "data/real/io/dicom2nifti/failing"
    if not folder.is_dir():
        pytest.skip(f"real data is missing: {folder.name}")
    findings, others = inspect(folder)
    assert others == 0
    problems = " ".join(problem for finding in findings for problem in finding.problems)
    for said in ("same position", "the step is 10"):
        assert said in problems
    notes = " ".join(note for finding in findings for note in finding.notes)
    for said in ("gantry tilt of 14.0", "gantry tilt of 15.5", "onto steps of 0.7497 mm"):
        assert said in notes
    assert sum("orientation" in finding.name for finding in findings) == 2
    assert sum(finding.kind == "volume" for finding in findings) == 2


def test_the_image_found_is_the_image_read(tmp_path: Path) -> None:
    image = sitk.GetImageFromArray(np.arange(8, dtype=np.float32).reshape(2, 2, 2))
    write_volume(tmp_path / "a.nii", image)
    assert only(tmp_path / "a.nii").spacing_mm == (1.0, 1.0, 1.0)
