"""Landmark pairs and named alignments of the images besides the MR that is fused."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from service_kit import Site, refused
from study_kit import StudyClient

PAIRS = [
    {"ct": [x, y, 0.0], "image": [x + 1.0, y, 2.0], "name": "", "weight": 1.0}
    for x, y in ((0, 0), (50, 0), (0, 50), (50, 40))
]


@pytest.fixture
def study(site: Site, several: str) -> Iterator[StudyClient]:
    """A fused study with a T2 and a PET; its landmarks and alignments are removed afterwards."""
    client = StudyClient(site, several)
    yield client
    for pattern in ("landmarks*.json", "alignments/*.json"):
        for path in client.folder.glob(pattern):
            path.unlink()


def shifted(x_mm: float) -> list[list[float]]:
    matrix = np.eye(4)
    matrix[0, 3] = x_mm
    return [list(row) for row in matrix.tolist()]


def pairs_of(study: StudyClient, image: str) -> dict[str, Any]:
    answer = study.call("GET", f"/landmarks?image={image}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_each_image_has_pairs_of_its_own(study: StudyClient) -> None:
    for image, pairs in (("", PAIRS), ("PT", PAIRS[:2]), ("T2", PAIRS[:1])):
        answer = study.call("PUT", f"/landmarks?image={image}", revision=0, pairs=pairs)
        assert answer.status_code == 200, answer.text
    assert [len(pairs_of(study, image)["pairs"]) for image in ("", "PT", "T2")] == [4, 2, 1]
    assert pairs_of(study, "PT")["pairs"] == PAIRS[:2]
    stale = study.call("PUT", "/landmarks?image=PT", revision=0, pairs=[])
    refused(stale, 409, "changed elsewhere")
    assert study.call("PUT", "/landmarks?image=PT", revision=1, pairs=[]).status_code == 200
    assert pairs_of(study, "")["pairs"] == PAIRS


def test_pairs_of_another_pet_are_marked(study: StudyClient) -> None:
    study.call("PUT", "/landmarks?image=PT", revision=0, pairs=PAIRS)
    study.call("PUT", "/landmarks?image=T2", revision=0, pairs=PAIRS)
    (path,) = (
        one for one in study.folder.glob("landmarks-*") if '"image": "PT"' in one.read_text()
    )
    stored = json.loads(path.read_text())
    ct, _ = stored["sources"]
    path.write_text(json.dumps({**stored, "sources": [ct, "another"]}))
    assert pairs_of(study, "PT")["of_other_images"] is True
    assert pairs_of(study, "T2")["of_other_images"] is False
    path.write_text("{")
    refused(study.call("GET", "/landmarks?image=PT"), 400, f"{path.name} is damaged")


def test_alignments_are_saved_by_image(study: StudyClient) -> None:
    for image in ("", "T2", "PT"):
        body = {"name": "By keys", "image": image, "image_from_ct": shifted(len(image))}
        assert study.call("POST", "/alignments", **body).status_code == 201
    refused(study.call("POST", "/alignments", **body), 400, "there is an alignment 'By keys'")
    listed = study.call("GET", "/alignments").json()
    assert [one["image"] for one in listed] == ["", "T2", "PT"]
    assert [one["image_from_ct"] for one in listed] == [shifted(0), shifted(2), shifted(2)]
    where = f"/alignments/{listed[2]['id']}"
    moved = study.call("PATCH", where, revision=1, image_from_ct=shifted(7)).json()
    assert (moved["image"], moved["image_from_ct"]) == ("PT", shifted(7))


def test_alignment_of_an_image_that_is_gone_is_listed(study: StudyClient) -> None:
    body = {"name": "Old", "image": "PT", "image_from_ct": shifted(1)}
    made = study.call("POST", "/alignments", **body).json()
    path = study.folder / "alignments" / f"{made['id']}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "image": "FLAIR"}))
    (listed,) = study.call("GET", "/alignments").json()
    assert (listed["image_from_ct"], listed["problem"]) == (None, "the result has no image FLAIR")


def test_the_label_of_no_image_is_refused(study: StudyClient, site: Site, prepared: str) -> None:
    words = "the result has no image FLAIR to align; there are T2, PT"
    refused(study.call("GET", "/landmarks?image=FLAIR"), 400, words)
    refused(study.call("PUT", "/landmarks?image=FLAIR", revision=0, pairs=PAIRS), 400, words)
    body = {"name": "A", "image": "FLAIR", "image_from_ct": shifted(0)}
    refused(study.call("POST", "/alignments", **body), 400, words)
    before = StudyClient(site, prepared)
    refused(before.call("GET", "/landmarks?image=PT"), 400, "after a fusion; fuse first")
    refused(study.call("GET", f"/landmarks?image={'T' * 101}"), 422, "image")


def test_files_of_version_1_are_those_of_the_mr(study: StudyClient) -> None:
    """The MR was the only image."""
    study.call("PUT", "/landmarks", revision=0, pairs=PAIRS)
    body = {"name": "A", "image_from_ct": shifted(3)}
    made = study.call("POST", "/alignments", **body).json()
    for path in (study.folder / "landmarks.json", study.folder / f"alignments/{made['id']}.json"):
        text = path.read_text().replace('"image_from_ct"', '"mr_from_ct"')
        old = json.loads(text.replace('"image": [', '"mr": ['))
        del old["schema_version"], old["image"]
        path.write_text(json.dumps(old))
    assert pairs_of(study, "")["pairs"] == PAIRS
    (listed,) = study.call("GET", "/alignments").json()
    assert (listed["image"], listed["name"]) == ("", "A")
    assert_allclose(listed["image_from_ct"], shifted(3))
