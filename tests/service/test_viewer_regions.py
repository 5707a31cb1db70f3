"""Region growing from a seed and interpolation between slices, through REST."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from service_kit import Site, refused
from study_kit import StudyClient, ball, masked, prepare, runs

from radfuse.phantom.head import Phantom
from radfuse.service.segmentation_tools import RegionRequest, grow_from_seed
from radfuse.service.stores.rle import VoxelGrid, decode_volume
from radfuse.service.stores.view_volumes import DATA_OFFSET, matrix_rows, read_view_volume, to_lps
from radfuse.structures.growing import grow_region
from structure_kit import dice

MAX_CPU_S = 2.0
"""CPU time of region growing on a CT of 512 x 512 x 234: a second of two cores."""


@pytest.fixture(scope="module")
def client(site: Site, phantom: Phantom, phantom_folders: tuple[Path, Path]) -> StudyClient:
    ct, mr = phantom.ct.image, phantom.mr.image
    return prepare(site, phantom_folders, ct, mr, phantom.mr_from_ct)


def middle(client: StudyClient) -> list[int]:
    return [size // 2 for size in client.grid.size]


def grown(client: StudyClient, **asked: Any) -> np.ndarray:
    answer = client.call("POST", "/grow-region", **asked)
    assert answer.status_code == 200, answer.text
    return masked(answer.json()["runs"], client.shape)


@pytest.mark.parametrize("image", ["ct", "fused"])
def test_region_equals_growing_in_the_whole_volume(client: StudyClient, image: str) -> None:
    voxel = middle(client)
    found = grown(client, image=image, voxel=voxel, max_distance_mm=20, multiplier=2)
    (path,) = client.folder.rglob(f"view/{image}.nii")
    volume = sitk.GetArrayFromImage(read_view_volume(path))
    spacing = client.grid.spacing_mm[::-1]
    at = (voxel[2], voxel[1], voxel[0])
    wanted = grow_region(volume.astype(np.float32), at, spacing, multiplier=2, max_distance_mm=20)
    np.testing.assert_array_equal(found, wanted)
    assert found[at]


def test_region_in_the_mr_is_on_the_ct_grid(client: StudyClient, phantom: Phantom) -> None:
    voxel = middle(client)
    found = grown(client, image="mr", voxel=voxel)
    moved = sitk.Resample(
        phantom.mr.image, to_lps(phantom.ct.image), phantom.mr_from_ct, sitk.sitkLinear, 0.0
    )
    at = (voxel[2], voxel[1], voxel[0])
    wanted = grow_region(sitk.GetArrayFromImage(moved), at, client.grid.spacing_mm[::-1])
    assert wanted.sum() > 50
    assert dice(found, wanted) > 0.97


def test_seed_outside_the_mr_field_of_view_is_refused(
    site: Site, phantom: Phantom, phantom_folders: tuple[Path, Path]
) -> None:
    away = sitk.Euler3DTransform()
    away.SetTranslation((0.0, 0.0, 4000.0))
    client = prepare(site, phantom_folders, phantom.ct.image, phantom.mr.image, away)
    answer = client.call("POST", "/grow-region", image="mr", voxel=middle(client))
    refused(answer, 400, "this position is outside the MR field of view")
    (client.folder / "results/phantom/view/fused.nii").unlink()
    answer = client.call("POST", "/grow-region", image="fused", voxel=middle(client))
    refused(answer, 404, "no fused volume yet")


@pytest.mark.parametrize("size", [0, 100, 352, 5000])
def test_damaged_volume_is_named(
    site: Site, phantom: Phantom, phantom_folders: tuple[Path, Path], size: int
) -> None:
    client = prepare(site, phantom_folders, phantom.ct.image)
    voxel = middle(client)
    with (client.folder / "view/ct.nii").open("r+b") as stream:
        stream.truncate(size)
    answer = client.call("POST", "/grow-region", image="ct", voxel=voxel)
    refused(answer, 400, "ct.nii is damaged; prepare")
    path = f"/api/v1/studies/{client.study}/volumes/ct.nii"
    refused(site.client.get(path), 400, "ct.nii is damaged; prepare")


@pytest.mark.parametrize("corner", [0, -1])
def test_region_of_a_corner_voxel_contains_it(client: StudyClient, corner: int) -> None:
    voxel = [(size + corner) % size for size in client.grid.size]
    found = grown(client, image="ct", voxel=voxel)
    assert found[voxel[2], voxel[1], voxel[0]]


@pytest.mark.parametrize(
    ("asked", "status", "words"),
    [
        ({"voxel": [0, 0, 10**6]}, 400, "is outside of the"),
        ({"voxel": [-1, 0, 0]}, 400, "is outside of the"),
        ({"voxel": [10**30, 0, 0]}, 422, "voxel"),
        ({"voxel": [0.5, 0, 0]}, 422, "voxel"),
        ({"voxel": [0, 0]}, 422, "voxel"),
        ({"image": "../ct"}, 422, "image"),
        ({"multiplier": 0}, 422, "greater than or equal to 0.5"),
        ({"multiplier": 1e300}, 422, "less than or equal to 10"),
        ({"multiplier": "nan"}, 422, "multiplier"),
        ({"multiplier": "inf"}, 422, "multiplier"),
        ({"max_distance_mm": 41}, 422, "less than or equal to 40"),
        ({"max_distance_mm": "nan"}, 422, "max_distance_mm"),
    ],
)
def test_invalid_seed_or_setting_is_refused(
    client: StudyClient, asked: dict[str, Any], status: int, words: str
) -> None:
    request = {"image": "ct", "voxel": [1, 1, 1], **asked}
    refused(client.call("POST", "/grow-region", **request), status, words)


def test_limits_of_info_are_accepted(client: StudyClient) -> None:
    info = client.site.client.get("/api/v1/info").json()
    for max_distance_mm in (info["min_distance_mm"], info["max_distance_mm"]):
        grown(client, image="ct", voxel=[1, 1, 1], max_distance_mm=max_distance_mm)


def test_region_growing_is_fast_in_a_large_volume(tmp_path: Path) -> None:
    grid = VoxelGrid(
        size=(512, 512, 234),
        spacing_mm=(0.5, 0.5, 1.0),
        origin_mm=(0.0, 0.0, 0.0),
        direction=tuple(np.eye(3).ravel()),
    )
    path = tmp_path / "ct.nii"
    with path.open("wb") as stream:
        stream.truncate(DATA_OFFSET + 2 * int(np.prod(grid.size)))  # a sparse file
    values = np.memmap(path, "<i2", "r+", DATA_OFFSET, grid.size[::-1])
    values[80:160, 200:320, 200:320] = ball((80, 120, 120), 35) * 300
    values.flush()
    times_s = []
    for _ in range(2):
        start = time.process_time()
        found = grow_from_seed(
            RegionRequest(image="ct", voxel=(260, 260, 120)), path, grid, matrix_rows(np.eye(4))
        )
        times_s.append(time.process_time() - start)
    assert decode_volume(found, grid)[120, 260, 260]
    assert min(times_s) < MAX_CPU_S, times_s


def test_interpolation_returns_only_slices_between(client: StudyClient) -> None:
    mask = ball(client.shape, 9)
    at = [index for index in range(client.shape[0]) if mask[index].any()][::4]
    drawn = np.zeros_like(mask)
    drawn[at] = mask[at]
    answer = client.call("POST", "/interpolate", runs=runs(drawn)).json()["runs"]
    assert sorted(map(int, answer)) == [index for index in range(at[0], at[-1]) if index not in at]
    whole = drawn | masked(answer, client.shape)
    assert dice(whole[at[0] : at[-1] + 1], mask[at[0] : at[-1] + 1]) > 0.95


@pytest.mark.parametrize(
    ("drawn", "words"),
    [
        ({"5": [0, 1]}, "no slice to interpolate between"),
        ({"5": [0, 1], "6": [0, 1]}, "no slice to interpolate between"),
        ({"5": [0, 1], "9": []}, "no slice to interpolate between"),
        ({"5": [0, 1], "9": [0, 10**6]}, "slice 9: a run ends at"),
    ],
)
def test_nothing_to_interpolate_is_refused(
    client: StudyClient, drawn: dict[str, Any], words: str
) -> None:
    refused(client.call("POST", "/interpolate", runs=drawn), 400, words)
