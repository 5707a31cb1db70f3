"""Structures of a study: what was answered is kept, what cannot be is refused in a line."""

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawing_kit import Board, ball, prepare, refused, runs
from service_kit import Site

from radfuse.phantom.head import Phantom
from radfuse.service.security import MOST_DRAWING_BYTES
from radfuse.service.stores.structure_store import Drawings
from radfuse.service.stores.studies import Studies


@pytest.fixture(scope="module")
def shared_board(site: Site, phantom: Phantom, phantom_folders: tuple[Path, Path]) -> Board:
    return prepare(site, phantom_folders, phantom.ct.image)


@pytest.fixture
def board(shared_board: Board) -> Iterator[Board]:
    yield shared_board
    shared_board.clear()


def test_names_of_targets_and_organs_are_offered(site: Site) -> None:
    names = site.client.get("/api/v1/info").json()["structure_names"]
    assert {"GTVp", "CTV_High", "OpticNrv_L", "OpticChiasm", "Glnd_Lacrimal_R"} <= set(names)
    assert len(set(names)) == len(names)


def test_a_structure_is_listed_with_its_volume_and_read_back(board: Board) -> None:
    mask = ball(board.shape, 6)
    made = board.add(" GTVp ", mask, colour="#12abef")
    voxel_cm3 = np.prod(board.grid.spacing_mm) / 1000
    np.testing.assert_allclose(made["volume_cm3"], mask.sum() * voxel_cm3, rtol=1e-4)
    assert (made["name"], made["colour"], made["revision"]) == ("GTVp", "#12abef", 1)
    assert made["slices"] == mask.any(axis=(1, 2)).sum()
    assert board.call("GET", "/structures").json() == [made]
    np.testing.assert_array_equal(board.mask(made["id"]), mask)


def test_structures_without_a_colour_get_different_ones(board: Board) -> None:
    assert len({board.add(f"Part{number}")["colour"] for number in range(5)}) == 5


def test_a_change_leaves_other_slices_and_an_empty_one_clears(board: Board) -> None:
    mask = ball(board.shape, 6)
    made = board.add("GTVp", mask)
    path, middle = f"/structures/{made['id']}", board.shape[0] // 2
    changes = {str(middle): [], str(middle + 1): [0, 3]}
    after = board.call("PATCH", path, revision=1, runs=changes, name="GTVn").json()
    mask[middle], mask[middle + 1] = False, False
    mask[middle + 1].ravel()[:3] = True
    np.testing.assert_array_equal(board.mask(made["id"]), mask)
    assert (after["revision"], after["name"]) == (2, "GTVn")
    assert after["slices"] == made["slices"] - 1


def test_a_change_to_an_old_revision_changes_nothing(board: Board) -> None:
    made = board.add("GTVp", ball(board.shape, 4))
    path = f"/structures/{made['id']}"
    assert board.call("PATCH", path, revision=1, colour="#000000").json()["revision"] == 2
    before = board.get(made["id"])
    for revision in (1, 3, -5, 10**30):
        answer = board.call("PATCH", path, revision=revision, runs={"0": [0, 1]})
        refused(answer, 409, "'GTVp' was changed elsewhere: it is at revision 2")
    assert board.get(made["id"]) == before


def test_concurrent_clients_have_one_winner_and_lose_nothing(
    board: Board,
) -> None:
    made = board.add("GTVp")
    path = f"/structures/{made['id']}"

    def draw(client: int) -> int:
        won = 0
        for attempt in range(8):
            revision = board.get(made["id"])["revision"]
            mine = {str(client): [attempt, 1]}
            answer = board.call("PATCH", path, revision=revision, runs=mine)
            assert answer.status_code in {200, 409}, answer.text
            won += answer.status_code == 200
        return won

    with ThreadPoolExecutor(6) as clients:
        wins = list(clients.map(draw, range(6)))
    found = board.get(made["id"])
    assert found["revision"] == 1 + sum(wins)
    assert sorted(map(int, found["runs"])) == [at for at, won in enumerate(wins) if won]


