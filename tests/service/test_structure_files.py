"""Structures go out as RTSTRUCT and NIfTI and come back the same."""

import io
import json
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from drawing_kit import Board, ball, prepare, refused
from service_kit import Site

from dicom_kit import OBLIQUE, SAGITTAL, Angles
from ladder_kit import run_tool
from radfuse.dicom.rtstruct.write import write_structure_set
from radfuse.io.volumes import read_volume, write_volume
from radfuse.pipeline.read import read
from radfuse.record import NOTICE
from radfuse.series import Series
from radfuse.structures.label_maps import Structure
from structure_kit import dice, series_on_disk, structure

FORMATS = pytest.mark.parametrize("form", ["rtstruct", "nifti"])
KINDS = {"oblique": OBLIQUE, "sagittal": SAGITTAL, "upside down": (0.0, np.pi, 0.0)}


@pytest.fixture(scope="module", params=KINDS)
def odd_board(
    request: pytest.FixtureRequest, site: Site, tmp_path_factory: pytest.TempPathFactory
) -> Board:
    """On slices that do not lie as the page's."""
    angles: Angles = KINDS[request.param]
    series = series_on_disk(tmp_path_factory.mktemp("odd") / "CT", angles=angles)
    return prepare(site, (series.source, series.source), series.image)


@pytest.fixture(scope="module")
def ct(tmp_path_factory: pytest.TempPathFactory) -> Series:
    return series_on_disk(tmp_path_factory.mktemp("plain") / "CT", size=(40, 36, 16))


@pytest.fixture(scope="module")
def shared_board(site: Site, ct: Series) -> Board:
    return prepare(site, (ct.source, ct.source), ct.image, name="Müller, A. / ../x")


@pytest.fixture
def board(shared_board: Board) -> Iterator[Board]:
    yield shared_board
    shared_board.clear()


def exported(board: Board, form: str) -> tuple[dict[str, Any], bytes]:
    answer = board.call("POST", "/structures/export", format=form)
    assert answer.status_code == 200, answer.text
    told = dict(answer.json())
    file = board.call("GET", f"/exports/{told['name']}")
    assert file.status_code == 200
    assert file.headers["content-disposition"] == f'attachment; filename="{told["name"]}"'
    return told, file.content


def imported(board: Board, path: Path, **more: Any) -> dict[str, Any]:
    answer = board.call("POST", "/structures/import", path=str(path), **more)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def fetched(board: Board, form: str, folder: Path) -> Path:
    told, _ = exported(board, form)
    for name in told["files"]:
        (folder / name).write_bytes(board.call("GET", f"/exports/{name}").content)
    return folder / str(told["name"])


@FORMATS
def test_structures_round_trip_from_slices_in_any_order(
    odd_board: Board, tmp_path: Path, form: str
) -> None:
    shape = odd_board.shape
    near, far = (tuple(size * part for size in shape) for part in (0.3, 0.7))
    drawn = {"GTVp": ball(shape, 3.4, near), "Eye_L": ball(shape, 2.6, far)}
    for name, mask in drawn.items():
        odd_board.add(name, mask, colour="#0a141e")
    path = fetched(odd_board, form, tmp_path)
    odd_board.clear()
    for one in imported(odd_board, path)["structures"]:
        assert dice(odd_board.mask(one["id"]), drawn[one["name"]]) == 1
        assert one["colour"] == "#0a141e"
    assert odd_board.names() == ["GTVp", "Eye_L"]
    odd_board.clear()


def test_contours_lie_in_the_patient_where_they_were_drawn(
    odd_board: Board, tmp_path: Path
) -> None:
    mask = ball(odd_board.shape, 3.2)
    odd_board.add("GTVp", mask)
    header = pydicom.dcmread(fetched(odd_board, "rtstruct", tmp_path))
    odd_board.clear()
    contours = header.ROIContourSequence[0].ContourSequence
    points = np.vstack([np.reshape(one.ContourData, (-1, 3)) for one in contours])
    grid = odd_board.grid.image(mask.astype(np.uint8))
    places = [
        grid.TransformContinuousIndexToPhysicalPoint(at[::-1].tolist())
        for at in np.argwhere(mask).astype(float)
    ]
    half_mm = max(odd_board.grid.spacing_mm) / 2 + 0.01
    assert (points.min(axis=0) >= np.min(places, axis=0) - half_mm).all()
    assert (points.max(axis=0) <= np.max(places, axis=0) + half_mm).all()
    np.testing.assert_allclose(
        (points.min(axis=0) + points.max(axis=0)) / 2,
        (np.min(places, axis=0) + np.max(places, axis=0)) / 2,
        atol=half_mm,
    )


