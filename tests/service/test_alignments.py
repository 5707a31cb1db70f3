"""Landmark pairs and named alignments through REST: stored, versioned, compared, refused."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from service_kit import Site, refused
from study_kit import StudyClient

from radfuse.phantom.head import Phantom
from radfuse.record import NOTICE
from radfuse.registration.transforms import matrix_of

ORIGIN = np.eye(4).tolist()
ON_THE_HEAD = [(0, -85, 10), (65, 0, 0), (-65, 5, 5), (0, 80, 10), (0, 5, 70)]


@pytest.fixture
def study(site: Site, prepared: str) -> Iterator[StudyClient]:
    """The prepared study; its landmarks and alignments are removed afterwards."""
    client = StudyClient(site, prepared)
    yield client
    (client.folder / "landmarks.json").unlink(missing_ok=True)
    for path in (client.folder / "alignments").glob("*.json"):
        path.unlink()


def shifted(x_mm: float) -> list[list[float]]:
    matrix = np.eye(4)
    matrix[0, 3] = x_mm
    return [list(row) for row in matrix.tolist()]


def pairs_of(phantom: Phantom) -> list[dict[str, Any]]:
    """Exact pairs around the middle of the CT."""
    size = phantom.ct.image.GetSize()
    middle = phantom.ct.image.TransformContinuousIndexToPhysicalPoint([n / 2 for n in size])
    found = [tuple(np.add(middle, offset).tolist()) for offset in ON_THE_HEAD]
    return [{"ct": at, "image": phantom.mr_from_ct.TransformPoint(at)} for at in found]


def save(study: StudyClient, name: str, matrix: Any = ORIGIN) -> dict[str, Any]:
    answer = study.call("POST", "/alignments", name=name, image_from_ct=matrix)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def listed(study: StudyClient) -> list[dict[str, Any]]:
    return list(study.call("GET", "/alignments").json())


def test_weighted_fit_has_leave_one_out_errors_and_outliers(
    study: StudyClient, phantom: Phantom
) -> None:
    pairs = pairs_of(phantom)
    exact = study.call("POST", "/landmarks/fit", pairs=pairs).json()
    assert_allclose(exact["leave_one_out_mm"], [0] * 5, atol=1e-6)
    assert exact["centre_mm"] == pytest.approx(0, abs=1e-6)
    assert exact["outliers"] == [False] * 5
    pairs[1] = {
        **pairs[1],
        "image": np.add(pairs[1]["image"], (0, 12, 0)).tolist(),
        "name": "Orbit",
    }
    fit = study.call("POST", "/landmarks/fit", pairs=pairs).json()
    assert fit["outliers"] == [False, True, False, False, False]
    assert fit["leave_one_out_mm"][1] == pytest.approx(12)
    assert fit["leave_one_out_rms_mm"] > fit["rms_mm"]
    assert fit["max_mm"] > fit["centre_mm"] > 0
    pairs[1]["weight"] = 1e-3
    light = study.call("POST", "/landmarks/fit", pairs=pairs).json()
    assert_allclose(light["image_from_ct"], matrix_of(phantom.mr_from_ct), atol=0.05)


def test_landmarks_are_stored_and_versioned(study: StudyClient, phantom: Phantom) -> None:
    assert study.call("GET", "/landmarks").json() == {
        "revision": 0, "pairs": [], "of_other_images": False,
    }  # fmt: skip
    pairs = [
        {**one, "name": f"Point {i}", "weight": 2.0} for i, one in enumerate(pairs_of(phantom))
    ]
    first = study.call("PUT", "/landmarks", revision=0, pairs=pairs)
    assert first.status_code == 200
    assert first.json()["revision"] == 1
    stored = study.call("GET", "/landmarks").json()
    assert [one["name"] for one in stored["pairs"]] == [f"Point {i}" for i in range(5)]
    assert_allclose([one["image"] for one in stored["pairs"]], [one["image"] for one in pairs])
    refused(study.call("PUT", "/landmarks", revision=0, pairs=[]), 409, "changed elsewhere")
    assert study.call("PUT", "/landmarks", revision=1, pairs=[]).json()["revision"] == 2
    assert NOTICE in (study.folder / "landmarks.json").read_text()


def test_landmarks_of_other_files_are_marked(study: StudyClient, phantom: Phantom) -> None:
    study.call("PUT", "/landmarks", revision=0, pairs=pairs_of(phantom))
    path = study.folder / "landmarks.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "sources": ["a", "b"]}))
    assert study.call("GET", "/landmarks").json()["of_other_images"] is True
    path.write_text("{")
    refused(study.call("GET", "/landmarks"), 400, "landmarks.json is damaged")


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        ({"weight": 0}, "pairs.0.weight"),
        ({"weight": 101}, "pairs.0.weight"),
        ({"name": "n" * 65}, "pairs.0.name"),
        ({"image": [0, 0, 1e300]}, "pairs.0.image.2"),
        ({"colour": "red"}, "pairs.0.colour"),
    ],
)
def test_invalid_pairs_are_refused(study: StudyClient, pair: dict[str, Any], words: str) -> None:
    pairs = [{"ct": [0, 0, 0], "image": [0, 0, 0], **pair}]
    refused(study.call("PUT", "/landmarks", revision=0, pairs=pairs), 422, words)


def test_alignments_are_saved_renamed_replaced_and_deleted(study: StudyClient) -> None:
    first, second = save(study, "By sliders"), save(study, " By pairs ", shifted(10.25))
    assert [one["name"] for one in listed(study)] == ["By sliders", "By pairs"]
    assert listed(study)[1]["image_from_ct"] == shifted(10.25)
    where = f"/alignments/{first['id']}"
    renamed = study.call("PATCH", where, revision=1, name="First").json()
    assert (renamed["name"], renamed["revision"]) == ("First", 2)
    moved = study.call("PATCH", where, revision=2, image_from_ct=shifted(-1)).json()
    assert (moved["image_from_ct"], moved["revision"]) == (shifted(-1), 3)
    refused(study.call("PATCH", where, revision=2, name="Late"), 409, "'First' changed elsewhere")
    refused(study.call("PATCH", where, revision=3, name="BY PAIRS"), 400, "already")
    assert study.call("DELETE", where).status_code == 204
    assert [one["id"] for one in listed(study)] == [second["id"]]
    refused(study.call("DELETE", where), 404, "no such alignment")


@pytest.mark.parametrize(
    ("new", "status", "words"),
    [
        ({"name": "A", "image_from_ct": np.diag([1.1, 1, 1, 1]).tolist()}, 400, "is not rigid"),
        ({"name": "A", "image_from_ct": np.diag([-1, 1, 1, 1]).tolist()}, 400, "mirrors left"),
        ({"name": "  ", "image_from_ct": ORIGIN}, 422, "name"),
        ({"name": "n" * 65, "image_from_ct": ORIGIN}, 422, "name"),
        ({"name": "kept", "image_from_ct": ORIGIN}, 400, "there is an alignment 'Kept' already"),
    ],
)
def test_invalid_alignments_are_refused(
    study: StudyClient, new: dict[str, Any], status: int, words: str
) -> None:
    save(study, "Kept")
    refused(study.call("POST", "/alignments", **new), status, words)
    assert len(listed(study)) == 1


def test_a_damaged_alignment_is_listed_and_can_be_deleted(study: StudyClient) -> None:
    one = save(study, "Good")
    path = study.folder / "alignments" / f"{one['id']}.json"
    other = json.loads(path.read_text()) | {"sources": ["a", "b"], "id": "0" * 12, "name": "Old"}
    (path.parent / f"{'0' * 12}.json").write_text(json.dumps(other))
    path.write_text("{")
    old, damaged = listed(study)
    assert (old["name"], old["image_from_ct"]) == ("Old", None)
    assert "other files of the CT or of the image" in old["problem"]
    assert "damaged" in damaged["problem"]
    assert study.call("DELETE", f"/alignments/{one['id']}").status_code == 204


def test_two_alignments_are_compared_in_the_head(study: StudyClient) -> None:
    found = study.call("POST", "/alignments/compare", first=ORIGIN, second=shifted(3)).json()
    assert found["centre_mm"] == pytest.approx(3)
    assert found["max_mm"] == pytest.approx(3)
    assert found["rotation_deg"] == pytest.approx(0)
    sheared = np.diag([1.1, 1, 1, 1]).tolist()
    answer = study.call("POST", "/alignments/compare", first=ORIGIN, second=sheared)
    refused(answer, 400, "second is not rigid")


def test_a_study_that_is_not_prepared_has_no_alignments(site: Site, asked: dict[str, Any]) -> None:
    new = StudyClient(site, site.make(**asked))
    for method, where in (("GET", "/alignments"), ("PUT", "/landmarks")):
        answer = new.call(
            method, where, **({"revision": 0, "pairs": []} if method == "PUT" else {})
        )
        refused(answer, 404, "not prepared")
    refused(StudyClient(site, "0" * 12).call("GET", "/landmarks"), 404, "no study")
    site.client.delete(f"/api/v1/studies/{new.study}")


def test_names_outside_the_study_are_no_alignments(study: StudyClient) -> None:
    refused(study.call("DELETE", "/alignments/..study"), 404, "no such alignment")
    assert study.call("DELETE", "/alignments/..%2Fstudy").status_code == 405
    assert (study.folder / "study.json").is_file()
