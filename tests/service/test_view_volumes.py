"""Volumes for the viewer: their grids, alignment, and when they are written."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.testing import assert_allclose
from pydicom import Dataset
from service_kit import Site, refused

from dicom_kit import change_all, put, volume, write
from radfuse.errors import InputError
from radfuse.modality import CT, MR
from radfuse.phantom.head import Phantom
from radfuse.pipeline.read import read
from radfuse.progress import no_progress
from radfuse.recipe import Recipe
from radfuse.registration.transforms import matrix_of
from radfuse.series import Series
from radfuse.service.jobs.fusion import prepare_study
from radfuse.service.jobs.view_files import View, prepare_view, write_qa_failed_view, write_view
from radfuse.service.stores.studies import Studies
from radfuse.service.stores.view_volumes import to_lps


def test_prepared_study_has_ct_and_mr_on_their_own_grids(
    site: Site, prepared: str, phantom: Phantom
) -> None:
    assert site.study(prepared)["state"] == "ready"
    view = site.view(prepared)
    assert view["fused"] is None
    for name, series in (("ct", phantom.ct), ("mr", phantom.mr)):
        image = to_lps(series.image)
        assert view[name]["size"] == list(image.GetSize())
        matrix = np.array(view[name]["mm_from_voxel"])
        assert_allclose(matrix[:3, 3], image.GetOrigin(), atol=1e-3)
        values = site.volume(prepared, name) * view[name]["step"]
        assert_allclose(values, sitk.GetArrayFromImage(image), atol=1)
    low, high = view["mr_range"]
    assert 0 <= low < high
    fused = {"fused", "further", "preview", "brain_centre_mm"}  # of a result
    assert set(view) == {"ct", "mr", "mr_range", "mr_from_ct", "alignment", "head_box"} | fused


def test_heads_overlap_before_a_registration(site: Site, prepared: str, phantom: Phantom) -> None:
    view = site.view(prepared)
    assert view["alignment"] == "start"
    start = np.array(view["mr_from_ct"])
    assert_allclose(start[:3, :3], np.eye(3))
    middle = phantom.ct.image.TransformContinuousIndexToPhysicalPoint(
        [size / 2 for size in phantom.ct.image.GetSize()]
    )
    off = (start @ (*middle, 1))[:3] - phantom.mr_from_ct.TransformPoint(middle)
    assert np.linalg.norm(off) < 30


def test_common_frame_of_reference_is_the_initial_alignment(
    phantom: Phantom, tmp_path: Path
) -> None:
    header = Dataset()
    header.FrameOfReferenceUID = "1.2.3"
    ct, mr = (
        Series(series.image, series.modality, tmp_path, (Path(__file__),), (header,))
        for series in (phantom.ct, phantom.mr)
    )
    view = prepare_view(tmp_path, ct, mr)
    assert view.alignment == "headers"
    assert view.mr_from_ct == tuple(map(tuple, np.eye(4)))


def test_fusion_adds_image_and_alignment(site: Site, done: str, phantom: Phantom) -> None:
    view = site.view(done)
    fused = site.volume(done, "fused")
    assert view["fused"]["size"] == view["ct"]["size"]
    assert view["fused"]["step"] == 1
    assert fused.min() >= 0
    assert 2048 < fused.max() <= 4095
    assert view["alignment"] == "file"
    assert_allclose(view["mr_from_ct"], matrix_of(phantom.mr_from_ct), atol=1e-4)


def test_prepared_study_is_not_prepared_again(site: Site, done: str) -> None:
    folder = site.folder / "studies" / done / "view"
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert set(before) == {"ct.nii", "mr.nii", "view.json"}
    studies = Studies(site.folder)
    prepare_study(folder.parent, studies.get(done), no_progress)
    assert studies.state_on_disk(done) == "done"
    assert studies.finish_job(done, "failed", "why").state == "done"
    studies.change(done, message="")
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_changed_files_are_prepared_again(phantom: Phantom, tmp_path: Path) -> None:
    source, volume = tmp_path / "source", tmp_path / "view/ct.nii"
    sizes = []
    for content in ("one", "one", "other"):
        source.write_text(content)
        ct, mr = (
            Series(series.image, series.modality, source, (source,))
            for series in (phantom.ct, phantom.mr)
        )
        prepare_view(tmp_path, ct, mr)
        sizes.append(volume.stat().st_size)
        volume.write_bytes(b"")
    assert sizes[0] == sizes[2] > sizes[1] == 0


def test_volumes_of_an_earlier_version_are_prepared_again(
    site: Site, asked: dict[str, Any]
) -> None:
    identifier = site.make(**asked)
    old = site.folder / "studies" / identifier / "view"
    old.mkdir()
    (old / "ct.nii.gz").write_bytes(b"")
    answer = site.client.get(f"/api/v1/studies/{identifier}/view")
    refused(answer, 404, "is not prepared yet; prepare it")
    refused(site.client.get(f"/api/v1/studies/{identifier}/volumes/ct.nii"), 404, "prepare it")


def test_registration_that_fails_qa_keeps_an_earlier_result(
    phantom: Phantom, tmp_path: Path
) -> None:
    ct, mr = (
        Series(series.image, series.modality, tmp_path, (Path(__file__),))
        for series in (phantom.ct, phantom.mr)
    )
    studies = Studies(tmp_path)
    study = studies.create("QA", tmp_path, tmp_path, Recipe())
    folder = studies.folder_of(study.id)
    view = prepare_view(folder, ct, mr)
    write_qa_failed_view(folder, view, phantom.mr_from_ct)
    assert studies.view(study.id).alignment == "qa_failed"
    shown = view.model_copy(update={"fused": view.ct})
    (folder / "results/run/view").mkdir(parents=True)
    write_view(folder / "results/run", shown)
    studies.change(study.id, current="run")
    assert studies.view(study.id) == shown


@pytest.mark.parametrize("role", ["CT", "MR"])
def test_two_patients_have_two_keys_of_their_volumes(tmp_path: Path, role: str) -> None:
    """Also where an ID is all that differs; then values of the one are never shown as another's."""
    folders = {name: write(tmp_path / name, modality=name) for name in ("CT", "MR")}

    def prepared() -> View:
        return prepare_view(tmp_path / "study", *(read(path, of) for of, path in folders.items()))

    first = prepared()
    assert prepared() == first
    change_all(folders[role], put("PatientID", "2"))
    second = prepared()
    changed = [one != two for one, two in zip(first.sources, second.sources, strict=True)]
    assert changed == [role == "CT", role == "MR"]
    shutil.rmtree(folders[role])
    image = sitk.Round(volume(role) / 2)
    write(folders[role], image, role)
    assert prepared().sources != second.sources
    stored = sitk.ReadImage(str(tmp_path / "study/view" / f"{role.lower()}.nii"))
    assert_allclose(sitk.GetArrayFromImage(stored), sitk.GetArrayFromImage(to_lps(image)), atol=1)


def test_2d_images_are_refused(tmp_path: Path) -> None:
    image = Series(sitk.Image(8, 8, sitk.sitkFloat32), CT, tmp_path)
    with pytest.raises(InputError, match="the viewer shows volumes"):
        prepare_view(tmp_path, image, image)


def test_mr_without_a_head_has_a_display_range(phantom: Phantom, tmp_path: Path) -> None:
    values = np.zeros((8, 9, 10), np.float32)
    values[4, 4, 4] = 7.0
    speck = sitk.GetImageFromArray(values)
    source = (Path(__file__),)
    ct = Series(phantom.ct.image, CT, tmp_path, source)
    view = prepare_view(tmp_path, ct, Series(speck, MR, tmp_path, source))
    assert view.mr_range == (0.0, 7.0)
    assert view.alignment == "start"
