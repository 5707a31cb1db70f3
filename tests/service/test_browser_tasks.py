"""Five tasks of a medical physicist, each in at most 12 actions of the user.

An action is a click, a drag, a scroll of the wheel, a key or a filled-in field; a choice in a menu
is two clicks. docs/howto/view.md lists the counts beside the documented steps of other programs.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from browser_kit import ViewerDriver
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select
from service_kit import Site

from orthanc_kit import Orthanc
from radfuse.phantom.head import Phantom
from radfuse.registration.transforms import write_transform

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
SHOTS = ROOT / "build/screenshots"
COUNTS = ROOT / "build/viewer_tasks.json"
MAX_ACTIONS = 12
LONG_S = 180.0
TARGET_MM, TARGET_SLICES = 30.0, 12


class User:
    """Acts in the viewer and counts."""

    def __init__(self, viewer: ViewerDriver, task: str) -> None:
        self.viewer, self.task = viewer, task
        self.actions: list[str] = []

    def click(self, name: str) -> None:
        self.actions.append(f"click {name}")
        self.viewer.wait_until(lambda: self.viewer.element(name).is_enabled())
        self.viewer.element(name).click()

    def fill(self, name: str, words: str) -> None:
        self.actions.append(f"fill {name}")
        self.viewer.element(name).clear()
        self.viewer.element(name).send_keys(words)

    def key(self, key: str, name: str = "canvas") -> None:
        self.actions.append(f"key in {name}")
        self.viewer.element(name).send_keys(key)

    def choose(self, name: str, value: str) -> None:
        self.actions += [f"open {name}", f"choose {value}"]
        Select(self.viewer.element(name)).select_by_value(value)

    def drag_slider(self, name: str, fraction: float) -> None:
        self.actions.append(f"drag {name}")
        slider = self.viewer.element(name)
        width = slider.rect["width"]
        chain = ActionChains(self.viewer.browser, duration=50)
        chain.move_to_element_with_offset(slider, int(-width * 0.37), 0).click_and_hold()
        chain.move_to_element_with_offset(slider, int(width * (fraction - 0.5)), 0)
        chain.release().perform()

    def touch(self, voxel: list[float]) -> None:
        self.actions.append("click in the axial plane")
        self.viewer.click(voxel)

    def scroll(self, slices: int) -> None:
        """A scroll of the wheel over the axial plane, towards the middle of the head."""
        self.actions.append("wheel")
        _, x, y = self.viewer.positions()[0]
        before = slice_of(self.viewer)
        middle = self.viewer.browser.execute_script("return radfuse.viewer.ct.size[2] / 2")
        pixels = -100 if before < middle else 100
        for number in range(1, slices + 1):
            origin = ScrollOrigin.from_viewport(round(x), round(y))
            ActionChains(self.viewer.browser).scroll_from_origin(origin, 0, pixels).perform()
            self.viewer.wait_until(lambda n=number: abs(slice_of(self.viewer) - before) >= n)

    def finish(self) -> None:
        """Check the count, and keep it for the table of the document."""
        known = json.loads(COUNTS.read_text()) if COUNTS.exists() else {}
        COUNTS.parent.mkdir(exist_ok=True)
        COUNTS.write_text(json.dumps({**known, self.task: self.actions}, indent=2))
        self.viewer.screenshot(f"60-task-{self.task}")
        assert len(self.actions) <= MAX_ACTIONS, self.actions


def slice_of(viewer: ViewerDriver) -> int:
    return int(viewer.browser.execute_script("return radfuse.viewer.crosshair[2]"))


@pytest.fixture
def viewer(browser: Chrome, site: Site) -> ViewerDriver:
    SHOTS.mkdir(parents=True, exist_ok=True)
    opened = ViewerDriver(browser, SHOTS)
    opened.open(site.access.url)
    return opened


def shows(viewer: ViewerDriver, study: str) -> None:
    viewer.select("studies", study)
    viewer.wait_until(lambda: viewer.body_data("loaded") == study and viewer.body_data("shown"))


def test_open_and_fuse(viewer: ViewerDriver, phantom_folders: tuple[Path, Path]) -> None:
    user = User(viewer, "open")
    before = viewer.body_data("loaded")
    user.click("open-study")
    user.fill("study-path", str(phantom_folders[0].parent))
    user.click("create-study")
    viewer.wait_until(lambda: viewer.body_data("loaded") not in {None, before}, LONG_S)
    user.click("start-fusion")
    viewer.wait_until(lambda: viewer.body_data("shown"), LONG_S)
    user.finish()


def test_judge_the_registration(viewer: ViewerDriver, done: str) -> None:
    shows(viewer, done)
    user = User(viewer, "judge")
    assert "registration QA passed" in viewer.element("quality").text
    user.click("show-worst-point")
    user.key("4")
    user.key("c")
    user.key("c")
    user.scroll(3)
    user.key("f")
    user.key("f")
    assert Select(viewer.element("overlay-mode")).first_selected_option.get_attribute("value")
    user.finish()


@pytest.fixture
def shifted(site: Site, asked: dict[str, Any], phantom: Phantom, tmp_path: Path) -> Iterator[str]:
    """A study of which the registration will be wrong by 10 mm."""
    wrong = sitk.CompositeTransform(
        [sitk.TranslationTransform(3, (10.0, 0, 0)), phantom.mr_from_ct]
    )
    matrix = np.eye(4)
    for axis in range(3):
        unit = np.eye(3)[axis] * 100
        matrix[:3, axis] = (
            np.subtract(wrong.TransformPoint(unit), wrong.TransformPoint((0, 0, 0))) / 100
        )
    rigid = sitk.VersorRigid3DTransform()
    rigid.SetMatrix(matrix[:3, :3].ravel().tolist(), 1e-6)
    rigid.SetTranslation(wrong.TransformPoint((0.0, 0.0, 0.0)))
    write_transform(tmp_path / "wrong.tfm", rigid)
    recipe = {**asked["recipe"], "transform": str(tmp_path / "wrong.tfm")}
    identifier = site.make(**{**asked, "name": "Shifted", "recipe": recipe})
    site.prepare(identifier)
    yield identifier
    site.client.delete(f"/api/v1/studies/{identifier}")


def test_correct_10_mm(viewer: ViewerDriver, site: Site, shifted: str, phantom: Phantom) -> None:
    viewer.open(site.access.url)
    viewer.select("studies", shifted)
    viewer.wait_until(lambda: viewer.body_data("loaded") == shifted)
    viewer.element("start-fusion").click()
    viewer.wait_until(lambda: viewer.element("error").text, LONG_S)
    viewer.wait_until(lambda: viewer.element("register-manually").is_displayed())
    user = User(viewer, "correct")
    user.click("register-manually")
    user.fill("translation-left-value", "10")
    user.key(Keys.ENTER, "translation-left-value")
    user.click("refine")
    viewer.wait_until(lambda: viewer.body_data("shown") == "average", LONG_S)
    found = np.array(site.view(shifted)["mr_from_ct"])
    for point in ([0, 0, 0], [60, 0, 0], [0, 60, 0], [0, 0, 60]):
        expected = phantom.mr_from_ct.TransformPoint([float(value) for value in point])
        assert np.linalg.norm((found @ [*point, 1])[:3] - expected) < 2
    user.finish()


def test_draw_a_target_of_3_cm_on_12_slices(viewer: ViewerDriver, done: str) -> None:
    shows(viewer, done)
    name = "Drawn target"
    user = User(viewer, "draw")
    x, y, z = viewer.browser.execute_script("return radfuse.viewer.crosshair")
    user.click("tab-structures")
    user.fill("structure-name", name)
    user.key(Keys.ENTER, "structure-name")
    viewer.wait_until(lambda: name in viewer.element("structures").text)
    user.drag_slider("brush-mm", (TARGET_MM - 1) / 39)
    user.touch([x, y, z])
    user.scroll(TARGET_SLICES - 1)
    user.touch([x, y, slice_of(viewer)])
    user.click("interpolate")
    viewer.wait_until(lambda: viewer.element("accept-suggestion").is_displayed())
    user.click("accept-suggestion")
    slices = viewer.browser.execute_script(
        "const { list } = radfuse.panels.structures.store;"
        "const one = list.find((it) => it.name === arguments[0]);"
        "return Object.values(one.runs()).filter((runs) => runs.length).length",
        name,
    )
    assert slices == TARGET_SLICES
    viewer.wait_until(lambda: viewer.body_data("saved") == "yes")
    assert abs(float(viewer.element("brush-mm").get_attribute("value") or 0) - TARGET_MM) <= 2
    user.finish()
    viewer.browser.execute_script(
        "const { store } = radfuse.panels.structures;"
        "store.remove(store.list.find((it) => it.name === arguments[0]))",
        name,
    )


def test_sign_and_send(viewer: ViewerDriver, done: str, pacs: Orthanc) -> None:
    shows(viewer, done)
    user = User(viewer, "sign-and-send")
    user.click("tab-results")
    user.choose("grade", "1")
    user.fill("signer", "A. Physicist")
    user.click("accept")
    viewer.wait_until(lambda: "accepted by A. Physicist" in viewer.element("signoff-status").text)
    user.click("send-result")
    viewer.wait_until(lambda: viewer.element("send-dialog").is_displayed())
    user.click("start-send")
    viewer.wait_until(lambda: "objects are stored at archive" in viewer.element("send-status").text)
    assert pacs.count() > 0
    user.finish()
