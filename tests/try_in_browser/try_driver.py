"""Actions of a visitor of the application for the browser."""

import base64
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

WAIT_S = 110.0

LEVELS = """
const { levels } = radfuse.state.shown.result, bytes = new Uint8Array(levels.buffer);
let text = '';
for (let i = 0; i < bytes.length; i += 32768) {
  text += String.fromCharCode(...bytes.subarray(i, i + 32768));
}
return [levels.BYTES_PER_ELEMENT, btoa(text)];
"""

TAKEN = """return document.body.dataset.busy === 'false'
  && (radfuse.state.names.{role} === '{name}' || !document.getElementById('error').hidden)"""
"""Whether a file was read, or refused."""


class TryDriver:
    """The application in a browser."""

    def __init__(self, browser: Chrome, folder: Path, address: str) -> None:
        self.browser, self.folder, self.address = browser, folder, address
        browser.set_script_timeout(WAIT_S)  # a network occupies the thread of the scripts

    def open(self, query: str = "") -> None:
        """Load it, with its first network."""
        self.browser.get(f"{self.address}/try/index.html{query}")
        self._wait("return document.body.dataset.ready")

    def choose(self, **values: str) -> None:
        """Choose options of the form by the names of its fields."""
        for name, value in values.items():
            Select(self.browser.find_element(By.ID, name)).select_by_value(value)
            self.wait_until_idle()

    def press(self, button: str) -> None:
        """Press a button, once it may be, and wait for what it does."""
        found = self.browser.find_element(By.ID, button)
        WebDriverWait(self.browser, WAIT_S, poll_frequency=0.05).until(lambda _: found.is_enabled())
        found.click()
        self.wait_until_idle()

    def give(self, role: str, path: Path) -> None:
        """Choose a file of the CT or of the MR."""
        self.browser.find_element(By.ID, f"{role}-file").send_keys(str(path))
        self._wait(TAKEN.format(role=role, name=path.name))

    def fuse(self, ct: Path, mr: Path) -> NDArray[np.generic]:
        """The grey levels of two files, fused."""
        self.give("ct", ct)
        self.give("mr", mr)
        self.press("fuse")
        assert self.error == ""
        return self.levels

    @property
    def levels(self) -> NDArray[np.generic]:
        """The grey levels of the result that is shown."""
        size, text = self.browser.execute_script(LEVELS)
        return np.frombuffer(base64.b64decode(text), np.uint8 if size == 1 else np.uint16)

    @property
    def error(self) -> str:
        """The message of an error; empty without one."""
        return self.text("error")

    def text(self, name: str) -> str:
        """The text of an element."""
        return self.browser.find_element(By.ID, name).text

    def data(self, name: str) -> Any:
        """A status value of the application."""
        return self.browser.execute_script(f"return document.body.dataset.{name}")

    def wait_until_idle(self) -> None:
        """Wait until no action is in progress."""
        self._wait("return document.body.dataset.busy === 'false'")

    def _wait(self, script: str) -> None:
        wait = WebDriverWait(self.browser, WAIT_S, poll_frequency=0.05)
        wait.until(lambda browser: browser.execute_script(script))
