"""Results appear whole or not at all."""

import errno
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from dicom_kit import as_nobody
from radfuse.errors import DiskFullError, OutputError
from radfuse.io.staging import make_durable, refuse_existing, staging


def test_results_appear_on_exit_and_not_before(tmp_path: Path) -> None:
    target = tmp_path / "new" / "deep" / "a.txt"
    with staging(target.parent) as stage:
        stage.path_of(target).write_text("done")
        assert not target.exists()
    assert target.read_text() == "done"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, ValueError, SystemExit])
def test_nothing_remains_after_an_interrupt_or_error(
    tmp_path: Path, stop: type[BaseException]
) -> None:
    (tmp_path / "a.txt").write_text("old")

    def run() -> None:
        with staging(tmp_path) as stage:
            stage.path_of(tmp_path / "a.txt").write_text("new")
            stage.path_of(tmp_path / "folder").mkdir()
            raise stop

    with pytest.raises(stop):
        run()
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def filled(folder: Path, name: str) -> Path:
    folder.mkdir()
    (folder / name).write_text(name)
    return folder


def test_durable_results_are_synced_before_they_appear(
    tmp_path: Path, synced: Callable[[Path], bool]
) -> None:
    target = tmp_path / "new" / "folder"
    with staging(target.parent, durable=True) as stage:
        filled(stage.path_of(target), "a")
        assert not synced(stage.path_of(target) / "a")
    assert all(map(synced, (target / "a", target, target.parent, tmp_path)))


def test_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = filled(tmp_path / "series", "old")
    with staging(tmp_path) as stage:
        filled(stage.path_of(target), "new")
        assert (target / "old").exists()
    assert [path.name for path in target.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [target]


def test_folder_stays_when_the_run_fails(tmp_path: Path) -> None:
    target = filled(tmp_path / "series", "old")

    def run() -> None:
        with staging(tmp_path) as stage:
            filled(stage.path_of(target), "new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        run()
    assert [path.name for path in target.iterdir()] == ["old"]


def test_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old")
    with staging(tmp_path) as stage:
        stage.path_of(tmp_path / "a.txt").write_text("new")
    assert (tmp_path / "a.txt").read_text() == "new"


def test_file_never_replaces_a_folder(tmp_path: Path) -> None:
    target = filled(tmp_path / "b", "precious")

    def run() -> None:
        with staging(tmp_path) as stage:
            stage.path_of(tmp_path / "a").write_text("new")
            stage.path_of(target).write_text("new")

    with pytest.raises(OutputError) as caught:
        run()
    assert str(caught.value) == f"{tmp_path}: writing failed: Is a directory; a was changed"
    assert (target / "precious").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_folder_never_replaces_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("precious")
    with (
        pytest.raises(OutputError, match="Not a directory; nothing was changed"),
        staging(tmp_path) as stage,
    ):
        filled(stage.path_of(tmp_path / "a"), "new")
    assert (tmp_path / "a").read_text() == "precious"


def test_old_folder_is_restored_when_the_new_cannot_replace_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o777)
    home.chmod(0o777)
    with as_nobody(home):
        target = filled(home / "series", "old")
        with (
            pytest.raises(OutputError, match="Permission denied; nothing was changed"),
            staging(home) as stage,
        ):
            stage.path_of(target).mkdir(mode=0o555)
    assert [path.name for path in target.iterdir()] == ["old"]
    assert list(home.iterdir()) == [target]


def test_error_without_a_message_is_kept(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match="writing failed: half a word; nothing was changed"),
        staging(tmp_path),
    ):
        raise OSError("half a word")


def test_parent_that_is_a_file_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError) as caught, staging(tmp_path / "file"):
        pass
    assert str(caught.value) == (
        f"{tmp_path / 'file'}: cannot be written to (File exists); choose another --output"
    )


def test_parent_without_permission_is_refused_in_one_line(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    with as_nobody(tmp_path), pytest.raises(OutputError) as caught, staging(closed):
        pass
    assert str(caught.value) == (
        f"{closed}: cannot be written to (Permission denied); choose another --output"
    )


def test_full_disk_is_one_line_and_leaves_nothing(
    tmp_path: Path, full_disk: Callable[[int], AbstractContextManager[None]]
) -> None:
    with (
        full_disk(100),
        pytest.raises(OutputError, match="writing failed: File too large; nothing was changed"),
        staging(tmp_path) as stage,
    ):
        stage.path_of(tmp_path / "a").write_bytes(bytes(1000))
    assert list(tmp_path.iterdir()) == []


def test_existing_results_are_refused_without_overwrite(tmp_path: Path) -> None:
    targets = [tmp_path / name for name in ("a", "b", "c")]
    refuse_existing(targets, overwrite=False)
    targets[0].touch()
    targets[2].mkdir()
    with pytest.raises(OutputError) as caught:
        refuse_existing(targets, overwrite=False)
    assert str(caught.value) == (
        f"{targets[0]}, {targets[2]} exists; pass --overwrite or another --output"
    )
    refuse_existing(targets, overwrite=True)


def test_results_in_a_closed_folder_are_refused_in_one_line(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    try:
        with as_nobody(tmp_path), pytest.raises(OutputError) as caught:
            refuse_existing([closed / "a"], overwrite=False)
    finally:
        closed.chmod(0o755)
    assert str(caught.value) == f"{closed / 'a'}: no permission; choose another --output"


def test_a_disk_that_cannot_be_synced_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_durable(tmp_path)
    with pytest.raises(OutputError, match="none: writing failed: No such file"):
        make_durable(tmp_path / "none")

    def full(_folder: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("radfuse.io.staging._sync_disk_of", full)
    monkeypatch.setattr("os.sync", lambda: full(tmp_path))
    with pytest.raises(DiskFullError, match="No space left"):
        make_durable(tmp_path)
