"""Label maps, their grids and their names."""

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from dicom_kit import OBLIQUE, as_nobody
from radfuse.errors import GeometryError, InputError, OutputError
from radfuse.io.volumes import write_volume
from radfuse.record import NOTICE
from radfuse.series import Series
from radfuse.structures.files import check_folder, check_readable, write_label_map, write_masks
from radfuse.structures.label_maps import read_label_map
from structure_kit import array, blobs, series_on_disk, structure


@pytest.fixture(scope="module")
def ct(tmp_path_factory: pytest.TempPathFactory) -> Series:
    return series_on_disk(tmp_path_factory.mktemp("oblique") / "CT", angles=OBLIQUE)


@pytest.fixture(scope="module")
def labels(ct: Series) -> np.ndarray:
    shape = ct.image.GetSize()[::-1]
    first, second = blobs(shape, 1), blobs(shape, 2)
    return np.where(first, 1, np.where(second, 7, 0)).astype(np.float32)


def saved(path: Path, values: np.ndarray, image: sitk.Image) -> Path:
    volume = sitk.GetImageFromArray(values.astype(np.float32))
    volume.CopyInformation(image)
    sitk.WriteImage(volume, str(path))
    return path


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_a_label_map_comes_back_with_names_and_colours(
    suffix: str, ct: Series, labels: np.ndarray, tmp_path: Path
) -> None:
    parts = [
        structure(labels == 1, ct, "Brain", (1, 2, 3)),
        structure(labels == 3, ct, "Empty"),
        structure(labels == 7, ct, "Größe", (9, 8, 7)),
    ]
    path = tmp_path / f"map{suffix}"
    write_label_map(path, parts, ["one note"])
    told = json.loads((tmp_path / "map.json").read_text(encoding="utf-8"))
    assert told["notice"] == NOTICE
    assert told["notes"] == ["one note"]
    back = list(read_label_map(path, ct.image, None).structures())
    assert [(part.name, part.colour) for part in back] == [
        (part.name, part.colour) for part in parts
    ]
    for part, found in zip(parts, back, strict=True):
        np.testing.assert_array_equal(array(found.mask), array(part.mask))


@pytest.mark.parametrize("order", [(2, 1, 0), (1, 0, 2), (0, 1, 2)])
@pytest.mark.parametrize("flips", [(True, False, True), (False, True, False)])
def test_the_same_voxels_in_another_order_are_taken(
    order: tuple[int, ...], flips: tuple[bool, ...], ct: Series, labels: np.ndarray, tmp_path: Path
) -> None:
    volume = sitk.GetImageFromArray(labels)
    volume.CopyInformation(ct.image)
    turned = sitk.Flip(sitk.PermuteAxes(volume, order), flips)
    sitk.WriteImage(turned, str(tmp_path / "turned.nrrd"))
    found = read_label_map(tmp_path / "turned.nrrd", ct.image, None)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found.labels), labels)


@pytest.mark.parametrize("change", ["size", "spacing", "origin", "direction"])
def test_another_grid_is_refused_with_both(
    change: str, ct: Series, labels: np.ndarray, tmp_path: Path
) -> None:
    volume = sitk.GetImageFromArray(labels[:-1] if change == "size" else labels)
    if change != "size":
        volume.CopyInformation(ct.image)
    if change == "spacing":
        volume.SetSpacing((0.9, 1.1, 2.6))
    if change == "origin":
        volume.SetOrigin(tuple(part + 0.3 for part in volume.GetOrigin()))
    if change == "direction":
        volume.SetDirection(sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.3, -0.17, 0.55).GetMatrix())
    sitk.WriteImage(volume, str(tmp_path / "other.nrrd"))
    with pytest.raises(GeometryError, match=r"26 x 22 x \d voxels .* 26 x 22 x 9 voxels of 0\.9 x"):
        read_label_map(tmp_path / "other.nrrd", ct.image, None)


@pytest.mark.parametrize("value", [1.5, -1.0, 65536.0])
def test_values_that_are_no_labels_are_refused(
    value: float, ct: Series, labels: np.ndarray, tmp_path: Path
) -> None:
    path = saved(tmp_path / "odd.nrrd", np.where(labels == 1, value, labels), ct.image)
    with pytest.raises(InputError, match=f"values such as {value:g} are not labels"):
        read_label_map(path, ct.image, None)


def test_labels_without_names_get_some(ct: Series, labels: np.ndarray, tmp_path: Path) -> None:
    path = saved(tmp_path / "map.nii.gz", labels, ct.image)
    assert [info.name for info in read_label_map(path, ct.image, None).infos] == [
        "Label_1", "Label_7",
    ]  # fmt: skip
    single = saved(tmp_path / "GTVp.nii.gz", labels == 7, ct.image)
    assert [part.name for part in read_label_map(single, ct.image, None).structures()] == ["GTVp"]


def test_given_names_choose_the_labels(ct: Series, labels: np.ndarray, tmp_path: Path) -> None:
    path = saved(tmp_path / "map.nrrd", labels, ct.image)
    found = read_label_map(path, ct.image, {7: "GTVp"})
    (part,) = found.structures()
    np.testing.assert_array_equal(array(part.mask), labels == 7)
    assert found.notes == ("labels without a name were left out: 1",)


