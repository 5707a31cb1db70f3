"""What many tests share: a quick phantom, a PACS, and the folder of real data."""

import gc
import os
import pickle
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings

from orthanc_kit import Orthanc, running_orthanc
from radfuse.methods.compiled_graphs import VARIABLE
from radfuse.phantom.dicom import write_phantom
from radfuse.phantom.head import DEFAULT_SEED, DEFAULT_SPACING_MM, Phantom, make_phantom

SHARED = Path(__file__).parents[2] / "shared"

settings.register_profile("test", deadline=None)
settings.register_profile("study", max_examples=1000, deadline=None)
settings.load_profile("test")


def pytest_configure() -> None:
    """Let Ctrl-C reach the programs that tests start: in the background a shell ignores it."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Spare the garbage collector all that the imported modules keep to the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def compiled_once(worker_id: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Networks that take long are compiled by the process that needs them first for all."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "compiled"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(folder))
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip("real data is missing: no folder ../shared beside the repository")
    return SHARED


@pytest.fixture(scope="session")
def heads(shared: Path) -> Path:
    folder = shared / "data/real/dicom_head"
    if not folder.is_dir():
        pytest.skip(f"real data is missing: {folder.name}")
    return folder


@pytest.fixture(scope="session")
def odd(shared: Path) -> Path:
    folder = shared / "data/real/io"
    if not folder.is_dir():
        pytest.skip(f"real data is missing: {folder.name}")
    return folder


MakePhantom = Callable[[int, float], Phantom]


@pytest.fixture(scope="session")
def make_once(worker_id: str, tmp_path_factory: pytest.TempPathFactory) -> MakePhantom:
    """Makes a phantom of a seed and a spacing (mm), in the process that needs it first for all."""
    base = tmp_path_factory.getbasetemp()
    folder = base if worker_id == "master" else base.parent

    def made(seed: int, spacing_mm: float) -> Phantom:
        path = folder / f"phantom-{seed}-{spacing_mm}.pickle"
        with FileLock(path.with_suffix(".lock")):
            if not path.exists():
                path.write_bytes(pickle.dumps(make_phantom(seed, spacing_mm=spacing_mm)))
            phantom: Phantom = pickle.loads(path.read_bytes())  # noqa: S301  # our own
        return phantom

    return made


@pytest.fixture(scope="session")
def phantom(make_once: MakePhantom) -> Phantom:
    return make_once(7, 3.0)


@pytest.fixture(scope="session")
def full_phantom(make_once: MakePhantom) -> Phantom:
    """The phantom in its default size."""
    return make_once(DEFAULT_SEED, DEFAULT_SPACING_MM)


@pytest.fixture(scope="session")
def phantom_folders(
    phantom: Phantom, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """CT and MR DICOM; copy before changing."""
    return write_phantom(phantom, tmp_path_factory.mktemp("phantom"))


@pytest.fixture(scope="session")
def quick_phantom(make_once: MakePhantom) -> Phantom:
    """For tests that voxels of 4 mm suffice for."""
    return make_once(7, 4.0)


@pytest.fixture(scope="session")
def quick_folders(
    quick_phantom: Phantom, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """CT and MR DICOM; copy before changing."""
    return write_phantom(quick_phantom, tmp_path_factory.mktemp("quick"))


@pytest.fixture(scope="session")
def coarse_phantom(make_once: MakePhantom) -> Phantom:
    """For tests of what is written or refused, not of where it is."""
    return make_once(7, 6.0)


@pytest.fixture(scope="session")
def coarse_folders(
    coarse_phantom: Phantom, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """CT and MR DICOM; copy before changing."""
    return write_phantom(coarse_phantom, tmp_path_factory.mktemp("coarse"))


@pytest.fixture(scope="session")
def orthanc_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with running_orthanc(tmp_path_factory.mktemp("orthanc")) as server:
        yield server


@pytest.fixture
def orthanc(orthanc_server: Orthanc) -> Orthanc:
    """A PACS with nothing in it."""
    orthanc_server.empty()
    return orthanc_server


@pytest.fixture
def full_disk() -> Callable[[int], AbstractContextManager[None]]:
    """Within it no file grows beyond some bytes; a narrow scope, for pytest writes files, too."""

    @contextmanager
    def limited(most_bytes: int) -> Iterator[None]:
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, limits[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            signal.signal(signal.SIGXFSZ, handler)

    return limited


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], bool]:
    """Whether a file or a folder was written through to the disk, by this process, meanwhile."""
    done: set[int] = set()
    fsync = os.fsync

    def noting(descriptor: int) -> None:
        fsync(descriptor)
        done.add(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(os, "fsync", noting)
    return lambda path: path.stat().st_ino in done
