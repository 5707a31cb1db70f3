"""PET and SPECT of the phantom as DICOM: valid, read back, with an SUV."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from radfuse.dicom.read.nuclear.standard_uptake import standard_uptake
from radfuse.dicom.validate.dciodvfy import errors_of
from radfuse.errors import OutputError
from radfuse.phantom.dicom import write_functional, write_phantom
from radfuse.phantom.functional_dicom import MAX_STORED
from radfuse.phantom.head import Phantom, draw_layers, make_phantom
from radfuse.phantom.uptake import FDG, HMPAO, Tracer, scan_uptake
from radfuse.pipeline.read import read
from radfuse.series import Series

SEED, SPACING_MM = 7, 5.0
TRACERS = pytest.mark.parametrize("tracer", [FDG, HMPAO], ids=lambda tracer: tracer.name)


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return make_phantom(SEED, spacing_mm=SPACING_MM)


@pytest.fixture(scope="module")
def scans() -> dict[str, Series]:
    layers = draw_layers(SEED, spacing_mm=SPACING_MM)
    return {
        tracer.name: scan_uptake(layers, tracer, SEED, spacing_mm=8.0).series
        for tracer in (FDG, HMPAO)
    }


@TRACERS
def test_a_functional_series_is_read_back(
    phantom: Phantom, scans: dict[str, Series], tmp_path: Path, tracer: Tracer
) -> None:
    wanted = scans[tracer.name].image
    folder = write_functional(phantom, scans[tracer.name], tmp_path)
    assert folder == tmp_path / tracer.modality.code
    series = read(folder, tracer.modality)
    np.testing.assert_allclose(series.image.GetOrigin(), wanted.GetOrigin(), atol=1e-6)
    np.testing.assert_allclose(series.image.GetDirection(), wanted.GetDirection(), atol=1e-6)
    found, values = (sitk.GetArrayFromImage(one) for one in (series.image, wanted))
    step = values.max() / MAX_STORED if tracer is FDG else 1.0
    assert np.abs(found - values).max() <= 0.501 * step
    for path in folder.iterdir():
        assert list(errors_of(path)) == []


def test_it_is_the_patient_and_study_of_the_ct(
    phantom: Phantom, scans: dict[str, Series], tmp_path: Path
) -> None:
    ct_folder, _ = write_phantom(phantom, tmp_path)
    pet_folder = write_functional(phantom, scans["FDG"], tmp_path)
    ct, pet = (pydicom.dcmread(min(one.iterdir())) for one in (ct_folder, pet_folder))
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID"):
        assert ct[keyword] == pet[keyword]
    assert ct.FrameOfReferenceUID != pet.FrameOfReferenceUID


def test_the_same_image_is_the_same_bytes(
    phantom: Phantom, scans: dict[str, Series], tmp_path: Path
) -> None:
    first, again = (write_functional(phantom, scans["HMPAO"], tmp_path / one) for one in "ab")
    assert min(first.iterdir()).read_bytes() == min(again.iterdir()).read_bytes()


def test_grey_matter_of_the_pet_has_a_usual_suv(
    phantom: Phantom, scans: dict[str, Series], tmp_path: Path
) -> None:
    series = read(write_functional(phantom, scans["FDG"], tmp_path), "PT")
    suv = sitk.GetArrayFromImage(standard_uptake(series).image)
    assert 5 < np.percentile(suv, 99.5) < 15


@TRACERS
def test_a_folder_with_files_is_refused(
    phantom: Phantom, scans: dict[str, Series], tmp_path: Path, tracer: Tracer
) -> None:
    write_functional(phantom, scans[tracer.name], tmp_path)
    with pytest.raises(OutputError, match="exists"):
        write_functional(phantom, scans[tracer.name], tmp_path)
    write_functional(phantom, scans[tracer.name], tmp_path, overwrite=True)
