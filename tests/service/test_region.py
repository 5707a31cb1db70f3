"""The region of the next registration through REST: stored, versioned, refused."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from service_kit import Site, refused
from study_kit import StudyClient

WHOLE_HEAD = {"box": None, "roi": "", "metric_mask": ""}
BOX = {"first": [2, 3, 4], "last": [10, 11, 12]}


@pytest.fixture
def study(site: Site, prepared: str) -> Iterator[StudyClient]:
    """The prepared study; its region is removed before and afterwards."""
    client = StudyClient(site, prepared)
    path = client.folder / "region.json"
    path.unlink(missing_ok=True)
    yield client
    path.unlink(missing_ok=True)


def test_a_region_is_stored_and_versioned(study: StudyClient) -> None:
    assert study.call("GET", "/region").json() == {**WHOLE_HEAD, "revision": 0}
    region = {"box": BOX, "roi": "0123456789ab", "metric_mask": "box"}
    assert study.call("PUT", "/region", **region, revision=0).json()["revision"] == 1
    assert study.call("GET", "/region").json() == {**region, "revision": 1}
    refused(study.call("PUT", "/region", **WHOLE_HEAD, revision=0), 409, "the region changed")
    assert study.call("PUT", "/region", **WHOLE_HEAD, revision=1).json()["revision"] == 2
    assert study.call("GET", "/region").json() == {**WHOLE_HEAD, "revision": 2}


def test_a_box_of_another_ct_is_not_used(study: StudyClient) -> None:
    study.call("PUT", "/region", box=BOX, revision=0)
    path = study.folder / "region.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "source": "another"}))
    assert study.call("GET", "/region").json() == {**WHOLE_HEAD, "revision": 1}
    path.write_text("{")
    refused(study.call("GET", "/region"), 400, "region.json is damaged")


@pytest.mark.parametrize(
    ("region", "status", "words"),
    [
        ({"box": {**BOX, "last": [9999, 11, 12]}}, 400, "is not inside the CT"),
        ({"box": {**BOX, "last": [1, 11, 12]}}, 400, "is not inside the CT"),
        ({"box": {**BOX, "first": [-1, 3, 4]}}, 422, "box.first.0"),
        ({"box": {"first": [2, 3, 4]}}, 422, "box.last"),
        ({"roi": "../../study"}, 422, "roi"),
        ({"metric_mask": "0123456789ab\n"}, 422, "metric_mask"),
        ({"colour": "red"}, 422, "colour"),
    ],
)
def test_invalid_regions_are_refused(
    study: StudyClient, region: dict[str, Any], status: int, words: str
) -> None:
    refused(study.call("PUT", "/region", **{**region, "revision": 0}), status, words)
    assert study.call("GET", "/region").json()["revision"] == 0
