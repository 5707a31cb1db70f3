"""A real head of 512 x 512 x 234 on the page: the Visible Human Female, as DICOM."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from browser_kit import Page
from selenium.webdriver import Chrome
from service_kit import running
from test_browser import SHOTS, cm3, cursor, dice, downloaded, draws, exported, mask, saved

from ladder_kit import run_tool
from radfuse.phantom.dicom import write_phantom
from radfuse.phantom.head import Phantom
from radfuse.pipeline.read import read

SKULL_LPS_MM = ((-60.0, 0.0, 0.0), (60.0, 5.0, 5.0), (0.0, -75.0, 10.0), (0.0, 60.0, 20.0))
"""From the middle of the brain: about where the pairs of landmarks are put."""

SEARCH_S = 300.0
"""A registration of this size may take on busy cores."""

CLICK_MM = 2.0
"""How far a hand is off."""


@pytest.fixture(scope="module")
def vhf(
    shared: Path, phantom: Phantom, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """CT and MR of the Visible Human Female as DICOM folders."""
    data = shared / "data/real/3d_vhf"
    ct = read(data / "vhf_head_ct_8bit_hu.nii.gz", "CT")
    mr = read(data / "vhf_head_mr_t1_8bit.nii.gz", "MR")
    return write_phantom(replace(phantom, ct=ct, mr=mr), tmp_path_factory.mktemp("vhf"))


@pytest.fixture(scope="module")
def ct_from_mr(shared: Path) -> sitk.Transform:
    """The silver truth: MR points to CT points."""
    return sitk.ReadTransform(str(shared / "data/real/3d_vhf/mr_to_ct_silver.tfm"))


@pytest.mark.slow
def test_a_real_head_goes_from_landmarks_to_a_structure_set(
    browser: Chrome, vhf: tuple[Path, Path], ct_from_mr: sitk.Transform, tmp_path: Path
) -> None:
    ct, mr = map(str, vhf)
    SHOTS.mkdir(parents=True, exist_ok=True)
    page = Page(browser, SHOTS)
    with running(tmp_path) as site:
        recipe = {"method": "average", "outputs": ["fused"]}
        identifier = site.make(ct=ct, mr=mr, name="Visible Human", recipe=recipe)
        page.open(site.access.url)
        page.until(lambda: page.fact("pictured") == identifier)
        page.picture("vhf-1-before-a-fusion")
        aligns(page, ct_from_mr)
        page.at("refine").click()
        page.shows("average", SEARCH_S)
        assert page.at("quality").text.startswith("registration QA passed")
        brain = brain_middle(page)
        found = np.array(page.browser.execute_script("return radfuse.viewer.mrFromCt"))
        there = (found @ [*brain, 1])[:3]
        assert np.linalg.norm(np.subtract(ct_from_mr.TransformPoint(there.tolist()), brain)) < 2
        judges(page)
        page.browser.refresh()
        page.until(lambda: page.fact("shown"))
        assert "accepted by A. Physicist" in page.at("signed").text
        page.at("tab-draw").click()
        page.until(lambda: "GTVp" in page.at("structures").text)
        path = downloaded(page, browser, "export-rtstruct")
        assert "Error" not in run_tool("dciodvfy", "-new", path)
        assert dice(mask(page, "GTVp"), exported(path, vhf[0], "GTVp")) >= 0.98
        page.picture("vhf-6-found-again")


def brain_middle(page: Page) -> np.ndarray:
    """LPS mm of a place inside the brain."""
    voxel_to_mm, size = page.browser.execute_script(
        "const { ct } = radfuse.viewer; return [ct.mmFromVoxel, ct.size]"
    )
    middle = np.array([size[0] / 2, size[1] / 2, 0.5 * size[2]])
    return (np.array(voxel_to_mm) @ [*middle, 1])[:3]


def aligns(page: Page, ct_from_mr: sitk.Transform) -> None:
    """Four pairs of landmarks as a hand puts them."""
    page.at("tab-align").click()
    rng = np.random.default_rng(4)
    start, voxel_from_mm = map(
        np.array,
        page.browser.execute_script(
            "const { ct, mrFromCt } = radfuse.viewer; return [mrFromCt, ct.voxelFromMm]"
        ),
    )
    for shift in SKULL_LPS_MM:
        in_ct = brain_middle(page) + shift
        in_mr = ct_from_mr.GetInverse().TransformPoint(in_ct.tolist())
        in_mr = np.add(in_mr, rng.normal(0, CLICK_MM / 2, 3))
        seen = np.linalg.inv(start) @ [*in_mr, 1]
        page.browser.execute_script(
            "radfuse.viewer.setCursor(arguments[0]); radfuse.viewer.setCursor(arguments[1], true)",
            (voxel_from_mm @ [*in_ct, 1])[:3].tolist(),
            (voxel_from_mm @ seen)[:3].tolist(),
        )
        page.at("pair").click()
    page.at("fit").click()
    page.until(lambda: "Root mean square" in page.at("fitted").text)
    page.picture("vhf-2-aligned-by-landmarks")


def judges(page: Page) -> None:
    """Blend, another method, sign-off, a structure over slices."""
    page.at("tab-fuse").click()
    page.press("[" * 5)
    page.picture("vhf-3-blended")
    page.press("]" * 5)
    page.choose("method", "bone_blend")
    page.until(lambda: page.fact("previewed") == "bone_blend")
    page.picture("vhf-4-another-method")
    page.at("name").send_keys("A. Physicist")
    page.at("accepting").click()
    page.until(lambda: "accepted by A. Physicist" in page.at("signed").text)
    page.at("tab-draw").click()
    page.browser.execute_script("radfuse.viewer.zoomBy(3)")
    draws(page, "GTVp", -6, 0, 6)
    few = cm3(page, "GTVp")
    page.press("i")
    page.until(lambda: cm3(page, "GTVp") > 2 * few)
    saved(page)
    assert cursor(page)
    page.picture("vhf-5-drawn")
