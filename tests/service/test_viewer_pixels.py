"""The viewer's arithmetic in a real browser, compared with numpy and SimpleITK."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from browser_kit import ViewerDriver
from matplotlib.path import Path as Outline
from scipy.spatial.transform import Rotation
from selenium.webdriver import Chrome
from service_kit import Site

from radfuse.colour.maps import COLOUR_MAPS
from radfuse.registration.qa.regions import _regions
from radfuse.service.stores.view_volumes import describe_volume

OUTSIDE = -32768
PLANES_IN_FOV = {"axial": (3, 5), "coronal": (9, 13), "sagittal": (9, 14)}
RNG = np.random.default_rng(7)


@pytest.fixture(scope="module")
def viewer(browser: Chrome, site: Site, tmp_path_factory: pytest.TempPathFactory) -> ViewerDriver:
    browser.get(site.access.url)
    browser.set_script_timeout(30)
    return ViewerDriver(browser, tmp_path_factory.mktemp("pixels"))


def evaluate(viewer: ViewerDriver, module: str, body: str, *given: Any) -> Any:
    response = viewer.call_module(module, body, *given)
    assert "error" not in response, response
    return response["value"]


def volume(image: sitk.Image) -> dict[str, Any]:
    """Arguments of `new Volume`: description and values."""
    values = sitk.GetArrayFromImage(image).ravel().tolist()
    return {"description": describe_volume(image, 1.0).model_dump(), "values": values}


def random_image(size: tuple[int, int, int], seed: int) -> sitk.Image:
    values = np.random.default_rng(seed).integers(-1000, 3000, size[::-1]).astype(np.int16)
    return sitk.GetImageFromArray(values)


def planes_of(values: np.ndarray, plane: str, index: int) -> np.ndarray:
    """Rows from the top of the screen: the head is up, the patient's right or front is left."""
    if plane == "axial":
        return values[index]
    return (values[:, index] if plane == "coronal" else values[:, :, index])[::-1]


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_planes_have_radiological_orientation(viewer: ViewerDriver, plane: str) -> None:
    image = random_image((5, 4, 3), 1)
    code = """
      const [v, plane] = given;
      const it2 = new it.Volume(v.description, Int16Array.from(v.values));
      return [...it.extractPlane(it2, plane, 2)];
    """
    found = evaluate(viewer, "viewer/volume.js", code, volume(image), plane)
    np.testing.assert_array_equal(found, planes_of(sitk.GetArrayFromImage(image), plane, 2).ravel())


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_mr_overlay_equals_simpleitk_resampling(viewer: ViewerDriver, plane: str) -> None:
    ct, mr = random_image((9, 8, 7), 2), random_image((12, 11, 6), 3)
    ct.SetSpacing((1.0, 1.2, 2.0))
    ct.SetOrigin((-4.0, -5.0, -6.0))
    mr.SetSpacing((0.9, 0.8, 2.5))
    mr.SetOrigin((-5.0, -4.0, -7.0))
    mr.SetDirection(Rotation.from_euler("xyz", (8, -5, 12), degrees=True).as_matrix().ravel())
    mr_from_ct = sitk.Euler3DTransform((0, 0, 0), 0.1, -0.05, 0.2, (1.0, -0.5, 0.7))
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(mr_from_ct.GetMatrix(), (3, 3))
    matrix[:3, 3] = mr_from_ct.GetTranslation()
    expected = sitk.GetArrayFromImage(
        sitk.Resample(mr, ct, mr_from_ct, sitk.sitkLinear, OUTSIDE, sitk.sitkFloat64)
    )
    code = """
      const [ct, mr, mrFromCt, plane, index] = given;
      const { multiply } = await import('/viewer/geometry.js');
      const load = (v) => new it.Volume(v.description, Int16Array.from(v.values));
      const [a, b] = [load(ct), load(mr)];
      const bFromA = multiply(b.voxelFromMm, mrFromCt, a.mmFromVoxel);
      return [...it.resamplePlane(b, bFromA, a.size, plane, index)];
    """
    found = evaluate(
        viewer, "viewer/volume.js", code, volume(ct), volume(mr), matrix.tolist(), plane, 3
    )
    wanted = planes_of(expected, plane, 3).ravel()
    assert (np.array(found) == OUTSIDE).any()
    np.testing.assert_allclose(found, wanted, atol=0.51)