def test_of_clients_that_add_one_name_at_once_one_gets_it(board: Board) -> None:
    def add(_: int) -> int:
        return board.call("POST", "/structures", name="CTV").status_code

    with ThreadPoolExecutor(6) as clients:
        statuses = sorted(clients.map(add, range(6)))
    assert statuses == [201, 400, 400, 400, 400, 400]
    assert board.names() == ["CTV"]


def test_a_deleted_structure_is_gone(board: Board) -> None:
    path = f"/structures/{board.add('GTVp')['id']}"
    assert board.call("DELETE", path).status_code == 204
    for method in ("GET", "DELETE"):
        refused(board.call(method, path), 404, "no such structure")
    refused(board.call("PATCH", path, revision=1), 404, "no such structure")


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
def test_a_name_that_cannot_be_is_refused(
    board: Board, name: object, status: int, words: str
) -> None:
    board.add("GTVp")
    other = board.add("Brain")
    refused(board.call("POST", "/structures", name=name), status, words)
    path = f"/structures/{other['id']}"
    refused(board.call("PATCH", path, revision=1, name=name), status, words)
    assert board.names() == ["GTVp", "Brain"]


def test_a_name_may_change_its_case_and_be_of_any_script(board: Board) -> None:
    made = board.add("Brain")
    path = f"/structures/{made['id']}"
    assert board.call("PATCH", path, revision=1, name="BRAIN").status_code == 200
    assert board.add("Größe 図")["name"] == "Größe 図"


@pytest.mark.parametrize(
    ("slices", "status", "words"),
    [
        ({"0": [0, 10**9]}, 400, "slice 0: a run ends at 1000000000"),
        ({"0": [0]}, 400, "a start without a length"),
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
    board: Board, slices: Any, status: int, words: str
) -> None:
    made = board.add("Brain")
    refused(board.call("POST", "/structures", name="GTVp", runs=slices), status, words)
    path = f"/structures/{made['id']}"
    answer = board.call("PATCH", path, revision=1, runs=slices)
    refused(answer, status, words)
    assert board.call("GET", "/structures").json() == [made]


def test_no_number_is_refused(board: Board) -> None:
    for body in (b'{"name": "A", "runs": {"0": [NaN, 1]}}', b'{"name": "A", "runs"'):
        answer = board.site.client.post(
            f"/api/v1/studies/{board.study}/structures",
            content=body,
            headers={"content-type": "application/json"},
        )
        assert answer.status_code == 422
    assert board.names() == []


@pytest.mark.parametrize("colour", ["red", "#fff", "#GGGGGG", "#1234567", "#ABCDEF", 7])
def test_a_colour_is_six_small_hexadecimal_digits(board: Board, colour: object) -> None:
    refused(board.call("POST", "/structures", name="A", colour=colour), 422, "colour")


def test_large_drawings_are_taken_and_larger_ones_are_not(board: Board) -> None:
    noise = np.random.default_rng(1).random(board.shape) < 0.5
    noise[:, ::2] = np.arange(board.shape[2]) % 2 == 0
    assert len(json.dumps(runs(noise))) > 1_000_000
    made = board.add("Noise", noise)
    np.testing.assert_array_equal(board.mask(made["id"]), noise)
    large = "x" * MOST_DRAWING_BYTES
    refused(board.call("POST", "/structures", name=large), 413, "larger than the 16 MB")
    answer = board.call("POST", "/structures/import", path="x" * 2_000_000)
    refused(answer, 413, "larger than the 1 MB")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"null", b"\xff\xfe", b'{"id": "000000000000"}', "runs", "id"],
)
def test_a_damaged_file_is_told_and_the_others_still_work(
    board: Board, content: bytes | str
) -> None:
    broken, whole = board.add("Broken"), board.add("Whole", ball(board.shape, 3))
    path = board.folder / "structures" / f"{broken['id']}.json"
    if isinstance(content, str):
        facts = json.loads(path.read_bytes())
        facts[content] = {"0": [5, 10**9]} if content == "runs" else "0123456789ab"
        content = json.dumps(facts).encode()
    path.write_bytes(content)
    first, second = board.call("GET", "/structures").json()
    assert first == whole
    assert (second["id"], second["revision"]) == (broken["id"], 0)
    assert f"structures/{path.name}" in second["problem"]
    refused(board.call("GET", f"/structures/{broken['id']}"), 400, "its file is damaged")
    assert path.read_bytes() == content
    change = board.call("PATCH", f"/structures/{whole['id']}", revision=1, name="Still")
    assert change.status_code == 200


