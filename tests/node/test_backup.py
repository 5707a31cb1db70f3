"""A node whose data folder is an older copy does nothing twice: docs/deploy.md."""

import shutil
from pathlib import Path

import pytest

from node_kit import Site, patient_files, received, running_site, wait_until
from radfuse.node.state import FusionState
from radfuse.node.store import NodeStore
from radfuse.phantom.dicom import write_phantom
from radfuse.phantom.head import make_phantom


def states(site: Site) -> list[FusionState]:
    store = NodeStore(site.settings.data / "node.sqlite")
    found = [one.state for one in store.fusions()]
    store.close()
    return found


@pytest.mark.slow
def test_restored_node_fuses_again_but_stores_nothing_new(tmp_path: Path) -> None:
    write_phantom(make_phantom(1, spacing_mm=6.0), tmp_path / "phantom")
    files = patient_files(tmp_path / "phantom", tmp_path / "patients", 1)
    with running_site(tmp_path) as site:
        with site.node():
            pass
        shutil.copytree(site.settings.data, tmp_path / "backup")
        site.add(*files["CT"], *files["MR"])
        with site.node():
            wait_until(lambda: states(site) == [FusionState.DELIVERED])
        before = {one.SOPInstanceUID for one in received(site.first)}
        shutil.rmtree(site.settings.data)
        shutil.copytree(tmp_path / "backup", site.settings.data)
        assert states(site) == []
        with site.node():
            wait_until(lambda: states(site) == [FusionState.DELIVERED])
        assert {one.SOPInstanceUID for one in received(site.first)} == before
        assert site.first.count() == len(before)
        assert site.second.count() == len(before) - len(files["CT"]) - len(files["MR"])