@pytest.mark.parametrize(
    ("plane", "index"), [(plane, index) for plane, two in PLANES_IN_FOV.items() for index in two]
)
def test_fov_border_is_that_of_the_resampled_mr(
    viewer: ViewerDriver, plane: str, index: int
) -> None:
    ct, mr = random_image((24, 22, 8), 2), random_image((9, 10, 5), 3)
    ct.SetSpacing((1.0, 1.2, 2.0))
    mr.SetSpacing((1.4, 1.5, 2.5))
    mr.SetOrigin((6.0, 5.0, 2.0))
    mr.SetDirection(Rotation.from_euler("xyz", (8, -5, 12), degrees=True).as_matrix().ravel())
    mr_from_ct = sitk.Euler3DTransform((0, 0, 0), 0.1, -0.05, 0.2, (1.0, -0.5, 0.7))
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(mr_from_ct.GetMatrix(), (3, 3))
    matrix[:3, 3] = mr_from_ct.GetTranslation()
    resampled = sitk.Resample(mr, ct, mr_from_ct, sitk.sitkLinear, np.nan, sitk.sitkFloat32)
    code = """
      const [ct, mr, mrFromCt, plane, index] = given;
      const { multiply } = await import('/viewer/geometry.js');
      const { PLANES, Volume } = await import('/viewer/volume.js');
      const [a, b] = [ct, mr].map((v) => new Volume(v.description, Int16Array.from(v.values)));
      const bFromA = multiply(b.voxelFromMm, mrFromCt, a.mmFromVoxel);
      return it.borderSegments(bFromA, b.size, a.size, PLANES[plane], index);
    """
    given = (volume(ct), volume(mr), matrix.tolist(), plane, index)
    segments = np.array(evaluate(viewer, "marks/fov_border.js", code, *given))
    across = {"sagittal": 0, "coronal": 1, "axial": 2}[plane]
    assert (segments[..., across] == index).all()
    in_fov = (~np.isnan(sitk.GetArrayFromImage(resampled))).take(index, 2 - across)
    lines = np.delete(segments, across, axis=2)[..., ::-1]  # ends, (row, column) of the plane
    shares = np.linspace(0, 1, 400)[:, None]
    points = np.concatenate([end + shares * (other - end) for end, other in lines])
    changes = [
        np.argwhere(in_fov[1:] != in_fov[:-1]) + np.array((0.5, 0)),
        np.argwhere(in_fov[:, 1:] != in_fov[:, :-1]) + np.array((0, 0.5)),
    ]
    between = np.concatenate(changes)
    assert len(between) > 10
    distances = np.linalg.norm(points[:, None] - between, axis=2)
    assert distances.min(axis=0).max() <= 0.51 * np.sqrt(2)  # a border wherever the mask changes
    is_sampled = ((points >= 0) & (points <= np.array(in_fov.shape) - 1)).all(axis=1)
    assert distances[is_sampled].min(axis=1).max() <= 1  # and nowhere else
    assert (points >= -0.51).all()
    assert (points <= np.array(in_fov.shape) - 0.49).all()


