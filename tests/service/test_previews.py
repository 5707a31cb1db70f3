"""A preview slice of another method equals the slice of a volume fusion."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from service_kit import Site, refused

from radfuse.errors import InputError
from radfuse.intensity import WINDOWS, Window
from radfuse.io.staging import staging
from radfuse.methods.loading import load_method
from radfuse.modality import CT, MR
from radfuse.phantom.head import Phantom
from radfuse.pipeline.align import Alignment
from radfuse.pipeline.result import Result
from radfuse.pipeline.volume import fuse_volumes
from radfuse.recipe import Recipe
from radfuse.record import Record
from radfuse.registration.qa.quality import Quality
from radfuse.series import Series
from radfuse.service import slice_preview
from radfuse.service.jobs.view_files import VIEW, View, prepare_view, stage_fused_view
from radfuse.service.slice_preview import SlicePreviews
from radfuse.service.stores.view_volumes import read_view_volume

LEARNED = "densefuse"
SOURCE = (Path(__file__),)
NO_QA = Quality(0, 0, 0, 0, "pass", True, "", 0, 0, 0, 0, 0, 0, 0, 0, {}, 0, 0)


def fused_study(
    folder: Path, phantom: Phantom, method: str, order: str, window: Window = WINDOWS["fusion"]
) -> tuple[View, NDArray[np.int16]]:
    """A view with a fusion of a CT in some orientation, and the fused values.

    The registration is the ground truth; its QA, which takes seconds, is skipped.
    """
    folder.mkdir(exist_ok=True)
    ct = sitk.DICOMOrient(phantom.ct.image, order)
    of_ct, of_mr = Series(ct, CT, folder, SOURCE), Series(phantom.mr.image, MR, folder, SOURCE)
    by = load_method(method, window=window)
    image, region = fuse_volumes(of_ct, of_mr, phantom.mr_from_ct, window, by)
    alignment = Alignment(phantom.mr_from_ct, NO_QA, "manual")
    recipe = Recipe(window=(window.width, window.level))
    record = Record.model_construct(recipe=recipe)
    result = Result(image, of_ct, of_mr, record, alignment, region)
    view = prepare_view(folder, of_ct, of_mr)
    with staging(folder / VIEW) as stage:
        stage_fused_view(stage, view, result, alignment, region)
    view = View.model_validate_json((folder / "view/view.json").read_bytes())
    return view, sitk.GetArrayFromImage(read_view_volume(folder / "view/fused.nii"))


@pytest.mark.parametrize(
    ("method", "order"), [("laplacian", "LPS"), ("dwt", "RPI"), (LEARNED, "PRS")]
)
def test_preview_equals_slice_of_the_volume(
    phantom: Phantom, tmp_path: Path, method: str, order: str
) -> None:
    view, fused = fused_study(tmp_path, phantom, method, order)
    previews, count = SlicePreviews(), len(fused)
    assert view.preview is not None
    assert view.preview.order == order
    for index in (0, count // 3, count // 2, count - 1):
        found = previews.fuse(tmp_path, view, {}, method, index)
        off = np.abs(found.astype(int) - fused[index])
        assert np.percentile(off, 99) <= 8, index  # half a HU of rounding in the viewer's volumes
        assert_allclose(found, fused[index], atol=40)


def test_ct_with_other_slices_has_no_preview(phantom: Phantom, tmp_path: Path) -> None:
    view, _ = fused_study(tmp_path, phantom, "average", "PSL")
    with pytest.raises(InputError, match="own slices are not axial"):
        SlicePreviews().fuse(tmp_path, view, {}, "average", 3)


def test_preview_is_sent_as_int16(site: Site, done: str) -> None:
    fused = site.volume(done, "fused")
    index = len(fused) // 2
    method = site.study(done)["outcome"]["method"]
    answer = site.client.post(
        f"/api/v1/studies/{done}/slice-preview", json={"method": method, "index": index}
    )
    assert answer.headers["content-type"] == "application/octet-stream"
    found = np.frombuffer(answer.content, "<i2").reshape(fused.shape[1:])
    assert_allclose(found, fused[index], atol=3)
    other = site.client.post(
        f"/api/v1/studies/{done}/slice-preview", json={"method": "copy_ct", "index": index}
    )
    assert np.abs(np.frombuffer(other.content, "<i2") - found.ravel()).max() > 100


def test_window_of_a_preview_is_that_of_its_fusion(phantom: Phantom, tmp_path: Path) -> None:
    view, _ = fused_study(tmp_path / "a", phantom, "laplacian", "LPS")
    other, fused = fused_study(tmp_path / "b", phantom, "laplacian", "LPS", WINDOWS["brain"])
    index = len(fused) // 2
    found = SlicePreviews().fuse(tmp_path / "a", view, {}, "laplacian", index, WINDOWS["brain"])
    off = np.abs(found.astype(int) - fused[index])
    assert other.preview != view.preview
    assert np.percentile(off, 99) <= 30  # half a HU of rounding in a window of 80 HU
    assert np.abs(found.astype(int) - SlicePreviews().fuse(
        tmp_path / "a", view, {}, "laplacian", index
    )).max() > 500  # fmt: skip


@pytest.mark.parametrize(("method", "loads"), [(LEARNED, 1), ("bone_blend", 2)])
def test_a_network_is_loaded_once_for_all_windows(
    phantom: Phantom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, loads: int
) -> None:
    view, _ = fused_study(tmp_path, phantom, "average", "LPS")
    loaded = []
    monkeypatch.setattr(
        slice_preview, "load_method", lambda *given, **named: loaded.append(given)
        or load_method(*given, **named),
    )  # fmt: skip
    previews = SlicePreviews()
    for window in (WINDOWS["fusion"], WINDOWS["brain"], WINDOWS["fusion"]):
        previews.fuse(tmp_path, view, {}, method, view.ct.size[2] // 2, window)
    assert len(loaded) == loads


def test_view_has_the_window_of_the_fusion(site: Site, done: str) -> None:
    assert site.view(done)["preview"] == {"window_hu": [1000, 500]}


def test_invalid_previews_are_refused(site: Site, done: str, prepared: str) -> None:
    for study, asked, words in (
        (prepared, {"method": "average", "index": 0}, "there is no fusion yet"),
        (
            done,
            {"method": "average", "index": -1},
            "there is no slice -1; slices are numbered from",
        ),
        (done, {"method": "average", "index": 10**6}, "there is no slice 1000000"),
        (done, {"method": "bone_bland", "index": 0}, "bone_blend"),
        (done, {"method": "average", "index": 0, "window": "brian"}, "no window 'brian'"),
        (done, {"method": "average", "index": 0, "window": [0, 40]}, "give a width above 0"),
    ):
        refused(site.client.post(f"/api/v1/studies/{study}/slice-preview", json=asked), 400, words)
