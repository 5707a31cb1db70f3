"""Regions grown from a click and slices filled between, as the page asks for them."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from drawing_kit import Board, ball, masked, prepare, refused, runs
from service_kit import Site

from radfuse.phantom.head import Phantom
from radfuse.service.drawing_tools import Click, grown
from radfuse.service.stores.rle import Grid, stack_of
from radfuse.service.stores.view_volumes import DATA_OFFSET, oriented, read_picture, rows_of
from radfuse.structures.growing import grow_region
from structure_kit import dice

LONGEST_CPU_S = 2.0
"""Growing on a CT of 512 x 512 x 234 takes at most: a second of two cores."""


@pytest.fixture(scope="module")
def board(site: Site, phantom: Phantom, phantom_folders: tuple[Path, Path]) -> Board:
    ct, mr = phantom.ct.image, phantom.mr.image
    return prepare(site, phantom_folders, ct, mr, phantom.mr_from_ct)


def middle(board: Board) -> list[int]:
    return [size // 2 for size in board.grid.size]


def clicked(board: Board, **asked: Any) -> np.ndarray:
    answer = board.call("POST", "/grow", **asked)
    assert answer.status_code == 200, answer.text
    return masked(answer.json()["runs"], board.shape)


@pytest.mark.parametrize("image", ["ct", "fused"])
def test_the_region_is_that_of_the_rule_on_the_whole_volume(board: Board, image: str) -> None:
    voxel = middle(board)
    found = clicked(board, image=image, voxel=voxel, reach_mm=20, multiplier=2)
    volume = sitk.GetArrayFromImage(read_picture(board.folder / f"view/{image}.nii"))
    spacing = board.grid.spacing_mm[::-1]
    at = (voxel[2], voxel[1], voxel[0])
    wanted = grow_region(volume.astype(np.float32), at, spacing, multiplier=2, max_distance_mm=20)
    np.testing.assert_array_equal(found, wanted)
    assert found[at]


def test_in_the_mr_it_grows_on_the_grid_of_the_ct(board: Board, phantom: Phantom) -> None:
    voxel = middle(board)
    found = clicked(board, image="mr", voxel=voxel)
    moved = sitk.Resample(
        phantom.mr.image, oriented(phantom.ct.image), phantom.mr_from_ct, sitk.sitkLinear, 0.0
    )
    at = (voxel[2], voxel[1], voxel[0])
    wanted = grow_region(sitk.GetArrayFromImage(moved), at, board.grid.spacing_mm[::-1])
    assert wanted.sum() > 50
    assert dice(found, wanted) > 0.97


def test_where_the_mr_does_not_look_it_says_so(
    site: Site, phantom: Phantom, phantom_folders: tuple[Path, Path]
) -> None:
    away = sitk.Euler3DTransform()
    away.SetTranslation((0.0, 0.0, 4000.0))
    board = prepare(site, phantom_folders, phantom.ct.image, phantom.mr.image, away)
    answer = board.call("POST", "/grow", image="mr", voxel=middle(board))
    refused(answer, 400, "the MR does not reach this place")
    (board.folder / "view/fused.nii").unlink()
    answer = board.call("POST", "/grow", image="fused", voxel=middle(board))
    refused(answer, 404, "no fused volume yet")


@pytest.mark.parametrize("size", [0, 100, 352, 5000])
def test_a_damaged_volume_is_said(
    site: Site, phantom: Phantom, phantom_folders: tuple[Path, Path], size: int
) -> None:
    board = prepare(site, phantom_folders, phantom.ct.image)
    voxel = middle(board)
    with (board.folder / "view/ct.nii").open("r+b") as stream:
        stream.truncate(size)
    answer = board.call("POST", "/grow", image="ct", voxel=voxel)
    refused(answer, 400, "ct.nii is damaged; prepare")


@pytest.mark.parametrize("corner", [0, -1])
def test_a_click_at_the_corner_stays_inside(board: Board, corner: int) -> None:
    voxel = [(size + corner) % size for size in board.grid.size]
    found = clicked(board, image="ct", voxel=voxel)
    assert found[voxel[2], voxel[1], voxel[0]]


@pytest.mark.parametrize(
    ("asked", "status", "words"),
    [
        ({"voxel": [0, 0, 10**6]}, 400, "lies outside of the"),
        ({"voxel": [-1, 0, 0]}, 400, "lies outside of the"),
        ({"voxel": [10**30, 0, 0]}, 422, "voxel"),
        ({"voxel": [0.5, 0, 0]}, 422, "voxel"),
        ({"voxel": [0, 0]}, 422, "voxel"),
        ({"image": "../ct"}, 422, "image"),
        ({"multiplier": 0}, 422, "greater than or equal to 0.5"),
        ({"multiplier": 1e300}, 422, "less than or equal to 10"),
        ({"multiplier": "nan"}, 422, "multiplier"),
        ({"multiplier": "inf"}, 422, "multiplier"),
        ({"reach_mm": 41}, 422, "less than or equal to 40"),
        ({"reach_mm": "nan"}, 422, "reach_mm"),
    ],
)
def test_a_click_that_cannot_be_is_refused(
    board: Board, asked: dict[str, Any], status: int, words: str
) -> None:
    click = {"image": "ct", "voxel": [1, 1, 1], **asked}
    refused(board.call("POST", "/grow", **click), status, words)


def test_the_page_is_told_how_far_a_region_may_reach(board: Board) -> None:
    told = board.site.client.get("/api/v1/info").json()
    for reach_mm in (told["min_reach_mm"], told["max_reach_mm"]):
        clicked(board, image="ct", voxel=[1, 1, 1], reach_mm=reach_mm)


def test_in_a_large_volume_the_answer_comes_at_once(tmp_path: Path) -> None:
    grid = Grid(
        size=(512, 512, 234),
        spacing_mm=(0.5, 0.5, 1.0),
        origin_mm=(0.0, 0.0, 0.0),
        direction=tuple(np.eye(3).ravel()),
    )
    path = tmp_path / "ct.nii"
    with path.open("wb") as stream:
        stream.truncate(DATA_OFFSET + 2 * int(np.prod(grid.size)))  # without room on the disk
    values = np.memmap(path, "<i2", "r+", DATA_OFFSET, grid.size[::-1])
    values[80:160, 200:320, 200:320] = ball((80, 120, 120), 35) * 300
    values.flush()
    times_s = []
    for _ in range(2):
        start = time.process_time()
        found = grown(Click(image="ct", voxel=(260, 260, 120)), path, grid, rows_of(np.eye(4)))
        times_s.append(time.process_time() - start)
    assert stack_of(found, grid)[120, 260, 260]
    assert min(times_s) < LONGEST_CPU_S, times_s


def test_between_drawn_slices_only_those_between_come(board: Board) -> None:
    mask = ball(board.shape, 9)
    at = [index for index in range(board.shape[0]) if mask[index].any()][::4]
    drawn = np.zeros_like(mask)
    drawn[at] = mask[at]
    answer = board.call("POST", "/interpolate", runs=runs(drawn)).json()["runs"]
    assert sorted(map(int, answer)) == [index for index in range(at[0], at[-1]) if index not in at]
    whole = drawn | masked(answer, board.shape)
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
def test_nothing_to_fill_is_said(board: Board, drawn: dict[str, Any], words: str) -> None:
    refused(board.call("POST", "/interpolate", runs=drawn), 400, words)
