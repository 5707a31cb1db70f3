"""Folders of the server: what may be opened, and what is in them."""

import io
import zipfile
from pathlib import Path

import pytest
from service_kit import Site, refused, running

from radfuse.errors import InputError
from radfuse.service.opening import folders
from radfuse.service.opening.folders import is_below, list_folder, list_roots
from radfuse.service.security import Access
from radfuse.service.server import make_access
from radfuse.service.sockets import bind


@pytest.fixture
def tree(tmp_path: Path, phantom_folders: tuple[Path, Path]) -> Path:
    """A folder with a CT, a volume, an archive, a text, a hidden folder, and links."""
    root = tmp_path / "root"
    (root / "patient").mkdir(parents=True)
    (root / "patient" / "CT").symlink_to(phantom_folders[0])
    for index, path in enumerate(sorted(phantom_folders[0].iterdir())[:3]):
        (root / "patient" / f"slice{index}").write_bytes(path.read_bytes())
    (root / "patient" / "mr.nii.gz").write_bytes(b"x")
    with zipfile.ZipFile(root / "patient" / "all.zip", "w") as packed:
        packed.writestr("a", "b")
    (root / "patient" / "notes.txt").write_text("notes")
    (root / ".hidden").mkdir()
    (root / "out").symlink_to(tmp_path)
    return root.resolve()


def test_a_folder_has_its_subfolders_and_counts(tree: Path) -> None:
    listing = list_folder(tree, [tree])
    assert [one.name for one in listing.folders] == ["patient"]
    (patient,) = listing.folders
    counts = patient.counts
    assert (counts.dicom, counts.volumes, counts.archives) == (3, 1, 1)
    assert patient.is_counted
    assert listing.parent == ""
    below = list_folder(tree / "patient", [tree])
    assert below.parent == str(tree)
    assert [one.name for one in below.files] == ["all.zip", "mr.nii.gz"]
    assert below.counts == counts
    assert below.folders == ()  # the link leads out of the root


def test_a_large_folder_is_listed_in_part(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "MAX_OPENED", 2)
    monkeypatch.setattr(folders, "MAX_ENTRIES", 2)
    assert not list_folder(tree, [tree]).folders[0].is_counted
    assert not list_folder(tree / "patient", [tree]).is_complete


def test_the_allowed_folders_are_a_list(tree: Path) -> None:
    listing = list_roots([tree, tree / "gone"])
    assert [one.path for one in listing.folders] == [str(tree)]
    assert (listing.path, listing.parent) == ("", None)


def test_a_file_is_no_folder(tree: Path) -> None:
    with pytest.raises(InputError, match="not a folder"):
        list_folder(tree / "patient" / "notes.txt", [tree])


@pytest.mark.parametrize(("path", "allowed"), [
    ("", True), ("patient", True), ("patient/..", True), ("..", False), ("out", False),
    ("patient/CT", False), ("../rootless", False),
])  # fmt: skip
def test_links_and_dots_lead_out_of_no_root(tree: Path, path: str, allowed: bool) -> None:
    assert is_below(tree / path, [tree]) is allowed


def test_a_root_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    with bind("127.0.0.1", 0) as sock, pytest.raises(InputError, match=r"--root .*no such folder"):
        make_access(sock, "127.0.0.1", None, [tmp_path / "gone"])


@pytest.mark.parametrize("host", ["127.0.0.1", "192.168.1.9"])
def test_only_files_in_the_roots_are_opened(tree: Path, tmp_path: Path, host: str) -> None:
    with running(tmp_path / "studies", host, roots=(tree,)) as site:
        site.client.headers["host"] = f"{host}:{site.access.port}"
        answer = site.client.get("/api/v1/folders")
        assert [one["path"] for one in answer.json()["folders"]] == [str(tree)]
        inside = site.client.get("/api/v1/folders", params={"path": str(tree / "patient")})
        assert inside.json()["counts"]["dicom"] == 3
        for path in (str(tmp_path), f"{tree}/../x", f"{tree}/patient/CT", "/etc/passwd"):
            for answer in (
                site.client.get("/api/v1/folders", params={"path": path}),
                site.client.post("/api/v1/series", json={"paths": [path]}),
                site.client.post("/api/v1/inspect", json={"path": path}),
                site.client.post("/api/v1/studies", json={"ct": path, "mr": path}),
            ):
                refused(answer, 400, "--root")
        packed = {"files": ("a.zip", io.BytesIO((tree / "patient/all.zip").read_bytes()))}
        stored = site.client.post("/api/v1/uploads", files=packed).json()["path"]
        assert site.client.post("/api/v1/series", json={"paths": [stored]}).status_code == 200


def test_other_machines_open_no_folder_by_default(tmp_path: Path) -> None:
    with running(tmp_path, "192.168.1.9") as site:
        site.client.headers["host"] = f"192.168.1.9:{site.access.port}"
        assert site.client.get("/api/v1/folders").json()["folders"] == []
        answer = site.client.get("/api/v1/folders", params={"path": "/"})
        refused(answer, 400, "upload the files")


def test_the_first_folder_is_that_of_the_user(site: Site) -> None:
    assert site.client.get("/api/v1/folders").json()["path"] == str(Path.home().resolve())
    assert Access("127.0.0.1", 1, "", 0).allowed_roots == (Path("/"),)
