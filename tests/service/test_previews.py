"""A slice fused by another method is the slice that a whole fusion would show."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from service_kit import Site, refused

from radfuse.data.phantom import Phantom
from radfuse.errors import InputError
from radfuse.intensity import WINDOWS
from radfuse.methods.catalogue import load_method
from radfuse.pipeline.align import Given
from radfuse.pipeline.fuse import fuse
from radfuse.pipeline.result import Result
from radfuse.pipeline.volume import bone_level, compose, fuse_scaled, scale_volumes
from radfuse.recipe import Recipe
from radfuse.series import Series
from radfuse.service.pictures import read_picture
from radfuse.service.preview import Previews
from radfuse.service.view import View, prepare_view, write_fused_view

LEARNED = "densefuse"
SOURCE = (Path(__file__),)


@pytest.fixture(scope="module")
def base(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A fusion whose registration the others take: to judge it takes seconds."""
    place = tmp_path_factory.mktemp("base")
    ct, mr = (
        Series(series.image, series.modality, place, SOURCE) for series in (phantom.ct, phantom.mr)
    )
    recipe = Recipe(method="average", accept_registration=True)
    return fuse(ct, mr, recipe=recipe, given=Given(phantom.mr_from_ct, "manual"))


def fused_study(
    folder: Path, base: Result, method: str, order: str
) -> tuple[View, NDArray[np.int16]]:
    """A view with another fusion, the CT's axes in some order; and the fused values."""
    assert base.alignment is not None
    window, ct = WINDOWS["fusion"], sitk.DICOMOrient(base.ct.image, order)
    scaled = scale_volumes(ct, base.mr.image, base.alignment.mr_from_ct, window)
    by = load_method(method, bone_level=bone_level(window), precision="f32")
    fused = fuse_scaled(scaled, by, lambda _done, _count: None)
    series = dataclasses.replace(base.ct, image=ct)
    result = dataclasses.replace(base, ct=series, image=compose(ct, scaled, fused, window))
    view = prepare_view(folder, series, base.mr)
    write_fused_view(folder, view, result, base.alignment, scaled)
    view = View.model_validate_json((folder / "view/view.json").read_bytes())
    return view, sitk.GetArrayFromImage(read_picture(folder / "view/fused.nii"))


@pytest.mark.parametrize(
    ("method", "order"), [("laplacian", "LPS"), ("dwt", "RPI"), (LEARNED, "PRS")]
)
def test_a_slice_is_that_of_the_volume(
    base: Result, tmp_path: Path, method: str, order: str
) -> None:
    view, fused = fused_study(tmp_path, base, method, order)
    previews, count = Previews(), len(fused)
    assert view.preview is not None
    assert view.preview.order == order
    for index in (0, count // 3, count // 2, count - 1):
        found = previews.slice_of(tmp_path, view, "f32", method, index)
        off = np.abs(found.astype(int) - fused[index])
        assert np.percentile(off, 99) <= 8, index  # half a HU of rounding in the page's volumes
        assert_allclose(found, fused[index], atol=40)


def test_a_ct_cut_along_another_axis_has_no_preview(base: Result, tmp_path: Path) -> None:
    view, _ = fused_study(tmp_path, base, "average", "PSL")
    with pytest.raises(InputError, match="own slices are not axial"):
        Previews().slice_of(tmp_path, view, "f32", "average", 3)


def test_the_page_gets_a_slice_as_whole_numbers(site: Site, done: str) -> None:
    fused = site.volume(done, "fused")
    index = len(fused) // 2
    method = site.study(done)["outcome"]["method"]
    answer = site.client.post(
        f"/api/v1/studies/{done}/slice", json={"method": method, "index": index}
    )
    assert answer.headers["content-type"] == "application/octet-stream"
    found = np.frombuffer(answer.content, "<i2").reshape(fused.shape[1:])
    assert_allclose(found, fused[index], atol=3)
    other = site.client.post(
        f"/api/v1/studies/{done}/slice", json={"method": "copy_ct", "index": index}
    )
    assert np.abs(np.frombuffer(other.content, "<i2") - found.ravel()).max() > 100


def test_slices_that_there_are_none_of_are_refused(site: Site, done: str, prepared: str) -> None:
    for study, asked, words in (
        (prepared, {"method": "average", "index": 0}, "there is no fusion yet"),
        (done, {"method": "average", "index": -1}, "there is no slice -1; they go from 0 to"),
        (done, {"method": "average", "index": 10**6}, "there is no slice 1000000"),
        (done, {"method": "bone_bland", "index": 0}, "bone_blend"),
    ):
        refused(site.client.post(f"/api/v1/studies/{study}/slice", json=asked), 400, words)
