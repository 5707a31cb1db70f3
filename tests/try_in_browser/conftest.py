"""The application for the browser, assembled with a coarse phantom, and a browser that shows it."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path += [str(ROOT / "docs"), str(ROOT / "tests/service")]

from browser_kit import opened_browser  # noqa: E402
from static_server import served  # noqa: E402
from try_driver import TryDriver  # noqa: E402

from try_in_browser import RUNTIME, assemble  # noqa: E402


@pytest.fixture(scope="session")
def application(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the application."""
    if not RUNTIME.is_dir():
        pytest.skip("onnxruntime-web is missing: make ready installs it with npm")
    folder = tmp_path_factory.mktemp("site") / "try"
    return assemble(
        folder,
        level=1,
        sample_mm=6.0,
        volume_mm=6.0,
        methods=("res2fusion",),
        volume_methods=("signed_detail",),
    )


@pytest.fixture(scope="module")
def driver(application: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TryDriver]:
    """A browser with the application, ready to fuse."""
    folder = tmp_path_factory.mktemp("browser")
    with served(application.parent) as address, opened_browser(folder) as browser:
        driver = TryDriver(browser, folder, address)
        driver.open("?method=res2fusion")
        yield driver
