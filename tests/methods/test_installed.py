"""Where installed weights lie, on every platform."""

from pathlib import Path

import pytest

from radfuse.methods.installed import weights_folder, weights_in

HOME = Path.home()


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {}, HOME / ".local" / "share" / "radfuse" / "weights"),
        ("linux", {"XDG_DATA_HOME": "/data"}, Path("/data/radfuse/weights")),
        ("darwin", {"XDG_DATA_HOME": "/data"},
         HOME / "Library" / "Application Support" / "radfuse" / "weights"),
        ("win32", {}, HOME / "AppData" / "Local" / "radfuse" / "weights"),
        ("win32", {"LOCALAPPDATA": "/local"}, Path("/local/radfuse/weights")),
        ("win32", {"LOCALAPPDATA": "/local", "RADFUSE_WEIGHTS": "/mine"}, Path("/mine")),
        ("linux", {"RADFUSE_WEIGHTS": ""}, HOME / ".local" / "share" / "radfuse" / "weights"),
    ],
)  # fmt: skip
def test_the_folder_follows_the_variable_then_the_platform(
    platform: str, environment: dict[str, str], expected: Path
) -> None:
    assert weights_folder(platform, environment) == expected


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert weights_in(tmp_path / "none") == []