def test_fov_border_is_drawn_for_a_fused_image(viewer: ViewerDriver) -> None:
    ct, mr = random_image((24, 22, 8), 2) * 0, random_image((10, 10, 4), 3) * 0
    mr.SetOrigin((5.0, 6.0, 2.0))
    code = """
      const { Viewer } = await import('/viewer/viewer.js');
      const { Volume } = await import('/viewer/volume.js');
      const { IDENTITY } = await import('/viewer/geometry.js');
      const canvas = document.createElement('canvas');
      canvas.style.cssText = 'position:fixed;left:0;top:0;width:640px;height:480px';
      document.body.append(canvas);
      const [ct, mr] = given.map((v) => new Volume(v.description, Int16Array.from(v.values)));
      const viewer = new Viewer(canvas);
      const border = new it.FovBorder(viewer);
      viewer.layers.push(border);
      viewer.hasMarks = false;
      viewer.show({ ct, mr, mrRange: [0, 1], mrFromCt: IDENTITY });
      viewer.setCrosshair([10, 10, 3]);
      const blue = () => {
        viewer.draw();
        return viewer.viewports.map((viewport) => {
          const sides = ["left", "top", "width", "height"];
          const [left, top, width, height] = sides.map((side) => Math.floor(viewport[side]));
          const pixels = viewer.context.getImageData(left, top, width, height).data;
          let [first, last, rows] = [width, 0, new Set()];
          for (let i = 0; i < pixels.length; i += 4)
            if (pixels[i + 2] > 100 && pixels[i] < 100) {
              const x = (i / 4) % width;
              [first, last] = [Math.min(first, x), Math.max(last, x)];
              rows.add(Math.floor(i / 4 / width));
            }
          const corner = viewport.toScreen([4.5, 5.5, 1.5]);
          const end = viewport.toScreen([14.5, 15.5, 5.5]);
          return [rows.size, first, last, corner[0] - left, end[0] - left];
        });
      };
      const before = blue();
      viewer.setFused(ct, IDENTITY);
      viewer.setAlignment([[1, 0, 0, 9], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]);
      const drawn = blue();
      border.toggle();
      const hidden = blue();
      canvas.remove();
      return [before, drawn, hidden];
    """
    before, drawn, hidden = evaluate(viewer, "marks/fov_border.js", code, volume(ct), volume(mr))
    assert len(drawn) == 3
    for rows, first, last, left, right in drawn:
        assert rows > 20
        assert [first, last] == pytest.approx(sorted((left, right)), abs=2)
    assert all(not rows for rows, *_ in [*before, *hidden])


def test_rigid_motion_rotates_about_its_centre(viewer: ViewerDriver) -> None:
    shift, degrees, centre = [3.0, -4.0, 5.0], [10.0, -20.0, 30.0], [40.0, 50.0, 60.0]
    point = [1.0, 2.0, 3.0]
    code = """
      const m = it.rigidMotion(given[0], given[1], given[2]);
      return [it.apply(m, given[3]), it.apply(it.inverse(m), it.apply(m, given[3]))];
    """
    moved, back = evaluate(viewer, "viewer/geometry.js", code, shift, degrees, centre, point)
    rotation = Rotation.from_euler("xyz", degrees, degrees=True)
    expected = rotation.apply(np.subtract(point, centre)) + centre + shift
    np.testing.assert_allclose(moved, expected, atol=1e-9)
    np.testing.assert_allclose(back, point, atol=1e-9)


VIEWER = """
  const { Viewer } = await import('/viewer/viewer.js');
  const { IDENTITY } = await import('/viewer/geometry.js');
  const { Volume } = it;
  const canvas = document.createElement('canvas');
  canvas.style.cssText = 'position:fixed;left:0;top:0;width:640px;height:480px';
  document.body.append(canvas);
  const [v, bright] = given;
  const ct = new Volume(v.description, Int16Array.from(v.values));
  const mr = new Volume(v.description, new Int16Array(v.values.length));
  const viewer = new Viewer(canvas);
  viewer.show({ ct, mr, mrRange: [0, 1], mrFromCt: IDENTITY });
  viewer.set({ window: [1000, 500], opacity: 0, layout: 'planes' });
  viewer.setCrosshair(bright);
  viewer.hasMarks = false;
  viewer.draw();
  const pixels = viewer.context.getImageData(0, 0, canvas.width, canvas.height);
  const positions = viewer.viewports.map((viewport) => {
    let [x, y, sum] = [0, 0, 0];
    const right = viewport.left + viewport.width;
    for (let row = Math.ceil(viewport.top); row < viewport.top + viewport.height; row++)
      for (let column = Math.ceil(viewport.left); column < right; column++) {
        const light = pixels.data[4 * (row * canvas.width + column)];
        x += light * (column + 0.5);
        y += light * (row + 0.5);
        sum += light;
      }
    const [screenX, screenY] = [x / sum, y / sum];
    const back = viewport.toVoxel(...viewport.toScreen(bright), bright);
    return [viewport.plane, [screenX, screenY], back, viewport.toVoxel(screenX, screenY, bright)];
  });
  const none = new Volume(v.description, new Int16Array(v.values.length));
  viewer.show({ ct: none, mr: none, mrRange: [0, 1], mrFromCt: viewer.mrFromCt });
  viewer.setCrosshair(bright);
  viewer.draw();
  const after = viewer.context.getImageData(0, 0, canvas.width, canvas.height).data;
  canvas.remove();
  return [positions, after.some((value, i) => i % 4 < 3 && value > 0)];
"""
"""Displayed position of a bright voxel, and the voxels that the viewport maps to and from it."""


