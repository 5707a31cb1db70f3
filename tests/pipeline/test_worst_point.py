"""The worst point of the brain: its position and planes on the QA sheet, as in the record."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

import radfuse
from radfuse.arrays import image_on
from radfuse.intensity import window_named
from radfuse.phantom.head import Phantom
from radfuse.pipeline.qa.content import OUTSIDE, worst_point
from radfuse.pipeline.qa.sheet import Plane
from radfuse.pipeline.result import Result
from radfuse.recipe import Recipe
from radfuse.registration.transforms import write_transform

NAMES = ["axial, worst point", "coronal, worst point", "sagittal, worst point"]
SPACING_MM = (2.6, 3.4, 4.2)


def oblique(phantom: Phantom) -> sitk.Image:
    """The CT on an oblique, anisotropic, shifted grid whose columns run from front to back."""
    tilt = sitk.Euler3DTransform((0, 0, 0), *np.radians([14.0, -9.0, 8.0]).tolist())
    grid = sitk.Image([84, 66, 52], sitk.sitkFloat32)
    grid.SetSpacing(SPACING_MM)
    direction = np.reshape(tilt.GetMatrix(), (3, 3)) @ [[0, 1, 0], [-1, 0, 0], [0, 0, 1]]
    grid.SetDirection(direction.ravel().tolist())
    centre = grid.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in grid.GetSize()])
    grid.SetOrigin(np.subtract((1.0, 3.0, 2.0), centre).tolist())
    return sitk.Resample(phantom.ct.image, grid, sitk.Transform(), sitk.sitkLinear, -1000.0)


@pytest.fixture(scope="module")
def fused(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, str]:
    """A fusion on the oblique CT, rotated by 1.5 degrees, and its QA sheet."""
    folder = tmp_path_factory.mktemp("oblique")
    step = sitk.Euler3DTransform((0, 0, 10), 0.0, 0.0, np.radians(1.5))
    write_transform(folder / "t.tfm", sitk.CompositeTransform([phantom.mr_from_ct, step]))
    recipe = Recipe(transform=folder / "t.tfm", method="average", accept_registration=True)
    ct = replace(phantom.ct, image=oblique(phantom))
    result = radfuse.fuse(ct, phantom.mr, folder / "x.mha", recipe=recipe)
    return result, (folder / "x_qa.html").read_text(encoding="utf-8")


def at_position(result: Result, position_mm: tuple[float, float, float]) -> Result:
    assert result.alignment
    quality = replace(result.alignment.quality, worst_point_mm=position_mm)
    return replace(result, alignment=replace(result.alignment, quality=quality))


def test_the_sheet_shows_the_position_of_the_record(fused: tuple[Result, str]) -> None:
    result, html = fused
    assert result.record.registration
    quality = result.record.registration["quality"]
    found = re.search(
        r"largest in the brain at ([\d.]+) mm ([LR]), ([\d.]+) mm ([PA]), ([\d.]+) mm ([SI]) "
        r"\(coordinates of the CT\): ([\d.]+) mm, with a 90 % interval from ([\d.]+) to ([\d.]+) ",
        html,
    )
    assert found
    signs = [1.0 if letter in "LPS" else -1.0 for letter in found.group(2, 4, 6)]
    shown = np.array(found.group(1, 3, 5), float) * signs
    np.testing.assert_allclose(shown, quality["worst_point_mm"], rtol=0, atol=1e-6)
    assert found.group(7, 8, 9) == tuple(
        f"{quality[name]:.1f}" for name in ("error_mm", "low_mm", "high_mm")
    )
    for name in NAMES:
        assert f"<figcaption>{name}, fused</figcaption>" in html
    assert html.index("worst point, fused") < html.index("mm below the top, fused")


def value_at(plane: Plane) -> float:
    """CT at the crosshair."""
    assert plane.crosshair
    row, column = np.rint(plane.crosshair).astype(int)
    return float(plane.ct[row, column])


def test_the_planes_meet_at_the_voxel_of_the_point(fused: tuple[Result, str]) -> None:
    """Every voxel of the CT has its own value here."""
    result, _ = fused
    assert result.region
    rng = np.random.default_rng(0)
    grid, window = result.ct.image, window_named(result.record.recipe.window)
    values = rng.uniform(0.0, 1000.0, grid.GetSize()[::-1]).astype(np.float32)
    result = replace(result, ct=replace(result.ct, image=image_on(grid, values)))
    box = result.region.box
    for _ in range(12):
        voxel = np.array([rng.integers(part.start, part.stop) for part in box])
        near = (voxel[::-1] + rng.uniform(-0.4, 0.4, 3)).tolist()
        position = grid.TransformContinuousIndexToPhysicalPoint(near)
        worst = worst_point(at_position(result, position))
        assert worst
        assert [plane.name for plane in worst.planes] == NAMES
        wanted = window.scale(values)[tuple(voxel)]
        assert [value_at(plane) for plane in worst.planes] == [wanted] * 3
        assert OUTSIDE not in worst.caption


def test_a_point_outside_the_fused_box_is_named(fused: tuple[Result, str]) -> None:
    worst = worst_point(at_position(fused[0], (0.0, 0.0, 900.0)))
    assert worst
    assert OUTSIDE in worst.caption
    assert [plane.name for plane in worst.planes] == NAMES


def test_without_an_estimate_there_is_no_worst_point(
    fused: tuple[Result, str], tmp_path: Path
) -> None:
    result, _ = fused
    assert result.alignment
    quality = replace(result.alignment.quality, worst_point_mm=None)
    bare = replace(result, alignment=replace(result.alignment, quality=quality))
    assert worst_point(bare) is None
    assert worst_point(replace(result, alignment=None, region=None)) is None
