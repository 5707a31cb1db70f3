"""Structures exported as RTSTRUCT and NIfTI are the same when imported again."""

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
from service_kit import Site, refused
from study_kit import StudyClient, ball, prepare

from dicom_kit import OBLIQUE, SAGITTAL, Angles
from ladder_kit import run_tool
from radfuse.dicom.rtstruct.write import write_structure_set
from radfuse.io.volumes import read_volume, write_volume
from radfuse.pipeline.read import read
from radfuse.record import NOTICE, Signoff
from radfuse.series import Series
from radfuse.service.stores.structure_files import registration_sentence
from radfuse.service.stores.studies import Studies, Study
from radfuse.structures.label_maps import Structure
from structure_kit import dice, series_on_disk, structure

FORMATS = pytest.mark.parametrize("form", ["rtstruct", "nifti"])
KINDS = {"oblique": OBLIQUE, "sagittal": SAGITTAL, "upside down": (0.0, np.pi, 0.0)}


@pytest.fixture(
    scope="module",
    params=["oblique", pytest.param("sagittal", marks=pytest.mark.slow), "upside down"],
)
def reoriented_client(
    request: pytest.FixtureRequest, site: Site, tmp_path_factory: pytest.TempPathFactory
) -> StudyClient:
    """A study whose CT has another orientation than the viewer's grid."""
    angles: Angles = KINDS[request.param]
    series = series_on_disk(tmp_path_factory.mktemp("odd") / "CT", angles=angles)
    return prepare(site, (series.source, series.source), series.image)


@pytest.fixture(scope="module")
def ct(tmp_path_factory: pytest.TempPathFactory) -> Series:
    return series_on_disk(tmp_path_factory.mktemp("plain") / "CT", size=(40, 36, 16))


@pytest.fixture(scope="module")
def shared_client(site: Site, ct: Series) -> StudyClient:
    return prepare(site, (ct.source, ct.source), ct.image, name="Müller, A. / ../x")


@pytest.fixture
def client(shared_client: StudyClient) -> Iterator[StudyClient]:
    yield shared_client
    shared_client.clear()


def exported(client: StudyClient, form: str) -> tuple[dict[str, Any], bytes]:
    answer = client.call("POST", "/structures/export", format=form)
    assert answer.status_code == 200, answer.text
    response = dict(answer.json())
    file = client.call("GET", f"/exports/{response['name']}")
    assert file.status_code == 200
    assert file.headers["content-disposition"] == f'attachment; filename="{response["name"]}"'
    return response, file.content


def imported(client: StudyClient, path: Path | str, **more: Any) -> dict[str, Any]:
    answer = client.call("POST", "/structures/import", path=str(path), **more)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def fetched(client: StudyClient, form: str, folder: Path) -> Path:
    response, _ = exported(client, form)
    for name in response["files"]:
        (folder / name).write_bytes(client.call("GET", f"/exports/{name}").content)
    return folder / str(response["name"])


@FORMATS
def test_structures_round_trip_from_slices_in_any_order(
    reoriented_client: StudyClient, tmp_path: Path, form: str
) -> None:
    shape = reoriented_client.shape
    near, far = (tuple(size * part for size in shape) for part in (0.3, 0.7))
    drawn = {"GTVp": ball(shape, 3.4, near), "Eye_L": ball(shape, 2.6, far)}
    for name, mask in drawn.items():
        reoriented_client.add(name, mask, colour="#0a141e")
    path = fetched(reoriented_client, form, tmp_path)
    reoriented_client.clear()
    for one in imported(reoriented_client, path)["structures"]:
        assert dice(reoriented_client.mask(one["id"]), drawn[one["name"]]) == 1
        assert one["colour"] == "#0a141e"
    assert reoriented_client.names() == ["GTVp", "Eye_L"]
    reoriented_client.clear()


def test_exported_contours_are_at_the_drawn_position(
    reoriented_client: StudyClient, tmp_path: Path
) -> None:
    mask = ball(reoriented_client.shape, 3.2)
    reoriented_client.add("GTVp", mask)
    header = pydicom.dcmread(fetched(reoriented_client, "rtstruct", tmp_path))
    reoriented_client.clear()
    contours = header.ROIContourSequence[0].ContourSequence
    points = np.vstack([np.reshape(one.ContourData, (-1, 3)) for one in contours])
    grid = reoriented_client.grid.image(mask.astype(np.uint8))
    centres = [
        grid.TransformContinuousIndexToPhysicalPoint(at[::-1].tolist())
        for at in np.argwhere(mask).astype(float)
    ]
    half_mm = max(reoriented_client.grid.spacing_mm) / 2 + 0.01
    assert (points.min(axis=0) >= np.min(centres, axis=0) - half_mm).all()
    assert (points.max(axis=0) <= np.max(centres, axis=0) + half_mm).all()
    np.testing.assert_allclose(
        (points.min(axis=0) + points.max(axis=0)) / 2,
        (np.min(centres, axis=0) + np.max(centres, axis=0)) / 2,
        atol=half_mm,
    )