def test_displayed_position_and_orientation_are_radiological(viewer: ViewerDriver) -> None:
    values = np.zeros((6, 9, 12), np.int16)
    bright = [2, 6, 4]  # towards the right, the back, the head
    values[bright[2], bright[1], bright[0]] = 1000
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((1.5, 1.0, 3.0))
    results, is_left = evaluate(viewer, "viewer/volume.js", VIEWER, volume(image), bright)
    assert not is_left, "the image of one patient stays for the next"
    for plane, _, back, found in results:
        np.testing.assert_allclose(back, bright, atol=1e-9, err_msg=plane)
        np.testing.assert_allclose(found, bright, atol=0.1, err_msg=plane)
    positions = {plane: screen for plane, screen, *_ in results}
    other, _ = evaluate(
        viewer, "viewer/volume.js", VIEWER, volume(mirrored(image, values)), [9, 2, 1]
    )
    corner = {plane: screen for plane, screen, *_ in other}
    assert positions["axial"][0] < corner["axial"][0]  # the patient's right is on the left
    assert positions["axial"][1] > corner["axial"][1]  # the back is below
    assert positions["coronal"][1] < corner["coronal"][1]  # the head is above
    assert positions["sagittal"][0] > corner["sagittal"][0]  # the front is on the left


def mirrored(image: sitk.Image, values: np.ndarray) -> sitk.Image:
    """The same with its bright voxel towards the left, the front and the feet."""
    other = sitk.GetImageFromArray(values[::-1, ::-1, ::-1].copy())
    other.CopyInformation(image)
    return other


def composed(
    viewer: ViewerDriver, lower: list[int], upper: list[int] | None, options: str
) -> np.ndarray:
    """RGBA of a grey plane with a layer on it; the options are of the layer and of the mode."""
    code = f"""
      const [lower, upper] = given.map((one) => one && Int16Array.from(one));
      const target = new Uint32Array(lower.length);
      const settings = {{ opacity: 1, map: 'grey', composite: 'alpha', bone: null, {options} }};
      const map = it.COLOUR_MAPS[settings.map];
      const greys = it.valueColours(it.COLOUR_MAPS.grey, [0, 255]);
      const layer = {{ ...settings, values: upper, adds: map.adds }};
      layer.table = it.valueColours(map, [0, 255]);
      const base = {{ values: lower, table: map.adds ? it.magentaOf([0, 255]) : greys }};
      it.compose(target, base, upper ? [layer] : [], settings);
      return [...new Uint8Array(target.buffer)];
    """
    return np.reshape(evaluate(viewer, "viewer/compose.js", code, lower, upper), (-1, 4))


def test_colour_blend_is_weighted_mean_and_ct_outside_the_fov(viewer: ViewerDriver) -> None:
    found = composed(viewer, [0, 100, 200, -50], [200, 100, OUTSIDE, 300], "opacity: 0.25")
    np.testing.assert_array_equal(found[:, 0], [50, 100, 200, 64])
    np.testing.assert_array_equal(found[:, 3], 255)


