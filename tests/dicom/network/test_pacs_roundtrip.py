"""What a real PACS is sent comes back as it was, by DIMSE and by DICOMweb."""

import shutil
from itertools import product
from pathlib import Path

import pydicom
import pytest
import SimpleITK as sitk
from pynetdicom import StoragePresentationContexts

from dicom_kit import slices, volume, write
from orthanc_kit import Orthanc
from pacs_kit import SYNTAXES, by_instance, files, recode, rename, send
from radfuse.dicom.network.address import Address
from radfuse.dicom.network.connect import connect
from radfuse.dicom.network.pacs import Query, RetrieveRequest, table_rows
from radfuse.dicom.network.retrieve import retrieve
from radfuse.dicom.read.safe_read import is_dicom
from radfuse.dicom.uids import derive_uid
from radfuse.io.volumes import write_volume
from radfuse.phantom.head import Phantom
from radfuse.pipeline.fuse import fuse_ct_mr
from radfuse.pipeline.structures import write_contours
from radfuse.recipe import Recipe
from radfuse.registration.transforms import write_transform

STUDY = derive_uid("test", "study")
WAYS = ("node", "web")


def way(orthanc: Orthanc, name: str) -> Address:
    return orthanc.node if name == "node" else orthanc.web


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CT and an MR, a slice a transfer syntax."""
    folder = tmp_path_factory.mktemp("encoded")
    for modality in ("CT", "MR"):
        written = write(folder / modality, volume(modality, count=len(SYNTAXES)), modality)
        for path, syntax in zip(slices(written), SYNTAXES, strict=True):
            recode(path, syntax)
    return folder


@pytest.fixture(scope="module")
def fused(
    coarse_phantom: Phantom,
    coarse_folders: tuple[Path, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The fused series of the quick coarse_phantom."""
    folder = tmp_path_factory.mktemp("fused")
    write_transform(folder / "truth.tfm", coarse_phantom.mr_from_ct)
    recipe = Recipe(transform=folder / "truth.tfm", method="average", accept_registration=True)
    result = fuse_ct_mr(*coarse_folders, folder / "OUT", recipe=recipe)
    assert result.written is not None
    return folder / "OUT" / "FUSED_average"


@pytest.mark.parametrize(("sent_by", "fetched_by"), list(product(WAYS, WAYS)))
def test_every_byte_comes_back(
    orthanc: Orthanc, encoded: Path, tmp_path: Path, sent_by: str, fetched_by: str
) -> None:
    assert send(way(orthanc, sent_by), encoded) == ()
    series = retrieve(connect(way(orthanc, fetched_by)), RetrieveRequest(STUDY), tmp_path / "OUT")
    assert by_instance(files(tmp_path / "OUT")) == by_instance(files(encoded))
    assert {(found.modality, found.files) for found in series} == {
        ("CT", len(SYNTAXES)),
        ("MR", len(SYNTAXES)),
    }
    assert {found.folder.name for found in series} == {"series-001", "series-002"}


@pytest.mark.parametrize("name", WAYS)
def test_one_series_of_a_study_can_be_fetched(
    orthanc: Orthanc, encoded: Path, tmp_path: Path, name: str
) -> None:
    send(orthanc.node, encoded)
    wanted = RetrieveRequest(STUDY, derive_uid("test", "MR", "head"))
    (series,) = retrieve(connect(way(orthanc, name)), wanted, tmp_path / "OUT")
    assert (series.modality, series.files) == ("MR", len(SYNTAXES))
    assert by_instance(files(tmp_path / "OUT")) == by_instance(files(encoded / "MR"))


@pytest.mark.parametrize("name", WAYS)
def test_fused_series_round_trips_under_the_ct_study(
    orthanc: Orthanc, fused: Path, coarse_folders: tuple[Path, Path], tmp_path: Path, name: str
) -> None:
    pacs = connect(way(orthanc, name))
    assert send(way(orthanc, name), *coarse_folders, fused) == ()
    study = str(pydicom.dcmread(slices(coarse_folders[0])[0]).StudyInstanceUID)
    header = pydicom.dcmread(slices(fused)[0], stop_before_pixels=True)

    found = table_rows(pacs.find(Query("series", {"StudyInstanceUID": study})), "series")
    (row,) = (row for row in found if row["SeriesInstanceUID"] == header.SeriesInstanceUID)
    assert len(found) == 3
    assert row["SeriesDescription"] == header.SeriesDescription
    assert row["Modality"] == "MR"
    assert row["NumberOfSeriesRelatedInstances"] == str(len(slices(fused)))

    retrieve(pacs, RetrieveRequest(study, str(header.SeriesInstanceUID)), tmp_path / "OUT")
    assert by_instance(files(tmp_path / "OUT")) == by_instance(files(fused))


