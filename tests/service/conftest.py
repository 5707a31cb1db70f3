"""Fixtures: one server for all tests of the viewer, and studies on it."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydicom
import pytest
import SimpleITK as sitk
from browser_kit import opened_browser
from selenium.webdriver import Chrome
from service_kit import Site, running

from dicom_kit import change_all, put
from orthanc_kit import Orthanc
from radfuse.phantom.dicom import write_functional, write_sequence
from radfuse.phantom.head import Phantom, draw_layers
from radfuse.phantom.uptake import FDG, FunctionalScan, scan_uptake
from radfuse.record import Signoff, now
from radfuse.registration.transforms import write_transform
from radfuse.service.stores.studies import Studies, Study


@pytest.fixture(scope="session")
def phantom(quick_phantom: Phantom) -> Phantom:
    return quick_phantom


@pytest.fixture(scope="session")
def phantom_folders(quick_folders: tuple[Path, Path]) -> tuple[Path, Path]:
    return quick_folders


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(tmp_path_factory.mktemp("viewer")) as started:
        yield started


@pytest.fixture(scope="session")
def quick_recipe(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Average with the true transform; only the fused series is written."""
    transform = tmp_path_factory.mktemp("given") / "true.tfm"
    write_transform(transform, phantom.mr_from_ct)
    return {"method": "average", "transform": str(transform), "outputs": ["fused"]}


@pytest.fixture(scope="session")
def asked(phantom_folders: tuple[Path, Path], quick_recipe: dict[str, Any]) -> dict[str, Any]:
    """Request for a study of the quick phantom."""
    ct, mr = map(str, phantom_folders)
    return {"ct": ct, "mr": mr, "name": "Quick phantom", "recipe": quick_recipe}


@pytest.fixture(scope="session")
def done(site: Site, asked: dict[str, Any]) -> str:
    """A fused study; tests may sign it and fuse it again, but must leave it fused."""
    identifier = site.make(**asked)
    events = site.fuse(identifier)
    assert events[-1][0] == "done", events
    return identifier


@pytest.fixture(scope="session")
def unsigned(site: Site, asked: dict[str, Any]) -> str:
    """A fused study; tests must leave it fused and unsigned."""
    identifier = site.make(**{**asked, "name": "Unsigned"})
    events = site.fuse(identifier)
    assert events[-1][0] == "done", events
    return identifier


@pytest.fixture(scope="session")
def pet_scan() -> FunctionalScan:
    """An FDG scan of the phantom's head, in the coordinates of its CT."""
    layers = draw_layers(7, spacing_mm=3.0)
    return scan_uptake(layers, FDG, 7, functional_from_ct=sitk.Euler3DTransform(), spacing_mm=4.0)


@pytest.fixture(scope="session")
def further_folders(
    phantom: Phantom,
    pet_scan: FunctionalScan,
    phantom_folders: tuple[Path, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, Path]:
    """A T2 in the frame of reference of the MR, and a PET in that of the CT."""
    folder = tmp_path_factory.mktemp("further")
    values = sitk.Sqrt(sitk.Cast(phantom.mr.image, sitk.sitkFloat32)) * 30
    t2 = write_sequence(phantom, replace(phantom.mr, image=values), folder, "T2")
    pet = write_functional(phantom, pet_scan.series, folder)
    frame = pydicom.dcmread(next(phantom_folders[0].iterdir())).FrameOfReferenceUID
    change_all(pet, put("FrameOfReferenceUID", frame))
    return t2, pet


@pytest.fixture(scope="session")
def several(site: Site, asked: dict[str, Any], further_folders: tuple[Path, Path]) -> str:
    """A fused study with a T2 and a PET; tests must leave it fused and unsigned."""
    t2, pet = map(str, further_folders)
    further = {"mrs": [t2], "pet": pet}
    identifier = site.make(**{**asked, "name": "Several images", "further": further})
    events = site.fuse(identifier)
    assert events[-1][0] == "done", events
    return identifier


@pytest.fixture
def signoff() -> Signoff:
    return Signoff(state="accepted", name="A", time=now())


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with opened_browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture(scope="session")
def prepared(site: Site, asked: dict[str, Any]) -> str:
    """A prepared study without result; tests must leave it so."""
    identifier = site.make(**asked)
    events = site.prepare(identifier)
    assert events[-1] == ("done", {"outcome": None}), events
    return identifier


@pytest.fixture
def pacs(site: Site, orthanc: Orthanc) -> Iterator[Orthanc]:
    """An Orthanc that the viewer knows as `archive`."""
    assert site.deps is not None
    destinations = site.deps.destinations
    assert isinstance(destinations, dict)
    destinations["archive"] = orthanc.node
    yield orthanc
    destinations.clear()


@pytest.fixture
def copied(site: Site, unsigned: str, tmp_path: Path) -> tuple[Studies, Study]:
    """A copy of the fused and unsigned study in its own folder."""
    shutil.copytree(site.folder / "studies" / unsigned, tmp_path / "studies" / unsigned)
    studies = Studies(tmp_path)
    return studies, studies.get(unsigned)
