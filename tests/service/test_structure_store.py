"""Structures of a study are stored; invalid ones are refused in one line."""

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from service_kit import Site, refused
from study_kit import StudyClient, ball, prepare, runs

from radfuse.phantom.head import Phantom, make_phantom
from radfuse.service.security import MAX_STRUCTURE_BYTES
from radfuse.service.stores.structure_store import StructureStore
from radfuse.service.stores.studies import Studies


@pytest.fixture(scope="module")
def shared_client(site: Site, phantom: Phantom, phantom_folders: tuple[Path, Path]) -> StudyClient:
    return prepare(site, phantom_folders, phantom.ct.image)


@pytest.fixture
def client(shared_client: StudyClient) -> Iterator[StudyClient]:
    yield shared_client
    shared_client.clear()


def test_info_lists_names_of_targets_and_organs(site: Site) -> None:
    names = site.client.get("/api/v1/info").json()["structure_names"]
    assert {"GTVp", "CTV_High", "OpticNrv_L", "OpticChiasm", "Glnd_Lacrimal_R"} <= set(names)
    assert len(set(names)) == len(names)


def test_structure_is_listed_with_volume_and_read_back(client: StudyClient) -> None:
    mask = ball(client.shape, 6)
    made = client.add(" GTVp ", mask, colour="#12abef")
    voxel_cm3 = np.prod(client.grid.spacing_mm) / 1000
    np.testing.assert_allclose(made["volume_cm3"], mask.sum() * voxel_cm3, rtol=1e-4)
    assert (made["name"], made["colour"], made["revision"]) == ("GTVp", "#12abef", 1)
    assert made["slices"] == mask.any(axis=(1, 2)).sum()
    assert client.call("GET", "/structures").json() == [made]
    np.testing.assert_array_equal(client.mask(made["id"]), mask)


def test_structures_without_a_colour_get_different_ones(client: StudyClient) -> None:
    assert len({client.add(f"Part{number}")["colour"] for number in range(5)}) == 5


def test_change_keeps_other_slices_and_empty_list_clears(client: StudyClient) -> None:
    mask = ball(client.shape, 6)
    made = client.add("GTVp", mask)
    path, middle = f"/structures/{made['id']}", client.shape[0] // 2
    changes = {str(middle): [], str(middle + 1): [0, 3]}
    after = client.call("PATCH", path, revision=1, runs=changes, name="GTVn").json()
    mask[middle], mask[middle + 1] = False, False
    mask[middle + 1].ravel()[:3] = True
    np.testing.assert_array_equal(client.mask(made["id"]), mask)
    assert (after["revision"], after["name"]) == (2, "GTVn")
    assert after["slices"] == made["slices"] - 1


def test_change_of_an_old_revision_is_refused(client: StudyClient) -> None:
    made = client.add("GTVp", ball(client.shape, 4))
    path = f"/structures/{made['id']}"
    assert client.call("PATCH", path, revision=1, colour="#000000").json()["revision"] == 2
    before = client.get(made["id"])
    for revision in (1, 3, -5, 10**30):
        answer = client.call("PATCH", path, revision=revision, runs={"0": [0, 1]})
        refused(answer, 409, "'GTVp' changed elsewhere: revision 2")
    assert client.get(made["id"]) == before


def test_concurrent_clients_have_one_winner_and_lose_nothing(client: StudyClient) -> None:
    made = client.add("GTVp")
    path = f"/structures/{made['id']}"

    def draw(index: int) -> int:
        won = 0
        for attempt in range(8):
            revision = client.get(made["id"])["revision"]
            mine = {str(index): [attempt, 1]}
            answer = client.call("PATCH", path, revision=revision, runs=mine)
            assert answer.status_code in {200, 409}, answer.text
            won += answer.status_code == 200
        return won

    with ThreadPoolExecutor(6) as clients:
        wins = list(clients.map(draw, range(6)))
    found = client.get(made["id"])
    assert found["revision"] == 1 + sum(wins)
    assert sorted(map(int, found["runs"])) == [at for at, won in enumerate(wins) if won]


def test_one_of_concurrent_clients_gets_a_name(client: StudyClient) -> None:
    def add(_: int) -> int:
        return client.call("POST", "/structures", name="CTV").status_code

    with ThreadPoolExecutor(6) as clients:
        statuses = sorted(clients.map(add, range(6)))
    assert statuses == [201, 400, 400, 400, 400, 400]
    assert client.names() == ["CTV"]


