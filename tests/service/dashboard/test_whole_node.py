"""A patient arrives, is fused and comes back; the dashboard shows each step."""

import re
from pathlib import Path
from queue import Queue
from threading import Event, Thread

import httpx
import pytest

from node_kit import patient_files, running_site, wait_until
from radfuse.phantom.dicom import write_phantom
from radfuse.phantom.head import make_phantom
from radfuse.service.dashboard.server import serve_node


@pytest.mark.slow
def test_a_patient_is_followed_on_the_dashboard(tmp_path: Path) -> None:
    (tmp_path / "phantom").mkdir()
    write_phantom(make_phantom(1, spacing_mm=6.0), tmp_path / "phantom")
    files = patient_files(tmp_path / "phantom", tmp_path, 1)
    stop, urls = Event(), Queue[str]()
    with running_site(tmp_path, port=0) as site:
        thread = Thread(target=serve_node, args=(site.settings, stop, urls.put))
        thread.start()
        try:
            url = urls.get(timeout=60)
            with httpx.Client(base_url=url.partition("?")[0], trust_env=False) as client:
                assert client.get(url).status_code == 303  # the printed URL signs in
                site.add(*files["CT"], *files["MR"])
                stages, states = set(), set()

                def is_delivered() -> bool:
                    found = client.get("/api/v1/fusions").json()["fusions"]
                    states.update(one["state"] for one in found)
                    stages.update(one["progress"]["stage"] for one in found if one["progress"])
                    return bool(found) and found[0]["state"] == "delivered"

                wait_until(is_delivered)
                assert "running" in states
                assert len(stages - {"starting"}) >= 2
                assert client.get("/api/v1/fusions/1").json()["has_sheet"]
                sheet = client.get("/api/v1/fusions/1/qa.html")
                assert "<html" in sheet.text
                assert "P0001" not in sheet.text
                (found,) = client.post("/api/v1/patients/search", json={"patient": "P0001"}).json()
                assert (found["id"], len(found["fusions"])) == ("P0001", 1)
                assert client.get("/readyz").status_code == 200
                metrics = client.get("/metrics").text
                assert re.search(r"^radfuse_node_fusion_seconds_count 1\.0$", metrics, re.M)
                assert 'radfuse_node_fusions{state="delivered"} 1.0' in metrics
                assert "P0001" not in metrics
                log = client.get("/api/v1/audit").json()["entries"]
                assert log[-1]["what"] == "node started"
        finally:
            stop.set()
            thread.join()