def test_full_opacity_shows_the_overlay_alone(viewer: ViewerDriver) -> None:
    lower, upper = RNG.integers(-500, 500, (2, 64)).tolist()
    for name in ("grey", "hot"):
        found = composed(viewer, lower, upper, f"map: '{name}'")
        np.testing.assert_array_equal(found, composed(viewer, upper, upper, f"map: '{name}'"))


def test_composite_modes_are_those_of_slicer(viewer: ViewerDriver) -> None:
    lower, upper = [100, 200, 10], [40, 100, 60]
    for name, expected in {
        "reverse-alpha": [55, 125, 47.5],
        "add": [110, 225, 25],
        "subtract": [90, 175, 0],
    }.items():
        found = composed(viewer, lower, upper, f"opacity: 0.25, composite: '{name}'")
        np.testing.assert_allclose(found[:, 1], expected, atol=0.51, err_msg=name)


def test_bone_of_the_ct_stays_above_an_overlay(viewer: ViewerDriver) -> None:
    lower, upper = [0, 200, 250, 300, 350, 1000], [60] * 6
    bone = "composite: 'bone', bone: it.boneWeights(1)"
    for opacity in (0.5, 1.0):
        found = composed(viewer, lower, upper, f"opacity: {opacity}, {bone}")
        below = np.clip(lower, 0, 255)
        weights = opacity * (1 - np.array([0, 0, 0, 0.5, 1, 1]))
        expected = below + (np.array(upper) - below) * weights
        np.testing.assert_allclose(found[:, 0], expected, atol=0.51)


def test_magenta_and_green_add_up_to_grey(viewer: ViewerDriver) -> None:
    found = composed(viewer, [120, 0], [120, 200], "map: 'green'")
    np.testing.assert_array_equal(found[:, :3], [[120, 120, 120], [0, 200, 0]])


MODES = """
  const { Viewer } = await import('/viewer/viewer.js');
  const { IDENTITY } = await import('/viewer/geometry.js');
  const { Volume } = it;
  const canvas = document.createElement('canvas');
  canvas.style.cssText = 'position:fixed;left:0;top:0;width:600px;height:600px';
  document.body.append(canvas);
  const [v, changes] = given;
  const filled = (value) => new Volume(v.description, Int16Array.from(v.values, () => value));
  const [ct, mr] = [40, 200].map(filled);
  const viewer = new Viewer(canvas);
  viewer.hasMarks = false;
  viewer.show({ ct, mr, mrRange: [0, 255], mrFromCt: IDENTITY });
  viewer.set({ window: [255, 127.5], opacity: 1, layout: 'axial', ...changes });
  viewer.draw();
  const [viewport] = viewer.viewports;
  const at = (voxel) => {
    const [x, y] = viewport.toScreen(voxel).map(Math.round);
    return viewer.context.getImageData(x, y, 1, 1).data[0];
  };
  const rows = [10, 70].map((y) => [5, 15, 35, 65, 95].map((x) => at([x, y, 1])));
  canvas.remove();
  return rows;
"""
"""Values at positions of a CT of 40 and an MR of 200."""


@pytest.mark.parametrize(
    ("changes", "upper", "lower"),
    [
        ({"mode": "blend"}, [200] * 5, [200] * 5),
        ({"mode": "wipe", "wipe": 0.5}, [40, 40, 40, 200, 200], [40, 40, 40, 200, 200]),
        ({"mode": "checkerboard"}, [40, 40, 200, 40, 200], [40, 40, 200, 40, 200]),
        (
            {"mode": "spyglass", "spyglassVoxel": [15, 10, 1], "spyglassMm": 15},
            [200, 200, 40, 40, 40],
            [40] * 5,
        ),
    ],
)
def test_overlay_is_shown_where_its_mode_says(
    viewer: ViewerDriver, changes: dict[str, Any], upper: list[int], lower: list[int]
) -> None:
    image = sitk.GetImageFromArray(np.zeros((3, 100, 100), np.int16))
    found = evaluate(viewer, "viewer/volume.js", MODES, volume(image), changes)
    assert found == [upper, lower]