def test_deleted_structure_is_removed(client: StudyClient) -> None:
    path = f"/structures/{client.add('GTVp')['id']}"
    assert client.call("DELETE", path).status_code == 204
    for method in ("GET", "DELETE"):
        refused(client.call(method, path), 404, "no such structure")
    refused(client.call("PATCH", path, revision=1), 404, "no such structure")


def test_restored_structure_is_as_before_but_its_revision(client: StudyClient) -> None:
    first = client.add("GTVp", ball(client.shape, 4), colour="#12abef", steps=["brush"])
    client.add("Brain")
    path = f"/structures/{first['id']}"
    client.call("PATCH", path, revision=1, line="dotted", line_width=4)
    before = client.get(first["id"])
    assert client.call("DELETE", path).status_code == 204
    assert client.names() == ["Brain"]
    listed = client.call("GET", "/deleted-structures").json()
    age = datetime.now(UTC) - datetime.fromisoformat(listed[0].pop("deleted"))
    assert abs(age) < timedelta(minutes=5)
    assert listed[0] == {key: before[key] for key in before if key != "runs"}
    restored = client.call("POST", f"{path}/restore").json()
    assert client.get(first["id"]) == {**before, "revision": 3}
    assert restored["revision"] == 3
    assert client.names() == ["GTVp", "Brain"]
    ids = [one["id"] for one in client.call("GET", "/deleted-structures").json()]
    assert first["id"] not in ids
    refused(client.call("POST", f"{path}/restore"), 404, "no such structure")


def test_last_deleted_structure_is_listed_first(client: StudyClient) -> None:
    made = [client.add(name) for name in ("A", "B", "C")]
    for one in (made[1], made[2], made[0]):
        client.call("DELETE", f"/structures/{one['id']}")
    listed = client.call("GET", "/deleted-structures").json()
    assert [one["name"] for one in listed[:3]] == ["A", "C", "B"]


def test_restored_structure_with_a_used_name_gets_a_number(client: StudyClient) -> None:
    path = f"/structures/{client.add('GTVp', ball(client.shape, 4))['id']}"
    client.call("DELETE", path)
    client.add("gtvP")
    assert client.call("POST", f"{path}/restore").json()["name"] == "GTVp (2)"


def test_structure_changed_meanwhile_is_not_deleted(client: StudyClient) -> None:
    path = f"/structures/{client.add('GTVp')['id']}"
    client.call("PATCH", path, revision=1, runs={"0": [0, 1]})
    answer = client.call("DELETE", f"{path}?revision=1")
    refused(answer, 409, "'GTVp' changed elsewhere: revision 2")
    for wrong in ("x", "-1", str(10**30)):
        refused(client.call("DELETE", f"{path}?revision={wrong}"), 422, "revision")
    assert client.names() == ["GTVp"]
    assert client.call("DELETE", f"{path}?revision=2").status_code == 204


def test_damaged_structure_is_deleted_but_not_offered(client: StudyClient) -> None:
    broken = client.add("Broken")
    (client.folder / "structures" / f"{broken['id']}.json").write_text("{")
    path = f"/structures/{broken['id']}"
    assert client.call("DELETE", path).status_code == 204
    ids = [one["id"] for one in client.call("GET", "/deleted-structures").json()]
    assert broken["id"] not in ids
    refused(client.call("POST", f"{path}/restore"), 400, "its file is damaged")
    assert client.names() == []


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [
        ("gtvP", 400, "there is a structure 'GTVp' already"),
        ("  GTVp", 400, "there is a structure 'GTVp' already"),
        ("", 400, "DICOM takes 1 to 64 characters"),
        ("   ", 400, "DICOM takes 1 to 64 characters"),
        ("x" * 65, 400, "DICOM takes 1 to 64 characters"),
        ("a\\b", 400, "without backslash"),
        ("a\nb", 400, "or line break"),
        (7, 422, "body.name"),
    ],
)
def test_invalid_or_used_name_is_refused(
    client: StudyClient, name: object, status: int, words: str
) -> None:
    client.add("GTVp")
    other = client.add("Brain")
    refused(client.call("POST", "/structures", name=name), status, words)
    path = f"/structures/{other['id']}"
    refused(client.call("PATCH", path, revision=1, name=name), status, words)
    assert client.names() == ["GTVp", "Brain"]


