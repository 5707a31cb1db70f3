"""Headless Firefox for Selenium without geckodriver, which Debian does not package.

Selenium's commands go to Firefox's own remote control, Marionette: JSON over a socket.
"""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import FirefoxOptions
from selenium.webdriver.remote.client_config import ClientConfig
from selenium.webdriver.remote.remote_connection import RemoteConnection
from selenium.webdriver.remote.webdriver import WebDriver

COMMANDS = {
    "newSession": "NewSession", "get": "Navigate", "getCurrentUrl": "GetCurrentURL",
    "refresh": "Refresh", "w3cExecuteScript": "ExecuteScript",
    "w3cExecuteScriptAsync": "ExecuteAsyncScript", "findElement": "FindElement",
    "findElements": "FindElements", "findChildElement": "FindElement",
    "findChildElements": "FindElements", "clickElement": "ElementClick",
    "clearElement": "ElementClear", "sendKeysToElement": "ElementSendKeys",
    "getElementText": "GetElementText", "getElementProperty": "GetElementProperty",
    "isElementEnabled": "IsElementEnabled", "isElementSelected": "IsElementSelected",
    "getElementAttribute": "GetElementAttribute", "getElementRect": "GetElementRect",
    "screenshot": "TakeScreenshot",
    "actions": "PerformActions", "clearActionState": "ReleaseActions",
    "setTimeouts": "SetTimeouts", "getElementTagName": "GetElementTagName",
}  # fmt: skip
"""Selenium's names of commands, and those of Marionette."""

PREFERENCES = {
    "app.normandy.enabled": False, "app.update.disabledForTesting": True,
    "browser.shell.checkDefaultBrowser": False, "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False, "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False, "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,", "toolkit.telemetry.server": "",
    "webgl.force-enabled": True,
    "browser.aboutwelcome.enabled": False, "intl.accept_languages": "en",
}  # fmt: skip
"""A browser that contacts no server but ours."""

START_S = 60.0


class Marionette(RemoteConnection):
    """Sends the commands of Selenium to Firefox."""

    def __init__(self, port: int) -> None:
        super().__init__(client_config=ClientConfig("http://127.0.0.1"))
        self._numbers = count(1)
        self._socket = _connected(port)
        self._stream = self._socket.makefile("rb")
        self._receive()  # the greeting

    def execute(self, command: str, params: dict[str, Any]) -> dict[str, Any]:
        """Send a command; returns its value or its error as Selenium reads them."""
        sent = {**params, "full": False} if command == "screenshot" else dict(params)
        if command.startswith("findChild"):
            sent["element"] = sent["id"]
        name = f"WebDriver:{COMMANDS[command]}"
        message = json.dumps([0, next(self._numbers), name, sent]).encode()
        self._socket.sendall(b"%d:%s" % (len(message), message))
        _, _, error, result = self._receive()
        if error:
            return {"status": error["error"], "value": json.dumps({"value": error})}
        is_wrapped = isinstance(result, dict) and set(result) == {"value"}
        return {"value": result["value"] if is_wrapped else result}

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()
        self._socket.close()

    def _receive(self) -> Any:
        digits = b""
        while (one := self._stream.read(1)) != b":":
            digits += one
        return json.loads(self._stream.read(int(digits)))


class Firefox(WebDriver):
    """Selenium's browser, which has no log here."""

    def get_log(self, _log_type: str) -> list[dict[str, Any]]:
        return []


@contextmanager
def opened_firefox(folder: Path) -> Iterator[Firefox]:
    """A headless Firefox of 1366 x 768 pixels; downloads go into the folder."""
    program = shutil.which("firefox-esr") or shutil.which("firefox")
    if program is None:
        pytest.skip("firefox is missing: apt-get install firefox-esr")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    profile = folder / "firefox"
    profile.mkdir()
    downloads = {"browser.download.folderList": 2, "browser.download.dir": str(folder)}
    preferences = {**PREFERENCES, **downloads, "marionette.port": port}
    lines = [
        f"user_pref({json.dumps(key)}, {json.dumps(preferences[key])});" for key in preferences
    ]
    (profile / "user.js").write_text("\n".join(lines))
    command = [program, "--headless", "--marionette", "--no-remote", "--profile", str(profile)]
    command += ["--width", "1366", "--height", "768"]
    with (folder / "firefox.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            connection = Marionette(port)
            yield Firefox(command_executor=connection, options=FirefoxOptions())
            connection.close()
        finally:
            process.terminate()
            process.wait()


def _connected(port: int) -> socket.socket:
    """A connection to Firefox as soon as it listens."""
    end = time.monotonic() + START_S
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=START_S)
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