SLAB = """
  const { Planes, mrGrid } = await import('/viewer/planes.js');
  const { Viewport } = await import('/viewer/viewports.js');
  const { IDENTITY } = await import('/viewer/geometry.js');
  const [a, b, matrix, plane, index, slab, frame] = given;
  const [ct, mr] = [a, b].map((v) => new it.Volume(v.description, Int16Array.from(v.values)));
  const images = { ct: { volume: ct, fromCt: null }, mr: { volume: mr, fromCt: matrix } };
  const viewer = { ct, slab, imageNamed: (name) => images[name] };
  const grid = frame === 'mr' ? mrGrid(mr, matrix) : ct;
  const settings = { zoom: 1, middle: [0, 0, 0], ratio: 1 };
  const canvas = { width: 100, height: 100 };
  const viewport = new Viewport({ plane, area: [0, 0, 1, 1] }, grid, canvas, settings, ct);
  const planes = new Planes(viewer);
  const { right, down, away } = viewport.directions;
  return {
    planes: ['ct', 'mr'].map((name) => [...planes.of(name, viewport, index)]),
    slab: planes.slabOf(viewport, index), size: grid.size, strides: grid.strides,
    right, down, away, back: viewport.toVoxel(...viewport.toScreen([3, 2, 1]), [3, 2, 1]),
  };
"""
"""What a viewport displays of CT and MR: planes or slabs, and its directions."""


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
@pytest.mark.parametrize("kind", ["max", "min", "mean"])
def test_slab_is_that_of_numpy(viewer: ViewerDriver, plane: str, kind: str) -> None:
    ct, mr = random_image((9, 8, 7), 2), random_image((5, 4, 4), 3)
    for image in (ct, mr):
        image.SetSpacing((1.0, 1.2, 2.0))
    mr.SetOrigin((2.0, 1.2, 2.0))
    identity = np.eye(4).tolist()
    given = (volume(ct), volume(mr), identity, plane, 3, {"mm": 6.1, "kind": kind}, "ct")
    found = evaluate(viewer, "viewer/volume.js", SLAB, *given)
    first, last = found["slab"]
    across = {"axial": 2, "coronal": 1, "sagittal": 0}[plane]
    assert last - first + 1 == round(6.1 / ct.GetSpacing()[across])
    on_ct = sitk.Resample(mr, ct, sitk.Transform(), sitk.sitkNearestNeighbor, OUTSIDE)
    for image, values in zip((ct, on_ct), found["planes"], strict=True):
        part = sitk.GetArrayFromImage(image).take(range(first, last + 1), 2 - across)
        inside = np.ma.masked_equal(part, OUTSIDE)
        expected = getattr(inside, kind)(axis=2 - across).filled(OUTSIDE)
        wanted = expected if plane == "axial" else expected[::-1]
        np.testing.assert_allclose(values, wanted.ravel(), atol=0.51)


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_planes_of_the_mr_show_its_own_voxels(viewer: ViewerDriver, plane: str) -> None:
    ct, mr = random_image((9, 8, 7), 2), random_image((8, 7, 4), 3)
    mr.SetSpacing((0.9, 0.9, 2.7))
    mr.SetOrigin((1.0, 1.2, 1.0))
    mr.SetDirection(Rotation.from_euler("xyz", (8, -5, 12), degrees=True).as_matrix().ravel())
    mr_from_ct = sitk.Euler3DTransform((0, 0, 0), 0.1, -0.05, 0.2, (1.0, -0.5, 0.7))
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(mr_from_ct.GetMatrix(), (3, 3))
    matrix[:3, 3] = mr_from_ct.GetTranslation()
    given = (volume(ct), volume(mr), matrix.tolist(), plane, 3, {"mm": 0}, "mr")
    found = evaluate(viewer, "viewer/volume.js", SLAB, *given)
    assert found["strides"] == [1, 1, 3]  # thick slices are divided
    assert found["size"] == [8, 7, 10]
    np.testing.assert_allclose(found["back"], [3, 2, 1], atol=1e-9)
    grid = sitk.Image(found["size"], sitk.sitkUInt8)
    grid.SetSpacing((0.9, 0.9, 0.9))
    grid.SetOrigin(mr.GetOrigin())
    grid.SetDirection(mr.GetDirection())
    own = sitk.GetArrayFromImage(sitk.Resample(mr, grid, sitk.Transform(), sitk.sitkLinear))
    off = np.abs(np.array(found["planes"][1]) - planes_of(own, plane, 3).ravel())
    assert off.max() <= 1  # half a unit of rounding, twice
    inverse = mr_from_ct.GetInverse()
    of_ct = sitk.Resample(ct, grid, inverse, sitk.sitkLinear, OUTSIDE, sitk.sitkFloat64)
    wanted = planes_of(sitk.GetArrayFromImage(of_ct), plane, 3).ravel()
    np.testing.assert_allclose(found["planes"][0], wanted, atol=0.51)