def test_name_can_change_case_and_have_any_script(client: StudyClient) -> None:
    made = client.add("Brain")
    path = f"/structures/{made['id']}"
    assert client.call("PATCH", path, revision=1, name="BRAIN").status_code == 200
    assert client.add("Größe 図")["name"] == "Größe 図"


@pytest.mark.parametrize(
    ("slices", "status", "words"),
    [
        ({"0": [0, 10**9]}, 400, "slice 0: a run ends at 1000000000"),
        ({"0": [0]}, 400, "the last run has a start but no length"),
        ({"9999": [0, 1]}, 400, "slice 9999: the image has"),
        ({"0": [5, 2, 5, 2]}, 400, "overlap"),
        ({"0": [-1, 2]}, 422, "greater than or equal to 0"),
        ({"0": [0, 10**30]}, 422, "body.runs"),
        ({"0": [0.5, 1]}, 422, "valid integer"),
        ({"0": [True, 1]}, 422, "valid integer"),
        ({"0": ["0", 1]}, 422, "valid integer"),
        ({"0": [None, 1]}, 422, "valid integer"),
        ({"0": "0"}, 422, "valid list"),
        ({"-1": [0, 1]}, 422, "match pattern"),
        ({"01": [0, 1]}, 422, "match pattern"),
        ({"../1": [0, 1]}, 422, "match pattern"),
        ({"٣": [0, 1]}, 422, "match pattern"),
        ([], 422, "valid dictionary"),
    ],
)
def test_malformed_slices_are_refused_and_nothing_is_stored(
    client: StudyClient, slices: Any, status: int, words: str
) -> None:
    made = client.add("Brain")
    refused(client.call("POST", "/structures", name="GTVp", runs=slices), status, words)
    path = f"/structures/{made['id']}"
    answer = client.call("PATCH", path, revision=1, runs=slices)
    refused(answer, status, words)
    assert client.call("GET", "/structures").json() == [made]


def test_nan_and_incomplete_json_are_refused(client: StudyClient) -> None:
    for body in (b'{"name": "A", "runs": {"0": [NaN, 1]}}', b'{"name": "A", "runs"'):
        answer = client.site.client.post(
            f"/api/v1/studies/{client.study}/structures",
            content=body,
            headers={"content-type": "application/json"},
        )
        assert answer.status_code == 422
    assert client.names() == []


@pytest.mark.parametrize("colour", ["red", "#fff", "#GGGGGG", "#1234567", "#ABCDEF", 7])
def test_colour_is_six_lower_case_hexadecimal_digits(client: StudyClient, colour: object) -> None:
    refused(client.call("POST", "/structures", name="A", colour=colour), 422, "colour")


def test_large_structures_are_stored_up_to_a_limit(
    site: Site, phantom_folders: tuple[Path, Path]
) -> None:
    client = prepare(site, phantom_folders, make_phantom(7, spacing_mm=3.0).ct.image)
    noise = np.random.default_rng(1).random(client.shape) < 0.5
    noise[:, ::2] = np.arange(client.shape[2]) % 2 == 0
    assert len(json.dumps(runs(noise))) > 1_000_000
    made = client.add("Noise", noise)
    np.testing.assert_array_equal(client.mask(made["id"]), noise)
    large = "x" * MAX_STRUCTURE_BYTES
    refused(client.call("POST", "/structures", name=large), 413, "larger than 16 MB")
    answer = client.call("POST", "/structures/import", path="x" * 2_000_000)
    refused(answer, 413, "larger than 1 MB")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"null", b"\xff\xfe", b'{"id": "000000000000"}', "runs", "id"]
)
def test_damaged_file_is_named_and_others_still_work(
    client: StudyClient, content: bytes | str
) -> None:
    broken, whole = client.add("Broken"), client.add("Whole", ball(client.shape, 3))
    path = client.folder / "structures" / f"{broken['id']}.json"
    if isinstance(content, str):
        facts = json.loads(path.read_bytes())
        facts[content] = {"0": [5, 10**9]} if content == "runs" else "0123456789ab"
        content = json.dumps(facts).encode()
    path.write_bytes(content)
    first, second = client.call("GET", "/structures").json()
    assert first == whole
    assert (second["id"], second["revision"]) == (broken["id"], 0)
    assert f"structures/{path.name}" in second["problem"]
    refused(client.call("GET", f"/structures/{broken['id']}"), 400, "its file is damaged")
    assert path.read_bytes() == content
    change = client.call("PATCH", f"/structures/{whole['id']}", revision=1, name="Still")
    assert change.status_code == 200


