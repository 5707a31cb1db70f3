"""A drawn structure is the region of a registration, or what counts in its search."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from browser_kit import ViewerDriver
from selenium.webdriver import Chrome
from service_kit import Site, refused, running
from study_kit import StudyClient

from radfuse.arrays import BoolArray
from radfuse.errors import InputError
from radfuse.phantom.head import Phantom
from radfuse.record import read_record
from radfuse.registration.qa.regions import region_names
from radfuse.registration.transforms import matrix_of


def upper_head(client: StudyClient) -> BoolArray:
    """All slices but the lowest third."""
    mask = np.zeros(client.shape, np.bool_)
    mask[client.shape[0] // 3 :] = True
    return mask


@pytest.fixture(scope="module")
def drawn(site: Site, asked: dict[str, Any]) -> StudyClient:
    """A prepared study of its own."""
    identifier = site.make(**asked)
    assert site.prepare(identifier)[-1][0] == "done"
    return StudyClient(site, identifier)


@pytest.mark.slow
def test_a_box_is_registered_as_a_structure_is(
    site: Site, drawn: StudyClient, phantom: Phantom
) -> None:
    columns, rows, slices = drawn.grid.size
    box = {"first": [0, 0, slices // 3], "last": [columns - 1, rows - 1, slices - 1]}
    pose = {"mr_from_ct": matrix_of(phantom.mr_from_ct).tolist(), "refine": False}
    events = site.fuse(drawn.study, **pose, roi=box)
    assert events[-1][0] == "done", events
    assert events[-1][1]["outcome"]["quality"].startswith("registration QA of a region passed: ")
    (path,) = (drawn.folder / "masks").glob("box-*.nii.gz")
    mask = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    np.testing.assert_array_equal(mask, upper_head(drawn))
    site.fuse(drawn.study, **pose, roi="")


def test_a_metric_mask_and_a_transform_exclude_each_other(
    site: Site, drawn: StudyClient, phantom: Phantom
) -> None:
    """What is stored must be a recipe that can be read again."""
    box = {"first": [0, 0, 0], "last": [9, 9, 9]}
    pose = {"mr_from_ct": matrix_of(phantom.mr_from_ct).tolist(), "refine": False}
    refused(
        drawn.call("POST", "/fuse", **pose, metric_mask=box), 400, "metric_mask is for a search"
    )
    assert site.study(drawn.study)["id"] == drawn.study


@pytest.mark.parametrize(
    ("box", "status", "words"),
    [
        ({"first": [5, 0, 0], "last": [4, 9, 9]}, 400, "is not inside the CT"),
        ({"first": [0, 0, 0], "last": [9, 9, 10**6]}, 400, "draw it again"),
        ({"first": [-1, 0, 0], "last": [9, 9, 9]}, 422, "roi"),
        ({"first": [0, 0], "last": [9, 9, 9]}, 422, "roi"),
    ],
)
def test_a_box_outside_the_ct_is_refused(
    drawn: StudyClient, box: dict[str, Any], status: int, words: str
) -> None:
    refused(drawn.call("POST", "/fuse", roi=box), status, words)


@pytest.mark.parametrize("fused_again", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_drawn_structure_is_registered_until_the_whole_head_is(
    site: Site, drawn: StudyClient, phantom: Phantom, fused_again: bool
) -> None:
    client, identifier = drawn, drawn.study
    name = "Name of a person"
    region = client.add(name, upper_head(client))["id"]
    pose = {"mr_from_ct": matrix_of(phantom.mr_from_ct).tolist(), "refine": False}
    events = site.fuse(identifier, **pose, roi=region)
    assert events[-1][0] == "done", events
    study = site.study(identifier)
    assert study["outcome"]["quality"].startswith("registration QA of a region passed: ")
    notes = " ".join(study["outcome"]["notes"])
    assert "registered and judged on a region only, a mask of " in notes
    assert not {"roi", "metric_mask"} & set(study["recipe"])
    path = site.run_of(identifier) / study["outcome"]["record"]
    assert str(read_record(path).recipe.roi).startswith("sha256:")
    assert name not in path.read_text()
    client.call("DELETE", f"/structures/{region}")
    if fused_again:
        recipe = {"method": "maximum", "outputs": ["fused"]}
        site.fuse(identifier, recipe=recipe, keep_registration=True)
        kept = site.study(identifier)["outcome"]["quality"]
        assert kept == study["outcome"]["quality"]  # the mask is kept with the registration
    site.fuse(identifier, **pose, roi="")
    quality = site.study(identifier)["outcome"]["quality"]
    assert quality.startswith("registration QA passed: ")


def test_the_residuals_of_the_sheet_are_sent_to_the_viewer(site: Site, done: str) -> None:
    residuals = site.study(done)["outcome"]["residuals"]
    assert set(residuals) == set(region_names())
    sheet = site.client.get(f"/api/v1/studies/{done}/qa.html").text
    for region, (outwards_mm, patches) in residuals.items():
        row = f"<th>{region}</th><td>{outwards_mm:+.1f} mm ({patches} patches)</td>"
        assert row in sheet


def test_structures_that_cannot_be_a_region_are_refused(
    site: Site, drawn: StudyClient, prepared: str
) -> None:
    def fused(**asked: Any) -> Any:
        return site.client.post(f"/api/v1/studies/{drawn.study}/fuse", json=asked)

    empty = drawn.add("Empty")["id"]
    refused(fused(roi=empty), 400, "'Empty' is empty; draw it first")
    refused(fused(metric_mask=empty), 400, "'Empty' is empty; draw it first")
    refused(fused(roi="0123456789ab"), 404, "no such structure")
    refused(fused(recipe={"roi": "/nowhere/mask.nii"}), 400, "mask.nii: no such file")
    refused(fused(recipe={"roi": [9, 1, 0, 1, 0, 1]}), 422, "give the lower first")
    assert not (site.folder / "studies" / prepared / "masks").exists()


def test_other_machines_keep_drawn_masks_and_open_no_others(
    phantom: Phantom, drawn: StudyClient, tmp_path: Path
) -> None:
    mask = tmp_path / "studies/0123456789ab/masks/a-1.nii.gz"
    other = tmp_path / "masks/a-1.nii.gz"
    for path in (mask, other):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"a mask")
    with running(tmp_path, host="192.168.1.7") as served:
        assert served.deps is not None
        assert served.deps.allowed_paths(mask) == [mask.resolve()]
        with pytest.raises(InputError, match="upload the files"):
            served.deps.allowed_paths(other)


@pytest.mark.slow
def test_the_viewer_offers_structures_and_shows_residuals(
    browser: Chrome, site: Site, drawn: StudyClient, phantom: Phantom, tmp_path: Path
) -> None:
    viewer = ViewerDriver(browser, tmp_path)
    drawn.clear()
    region = drawn.add("Upper head", upper_head(drawn))["id"]
    viewer.open(site.access.url)
    viewer.select("studies", drawn.study)
    viewer.wait_until(lambda: viewer.body_data("loaded") == drawn.study)
    viewer.element("tab-registration").click()
    viewer.wait_until(lambda: "Upper head" in viewer.element("roi").text)
    assert "Upper head" in viewer.element("metric-mask").text
    viewer.select("roi", region)
    viewer.browser.execute_script(
        "radfuse.panels.registration.setAlignment(arguments[0])",
        matrix_of(phantom.mr_from_ct).tolist(),
    )
    viewer.screenshot("26-region")
    before = site.study(drawn.study)["outcome"]
    viewer.element("use-unrefined").click()
    viewer.wait_until(lambda: site.study(drawn.study)["outcome"] != before)
    viewer.wait_until(lambda: "of a region passed" in viewer.element("quality").text)
    residuals = viewer.element("residuals")
    assert residuals.text.startswith("Skull by region: largest ")
    residuals.find_element("tag name", "summary").click()
    viewer.screenshot("27-residuals")
    sent = site.study(drawn.study)["outcome"]["residuals"]
    rows = [row.text for row in residuals.find_elements("css selector", "tbody tr")]
    assert rows == [
        f"{name} {outwards_mm:+.1f} {patches}".replace("-", "\N{MINUS SIGN}", 1)
        for name, (outwards_mm, patches) in sent.items()
    ]