def test_a_drawing_never_lands_on_another_grid(
    site: Site, phantom: Phantom, phantom_folders: tuple[Path, Path]
) -> None:
    board = prepare(site, phantom_folders, phantom.ct.image)
    made = board.add("GTVp", ball(board.shape, 3))
    moved = phantom.ct.image[:, :, 1:]
    other = prepare(site, phantom_folders, moved)
    shutil.copy(other.folder / "view/ct.nii", board.folder / "view/ct.nii")
    (told,) = board.call("GET", "/structures").json()
    assert "was drawn on another CT" in told["problem"]
    path = f"/structures/{made['id']}"
    refused(board.call("GET", path), 400, "was drawn on another CT")
    answer = board.call("PATCH", path, revision=1, runs={"0": [0, 1]})
    refused(answer, 400, "was drawn on another CT")
    prepared = prepare(site, phantom_folders, phantom.ct.image)
    shutil.copy(prepared.folder / "view/ct.nii", board.folder / "view/ct.nii")
    assert board.call("GET", "/structures").json() == [made]


def test_studies_do_not_see_each_others_structures(
    board: Board, site: Site, phantom: Phantom, phantom_folders: tuple[Path, Path]
) -> None:
    other = prepare(site, phantom_folders, phantom.ct.image)
    made = board.add("GTVp")
    assert other.names() == []
    refused(other.call("GET", f"/structures/{made['id']}"), 404, "no such structure")


def test_before_anything_is_prepared_nothing_can_be_drawn(
    site: Site, asked: dict[str, Any]
) -> None:
    board = Board(site, site.make(**asked))
    assert board.call("GET", "/structures").json() == []
    for path, body in (
        ("/structures", {"name": "A"}),
        ("/grow", {"image": "ct", "voxel": [0, 0, 0]}),
        ("/interpolate", {"runs": {}}),
    ):
        refused(board.call("POST", path, **body), 404, "has no ct volume yet; prepare")


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
def test_no_name_leads_out_of_the_study(board: Board, path: str) -> None:
    answer = board.site.client.get(f"/api/v1/studies/{board.study}{path}")
    assert answer.status_code in {404, 422}
    assert list(answer.json()) == ["error"]


def test_a_link_among_the_exports_is_no_export(board: Board) -> None:
    exports = board.folder / "exports"
    exports.mkdir(exist_ok=True)
    link = exports / "secret.json"
    link.symlink_to(board.folder / "study.json")
    refused(board.call("GET", "/exports/secret.json"), 404, "no such exported file")
    link.unlink()


def test_unreadable_file_is_left_out_of_export_with_note(board: Board) -> None:
    broken = board.add("Broken")
    board.add("Whole", ball(board.shape, 3))
    (board.folder / "structures" / f"{broken['id']}.json").write_text("{")
    told = board.call("POST", "/structures/export", format="nifti").json()
    assert [one["name"] for one in told["structures"]] == ["Whole"]
    assert any("left out" in note and broken["id"] in note for note in told["notes"])


def test_what_a_killed_server_left_half_written_is_swept(board: Board) -> None:
    made = board.add("GTVp")
    half = board.folder / "structures/.radfuse-half"
    half.mkdir()
    (half / f"{made['id']}.json").write_text("{")
    Drawings(Studies(board.site.folder))
    assert not half.exists()
    assert board.names() == ["GTVp"]


def test_no_two_structures_look_alike_while_the_palette_lasts(board: Board) -> None:
    made = [board.add(name) for name in ("A", "B", "C")]
    assert board.call("DELETE", f"/structures/{made[0]['id']}").status_code == 204
    made[0] = board.add("D")
    assert len({one["colour"] for one in made}) == 3
