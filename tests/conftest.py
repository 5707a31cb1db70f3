"""What many tests share: a quick phantom, and the folder of real data."""

from pathlib import Path

import pytest

from radfuse.data.phantom import Phantom, make_phantom
from radfuse.data.phantom_dicom import write_phantom

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip("real data is missing: no folder ../shared beside the repository")
    return SHARED


@pytest.fixture(scope="session")
def phantom() -> Phantom:
    return make_phantom(7, spacing_mm=3.0)


@pytest.fixture(scope="session")
def phantom_folders(
    phantom: Phantom, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """CT and MR DICOM; copy before changing."""
    return write_phantom(phantom, tmp_path_factory.mktemp("phantom"))
