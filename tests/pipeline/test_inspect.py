"""What a folder holds, in one line an image."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image
from pydicom import Dataset
from pydicom.uid import BasicTextSRStorage, SecondaryCaptureImageStorage, XRayRadiationDoseSRStorage

from dicom_kit import CORONAL, SAGITTAL, Angles, change_all, put, slices, volume, write
from radfuse.errors import GeometryError, InputError
from radfuse.io.images import write_image
from radfuse.io.volumes import UNKNOWN_FORMAT, read_volume, write_volume
from radfuse.modality import CT
from radfuse.phantom.head import Phantom
from radfuse.pipeline.align import align
from radfuse.pipeline.inspect import InspectedSeries, inspect, left_out_summary
from radfuse.pipeline.read import read
from radfuse.recipe import Recipe
from radfuse.series import Series


def only(path: Path) -> InspectedSeries:
    inspected, others = inspect(path)
    assert others == 0
    assert len(inspected) == 1
    return inspected[0]


def test_both_series_of_the_phantom_are_listed(
    phantom: Phantom, phantom_folders: tuple[Path, Path]
) -> None:
    inspected, others = inspect(phantom_folders[0].parent)
    assert others == 0
    ct, mr = sorted(inspected, key=lambda one: one.kind)
    assert (ct.kind, ct.name, ct.plane) == ("CT", "'CT head, phantom'", "axial")
    assert (mr.kind, mr.name, mr.plane) == ("MR", "'T1 after contrast, phantom'", "axial, oblique")
    for one, image in ((ct, phantom.ct.image), (mr, phantom.mr.image)):
        assert one.size == image.GetSize()
        assert one.spacing_mm == pytest.approx(image.GetSpacing())
        assert one.files == image.GetSize()[2]
        assert one.problems == ()
    size = " x ".join(map(str, phantom.ct.image.GetSize()))
    assert ct.line() == (
        f"CT  'CT head, phantom'  {ct.files} files  {size}  4 x 4 x 4.6 mm  axial  "
        f"Explicit VR Little Endian  UID {ct.uid}"
    )


@pytest.mark.parametrize(("angles", "plane"), [(SAGITTAL, "sagittal"), (CORONAL, "coronal")])
def test_the_plane_is_that_of_the_slices(tmp_path: Path, angles: Angles, plane: str) -> None:
    assert only(write(tmp_path / "in", volume(angles=angles))).plane == plane


def test_a_series_that_cannot_be_read_has_its_problem(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    for path in slices(folder)[2:4]:
        path.unlink()
    one = only(folder)
    assert one.size is one.spacing_mm is one.plane is None
    assert len(one.problems) == 1
    assert "it is 7.5 mm between" in one.problems[0]
    assert one.line() == f"CT  'head'  4 files  Explicit VR Little Endian  UID {one.uid}"


def test_a_series_without_contrast_has_a_problem(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    change_all(folder, lambda header: setattr(header, "PixelData", bytes(len(header.PixelData))))
    assert "the image is empty" in only(folder).problems[0]


def test_a_localizer_without_description_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    change_all(folder, put("ImageType", ["ORIGINAL", "PRIMARY", "LOCALIZER"]))
    change_all(folder, put("SeriesDescription", None))
    assert only(folder).name == "'no description', localizer"


def test_what_is_left_out_is_counted_by_kind(tmp_path: Path) -> None:
    for name, sop, modality in (
        ("captures", SecondaryCaptureImageStorage, "OT"),
        ("dose", XRayRadiationDoseSRStorage, "SR"),
        ("report", BasicTextSRStorage, "SR"),
    ):
        folder = write(tmp_path / name, name=name)
        change_all(folder, put("SOPClassUID", sop))
        change_all(folder, put("Modality", modality))
    change_all(write(tmp_path / "scout", name="scout"), put("ImageType", ["LOCALIZER"]))
    write(tmp_path / "head")
    inspected, _ = inspect(tmp_path)
    assert sorted(left_out_summary(inspected)) == [
        "left out: 6 objects: SR (Basic Text SR Storage), not CT, MR, PT or NM",
        "left out: 6 objects: SR (X-Ray Radiation Dose SR Storage), not CT, MR, PT or NM",
        "left out: 6 objects: a localizer",
        "left out: 6 objects: derived: a screen capture",
    ]
    assert sum(not one.left_out for one in inspected) == 1


def test_a_folder_of_volumes_damage_and_other_files(tmp_path: Path) -> None:
    write(tmp_path / "in")
    broken = slices(write(tmp_path / "more", name="other"))[0].rename(tmp_path / "broken")
    shutil.rmtree(tmp_path / "more")
    broken.write_bytes(broken.read_bytes()[:300])
    write_volume(tmp_path / "mr.nii.gz", volume("MR", SAGITTAL))
    (tmp_path / "bad.NII").write_text("no volume")
    (tmp_path / "folder.nii").mkdir()
    (tmp_path / "notes.txt").write_text("junk")
    inspected, others = inspect(tmp_path)
    assert others == 1
    by_name = {Path(one.name).name: (one.kind, one.problems) for one in inspected}
    kind, (problem,) = by_name["'head'"]
    assert kind == "CT"
    assert problem.startswith(f"{broken}: damaged: (0002,0012) has 20 of 44 bytes; may be of ")
    assert by_name["mr.nii.gz"] == ("volume", ())
    assert by_name["broken"] == ("DICOM", ("damaged: (0002,0012) has 20 of 44 bytes",))
    assert "not NIfTI in spite of its name" in by_name["bad.NII"][1][0]
    assert len(by_name) == 4


def test_a_problem_of_many_files_is_one_line(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    paths = slices(folder)
    for path in paths:
        content = path.read_bytes()
        assert content.count(b"1.2.840.10008.1.2.1\0") == 1
        path.write_bytes(content.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.113619.5.2\0\0"))
    (problem,) = only(folder).problems
    assert problem.startswith(f"{len(paths)} files, the first {paths[0]}: transfer syntax 1.2.840.")
    assert problem.endswith("convert it to Explicit VR Little Endian first")


def test_files_with_the_same_damage_are_one_line(tmp_path: Path) -> None:
    paths = slices(write(tmp_path / "in"))
    for path in paths:
        path.write_bytes(path.read_bytes()[:300])
    one = only(tmp_path / "in")
    assert (one.files, one.problems) == (len(paths), ("damaged: (0002,0012) has 20 of 44 bytes",))
    assert one.name.endswith(f" and {len(paths) - 3} more")


def test_a_2d_image_has_a_size_and_no_geometry(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", np.eye(4, 6, dtype=np.float32))
    one = only(tmp_path / "a.png")
    assert one.line() == f"image  {tmp_path / 'a.png'}  6 x 4"
    Image.new("RGB", (4, 4), (255, 0, 0)).save(tmp_path / "b.png")
    assert "a colour image" in only(tmp_path / "b.png").problems[0]


def test_one_volume_file_is_listed(tmp_path: Path) -> None:
    write_volume(tmp_path / "a.mha", volume("MR"))
    assert only(tmp_path / "a.mha").size == (7, 9, 6)


def test_one_dicom_file_has_a_remedy(tmp_path: Path) -> None:
    one = only(slices(write(tmp_path / "in"))[0])
    assert one.kind == "CT"
    assert (
        "only one slice, a volume needs 2 or more; give the folder of the series" in one.problems[0]
    )


def test_a_series_of_one_column_has_the_problem_of_reading(tmp_path: Path) -> None:
    folder = write(tmp_path / "thin", volume()[:1])
    assert only(folder).problems == (
        f"{folder}: 1 x 9 x 6 voxels; a volume needs 2 or more per axis",
    )


@pytest.mark.parametrize("content", [b"", b"hello", bytes(500)])
def test_one_unknown_file_is_unknown(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    one = only(tmp_path / "a")
    assert (one.kind, one.problems) == ("unknown", (UNKNOWN_FORMAT,))


def test_an_empty_folder_has_no_series(tmp_path: Path) -> None:
    assert inspect(tmp_path) == ([], 0)


def test_a_missing_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing: no such file or folder"):
        inspect(tmp_path / "nothing")


def test_real_folders_show_their_problems(shared: Path) -> None:
    folder = shared / "data/real/io/dicom2nifti/failing"
    if not folder.is_dir():
        pytest.skip(f"real data is missing: {folder.name}")
    inspected, others = inspect(folder)
    assert others == 0
    problems = " ".join(problem for one in inspected for problem in one.problems)
    for words in ("same position", "it is 10 mm between"):
        assert words in problems
    notes = " ".join(note for one in inspected for note in one.notes)
    for words in ("gantry tilt of 14.0", "gantry tilt of 15.5", "interpolated to 0.7497 mm"):
        assert words in notes
    assert sum("orientation" in one.name for one in inspected) == 2
    assert sum(one.kind == "volume" for one in inspected) == 2


def test_the_spacing_is_that_of_the_image(tmp_path: Path) -> None:
    image = sitk.GetImageFromArray(np.arange(8, dtype=np.float32).reshape(2, 2, 2))
    write_volume(tmp_path / "a.nii", image)
    assert only(tmp_path / "a.nii").spacing_mm == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("size", [(2, 9, 9), (9, 3, 9), (9, 9, 2), (3, 3, 3)])
def test_thin_volume_is_refused_by_info_and_fuse(tmp_path: Path, size: tuple[int, ...]) -> None:
    values = np.random.default_rng(1).normal(0, 100, size[::-1]).astype(np.float32)
    for name in ("thin", "head"):
        write_volume(tmp_path / f"{name}.nii", sitk.GetImageFromArray(values))
        values = np.random.default_rng(1).normal(0, 100, (9, 9, 9)).astype(np.float32)
    words = f"{' x '.join(map(str, size))} voxels; registration and its QA need 4 or more"
    (problem,) = only(tmp_path / "thin.nii").problems
    assert problem.startswith(words)
    thin, head = (
        Series(read_volume(tmp_path / f"{name}.nii"), CT, tmp_path / name)
        for name in ("thin", "head")
    )
    for ct, mr in ((thin, head), (head, thin)):
        for recipe in (Recipe(), Recipe(register_rigidly=False)):
            with pytest.raises(GeometryError, match=words):
                align(ct, mr, recipe, lambda _: None)


@pytest.mark.parametrize(("shift", "scale"), [(1024.0, 1.0), (-1024.0, 1.0), (0.0, 16.0)])
def test_info_says_that_values_are_not_hu(
    phantom_folders: tuple[Path, Path], tmp_path: Path, shift: float, scale: float
) -> None:
    folder = Path(shutil.copytree(phantom_folders[0], tmp_path / "ct"))
    assert only(folder).problems == ()

    def edit(header: Dataset) -> None:
        header.RescaleIntercept = (header.RescaleIntercept + shift) * scale
        header.RescaleSlope = header.RescaleSlope * scale

    change_all(folder, edit)
    with pytest.raises(InputError) as caught:
        read(folder, CT)
    (problem,) = only(folder).problems
    assert problem == str(caught.value)