@pytest.mark.parametrize(
    ("plane", "letters"), [("axial", "LPS"), ("coronal", "LIP"), ("sagittal", "PIR")]
)
def test_letters_are_those_of_the_patient(viewer: ViewerDriver, plane: str, letters: str) -> None:
    ct = random_image((4, 4, 4), 2)
    given = (volume(ct), volume(ct), np.eye(4).tolist(), plane, 1, {"mm": 0}, "ct")
    found = evaluate(viewer, "viewer/volume.js", SLAB, *given)
    vectors = [found[name] for name in ("right", "down", "away")]
    code = "return given[0].map(it.directionLetters)"
    assert evaluate(viewer, "marks/labels.js", code, vectors) == list(letters)
    oblique = [[0.8, 0.6, 0], [-0.1, -0.7, 0.7], [0, 0.1, -0.99]]
    assert evaluate(viewer, "marks/labels.js", code, oblique) == ["LP", "AS", "I"]


def test_regions_of_the_skull_are_those_of_the_qa(viewer: ViewerDriver) -> None:
    directions = RNG.normal(size=(200, 3))
    code = "return given[0].map((one) => it.regionOf(one))"
    found = evaluate(viewer, "marks/residual_overlay.js", code, directions.tolist())
    assert found == _regions(directions).tolist()


LAYERS = """
  const layers = new it.ImageLayers();
  const images = [['mr', 'grey', 1], ['further-0', 'grey', 1], ['further-1', 'lightness', 0.5]];
  const order = () => layers.list.map(({ name }) => name);
  const shown = () => layers.shown.map(({ name }) => name);
  layers.update(images);
  layers.choose('fused');
  const before = [shown(), layers.choice];
  layers.update([['fused', 'grey', 1], ...images]);
  const after = [order(), shown(), layers.choice];
  layers.named('further-1').isShown = true;
  layers.move(layers.named('further-1'), -1);
  const moved = [order(), shown(), layers.choice, layers.top.opacity];
  layers.choose('mr-hot');
  layers.update(images);
  const kept = [shown(), layers.choice];
  layers.update([]);
  return [before, after, moved, kept, order()];
"""


def test_layers_keep_their_order_and_the_choice(viewer: ViewerDriver) -> None:
    before, after, moved, kept, none = evaluate(viewer, "viewer/image_layers.js", LAYERS)
    assert before == [["mr"], "mr"]  # until there is a fused image
    assert after == [["fused", "mr", "further-0", "further-1"], ["fused"], "fused"]
    assert moved == [["fused", "mr", "further-1", "further-0"], ["fused", "further-1"], "", 0.5]
    assert kept == [["mr"], "mr-hot"]
    assert none == []


