"""The viewer in Firefox: opens, fuses, shows layers, draws and saves."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_kit import ViewerDriver
from firefox_kit import Firefox, opened_firefox
from selenium.webdriver.common.by import By
from service_kit import running

SHOTS = Path(__file__).parents[2] / "build/screenshots"


@pytest.fixture
def firefox(tmp_path: Path) -> Iterator[Firefox]:
    with opened_firefox(tmp_path) as opened:
        yield opened


@pytest.mark.slow
def test_firefox_opens_fuses_shows_layers_and_draws(
    firefox: Firefox, asked: dict[str, Any], tmp_path: Path
) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    viewer = ViewerDriver(firefox, SHOTS)
    with running(tmp_path / "site") as site:
        site.make(**asked)
        viewer.open(site.access.url)
        viewer.wait_until(lambda: viewer.body_data("loaded"))
        viewer.select("method", "average")
        viewer.element("start-fusion").click()
        viewer.wait_for_result("average")
        fused = viewer.screenshot("50-firefox-fused")
        assert fused.std() > 20
        viewer.press("3")
        hot = viewer.screenshot("51-firefox-mr-hot")
        assert np.abs(hot[..., 0] - hot[..., 2]).mean() > 5
        viewer.select("layout", "rendering")
        viewer.wait_until(
            lambda: (
                viewer.body_data("rendered") or viewer.element("rendering-missing").is_displayed()
            )
        )
        viewer.select("layout", "planes")
        draws(viewer)
        viewer.screenshot("52-firefox-drawn")
        (stored,) = site.client.get(
            f"/api/v1/studies/{viewer.body_data('loaded')}/structures"
        ).json()
        assert stored["name"] == "GTVp"


def draws(viewer: ViewerDriver) -> None:
    viewer.element("tab-structures").click()
    viewer.element("structure-name").send_keys("GTVp")
    viewer.element("add-structure").find_element(By.CSS_SELECTOR, "button").click()
    viewer.wait_until(lambda: "GTVp" in viewer.element("structures").text)
    x, y, z = viewer.browser.execute_script("return radfuse.viewer.crosshair")
    viewer.press("b")
    viewer.drag([x - 5, y, z], [x, y, z], [x + 5, y, z])
    viewer.wait_until(
        lambda: viewer.browser.execute_script(
            "return radfuse.panels.structures.store.list[0].slices.size"
        )
    )
    viewer.wait_until(lambda: viewer.body_data("saved") == "yes")