@pytest.mark.parametrize("name", WAYS)
def test_every_output_object_round_trips_under_the_ct_study(
    orthanc: Orthanc,
    fused: Path,
    coarse_phantom: Phantom,
    coarse_folders: tuple[Path, Path],
    tmp_path: Path,
    name: str,
) -> None:
    """Grey, colour, MR on the CT, registration, and structures beside them."""
    results = shutil.copytree(fused.parent, tmp_path / "results")
    labels = sitk.Cast(coarse_phantom.ct.image > 300, sitk.sitkUInt8)
    write_volume(tmp_path / "bone.nii.gz", labels)
    (results / "RTSTRUCT").mkdir()
    structures = results / "RTSTRUCT" / "bone.dcm"
    write_contours(coarse_folders[0], tmp_path / "bone.nii.gz", structures, names={1: "Bone"})
    pacs = connect(way(orthanc, name))
    assert send(way(orthanc, name), results) == ()
    study = str(pydicom.dcmread(slices(coarse_folders[0])[0]).StudyInstanceUID)
    found = table_rows(pacs.find(Query("series", {"StudyInstanceUID": study})), "series")
    assert sorted(row["Modality"] for row in found) == ["MR", "MR", "OT", "REG", "RTSTRUCT"]
    retrieve(pacs, RetrieveRequest(study), tmp_path / "OUT")
    sent = [path for path in files(results) if is_dicom(path)]
    assert by_instance(files(tmp_path / "OUT")) == by_instance(sent)


@pytest.mark.parametrize("name", WAYS)
def test_a_search_lists_patients_and_studies_by_their_keys(
    orthanc: Orthanc, encoded: Path, tmp_path: Path, name: str
) -> None:
    other, study = slices(write(tmp_path / "other"))[0], derive_uid("test", "another study")
    rename(
        other,
        PatientID="T2",
        PatientName="Müller^Jürgen",
        StudyDate="20260301",
        StudyInstanceUID=study,
        SOPInstanceUID=derive_uid("test", "another image"),
    )
    assert send(orthanc.node, encoded, other) == ()
    pacs = connect(way(orthanc, name))

    patients = table_rows(pacs.find(Query("patient")), "patient")
    assert {(row["PatientID"], row["PatientName"]) for row in patients} == {
        ("T1", "Test^Nobody"),
        ("T2", "Müller^Jürgen"),
    }
    for keys in (
        {"PatientID": "T2"},
        {"PatientName": "Müller*"} if name == "node" else {},  # its QIDO decodes no %2A
        {"StudyDate": "20260101-20261231"},
        {"PatientID": "T2", "ModalitiesInStudy": "CT"},
    ):
        found = table_rows(pacs.find(Query("study", keys)), "study")
        assert study in {row["StudyInstanceUID"] for row in found}, keys
        assert len(found) == (1 if keys else 2)
    (row,) = table_rows(pacs.find(Query("study", {"ModalitiesInStudy": "MR"})), "study")
    assert row["ModalitiesInStudy"] == "CT, MR"
    assert pacs.find(Query("study", {"PatientID": "nobody"})) == []


def test_more_sop_classes_than_one_association_allows_are_sent(
    orthanc: Orthanc, tmp_path: Path
) -> None:
    classes = [context.abstract_syntax for context in StoragePresentationContexts[3:47]]
    (model, *_) = slices(write(tmp_path / "model"))
    folder = tmp_path / "many"
    folder.mkdir()
    for number, (kind, syntax) in enumerate(product(classes, SYNTAXES[:3])):
        dataset = pydicom.dcmread(model)
        dataset.SOPClassUID = kind
        dataset.SOPInstanceUID = derive_uid("test", "many", str(number))
        path = folder / f"{number:03d}"
        dataset.save_as(path, enforce_file_format=True)
        recode(path, syntax)
    assert len(files(folder)) > 128
    assert send(orthanc.node, folder) == ()
    assert orthanc.count() == len(files(folder))
    retrieve(connect(orthanc.node), RetrieveRequest(STUDY), tmp_path / "OUT")
    assert by_instance(files(tmp_path / "OUT")) == by_instance(files(folder))