@pytest.mark.parametrize("name", COLOUR_MAPS)
def test_colours_of_uptake_are_those_of_a_fused_image(viewer: ViewerDriver, name: str) -> None:
    colour_map = COLOUR_MAPS[name]
    given = [colour_map.positions, colour_map.rgb]
    found = evaluate(
        viewer, "viewer/compose.js", "return [...it.piecewiseMap(given[0]).colours]", given
    )
    expected = 255 * colour_map.colours(np.linspace(0, 1, 256, dtype=np.float32))
    np.testing.assert_allclose(np.reshape(found, (256, 3)), expected, atol=0.51)


def test_ends_of_a_window_are_black_and_white(viewer: ViewerDriver) -> None:
    code = """
      const t = it.valueColours(it.COLOUR_MAPS.grey, [-60, 140]);
      return [-1000, -60, 45, 140, 3000].map((v) => t[v + 32768] & 255);
    """
    assert evaluate(viewer, "viewer/compose.js", code) == [0, 0, 134, 255, 255]


def test_polygon_contains_voxels_with_centre_inside(viewer: ViewerDriver) -> None:
    size = (31, 23)
    middles = np.stack(np.meshgrid(range(size[0]), range(size[1])), -1).reshape(-1, 2)
    for corners in (3, 5, 9):
        points = RNG.uniform((-4, -4), (34, 26), (corners, 2))
        # even-odd: a crossing outline has holes, as in matplotlib's non-compound path it has not
        hull = points[np.argsort(np.arctan2(*(points - points.mean(0)).T))]
        code = """
          const m = new Uint8Array(given[0][0] * given[0][1]);
          const emit = (row, first, last) => m.fill(1, row * 31 + first, row * 31 + last + 1);
          it.polygon(given[0], given[1], emit);
          return [...m];
        """
        found = evaluate(viewer, "structures/masks.js", code, size, hull.tolist())
        np.testing.assert_array_equal(found, Outline(hull).contains_points(middles).astype(int))


def test_brush_is_a_disc_and_a_stroke_has_no_gap(viewer: ViewerDriver) -> None:
    size, radii = [40, 30], [3.4, 2.2]
    code = """
      const m = new Uint8Array(1200);
      const emit = (row, first, last) => m.fill(1, row * 40 + first, row * 40 + last + 1);
      it.stroke(given[0], [5.2, 5.6], given[1], given[2], emit);
      return [...m];
    """
    disc = np.reshape(
        evaluate(viewer, "structures/masks.js", code, size, [5.2, 5.6], radii), (30, 40)
    )
    y, x = np.mgrid[:30, :40]
    np.testing.assert_array_equal(disc, ((x - 5.2) / 3.4) ** 2 + ((y - 5.6) / 2.2) ** 2 <= 1)
    stroke = sitk.GetImageFromArray(
        np.reshape(
            evaluate(viewer, "structures/masks.js", code, size, [35.0, 24.0], radii), (30, 40)
        ).astype(np.uint8)
    )
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(sitk.ConnectedComponent(stroke))
    assert shape.GetNumberOfLabels() == 1
    closed = sitk.BinaryMorphologicalClosing(stroke, (1, 1))
    assert np.count_nonzero(sitk.GetArrayFromImage(closed) != sitk.GetArrayFromImage(stroke)) < 12


def test_masks_survive_run_length_encoding(viewer: ViewerDriver) -> None:
    mask = (RNG.random(200) < 0.4).astype(int)
    code = """
      const runs = it.toRuns(Uint8Array.from(given[0]));
      return [runs, [...it.fromRuns(runs, 200)]];
    """
    for values in (mask, np.zeros(200, int), np.ones(200, int)):
        runs, back = evaluate(viewer, "structures/masks.js", code, values.tolist())
        assert back == values.tolist()
        assert sum(runs[1::2]) == values.sum()
        assert runs[::2] == np.flatnonzero(np.diff(values, prepend=0) == 1).tolist()


def test_viewer_scripts_are_small_modules_without_build_step() -> None:
    static = Path(__file__).parents[2] / "src/radfuse/service/static"
    scripts = [path for path in static.rglob("*.js") if "vendor" not in path.parts]
    assert len(scripts) > 10
    for script in scripts:
        assert len(script.read_text().splitlines()) < 400, script.name