@FORMATS
def test_overlapping_structures_survive_export_and_import(
    client: StudyClient, tmp_path: Path, form: str
) -> None:
    drawn = {"CTV": ball(client.shape, 7), "GTV": ball(client.shape, 4)}
    drawn["Shell"] = drawn["CTV"] & ~drawn["GTV"]
    for name, mask in drawn.items():
        client.add(name, mask)
    response, _ = exported(client, form)
    assert [one["name"] for one in response["structures"]] == list(drawn)
    assert any("one mask per structure" in note for note in response["notes"]) is (form == "nifti")
    path = fetched(client, form, tmp_path)
    back = imported(client, path)["structures"]
    assert [one["name"] for one in back] == [f"{name} (2)" for name in drawn]
    for one, mask in zip(back, drawn.values(), strict=True):
        assert dice(client.mask(one["id"]), mask) == 1


def test_label_map_is_on_the_ct_grid_with_its_names(
    client: StudyClient, ct: Series, tmp_path: Path
) -> None:
    mask = ball(client.shape, 5)
    client.add("GTVp", mask)
    client.add("Empty")
    response, _ = exported(client, "nifti")
    assert response["files"] == ["M_ller_A_x_structures.nii.gz", "M_ller_A_x_structures.json"]
    assert response["notes"] == ["'Empty' is empty and was left out"]
    labels = read_volume(fetched(client, "nifti", tmp_path))
    assert labels.GetSize() == ct.image.GetSize()
    np.testing.assert_allclose(labels.GetOrigin(), ct.image.GetOrigin(), atol=1e-3)
    names = json.loads((tmp_path / response["files"][1]).read_text())
    assert names["notice"] == NOTICE
    assert names["structures"][0]["name"] == "GTVp"


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy is not installed")
def test_dciodvfy_finds_no_error_in_a_structure_set(client: StudyClient, tmp_path: Path) -> None:
    client.add("GTVp", ball(client.shape, 5))
    client.add("Größe", ball(client.shape, 7))
    client.add("Empty")
    response, _ = exported(client, "rtstruct")
    assert response["name"] == "M_ller_A_x_RTSTRUCT.dcm"
    done = subprocess.run(
        ["dciodvfy", "-new", fetched(client, "rtstruct", tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert [line for line in done.stderr.splitlines() if "Error" in line] == []


def test_export_without_structures_is_refused(client: StudyClient) -> None:
    for form in ("rtstruct", "nifti"):
        answer = client.call("POST", "/structures/export", format=form)
        refused(answer, 400, "nothing to export; draw a structure first")
    client.add("Empty")
    answer = client.call("POST", "/structures/export", format="nifti")
    refused(answer, 400, "nothing to export")
    answer = client.call("POST", "/structures/export", format="doc")
    refused(answer, 422, "format")


def test_ct_without_dicom_exports_only_nifti(site: Site, ct: Series, tmp_path: Path) -> None:
    path = tmp_path / "ct.nii.gz"
    write_volume(path, ct.image)
    client = prepare(site, (path, path), read(path, "CT").image)
    mask = ball(client.shape, 5)
    client.add("GTVp", mask)
    answer = client.call("POST", "/structures/export", format="rtstruct")
    refused(answer, 400, "not DICOM, so a structure set cannot reference its slices; export NIfTI")
    assert not (client.folder / "exports").exists()
    back = imported(client, fetched(client, "nifti", tmp_path))["structures"]
    assert dice(client.mask(back[0]["id"]), mask) == 1
    path.unlink()
    answer = client.call("POST", "/structures/export", format="nifti")
    refused(answer, 400, "no such file")


def test_export_with_another_ct_is_refused(site: Site, ct: Series) -> None:
    client = prepare(site, (ct.source, ct.source), ct.image[:, :, 1:])
    client.add("GTVp", ball(client.shape, 5))
    for form in ("rtstruct", "nifti"):
        answer = client.call("POST", "/structures/export", format=form)
        refused(answer, 400, "not the CT that the structures were drawn on")


def test_structures_on_the_mr_are_refused_with_a_remedy(
    client: StudyClient, phantom_folders: tuple[Path, Path], tmp_path: Path
) -> None:
    mr = read(phantom_folders[1], "MR")
    for header in mr.headers:
        header.PatientID = "T1"
    mask = np.zeros(mr.image.GetSize()[::-1], bool)
    mask[5:9, 9:20, 9:20] = True
    path = tmp_path / "mr.dcm"
    write_structure_set(path, mr, [structure(mask, mr)])
    answer = client.call("POST", "/structures/import", path=str(path))
    refused(answer, 400, "another frame of reference than the CT")
    assert "radfuse contour transfer" in answer.json()["error"]
    assert client.names() == []


def test_structures_of_another_patient_are_refused_unnamed(
    client: StudyClient, tmp_path: Path
) -> None:
    client.add("GTVp", ball(client.shape, 4))
    path = fetched(client, "rtstruct", tmp_path)
    header = pydicom.dcmread(path)
    header.PatientID = "Somebody-77"
    header.save_as(path)
    answer = client.call("POST", "/structures/import", path=str(path))
    refused(answer, 400, "differs from that of the CT")
    assert "77" not in answer.json()["error"]
    assert client.names() == ["GTVp"]


@pytest.mark.parametrize("spoil", ["name", "grid", "rubbish", "folder", "missing mask", "escape"])
def test_unreadable_file_adds_no_structure(
    client: StudyClient, ct: Series, tmp_path: Path, spoil: str
) -> None:
    path = tmp_path / "labels.nii.gz"
    labels = np.zeros(client.shape, np.uint16)
    labels[3:6, 3:6, 3:6], labels[8:10, 8:10, 8:10] = 1, 2
    image = sitk.GetImageFromArray(labels)
    image.CopyInformation(ct.image)
    if spoil == "grid":
        image = image[:-1]
    write_volume(path, image)
    words = {
        "name": "DICOM takes 1 to 64", "grid": "their grids must be equal",
        "rubbish": "not an RT Structure Set", "folder": "2 files; give one",
        "missing mask": "the mask of 'A' is missing", "escape": "the mask of 'A' is missing",
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
    answer = client.call("POST", "/structures/import", path=str(path))
    refused(answer, 400, words[spoil])
    assert client.names() == []


def test_uploaded_label_map_keeps_names_and_mask_takes_given(
    client: StudyClient, tmp_path: Path
) -> None:
    mask = ball(client.shape, 5)
    made = client.add("GTVp", mask)
    path = fetched(client, "nifti", tmp_path)
    client.call("DELETE", f"/structures/{made['id']}")
    names = path.with_name(path.name.replace(".nii.gz", ".json"))
    files = [("files", (one.name, one.read_bytes())) for one in (path, names)]
    upload = client.site.client.post("/api/v1/uploads", files=files).json()["path"]
    for more in ({}, {"name": "Pituitary"}):
        (back,) = imported(client, upload, **more)["structures"]
        assert (back["name"], back["colour"]) == ("GTVp", made["colour"])
        client.clear()
    upload = client.site.client.post("/api/v1/uploads", files=files[:1]).json()["path"]
    (back,) = imported(client, upload, name=" Pituitary ")["structures"]
    assert back["name"] == "Pituitary"
    assert dice(client.mask(back["id"]), mask) == 1
    (back,) = imported(client, upload, name="x" * 90)["structures"]
    assert back["name"] == "x" * 64


def set_of_one_voxel(folder: Path, ct: Series, *names: str) -> Path:
    """A structure set on a CT whose structures are all the same voxel."""
    image = sitk.Image(ct.image.GetSize(), sitk.sitkUInt8)
    image.CopyInformation(ct.image)
    image[5, 5, 5] = 1
    path = folder / "set.dcm"
    write_structure_set(path, ct, [Structure(name, image, (1, 2, 3)) for name in names])
    return path


def test_roi_name_of_a_structure_set_is_kept(
    client: StudyClient, ct: Series, tmp_path: Path
) -> None:
    path = set_of_one_voxel(tmp_path, ct, "GTVp")
    (back,) = imported(client, path, name="RTSTRUCT")["structures"]
    assert back["name"] == "GTVp"


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(slice(5, 19), id="part"),  # both of its steps; drawn on the finer one
        pytest.param(slice(None), id="whole", marks=pytest.mark.slow),
    ],
)
def test_structure_on_a_real_tilted_ct_survives_export(
    site: Site, heads: Path, tmp_path: Path, part: slice
) -> None:
    """18.5 degrees and uneven spacing: the viewer's grid is not that of the slices."""
    source = tmp_path / "CT"
    source.mkdir()
    for path in sorted((heads / "ct_ge_tilt18_variable_gap").iterdir())[part]:
        shutil.copy(path, source)
    ct = read(source, "CT")
    assert ct.regridded
    client = prepare(site, (source, source), ct.image)
    mask = np.zeros(client.shape, bool)
    mask[tuple(slice(size // 3, size // 2) for size in client.shape)] = True
    client.add("GTVp", mask)
    path = fetched(client, "rtstruct", tmp_path)
    assert "Error" not in run_tool("dciodvfy", "-new", path)
    client.clear()
    (back,) = imported(client, path)["structures"]
    assert dice(client.mask(back["id"]), mask) == 1


def test_uploaded_archive_of_masks_is_imported(client: StudyClient) -> None:
    for name, radius in (("CTV", 8), ("GTV", 5)):
        client.add(name, ball(client.shape, radius))
    response, content = exported(client, "nifti")
    assert "structures.json" in zipfile.ZipFile(io.BytesIO(content)).namelist()
    client.clear()
    files = [("files", (response["name"], content))]
    upload = client.site.client.post("/api/v1/uploads", files=files).json()["path"]
    assert [one["name"] for one in imported(client, upload)["structures"]] == ["CTV", "GTV"]


def test_duplicate_names_get_a_number_within_dicom_length(
    client: StudyClient, ct: Series, tmp_path: Path
) -> None:
    long = "x" * 64
    path = set_of_one_voxel(tmp_path, ct, "gtvp", "GTVp (2)", long)
    client.add("GTVp")
    client.add(long)
    found = [one["name"] for one in imported(client, path)["structures"]]
    assert found == ["gtvp (2)", "GTVp (3)", "x" * 60 + " (2)"]


def test_two_structures_are_compared(client: StudyClient) -> None:
    first = client.add("A", ball(client.shape, 6))
    second = client.add("B", ball(client.shape, 7))
    empty = client.add("Empty")
    asked = {"first": first["id"], "reference": second["id"]}
    response = client.call("POST", "/structures/compare", **asked).json()
    assert 0.4 < response["dice"] < 0.8
    difference = first["volume_cm3"] - second["volume_cm3"]
    np.testing.assert_allclose(response["volume_difference_cm3"], difference, atol=1e-3)
    wide = client.call("POST", "/structures/compare", **asked, tolerance_mm=50).json()
    assert response["surface_dice"] < wide["surface_dice"] == 1
    asked["reference"] = empty["id"]
    response = client.call("POST", "/structures/compare", **asked).json()
    assert response["dice"] == 0
    assert response["hausdorff_mm"] is None
    for tolerance in (-1, 1e9, "nan", "inf"):
        answer = client.call("POST", "/structures/compare", **asked, tolerance_mm=tolerance)
        refused(answer, 422, "tolerance_mm")
    asked["first"] = "../study"
    refused(client.call("POST", "/structures/compare", **asked), 404, "no such structure")


def test_smooth_export_has_the_same_masks_and_more_points(
    client: StudyClient, tmp_path: Path
) -> None:
    mask = ball(client.shape, 6)
    client.add("GTVp", mask, steps=["brush", "interpolation"])
    counts = []
    for smooth in (False, True):
        answer = client.call("POST", "/structures/export", format="rtstruct", smooth=smooth)
        path = tmp_path / f"{smooth}.dcm"
        path.write_bytes(client.call("GET", f"/exports/{answer.json()['name']}").content)
        header = pydicom.dcmread(path)
        counts.append(
            sum(one.NumberOfContourPoints for one in header.ROIContourSequence[0].ContourSequence)
        )
        (roi,) = header.StructureSetROISequence
        assert roi.ROIGenerationAlgorithm == "SEMIAUTOMATIC"
        assert header.StructureSetDescription.endswith("Drawn before a registration.")
        (back,) = imported(client, path)["structures"]
        assert dice(client.mask(back["id"]), mask) == 1
        assert back["steps"] == ["imported-as-semiautomatic"]
        client.call("DELETE", f"/structures/{back['id']}")
    assert counts[1] > counts[0]


def test_registration_of_drawn_structures_has_its_review_state(
    copied: tuple[Studies, Study], signoff: Signoff
) -> None:
    _, study = copied
    assert study.outcome is not None
    unreviewed = study.model_copy(update={"signoff": None})
    begin = f"Registration {study.outcome.registration_id} "
    assert registration_sentence(unreviewed).startswith(f"{begin}unreviewed; registration QA ")
    signed = study.model_copy(update={"signoff": signoff})
    assert registration_sentence(signed).startswith(f"{begin}accepted by A, ")