def test_structure_is_never_used_on_another_grid(
    site: Site, phantom: Phantom, phantom_folders: tuple[Path, Path]
) -> None:
    client = prepare(site, phantom_folders, phantom.ct.image)
    made = client.add("GTVp", ball(client.shape, 3))
    moved = sitk.Image(phantom.ct.image)
    moved.SetOrigin(phantom.ct.image.TransformIndexToPhysicalPoint((0, 0, 1)))
    other = prepare(site, phantom_folders, moved)
    shutil.copy(other.folder / "view/ct.nii", client.folder / "view/ct.nii")
    (listed,) = client.call("GET", "/structures").json()
    assert "was drawn on another CT" in listed["problem"]
    path = f"/structures/{made['id']}"
    refused(client.call("GET", path), 400, "was drawn on another CT")
    answer = client.call("PATCH", path, revision=1, runs={"0": [0, 1]})
    refused(answer, 400, "was drawn on another CT")
    prepared = prepare(site, phantom_folders, phantom.ct.image)
    shutil.copy(prepared.folder / "view/ct.nii", client.folder / "view/ct.nii")
    assert client.call("GET", "/structures").json() == [made]


def test_studies_do_not_see_each_others_structures(
    client: StudyClient, site: Site, phantom: Phantom, phantom_folders: tuple[Path, Path]
) -> None:
    other = prepare(site, phantom_folders, phantom.ct.image)
    made = client.add("GTVp")
    assert other.names() == []
    refused(other.call("GET", f"/structures/{made['id']}"), 404, "no such structure")


def test_study_that_is_not_prepared_has_no_structures(site: Site, asked: dict[str, Any]) -> None:
    client = StudyClient(site, site.make(**asked))
    assert client.call("GET", "/structures").json() == []
    for path, body in (
        ("/structures", {"name": "A"}),
        ("/grow-region", {"image": "ct", "voxel": [0, 0, 0]}),
        ("/interpolate", {"runs": {}}),
    ):
        refused(client.call("POST", path, **body), 404, "has no ct volume yet; prepare")


@pytest.mark.parametrize(
    "path",
    [
        "/structures/..%2f..%2fstudy",
        "/structures/%2e%2e",
        "/structures/000000000000",
        "/structures/a%00b",
        "/structures/study",
        "/exports/..%2fstudy.json",
        "/exports/study.json",
        "/exports/%2e%2e%2fview%2fct.nii",
        "/exports/a%00.zip",
        "/exports/" + "a" * 3000 + ".zip",
    ],
)
def test_no_path_leads_out_of_the_study(client: StudyClient, path: str) -> None:
    answer = client.site.client.get(f"/api/v1/studies/{client.study}{path}")
    assert answer.status_code in {404, 422}
    assert list(answer.json()) == ["error"]


def test_symbolic_link_is_no_exported_file(client: StudyClient) -> None:
    exports = client.folder / "exports"
    exports.mkdir(exist_ok=True)
    link = exports / "secret.json"
    link.symlink_to(client.folder / "study.json")
    refused(client.call("GET", "/exports/secret.json"), 404, "no such exported file")
    link.unlink()


def test_unreadable_file_is_left_out_of_export_with_note(client: StudyClient) -> None:
    broken = client.add("Broken")
    client.add("Whole", ball(client.shape, 3))
    (client.folder / "structures" / f"{broken['id']}.json").write_text("{")
    response = client.call("POST", "/structures/export", format="nifti").json()
    assert [one["name"] for one in response["structures"]] == ["Whole"]
    assert any("left out" in note and broken["id"] in note for note in response["notes"])


def test_incomplete_files_of_a_killed_server_are_removed(client: StudyClient) -> None:
    made = client.add("GTVp")
    half = client.folder / "structures/.radfuse-half"
    half.mkdir()
    (half / f"{made['id']}.json").write_text("{")
    StructureStore(Studies(client.site.folder))
    assert not half.exists()
    assert client.names() == ["GTVp"]


def test_new_structures_get_unused_colours(client: StudyClient) -> None:
    made = [client.add(name) for name in ("A", "B", "C")]
    assert client.call("DELETE", f"/structures/{made[0]['id']}").status_code == 204
    made[0] = client.add("D")
    assert len({one["colour"] for one in made}) == 3
