"""What the page is given to look at: volumes, where they lie, and when they are written."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.testing import assert_allclose
from pydicom import Dataset
from service_kit import Site, refused

from radfuse.errors import InputError
from radfuse.modality import CT, MR
from radfuse.phantom.head import Phantom
from radfuse.registration.transforms import matrix_of
from radfuse.series import Series
from radfuse.service.jobs.fusion import prepare_study
from radfuse.service.jobs.view_files import prepare_view, read_view, write_untrusted_view
from radfuse.service.stores.studies import Studies
from radfuse.service.stores.view_volumes import oriented


def test_a_prepared_study_shows_ct_and_mr_each_on_its_own_grid(
    site: Site, prepared: str, phantom: Phantom
) -> None:
    assert site.study(prepared)["state"] == "ready"
    view = site.view(prepared)
    assert view["fused"] is None
    for name, series in (("ct", phantom.ct), ("mr", phantom.mr)):
        image = oriented(series.image)
        assert view[name]["size"] == list(image.GetSize())
        matrix = np.array(view[name]["mm_from_voxel"])
        assert_allclose(matrix[:3, 3], image.GetOrigin(), atol=1e-3)
        values = site.volume(prepared, name) * view[name]["step"]
        assert_allclose(values, sitk.GetArrayFromImage(image), atol=1)
    low, high = view["mr_range"]
    assert 0 <= low < high
    assert set(view) == {"ct", "mr", "fused", "mr_range", "mr_from_ct", "alignment"}


def test_before_a_registration_the_heads_lie_on_each_other(
    site: Site, prepared: str, phantom: Phantom
) -> None:
    view = site.view(prepared)
    assert view["alignment"] == "start"
    start = np.array(view["mr_from_ct"])
    assert_allclose(start[:3, :3], np.eye(3))
    middle = phantom.ct.image.TransformContinuousIndexToPhysicalPoint(
        [size / 2 for size in phantom.ct.image.GetSize()]
    )
    off = (start @ (*middle, 1))[:3] - phantom.mr_from_ct.TransformPoint(middle)
    assert np.linalg.norm(off) < 30


def test_one_frame_of_reference_is_believed_until_a_search(
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


def test_a_fusion_adds_its_image_and_its_alignment(site: Site, done: str, phantom: Phantom) -> None:
    view = site.view(done)
    fused = site.volume(done, "fused")
    assert view["fused"]["size"] == view["ct"]["size"]
    assert view["fused"]["step"] == 1
    assert fused.min() >= 0
    assert 2048 < fused.max() <= 4095
    assert view["alignment"] == "file"
    assert_allclose(view["mr_from_ct"], matrix_of(phantom.mr_from_ct), atol=1e-4)


def test_what_is_there_already_is_not_prepared_again(site: Site, done: str) -> None:
    folder = site.folder / "studies" / done / "view"
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert set(before) == {"ct.nii", "mr.nii", "fused.nii", "view.json"}
    studies = Studies(site.folder)
    prepare_study(folder.parent, studies.get(done), lambda _stage, _share: None)
    assert studies.standing(done) == "done"
    assert studies.settle(done, "failed", "why").state == "done"
    studies.change(done, message="")
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_other_files_in_the_same_place_are_prepared_anew(phantom: Phantom, tmp_path: Path) -> None:
    source, picture = tmp_path / "source", tmp_path / "view/ct.nii"
    sizes = []
    for content in ("one", "one", "other"):
        source.write_text(content)
        ct, mr = (
            Series(series.image, series.modality, source, (source,))
            for series in (phantom.ct, phantom.mr)
        )
        prepare_view(tmp_path, ct, mr)
        sizes.append(picture.stat().st_size)
        picture.write_bytes(b"")
    assert sizes[0] == sizes[2] > sizes[1] == 0


def test_a_study_of_an_earlier_version_is_to_be_prepared(site: Site, asked: dict[str, Any]) -> None:
    identifier = site.make(**asked)
    old = site.folder / "studies" / identifier / "view"
    old.mkdir()
    (old / "ct.nii.gz").write_bytes(b"")
    answer = site.client.get(f"/api/v1/studies/{identifier}/view")
    refused(answer, 404, "nothing to look at yet; prepare it")
    refused(site.client.get(f"/api/v1/studies/{identifier}/volumes/ct.nii"), 404, "prepare it")


def test_a_refused_alignment_leaves_an_earlier_result_as_it_is(
    phantom: Phantom, tmp_path: Path
) -> None:
    ct, mr = (
        Series(series.image, series.modality, tmp_path, (Path(__file__),))
        for series in (phantom.ct, phantom.mr)
    )
    view = prepare_view(tmp_path, ct, mr)
    write_untrusted_view(tmp_path, view.model_copy(update={"fused": view.ct}), phantom.mr_from_ct)
    assert read_view(tmp_path) == view
    write_untrusted_view(tmp_path, view, phantom.mr_from_ct)
    shown = read_view(tmp_path)
    assert shown is not None
    assert shown.alignment == "untrusted"


def test_pictures_are_not_for_the_page(tmp_path: Path) -> None:
    picture = Series(sitk.Image(8, 8, sitk.sitkFloat32), CT, tmp_path)
    with pytest.raises(InputError, match="the page shows volumes"):
        prepare_view(tmp_path, picture, picture)


def test_an_mr_without_a_head_still_has_a_picture(phantom: Phantom, tmp_path: Path) -> None:
    values = np.zeros((8, 9, 10), np.float32)
    values[4, 4, 4] = 7.0
    speck = sitk.GetImageFromArray(values)
    source = (Path(__file__),)
    ct = Series(phantom.ct.image, CT, tmp_path, source)
    view = prepare_view(tmp_path, ct, Series(speck, MR, tmp_path, source))
    assert view.mr_range == (0.0, 7.0)
    assert view.alignment == "start"
