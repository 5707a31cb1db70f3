"""Operations on stored structures, their statistics, and interpolation in other planes."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from service_kit import Site, refused
from study_kit import StudyClient, ball, masked, prepare, runs

from radfuse.series import Series
from radfuse.structures.label_maps import PALETTE
from structure_kit import dice, series_on_disk

SIDES = ("right", "left", "anterior", "posterior", "inferior", "superior")


@pytest.fixture(scope="module")
def ct(tmp_path_factory: pytest.TempPathFactory) -> Series:
    return series_on_disk(tmp_path_factory.mktemp("plain") / "CT", size=(40, 36, 16))


@pytest.fixture(scope="module")
def shared_client(site: Site, ct: Series) -> StudyClient:
    """A study whose MR is the CT in the first eight slices, twice as bright."""
    mr = sitk.GetArrayFromImage(ct.image)[:8] * 2 + 3000
    mr_image = sitk.GetImageFromArray(mr)
    mr_image.SetOrigin(ct.image.GetOrigin())
    mr_image.SetSpacing(ct.image.GetSpacing())
    mr_image.SetDirection(ct.image.GetDirection())
    return prepare(site, (ct.source, ct.source), ct.image, mr_image)


@pytest.fixture
def client(shared_client: StudyClient) -> Iterator[StudyClient]:
    yield shared_client
    shared_client.clear()


def operate(client: StudyClient, operation: str, **more: Any) -> np.ndarray:
    answer = client.call("POST", "/structures/operate", operation=operation, **more)
    assert answer.status_code == 200, answer.text
    return masked(answer.json()["runs"], client.shape)


def test_each_operation_returns_its_result_and_stores_nothing(client: StudyClient) -> None:
    large, small = ball(client.shape, 6), ball(client.shape, 3)
    one, two = (client.add(name, mask)["id"] for name, mask in (("L", large), ("S", small)))
    before = [client.get(one), client.get(two)]
    shell = operate(client, "combine", structure=one, other=two, combination="difference")
    np.testing.assert_array_equal(shell, large & ~small)
    grown = operate(client, "margin", structure=two, **dict.fromkeys(SIDES, 2.6))
    assert (grown >= small).all()
    assert grown.sum() > 2 * small.sum()
    shrunk = operate(client, "margin", structure=one, inwards=True, left=3)
    assert 0 < shrunk.sum() < large.sum()
    assert operate(client, "smooth", structure=one, sigma_mm=2).sum() == large.sum()
    cropped = operate(client, "crop", structure=one, other=two, side="outside")
    np.testing.assert_array_equal(cropped, small)
    ring = client.add("Shell", shell)["id"]
    np.testing.assert_array_equal(operate(client, "fill", structure=ring), large)
    far = client.add("Parts", small | ball(client.shape, 1, (2, 3, 3)))["id"]
    np.testing.assert_array_equal(operate(client, "largest", structure=far, count=1), small)
    assert [client.get(one), client.get(two)] == before


@pytest.mark.parametrize("name", SIDES)
def test_margins_go_towards_the_named_side(client: StudyClient, name: str) -> None:
    mask = ball(client.shape, 2)
    structure = client.add("GTVp", mask)["id"]
    grown = operate(client, "margin", structure=structure, **{name: 5.0})
    shift = np.argwhere(grown).mean(0) - np.argwhere(mask).mean(0)
    axis, sign = {
        "right": (2, -1), "left": (2, 1), "anterior": (1, -1), "posterior": (1, 1),
        "inferior": (0, -1), "superior": (0, 1),
    }[name]  # fmt: skip
    assert np.flatnonzero(np.abs(shift) > 1e-9).tolist() == [axis]
    assert np.sign(shift[axis]) == sign


def test_operations_that_cannot_be_done_are_refused(client: StudyClient) -> None:
    empty, full = client.add("Empty")["id"], client.add("Full", ball(client.shape, 3))["id"]

    def refuse(words: str, status: int = 422, **body: Any) -> None:
        refused(client.call("POST", "/structures/operate", **body), status, words)

    refuse("'Empty' is empty; draw it first", 400, operation="smooth", structure=empty, sigma_mm=1)
    refuse("no such structure", 404, operation="largest", structure="0" * 12)
    refuse("sigma_mm", operation="smooth", structure=full, sigma_mm=99)
    refuse("left", operation="margin", structure=full, left=-1)
    refuse("operation", operation="melt", structure=full)
    other = {"operation": "combine", "structure": full, "other": empty, "combination": "union"}
    refuse("'Empty' is empty", 400, **other)


def test_statistics_are_those_of_the_voxels(client: StudyClient, ct: Series) -> None:
    mask = ball(client.shape, 4, (5, 18, 20))
    structure = client.add("GTVp", mask)["id"]
    found = client.call("GET", f"/structures/{structure}/statistics").json()
    values = sitk.GetArrayFromImage(sitk.DICOMOrient(ct.image, "LPS"))[mask]
    assert found["volume_cm3"] == pytest.approx(mask.sum() * client.grid.voxel_cm3)
    assert found["parts"] == 1
    assert found["ct"]["voxels"] == mask.sum()
    assert found["ct"]["mean"] == pytest.approx(values.mean(), abs=0.6)
    assert found["ct"]["maximum"] == pytest.approx(values.max(), abs=0.6)
    extents = np.ptp(np.argwhere(mask), axis=0) + 1
    assert found["extents_mm"] == pytest.approx((extents * (2.5, 1.1, 0.9))[::-1].tolist())
    in_fov = mask.copy()
    in_fov[8:] = False
    assert found["mr"]["voxels"] == in_fov.sum() < mask.sum()
    bright = sitk.GetArrayFromImage(ct.image)[in_fov] * 2 + 3000
    assert found["mr"]["mean"] == pytest.approx(bright.mean(), rel=1e-3)


def test_statistics_outside_of_the_mr_and_of_nothing(client: StudyClient) -> None:
    empty = client.add("Empty")["id"]
    found = client.call("GET", f"/structures/{empty}/statistics").json()
    assert (found["volume_cm3"], found["ct"], found["mr"]) == (0, None, None)
    outside = client.add("Outside", ball(client.shape, 2, (13, 18, 20)))["id"]
    found = client.call("GET", f"/structures/{outside}/statistics").json()
    assert found["mr"] is None
    assert found["ct"]["voxels"] > 0


@pytest.mark.parametrize(("plane", "axis"), [("axial", 0), ("coronal", 1), ("sagittal", 2)])
def test_planes_of_any_direction_are_interpolated(
    client: StudyClient, plane: str, axis: int
) -> None:
    whole = ball(client.shape, 6)
    drawn = np.zeros_like(whole)
    planes, source = np.moveaxis(drawn, axis, 0), np.moveaxis(whole, axis, 0)
    at = np.flatnonzero(source.any(axis=(1, 2)))
    for index in {*at[::3], at[-1]}:
        planes[index] = source[index]
    answer = client.call("POST", "/interpolate", runs=runs(drawn), plane=plane)
    assert answer.status_code == 200, answer.text
    assert dice(masked(answer.json()["runs"], client.shape) | drawn, whole) > 0.93


def test_steps_and_lines_are_stored(client: StudyClient) -> None:
    added = client.add("GTVp", ball(client.shape, 2), steps=["brush"])
    assert (added["steps"], added["line"], added["line_width"]) == (["brush"], "solid", 2)
    change = {"revision": 1, "steps": ["margin", "brush"], "line": "dashed", "line_width": 3}
    changed = client.call("PATCH", f"/structures/{added['id']}", **change).json()
    assert (changed["steps"], changed["line"]) == (["brush", "margin"], "dashed")
    assert client.get(added["id"])["line_width"] == 3
    body = {"revision": 2, "steps": ["magic"]}
    refused(client.call("PATCH", f"/structures/{added['id']}", **body), 422, "steps")


def test_colours_that_are_used_again_get_another_line(client: StudyClient) -> None:
    added = [client.add(f"S{number}") for number in range(2 * len(PALETTE) + 1)]
    assert len({(one["colour"], one["line"]) for one in added}) == len(added)
    lines = [one["line"] for one in added[:: len(PALETTE)]]
    assert lines == ["solid", "dashed", "dotted"]
