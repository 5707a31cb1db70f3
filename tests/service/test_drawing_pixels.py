"""Drawing in a real browser: contours, strokes in three planes and undo, compared with numpy."""

from typing import Any

import numpy as np
import pytest
from browser_kit import ViewerDriver
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation
from selenium.webdriver import Chrome
from service_kit import Site
from study_kit import masked

from radfuse.arrays import BoolArray, Float64Array
from radfuse.structures.contour_smoothing import signed_area
from radfuse.structures.polygons import rasterise, trace_polygons
from structure_kit import blobs

SIZE = (14, 12, 9)
"""Columns, rows and slices of the volume for strokes."""

AXES = {"axial": 0, "coronal": 1, "sagittal": 2}
"""Axis of an array (slices, rows, columns) across a plane."""

DRAW = """
const { PLANES } = await import('/viewer/volume.js');
const { Toggled } = it, { polygon } = await import('/structures/masks.js');
const volume = { size: given[0], spacing: [1, 1, 1] };
const structure = new it.Structure({ id: 'a', name: 'A', runs: given[1] }, volume);
const results = [], all = [];
for (const [plane, index, points, value] of given[2]) {
  const toggled = new Toggled(), viewport = { plane, ...PLANES[plane] };
  const size = [volume.size[viewport.right], volume.size[viewport.down]];
  const emit = (...row) => structure.fillLine(viewport, index, ...row, value, toggled);
  polygon(size, points, emit);
  all.push(toggled.runs());
  results.push(structure.runs());
}
for (const runs of all.reverse()) structure.toggle(runs), results.push(structure.runs());
return [results, structure.cm3];
"""


@pytest.fixture(scope="module")
def viewer(browser: Chrome, site: Site, tmp_path_factory: pytest.TempPathFactory) -> ViewerDriver:
    browser.get(site.access.url)
    browser.set_script_timeout(30)
    return ViewerDriver(browser, tmp_path_factory.mktemp("drawing"))


def evaluate(viewer: ViewerDriver, module: str, body: str, *given: Any) -> Any:
    response = viewer.call_module(module, body, *given)
    assert "error" not in response, response
    return response["value"]


def contours(viewer: ViewerDriver, mask: BoolArray, *, smooth: bool) -> list[Float64Array]:
    """The viewer's contours of a mask in pixels, with integer coordinates at pixel centres."""
    finish = "it.smoothContour(corners)" if smooth else "corners"
    code = f"""
      const mask = Uint8Array.from(given[0]);
      return it.traceBorders(mask, given[1]).map((corners) => [...{finish}]);
    """
    size = list(mask.shape[::-1])
    found = evaluate(
        viewer, "structures/contours.js", code, mask.ravel().astype(int).tolist(), size
    )
    return [np.reshape(points, (-1, 2)) - 0.5 for points in found]


def test_borders_are_the_edges_of_the_voxels(viewer: ViewerDriver) -> None:
    for seed in range(4):
        mask = blobs((9, 12), seed, grain=0.6)
        borders = contours(viewer, mask, smooth=False)
        filled = np.logical_xor.reduce([rasterise(one, mask.shape) for one in borders])
        np.testing.assert_array_equal(filled, mask)
        steps = np.vstack([np.roll(one, -1, axis=0) - one for one in borders])
        assert (np.abs(steps).sum(axis=1) == 1).all()
        edges = [np.abs(np.diff(np.pad(mask, 1).astype(int), axis=axis)).sum() for axis in (0, 1)]
        assert len(steps) == sum(edges)
        assert sum(map(signed_area, borders)) == mask.sum()


def test_smooth_contours_are_those_of_the_structure_set(viewer: ViewerDriver) -> None:
    for seed, grain in ((1, 0.5), (2, 1.5), (3, 3.0)):
        mask = blobs((40, 37), seed, grain=grain)
        found = contours(viewer, mask, smooth=True)
        polygons = trace_polygons(mask, smooth=True)
        wanted = [one for polygon in polygons for one in (polygon.outer, *polygon.holes)]
        assert len(found) == len(wanted)
        ours, theirs = (np.vstack(points) for points in (found, wanted))
        for points, others in ((ours, theirs), (theirs, ours)):
            apart = np.linalg.norm(points[:, None] - others[None], axis=-1).min(axis=1)
            assert apart.max() < 1e-6