@FORMATS
def test_overlapping_structures_come_back_as_they_were(
    board: Board, tmp_path: Path, form: str
) -> None:
    drawn = {"CTV": ball(board.shape, 7), "GTV": ball(board.shape, 4)}
    drawn["Shell"] = drawn["CTV"] & ~drawn["GTV"]
    for name, mask in drawn.items():
        board.add(name, mask)
    told, _ = exported(board, form)
    assert [one["name"] for one in told["structures"]] == list(drawn)
    assert any("one mask a structure" in note for note in told["notes"]) is (form == "nifti")
    path = fetched(board, form, tmp_path)
    back = imported(board, path)["structures"]
    assert [one["name"] for one in back] == [f"{name} (2)" for name in drawn]
    for one, mask in zip(back, drawn.values(), strict=True):
        assert dice(board.mask(one["id"]), mask) == 1


def test_a_label_map_lies_on_the_ct_with_its_names_beside(
    board: Board, ct: Series, tmp_path: Path
) -> None:
    mask = ball(board.shape, 5)
    board.add("GTVp", mask)
    board.add("Empty")
    told, _ = exported(board, "nifti")
    assert told["files"] == ["M_ller_A_x_structures.nii.gz", "M_ller_A_x_structures.json"]
    assert told["notes"] == ["'Empty' is empty and was left out"]
    labels = read_volume(fetched(board, "nifti", tmp_path))
    assert labels.GetSize() == ct.image.GetSize()
    np.testing.assert_allclose(labels.GetOrigin(), ct.image.GetOrigin(), atol=1e-3)
    names = json.loads((tmp_path / told["files"][1]).read_text())
    assert names["notice"] == NOTICE
    assert names["structures"][0]["name"] == "GTVp"


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy is not installed")
def test_the_validator_finds_no_error_in_a_structure_set(board: Board, tmp_path: Path) -> None:
    board.add("GTVp", ball(board.shape, 5))
    board.add("Größe", ball(board.shape, 7))
    board.add("Empty")
    told, _ = exported(board, "rtstruct")
    assert told["name"] == "M_ller_A_x_RTSTRUCT.dcm"
    done = subprocess.run(
        ["dciodvfy", "-new", fetched(board, "rtstruct", tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert [line for line in done.stderr.splitlines() if "Error" in line] == []


def test_nothing_drawn_is_nothing_to_export(board: Board) -> None:
    for form in ("rtstruct", "nifti"):
        answer = board.call("POST", "/structures/export", format=form)
        refused(answer, 400, "nothing to export; draw a structure first")
    board.add("Empty")
    answer = board.call("POST", "/structures/export", format="nifti")
    refused(answer, 400, "nothing to export")
    answer = board.call("POST", "/structures/export", format="doc")
    refused(answer, 422, "format")


def test_a_ct_that_is_no_dicom_goes_out_as_nifti_alone(
    site: Site, ct: Series, tmp_path: Path
) -> None:
    path = tmp_path / "ct.nii.gz"
    write_volume(path, ct.image)
    board = prepare(site, (path, path), read(path, "CT").image)
    mask = ball(board.shape, 5)
    board.add("GTVp", mask)
    answer = board.call("POST", "/structures/export", format="rtstruct")
    refused(answer, 400, "no DICOM, so a structure set has no slices to refer to; export NIfTI")
    assert not (board.folder / "exports").exists()
    back = imported(board, fetched(board, "nifti", tmp_path))["structures"]
    assert dice(board.mask(back[0]["id"]), mask) == 1
    path.unlink()
    answer = board.call("POST", "/structures/export", format="nifti")
    refused(answer, 400, "no such file")


def test_a_ct_that_is_another_by_now_is_not_exported(site: Site, ct: Series) -> None:
    board = prepare(site, (ct.source, ct.source), ct.image[:, :, 1:])
    board.add("GTVp", ball(board.shape, 5))
    for form in ("rtstruct", "nifti"):
        answer = board.call("POST", "/structures/export", format=form)
        refused(answer, 400, "not the CT that was drawn on")


def test_structures_drawn_on_the_mr_are_refused_with_the_way_out(
    board: Board, phantom_folders: tuple[Path, Path], tmp_path: Path
) -> None:
    mr = read(phantom_folders[1], "MR")
    for header in mr.headers:
        header.PatientID = "T1"
    mask = np.zeros(mr.image.GetSize()[::-1], bool)
    mask[5:9, 9:20, 9:20] = True
    path = tmp_path / "mr.dcm"
    write_structure_set(path, mr, [structure(mask, mr)])
    answer = board.call("POST", "/structures/import", path=str(path))
    refused(answer, 400, "another frame of reference than the CT's")
    assert "radfuse contour transfer" in answer.json()["error"]
    assert board.names() == []


def test_structures_of_another_patient_are_refused_unnamed(board: Board, tmp_path: Path) -> None:
    board.add("GTVp", ball(board.shape, 4))
    path = fetched(board, "rtstruct", tmp_path)
    header = pydicom.dcmread(path)
    header.PatientID = "Somebody-77"
    header.save_as(path)
    answer = board.call("POST", "/structures/import", path=str(path))
    refused(answer, 400, "of another patient than the CT")
    assert "77" not in answer.json()["error"]
    assert board.names() == ["GTVp"]


@pytest.mark.parametrize("spoil", ["name", "grid", "rubbish", "folder", "missing mask", "escape"])
def test_what_cannot_be_read_adds_nothing(
    board: Board, ct: Series, tmp_path: Path, spoil: str
) -> None:
    path = tmp_path / "labels.nii.gz"
    labels = np.zeros(board.shape, np.uint16)
    labels[3:6, 3:6, 3:6], labels[8:10, 8:10, 8:10] = 1, 2
    image = sitk.GetImageFromArray(labels)
    image.CopyInformation(ct.image)
    if spoil == "grid":
        image = image[:-1]
    write_volume(path, image)
    words = {
        "name": "DICOM takes 1 to 64", "grid": "their grids must be equal",
        "rubbish": "not an RT Structure Set", "folder": "2 files; give one",
        "missing mask": "no mask 'gone.nii.gz' of 'A' beside it", "escape": "no mask '../",
    }  # fmt: skip
    names = {"structures": [{"label": 1, "name": "Fine"}, {"label": 2, "name": "a\\b"}]}
    if spoil == "name":
        path.with_name("labels.json").write_text(json.dumps(names))
    elif spoil == "rubbish":
        path.write_bytes(b"rubbish")
        path = path.rename(tmp_path / "labels")
    elif spoil == "folder":
        shutil.copy(path, tmp_path / "second.nii.gz")
        path = tmp_path
    elif spoil in {"missing mask", "escape"}:
        file = "gone.nii.gz" if spoil == "missing mask" else f"../{path.parent.name}/{path.name}"
        masks = {"structures": [{"name": "A", "file": file}]}
        (tmp_path / "structures.json").write_text(json.dumps(masks))
        path = tmp_path
    answer = board.call("POST", "/structures/import", path=str(path))
    refused(answer, 400, words[spoil])
    assert board.names() == []


def test_uploaded_label_map_keeps_names_and_mask_takes_given(board: Board, tmp_path: Path) -> None:
    mask = ball(board.shape, 5)
    made = board.add("GTVp", mask)
    path = fetched(board, "nifti", tmp_path)
    board.call("DELETE", f"/structures/{made['id']}")
    names = path.with_name(path.name.replace(".nii.gz", ".json"))
    files = [("files", (one.name, one.read_bytes())) for one in (path, names)]
    place = board.site.client.post("/api/v1/uploads", files=files).json()["path"]
    for more in ({}, {"name": "Pituitary"}):
        (back,) = imported(board, Path(place), **more)["structures"]
        assert (back["name"], back["colour"]) == ("GTVp", made["colour"])
        board.clear()
    place = board.site.client.post("/api/v1/uploads", files=files[:1]).json()["path"]
    (back,) = imported(board, Path(place), name=" Pituitary ")["structures"]
    assert back["name"] == "Pituitary"
    assert dice(board.mask(back["id"]), mask) == 1
    (back,) = imported(board, Path(place), name="x" * 90)["structures"]
    assert back["name"] == "x" * 64


def set_of_one_voxel(folder: Path, ct: Series, *names: str) -> Path:
    """A structure set on a CT; its structures are the same voxel."""
    image = sitk.Image(ct.image.GetSize(), sitk.sitkUInt8)
    image.CopyInformation(ct.image)
    image[5, 5, 5] = 1
    path = folder / "set.dcm"
    write_structure_set(path, ct, [Structure(name, image, (1, 2, 3)) for name in names])
    return path


def test_the_name_of_an_roi_stays_whatever_name_is_given(
    board: Board, ct: Series, tmp_path: Path
) -> None:
    path = set_of_one_voxel(tmp_path, ct, "GTVp")
    (back,) = imported(board, path, name="RTSTRUCT")["structures"]
    assert back["name"] == "GTVp"


def test_what_is_drawn_on_a_real_tilted_ct_comes_back(
    site: Site, shared: Path, tmp_path: Path
) -> None:
    """18.5 degrees and uneven steps: the page's grid is not that of the slices."""
    source = shared / "data/real/dicom_head/ct_ge_tilt18_variable_gap"
    if not source.is_dir():
        pytest.skip(f"real data is missing: {source}")
    ct = read(source, "CT")
    assert ct.regridded
    board = prepare(site, (source, source), ct.image)
    mask = np.zeros(board.shape, bool)
    mask[tuple(slice(size // 3, size // 2) for size in board.shape)] = True
    board.add("GTVp", mask)
    path = fetched(board, "rtstruct", tmp_path)
    assert "Error" not in run_tool("dciodvfy", "-new", path)
    board.clear()
    (back,) = imported(board, path)["structures"]
    assert dice(board.mask(back["id"]), mask) == 1


def test_an_uploaded_archive_of_masks_comes_back(board: Board) -> None:
    for name, radius in (("CTV", 8), ("GTV", 5)):
        board.add(name, ball(board.shape, radius))
    told, content = exported(board, "nifti")
    assert "structures.json" in zipfile.ZipFile(io.BytesIO(content)).namelist()
    board.clear()
    files = [("files", (told["name"], content))]
    place = board.site.client.post("/api/v1/uploads", files=files).json()["path"]
    assert [one["name"] for one in imported(board, place)["structures"]] == ["CTV", "GTV"]


def test_duplicate_names_get_a_number_within_dicom_length(
    board: Board, ct: Series, tmp_path: Path
) -> None:
    long = "x" * 64
    path = set_of_one_voxel(tmp_path, ct, "gtvp", "GTVp (2)", long)
    board.add("GTVp")
    board.add(long)
    found = [one["name"] for one in imported(board, path)["structures"]]
    assert found == ["gtvp (2)", "GTVp (3)", "x" * 60 + " (2)"]


def test_two_structures_are_compared(board: Board) -> None:
    first = board.add("A", ball(board.shape, 6))
    second = board.add("B", ball(board.shape, 7))
    empty = board.add("Empty")
    asked = {"first": first["id"], "reference": second["id"]}
    told = board.call("POST", "/structures/compare", **asked).json()
    assert 0.4 < told["dice"] < 0.8
    difference = first["volume_cm3"] - second["volume_cm3"]
    np.testing.assert_allclose(told["volume_difference_cm3"], difference, atol=1e-3)
    wide = board.call("POST", "/structures/compare", **asked, tolerance_mm=50).json()
    assert told["surface_dice"] < wide["surface_dice"] == 1
    asked["reference"] = empty["id"]
    told = board.call("POST", "/structures/compare", **asked).json()
    assert told["dice"] == 0
    assert told["hausdorff_mm"] is None
    for tolerance in (-1, 1e9, "nan", "inf"):
        answer = board.call("POST", "/structures/compare", **asked, tolerance_mm=tolerance)
        refused(answer, 422, "tolerance_mm")
    asked["first"] = "../study"
    refused(board.call("POST", "/structures/compare", **asked), 404, "no such structure")
