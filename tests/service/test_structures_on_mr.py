"""Structures drawn on the CT are written on the slices of the MR, through the registration."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom import Dataset
from service_kit import Site, refused
from study_kit import StudyClient, ball

from ladder_kit import run_tool
from radfuse.dicom.rtstruct.read import read_structure_set
from radfuse.errors import InputError
from radfuse.io.staging import staging
from radfuse.modality import MR
from radfuse.phantom.head import Phantom
from radfuse.pipeline.read import read
from radfuse.record import Signoff
from radfuse.service.stores.identity import IDENTITY, IMAGES, ImageIdentity
from radfuse.service.stores.rle import encode_slices
from radfuse.service.stores.studies import Studies, Study
from radfuse.service.structures.models import StoredStructure
from radfuse.service.structures.on_mr import SHARED_FRAME, registered_mr, structures_on
from radfuse.structures.transfer import transfer_structure
from structure_kit import array, dice

MIN_DICE, MIN_DICE_TO_CT = 0.995, 0.97
"""Of contours on the MR read back on the MR, and of these brought back to the CT."""


@pytest.fixture
def client(site: Site, done: str) -> Iterator[StudyClient]:
    """Of a study whose registration is accepted, whatever other tests signed before."""
    assert site.sign(done, "accepted").status_code == 200
    client = StudyClient(site, done)
    client.clear()
    yield client
    client.clear()


def exported(client: StudyClient, folder: Path, **more: object) -> tuple[Path, list[str]]:
    answer = client.call("POST", "/structures/export", format="rtstruct", image="mr", **more)
    assert answer.status_code == 200, answer.text
    path = folder / answer.json()["name"]
    path.write_bytes(client.call("GET", f"/exports/{path.name}").content)
    return path, answer.json()["notes"]


def test_set_on_the_mr_references_its_slices(
    client: StudyClient, phantom_folders: tuple[Path, Path], tmp_path: Path
) -> None:
    client.add("GTVp", ball(client.shape, 5), steps=["brush"])
    client.add("Empty")
    path, notes = exported(client, tmp_path)
    assert path.name.endswith("_RTSTRUCT_MR.dcm")
    assert notes == ["'Empty' is empty and has no contours"]
    mr = read(phantom_folders[1], MR)
    header = pydicom.dcmread(path)
    assert header.FrameOfReferenceUID == mr.frame_of_reference_uid
    assert header.StudyInstanceUID == mr.headers[0].StudyInstanceUID
    (frame,) = header.ReferencedFrameOfReferenceSequence
    (series,) = frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence
    assert series.SeriesInstanceUID == mr.headers[0].SeriesInstanceUID
    roi, empty = header.ROIContourSequence
    instances = {one.SOPInstanceUID: one for one in mr.headers}
    for contour in roi.ContourSequence:
        image = instances[contour.ContourImageSequence[0].ReferencedSOPInstanceUID]
        assert distance_mm(contour, image) < 0.01
    assert "ContourSequence" not in empty
    first = header.StructureSetROISequence[0]
    assert first.ROIGenerationAlgorithm == "SEMIAUTOMATIC"
    assert first.ROIGenerationDescription == "brush, transfer"
    assert f"Registration {client.site.study(client.study)['outcome']['registration_id']}" in (
        header.StructureSetDescription
    )
    assert "Error" not in run_tool("dciodvfy", "-new", path)


def distance_mm(contour: Dataset, image: Dataset) -> float:
    """Largest distance of the points of a contour from the plane of an image."""
    points = np.reshape(contour.ContourData, (-1, 3)).astype(float)
    cosines = np.reshape(image.ImageOrientationPatient, (2, 3)).astype(float)
    offsets = points - np.array(image.ImagePositionPatient, float)
    return float(np.abs(offsets @ np.cross(*cosines)).max())


@pytest.mark.parametrize("smooth", [False, True])
def test_contours_on_the_mr_have_the_drawn_volume_and_position(
    client: StudyClient,
    phantom: Phantom,
    phantom_folders: tuple[Path, Path],
    tmp_path: Path,
    smooth: bool,
) -> None:
    mask = ball(client.shape, 7)
    made = client.add("GTVp", mask)
    path, _ = exported(client, tmp_path, smooth=smooth)
    mr = read(phantom_folders[1], MR)
    (on_mr,) = read_structure_set(path, mr).structures()
    np.testing.assert_allclose(on_mr.volume_cm3, made["volume_cm3"], rtol=0.03)
    drawn = client.grid.image(mask.astype(np.uint8))
    wanted = phantom.mr_from_ct.TransformPoint(centroid_mm(drawn))
    np.testing.assert_allclose(centroid_mm(on_mr.mask), wanted, atol=0.3)
    stored = StoredStructure(
        name="GTVp",
        colour="#ff0000",
        number=1,
        grid=client.grid,
        runs=client.get(made["id"])["runs"],
    )
    registered = registered_mr(client.site.deps.studies, client.site.deps.studies.get(client.study))
    (transferred,) = structures_on([stored], mr.image, registered, [])
    assert dice(array(on_mr.mask), array(transferred.mask)) >= MIN_DICE
    back = transfer_structure(on_mr, drawn, phantom.mr_from_ct)
    assert dice(array(back.structure.mask), mask) >= MIN_DICE_TO_CT


def centroid_mm(mask: sitk.Image) -> list[float]:
    index = np.argwhere(sitk.GetArrayViewFromImage(mask)).mean(axis=0)[::-1]
    return list(mask.TransformContinuousIndexToPhysicalPoint(index.tolist()))


def test_structure_outside_the_mr_is_left_out_with_note(client: StudyClient) -> None:
    mr = registered_mr(client.site.deps.studies, client.site.deps.studies.get(client.study))
    far = np.eye(4)
    far[2, 3] = 1000.0
    moved = mr.__class__(mr.grid, tuple(map(tuple, far)))
    ends = {0: np.ones(client.shape[1:], bool)}
    stored = StoredStructure(
        name="Skin", colour="#ff0000", number=1, grid=client.grid, runs=encode_slices(ends)
    )
    notes: list[str] = []
    grid = mr.grid.image(np.zeros(mr.grid.size[::-1], np.uint8))
    assert list(structures_on([stored], grid, moved, notes)) == []
    assert notes == ["'Skin' is outside the MR, or between its slices, and was left out"]
    whole = stored.model_copy(
        update={"runs": encode_slices(dict.fromkeys(range(client.shape[0]), ends[0]))}
    )
    assert len(list(structures_on([whole], grid, mr, notes))) == 1
    assert "% of it is outside the MR" in notes[1]


def test_changed_volume_on_thick_slices_is_noted(client: StudyClient) -> None:
    mr = registered_mr(client.site.deps.studies, client.site.deps.studies.get(client.study))
    thick = sitk.Image(16, 16, 8, sitk.sitkUInt8)
    thick.SetSpacing((16.0, 16.0, 24.0))
    identity = mr.__class__(mr.grid, tuple(map(tuple, np.eye(4).tolist())))
    middle = client.grid.image(np.zeros(client.shape, np.uint8))
    centre = middle.TransformIndexToPhysicalPoint([size // 2 for size in middle.GetSize()])
    thick.SetOrigin([at - 120.0 for at in centre])
    stored = StoredStructure(
        name="GTVp",
        colour="#ff0000",
        number=1,
        grid=client.grid,
        runs=encode_slices(dict(enumerate(ball(client.shape, 5)))),
    )
    notes: list[str] = []
    assert len(list(structures_on([stored], thick, identity, notes))) == 1
    assert re.fullmatch(r"'GTVp' has [\d.]+ cm3 on the MR, [\d.]+ on the CT", notes[0])


def test_set_on_the_mr_needs_a_registration_and_rtstruct(
    client: StudyClient, site: Site, prepared: str
) -> None:
    client.add("GTVp", ball(client.shape, 5))
    answer = client.call("POST", "/structures/export", format="nifti", image="mr")
    refused(answer, 400, "NIfTI is written on the CT's grid only")
    answer = client.call("POST", "/structures/export", format="rtstruct", image="pet")
    refused(answer, 422, "image")
    answer = StudyClient(site, prepared).call(
        "POST", "/structures/export", format="rtstruct", image="mr"
    )
    refused(answer, 400, "the MR is not registered yet; fuse first")


def test_rejected_registration_brings_no_structure_to_the_mr(
    copied: tuple[Studies, Study], signoff: Signoff
) -> None:
    studies, study = copied
    accepted = study.model_copy(update={"signoff": signoff})
    assert registered_mr(studies, accepted).mr_from_ct == studies.view(study.id).mr_from_ct
    rejected = signoff.model_copy(update={"state": "rejected"})
    with pytest.raises(InputError, match="the registration was rejected by A; register again"):
        registered_mr(studies, study.model_copy(update={"signoff": rejected}))


@pytest.mark.parametrize(("frames", "noted"), [("11", True), ("12", False), (("", ""), False)])
def test_shared_frame_of_reference_is_noted(
    copied: tuple[Studies, Study], frames: tuple[str, str], noted: bool
) -> None:
    studies, study = copied
    images = [ImageIdentity(modality="X", frame_of_reference=one) for one in frames]
    folder = studies.folder_of(study.id)
    with staging(folder) as stage:
        stage.path_of(folder / IDENTITY).write_bytes(IMAGES.dump_json(tuple(images)))
    unsigned = study.model_copy(update={"signoff": None})
    assert registered_mr(studies, unsigned).notes == ((SHARED_FRAME,) if noted else ())