@pytest.mark.parametrize("plane", AXES)
def test_polygons_fill_the_plane_in_which_they_are_drawn(viewer: ViewerDriver, plane: str) -> None:
    shape = SIZE[::-1]
    before = blobs(shape, 5, share=0.2)
    corners = [[1.2, 0.8], [7.7, 1.4], [6.6, 7.3], [2.1, 6.1]]
    other = next(name for name in AXES if name != plane)
    drawn = [[plane, 4, corners, 1], [plane, 4, corners[:3], 0], [other, 3, corners, 1]]
    runs = {str(at): runs_of(before[at]) for at in range(shape[0]) if before[at].any()}
    found, cm3 = evaluate(viewer, "structures/structure.js", DRAW, list(SIZE), runs, drawn)
    states = [before]
    for name, index, points, value in drawn:
        after = states[-1].copy()
        part = np.moveaxis(after, AXES[name], 0)[index]
        part[rasterise(np.array(points), part.shape)] = value
        states.append(after)
    for runs_found, wanted in zip(found, [*states[1:], *states[-2::-1]], strict=True):
        np.testing.assert_array_equal(masked(runs_found, shape), wanted)
    assert cm3 == pytest.approx(before.sum() / 1000)


def runs_of(mask: BoolArray) -> list[int]:
    edges = np.flatnonzero(np.diff(mask.ravel().astype(np.int8), prepend=0, append=0))
    return np.column_stack([edges[::2], edges[1::2] - edges[::2]]).ravel().tolist()


def test_contours_of_a_changed_plane_are_traced_again(viewer: ViewerDriver) -> None:
    code = """
      const { PLANES } = await import('/viewer/volume.js');
      const structure = new it.Structure({ id: 'a' }, { size: given[0], spacing: [1, 1, 1] });
      const view = (plane) => {
        const { right, down } = PLANES[plane];
        return { plane, ...PLANES[plane], columns: given[0][right], rows: given[0][down] };
      };
      const path = (plane, index) => structure.path(view(plane), index, true);
      const paths = () => given[1].flatMap((plane) => [path(plane, 2), path(plane, 3)]);
      const before = paths();
      structure.fillLine(view('axial'), 3, 2, 3, 5, 1, new it.Toggled());
      const after = paths();
      return before.map((path, i) => path !== after[i]);
    """
    found = evaluate(viewer, "structures/structure.js", code, list(SIZE), list(AXES))
    # axial 2 and 3, coronal 2 and 3, sagittal 2 and 3; row 2 of slice 3 was drawn from column 3
    assert found == [False, True, True, False, False, True]


OBLIQUE = """
const { PLANES } = await import('/viewer/volume.js');
const { inverse } = await import('/viewer/geometry.js');
const { Structure } = await import('/structures/structure.js');
const [size, runs, ctFromGrid, gridSize, planes] = given;
const structure = new Structure({ id: 'a', runs }, { size, spacing: [1, 1, 1] });
return planes.map(([plane, index, isSmooth]) => {
  const viewport = { ...PLANES[plane], ctFromGrid, gridFromCt: inverse(ctFromGrid) };
  viewport.columns = gridSize[viewport.right];
  viewport.rows = gridSize[viewport.down];
  return [...(it.obliqueMask(structure, viewport, index, isSmooth) ?? [])];
});
"""


def test_mask_in_planes_of_another_grid_is_that_of_the_ct(viewer: ViewerDriver) -> None:
    mask = blobs(SIZE[::-1], 8, share=0.3)
    mask[:, :2], mask[:3] = False, False
    runs = {str(at): runs_of(mask[at]) for at in range(len(mask)) if mask[at].any()}
    grid_size = (17, 15, 13)
    ct_from_grid = np.eye(4)
    ct_from_grid[:3, :3] = Rotation.from_euler("xyz", (0.4, -0.3, 0.2)).as_matrix() * 0.9
    ct_from_grid[:3, 3] = (-1.7, 2.3, -2.1)
    planes = [[plane, index, smooth] for plane in AXES for index in range(13) for smooth in (0, 1)]
    found = evaluate(
        viewer, "structures/oblique.js", OBLIQUE,
        list(SIZE), runs, ct_from_grid.tolist(), list(grid_size), planes,
    )  # fmt: skip
    for (plane, index, smooth), pixels in zip(planes, found, strict=True):
        at = [np.arange(2 * count) / 2 - 0.25 for count in grid_size]  # two pixels for each voxel
        at[2 - AXES[plane]] = np.array([index])
        grid = np.stack(np.meshgrid(*at, indexing="ij"))
        points = np.tensordot(ct_from_grid[:3, :3], grid, 1) + ct_from_grid[:3, 3, None, None, None]
        values = map_coordinates(
            mask.astype(float), points[::-1], order=smooth, mode="grid-constant"
        )
        wanted = np.squeeze(values >= 0.5, 2 - AXES[plane]).T
        wanted = wanted if plane == "axial" else wanted[::-1]
        np.testing.assert_array_equal(pixels or np.zeros(wanted.size), wanted.ravel())
    assert any(map(any, found))
