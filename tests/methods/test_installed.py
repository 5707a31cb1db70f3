"""Where installed weights and compiled networks lie, on every platform."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from platformdirs.macos import MacOS

from radfuse.methods.compiled_graphs import compiled_folder
from radfuse.methods.installed import user_data_folder, weights_folder, weights_in

HOME = Path.home()


@pytest.mark.parametrize(
    ("folder", "environment", "expected"),
    [
        (weights_folder, {}, HOME / ".local" / "share" / "radfuse" / "weights"),
        (weights_folder, {"XDG_DATA_HOME": "/data"}, Path("/data/radfuse/weights")),
        (weights_folder, {"XDG_DATA_HOME": "/data", "RADFUSE_WEIGHTS": "/mine"}, Path("/mine")),
        (weights_folder, {"RADFUSE_WEIGHTS": ""}, HOME / ".local/share/radfuse/weights"),
        (compiled_folder, {}, HOME / ".cache" / "radfuse" / "compiled"),
        (compiled_folder, {"XDG_CACHE_HOME": "/caches"}, Path("/caches/radfuse/compiled")),
        (compiled_folder, {"XDG_CACHE_HOME": "/c", "RADFUSE_COMPILED": "/mine"}, Path("/mine")),
        (compiled_folder, {"RADFUSE_COMPILED": ""}, HOME / ".cache" / "radfuse" / "compiled"),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="folders of Linux")
def test_the_folder_follows_the_variables(
    monkeypatch: pytest.MonkeyPatch,
    folder: Callable[[], Path],
    environment: dict[str, str],
    expected: Path,
) -> None:
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "RADFUSE_WEIGHTS", "RADFUSE_COMPILED"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert folder() == expected


def test_the_folder_of_macos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    expected = HOME / "Library" / "Application Support" / "radfuse"
    assert MacOS("radfuse", appauthor=False).user_data_path == expected
    assert user_data_folder().name == "radfuse"


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert weights_in(tmp_path / "none") == []
