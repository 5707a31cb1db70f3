"""The table of series: what there is to open, with thumbnails, and what is suggested."""

import io
import json
import shutil
from base64 import b64decode
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from service_kit import Site

from dicom_kit import change_all, put
from radfuse.dicom.uids import derive_uid
from radfuse.phantom.head import Phantom
from radfuse.pipeline.study.series_table import MADE_BY_RADFUSE
from radfuse.pipeline.study.thumbnail import SIDE, thumbnail

Listed = tuple[list[dict[str, Any]], dict[str, Any]]


def listed(site: Site, *paths: Path | str) -> Listed:
    """Rows and suggestion."""
    answer = site.client.post("/api/v1/series", json={"paths": list(map(str, paths))})
    assert answer.status_code == 200, answer.text
    parts = [json.loads(line) for line in answer.text.splitlines()]
    assert all(0 <= one["fraction"] <= 1 for one in parts if "stage" in one)
    return [one["row"] for one in parts if "row" in one], parts[-1]["suggestion"]


def pixels(row: dict[str, Any]) -> np.ndarray:
    packed = b64decode(row["thumbnail"].partition(",")[2])
    with Image.open(io.BytesIO(packed)) as image:
        return np.asarray(image)


def in_series(folder: Path, name: str, **values: object) -> Path:
    """The files of a folder as another series."""
    change_all(folder, put("SeriesInstanceUID", derive_uid("test", name)))
    change_all(folder, put("FrameOfReferenceUID", derive_uid("test", name, "frame")))
    for keyword, value in values.items():
        change_all(folder, put(keyword, value))
    return folder


@given(st.integers(2, 200), st.integers(2, 200), st.floats(0.2, 5), st.floats(0.2, 5))
def test_a_thumbnail_has_the_shape_of_the_slice(
    rows: int, columns: int, row_mm: float, column_mm: float
) -> None:
    values = np.arange(rows * columns, dtype=np.float32).reshape(rows, columns)
    with Image.open(io.BytesIO(thumbnail(values, (column_mm, row_mm), is_ct=False))) as image:
        assert max(image.size) == SIDE
        ratio = columns * column_mm / (rows * row_mm)
        shorter = max(1.0, SIDE * min(ratio, 1 / ratio))
        assert abs(min(image.size) - shorter) <= 0.5 + 1e-6
        assert (image.width >= image.height) == (ratio >= 1) or image.width == image.height


def test_each_series_is_a_row_and_the_pair_suggested(
    site: Site, phantom_folders: tuple[Path, Path]
) -> None:
    rows, suggestion = listed(site, phantom_folders[0].parent)
    ct, mr = (next(row for row in rows if row["kind"] == kind) for kind in ("CT", "MR"))
    assert (suggestion["ct"], suggestion["mr"]) == (ct["uid"], mr["uid"])
    assert (ct["plane"], ct["date"], ct["blocked"]) == ("axial", "2024-01-15", "")
    assert ct["description"] == "CT head, phantom"
    assert len(ct["size"]) == len(ct["spacing_mm"]) == 3
    assert ct["path"] == str(phantom_folders[0].parent)
    for row in (ct, mr):
        shown = pixels(row)
        assert shown.std() > 20
        assert (shown[:4].mean(), shown[:, :4].mean()) < (40, 40)


def test_of_several_mr_the_enhanced_t1_is_suggested(
    site: Site, phantom_folders: tuple[Path, Path], tmp_path: Path
) -> None:
    shutil.copytree(phantom_folders[0], tmp_path / "a")
    shutil.copytree(phantom_folders[1], tmp_path / "b")
    t2 = shutil.copytree(phantom_folders[1], tmp_path / "c")
    in_series(Path(t2), "T2", SeriesDescription="T2 axial", ContrastBolusAgent="")
    rows, suggestion = listed(site, tmp_path)
    (mr,) = (row for row in rows if row["description"].startswith("T1"))
    assert suggestion["mr"] == mr["uid"]
    assert "contrast" in suggestion["note"]


def test_own_series_are_marked_and_blocked(site: Site, done: str) -> None:
    rows, suggestion = listed(site, site.run_of(done) / "result")
    assert {(row["is_own"], row["blocked"]) for row in rows} == {(True, MADE_BY_RADFUSE)}
    assert (suggestion["ct"], suggestion["mr"]) == ("", "")


def test_patients_are_numbered_and_not_named(
    site: Site, phantom_folders: tuple[Path, Path], tmp_path: Path
) -> None:
    mr = Path(shutil.copytree(phantom_folders[1], tmp_path / "mr"))
    change_all(mr, put("PatientID", "Somebody"))
    change_all(mr, put("PatientName", "Somebody"))
    rows, suggestion = listed(site, phantom_folders[0], mr)
    assert [row["patient"] for row in rows] == [1, 2]
    assert suggestion["ct"] == ""
    assert "Somebody" not in json.dumps(rows)


@pytest.mark.slow
def test_a_chosen_further_mr_of_a_folder_is_fused(
    site: Site, asked: dict[str, Any], tmp_path: Path
) -> None:
    """CT, MR and further MR by their series in one folder."""
    shutil.copytree(asked["ct"], tmp_path / "a")
    shutil.copytree(asked["mr"], tmp_path / "b")
    shutil.copytree(asked["mr"], tmp_path / "c")
    change_all(tmp_path / "c", put("SeriesInstanceUID", derive_uid("test", "other")))
    rows, _ = listed(site, tmp_path)
    (ct,) = (row["uid"] for row in rows if row["kind"] == "CT")
    first, second = (row["uid"] for row in rows if row["kind"] == "MR")
    recipe = {**asked["recipe"], "ct_series": ct, "mr_series": first}
    further = {"mrs": [str(tmp_path)], "mr_series": [second]}
    study = site.make(ct=str(tmp_path), mr=str(tmp_path), recipe=recipe, further=further)
    events = site.fuse(study)
    assert events[-1][0] == "done", events
    assert len(site.study(study)["outcome"]["further"]) == 1


def test_a_volume_file_is_a_row_of_its_own_path(
    site: Site, tmp_path: Path, phantom: Phantom
) -> None:
    sitk.WriteImage(phantom.mr.image, str(tmp_path / "mr.nii.gz"))
    ((row,), suggestion) = listed(site, tmp_path)
    assert (row["path"], row["kind"]) == (f"{tmp_path}/mr.nii.gz", "volume")
    assert pixels(row).std() > 20
    assert suggestion["mr"] == ""


def test_what_cannot_be_read_ends_with_an_error(site: Site, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK\3\4 damaged")
    answer = site.client.post("/api/v1/series", json={"paths": [str(tmp_path / "a.zip")]})
    assert "a.zip" in json.loads(answer.text.splitlines()[-1])["error"]
    answer = site.client.post("/api/v1/series", json={"paths": ["/nowhere"]})
    assert answer.status_code == 400


@pytest.mark.parametrize("mr_series", [["1.2"], ["1.2", "1.3", "1.4"]])
def test_one_series_is_given_for_each_further_mr(site: Site, mr_series: list[str]) -> None:
    body = {"ct": "a", "mr": "b", "further": {"mrs": ["c", "d"], "mr_series": mr_series}}
    assert site.client.post("/api/v1/studies", json=body).status_code == 422