def test_a_name_for_a_label_that_is_not_there_is_refused(
    ct: Series, labels: np.ndarray, tmp_path: Path
) -> None:
    path = saved(tmp_path / "map.nrrd", labels, ct.image)
    with pytest.raises(InputError, match="no voxel has the label 3 of 'GTVp'; its labels are 1, 7"):
        read_label_map(path, ct.image, {3: "GTVp"})


@pytest.mark.parametrize(
    "text", ["", '{"structures": 1}', '{"structures": [{"label": 0, "name": "a"}]}', "[1"]
)
def test_a_json_of_something_else_is_refused(
    text: str, ct: Series, labels: np.ndarray, tmp_path: Path
) -> None:
    path = saved(tmp_path / "map.nrrd", labels, ct.image)
    (tmp_path / "map.json").write_text(text)
    with pytest.raises(InputError, match=r"map\.json: not a list of structures by radfuse"):
        read_label_map(path, ct.image, None)


@pytest.mark.parametrize("text", ["{}", '{"RawSources": ["sub-01/ct.nii.gz"], "Type": "Lesion"}'])
def test_a_bids_sidecar_beside_a_mask_is_not_its_list(
    text: str, ct: Series, labels: np.ndarray, tmp_path: Path
) -> None:
    path = saved(tmp_path / "map.nrrd", labels, ct.image)
    (tmp_path / "map.json").write_text(text)
    found = read_label_map(path, ct.image, None)
    assert [(info.label, info.name) for info in found.infos] == [(1, "Label_1"), (7, "Label_7")]


def test_structures_that_overlap_make_no_label_map(
    ct: Series, labels: np.ndarray, tmp_path: Path
) -> None:
    box = np.zeros(labels.shape, bool)
    box[2:4, 2:6, 2:7] = True  # 40 voxels
    parts = [structure(box, ct, "PTV"), structure(~box, ct, "Rest"), structure(box, ct, "GTVp")]
    with pytest.raises(InputError, match=r"overlap .* 'PTV' and 'GTVp' 0\.099 cm3; give a folder"):
        write_label_map(tmp_path / "map.nrrd", parts, [])
    assert list(tmp_path.iterdir()) == []


def test_many_overlaps_are_counted(ct: Series, labels: np.ndarray, tmp_path: Path) -> None:
    parts = [structure(labels == 1, ct, name) for name in "abcdef"]
    with pytest.raises(InputError, match="and 2 more; give a folder"):
        write_label_map(tmp_path / "map.nrrd", parts, [])


def test_a_folder_holds_a_mask_each_whatever_they_are_called(
    ct: Series, labels: np.ndarray, tmp_path: Path
) -> None:
    names = ["../../evil", "a/b", "a_b", "con:", "x" * 200]
    parts = [structure(labels == 1, ct, name) for name in names]
    infos = write_masks(tmp_path / "out", parts, [])
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "structures.json", *(info.file for info in infos),
    }  # fmt: skip
    assert [info.name for info in infos] == names
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]
    for info in infos:
        found = sitk.ReadImage(str(tmp_path / "out" / str(info.file)))
        np.testing.assert_array_equal(array(found), labels == 1)


def test_mask_folder_is_replaced_only_if_it_holds_masks_only(
    ct: Series, labels: np.ndarray, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    check_folder(folder, overwrite=False)
    write_masks(folder, [structure(labels == 1, ct)], [])
    with pytest.raises(OutputError, match="out exists; pass --overwrite"):
        check_folder(folder, overwrite=False)
    check_folder(folder, overwrite=True)
    write_volume(folder / "mine.nrrd", ct.image)
    with pytest.raises(OutputError, match=r"files that are not masks by radfuse \(mine\.nrrd\)"):
        check_folder(folder, overwrite=True)
    (folder / "structures.json").unlink()
    with pytest.raises(OutputError, match="files that are not masks"):
        check_folder(folder, overwrite=True)
    with pytest.raises(OutputError, match="is a file; give a folder"):
        check_folder(folder / "mine.nrrd", overwrite=True)


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    closed = tmp_path / "closed.nii.gz"
    closed.touch(0)
    with as_nobody(tmp_path), pytest.raises(InputError, match=r"closed\.nii\.gz: no permission"):
        check_readable(closed)
    with pytest.raises(InputError, match="no such file"):
        check_readable(tmp_path)


@pytest.mark.parametrize("slope", [np.float32(7 / 255), np.float32(7 / 32767), 0.984 / 63])
def test_labels_stored_with_a_slope_are_labels(
    slope: float, ct: Series, labels: np.ndarray, tmp_path: Path
) -> None:
    stored = np.rint(labels / slope) * slope
    path = saved(tmp_path / "map.nrrd", stored, ct.image)
    back = list(read_label_map(path, ct.image, {1: "A", 7: "B"}).structures())
    for part, label in zip(back, (1, 7), strict=True):
        np.testing.assert_array_equal(array(part.mask) > 0, labels == label)
