"""The worst point of the brain and the map of residuals in the viewer, of an oblique CT, too."""

import re
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from browser_kit import ViewerDriver
from selenium.webdriver import Chrome
from service_kit import Site

from radfuse.phantom.head import Phantom
from radfuse.pipeline.qa.residual_map import residual_map
from radfuse.record import read_record
from radfuse.registration.transforms import matrix_of

SPACING_MM = (2.6, 3.4, 4.2)


@pytest.fixture(scope="module")
def direction() -> np.ndarray:
    """Oblique axes of a CT whose columns run from front to back."""
    tilt = sitk.Euler3DTransform((0, 0, 0), *np.radians([14.0, -9.0, 8.0]).tolist())
    return np.reshape(tilt.GetMatrix(), (3, 3)) @ [[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]]


@pytest.fixture(scope="module")
def oblique(
    site: Site, phantom: Phantom, direction: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """A fused study of an oblique, anisotropic CT with an MR that is rotated by 1.5 degrees."""
    folder = tmp_path_factory.mktemp("oblique")
    grid = sitk.Image([84, 66, 52], sitk.sitkInt16)
    grid.SetSpacing(SPACING_MM)
    grid.SetDirection(direction.ravel().tolist())
    centre = grid.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in grid.GetSize()])
    grid.SetOrigin(np.subtract((1.0, 3.0, 2.0), centre).tolist())
    ct = sitk.Resample(phantom.ct.image, grid, sitk.Transform(), sitk.sitkLinear, -1000.0)
    sitk.WriteImage(sitk.Cast(ct, sitk.sitkInt16), str(folder / "ct.nii.gz"))
    sitk.WriteImage(phantom.mr.image, str(folder / "mr.nii.gz"))
    recipe = {"method": "average", "outputs": ["fused"], "accept_registration": True}
    paths = {"ct": str(folder / "ct.nii.gz"), "mr": str(folder / "mr.nii.gz")}
    identifier = site.make(**paths, name="Oblique", recipe=recipe)
    step = sitk.Euler3DTransform((0, 0, 10), 0.0, 0.0, np.radians(1.5))
    pose = matrix_of(phantom.mr_from_ct) @ matrix_of(step)
    events = site.fuse(identifier, mr_from_ct=pose.tolist(), refine=False, accept_registration=True)
    assert events[-1][0] == "done", events
    return identifier


def test_the_crosshair_moves_to_the_worst_point_of_the_record(
    browser: Chrome, site: Site, oblique: str, direction: np.ndarray, tmp_path: Path
) -> None:
    outcome = site.study(oblique)["outcome"]
    registration = read_record(site.run_of(oblique) / outcome["record"]).registration
    assert registration
    assert registration["quality"]["worst_point_mm"] == outcome["worst_point_mm"]
    viewer = ViewerDriver(browser, tmp_path)
    viewer.open(site.access.url)
    viewer.select("studies", oblique)
    viewer.wait_until(lambda: viewer.body_data("shown") == "average")
    viewer.press("+++")
    viewer.element("show-worst-point").click()
    shown = viewer.browser.execute_script("return radfuse.viewer.readout().lps")
    steps = direction.T @ np.subtract(shown, outcome["worst_point_mm"]) / SPACING_MM
    assert np.abs(steps).max() < 0.5 + 1e-3
    assert viewer.browser.execute_script("return radfuse.viewer.zoom") == 1
    viewer.screenshot("worst-point")


def test_without_an_estimate_there_is_no_button(
    browser: Chrome, site: Site, oblique: str, tmp_path: Path
) -> None:
    viewer = ViewerDriver(browser, tmp_path)
    viewer.open(site.access.url)
    viewer.select("studies", oblique)
    viewer.wait_until(lambda: viewer.body_data("shown") == "average")
    button = viewer.element("show-worst-point")
    assert button.is_displayed()
    viewer.browser.execute_script(
        "const { study } = radfuse.panels.fusion;"
        "study.outcome.worst_point_mm = null;"
        "radfuse.panels.fusion.show(study, false)"
    )
    assert not button.is_displayed()


CELLS = """
  return [...document.querySelectorAll("#residual-map g")].map((cell) => [
    cell.querySelector("title").textContent, cell.querySelector("path").getAttribute("fill"),
    ...["x", "y"].map((name) => Number(cell.querySelector("text").getAttribute(name))),
  ]);
"""


def test_the_map_of_the_viewer_is_that_of_the_sheet(
    browser: Chrome, site: Site, oblique: str, tmp_path: Path
) -> None:
    viewer = ViewerDriver(browser, tmp_path)
    viewer.open(site.access.url)
    viewer.select("studies", oblique)
    viewer.wait_until(lambda: viewer.body_data("shown") == "average")
    viewer.element("residuals").find_element("tag name", "summary").click()
    viewer.browser.execute_script(
        "document.getElementById('residual-map').scrollIntoView({ block: 'center' })"
    )
    viewer.screenshot("residual-map")
    residuals = site.study(oblique)["outcome"]["residuals"]
    sheet = re.findall(
        r'<title>(.*?)</title>.*? fill="(.*?)"/><text x="(.*?)" y="(.*?)">', residual_map(residuals)
    )
    shown = sorted(browser.execute_script(CELLS))
    assert len(shown) == len(sheet) == 18
    for cell, (title, fill, x, y) in zip(shown, sorted(sheet), strict=True):
        assert cell[:2] == [re.sub(": -", ": \N{MINUS SIGN}", title), fill]
        assert cell[2:] == pytest.approx([float(x), float(y)], abs=0.051)
