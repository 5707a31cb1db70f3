"""Write results completely or not at all: in a staging folder, then renamed to their targets."""

import ctypes
import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from radfuse.errors import DiskFullError, OutputError

PREFIX = ".radfuse-"
"""Start of the names of staging folders."""

RECORD_SUFFIX = ".json"
"""Records are moved last: one that exists describes results that exist."""


@dataclass(frozen=True)
class Staging:
    """A folder beside the targets in which results are written first, under their final names."""

    folder: Path

    def path_of(self, target: Path) -> Path:
        """Path at which to write the result for a target."""
        return self.folder / target.name


def refuse_existing(
    targets: list[Path], *, overwrite: bool, instead: str = "another --output"
) -> None:
    """Raise `OutputError` for targets that exist, unless they may be overwritten.

    `instead` is the option that chooses another target.
    """
    try:
        existing = [str(target) for target in targets if target.exists()]
    except PermissionError as error:
        raise OutputError(f"{error.filename}: no permission; choose {instead}") from error
    if existing and not overwrite:
        raise OutputError(f"{', '.join(existing)} exists; pass --overwrite or {instead}")


def refuse_nonempty(folder: Path, *, remedy: str = "give another --output") -> None:
    """Raise `OutputError` for a path that exists and is not an empty folder."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder} exists; {remedy}")


def refuse_overlap(targets: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Raise `OutputError` for a target that would replace, contain or be inside an input."""
    sources = [source.resolve() for source in inputs]
    for target in (target.resolve() for target in targets):
        for source in sources:
            if target == source or source in target.parents or target in source.parents:
                raise OutputError(
                    f"{target} overlaps with the input {source}; give another --output"
                )


@contextmanager
def staging(parent: Path, *, durable: bool = False) -> Iterator[Staging]:
    """Stage results under a parent folder; without an error they are moved to their targets.

    With `durable` they survive a power cut from then on; that is for a few files, see
    `make_durable`. After an error or an interrupt nothing has changed, except that the parent
    folder may be new. Raises `OutputError` if the parent cannot be written to or has no space left.
    """
    try:
        is_new = not parent.exists()
        parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    except OSError as error:
        raise output_error(error)(
            f"cannot be written to ({error.strerror}); choose another --output", parent
        ) from error
    stage, changed = Staging(folder), []
    try:
        yield stage
        if durable:
            for path in (folder, *folder.rglob("*")):
                sync(path)
        for staged in sorted(folder.iterdir(), key=_record_last):
            _replace(staged, parent / staged.name)
            changed.append(staged.name)
        if durable:
            for path in (parent, parent.parent) if is_new else (parent,):
                sync(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise output_error(error)(
            f"writing failed: {reason}; {', '.join(changed) or 'nothing'} was changed", parent
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_staging(parent: Path) -> None:
    """Remove the staging folders of killed runs; no other run may use the parent folder."""
    for folder in parent.glob(f"{PREFIX}*"):
        shutil.rmtree(folder, ignore_errors=True)


def sync(path: Path) -> None:
    """Return once a file, or the list of files of a folder, survives a power cut.

    Windows cannot do this for folders. Raises `OSError` where the disk fails or is full.
    """
    if path.is_dir() and sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_durable(folder: Path) -> None:
    """Return once everything on the disk of a folder survives a power cut.

    One call for all files: for 300 of 0.5 MB `fsync` of each takes 0.8 s, this 0.1 s. No effect on
    Windows. Raises `OutputError` where the disk fails or is full.
    """
    if not hasattr(os, "sync"):
        return
    try:
        if sys.platform == "linux":  # not the disks of others, which may be slow
            _sync_disk_of(folder)
        else:
            os.sync()
    except OSError as error:
        raise output_error(error)(f"writing failed: {error.strerror}", folder) from error


def _sync_disk_of(folder: Path) -> None:
    """`syncfs` of the C library, which Python does not have."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(descriptor)


def output_error(error: OSError) -> type[OutputError]:
    """The kind of an error of the disk."""
    return DiskFullError if error.errno in {errno.ENOSPC, errno.EDQUOT} else OutputError


def _record_last(path: Path) -> tuple[bool, str]:
    return path.suffix == RECORD_SUFFIX, path.name


def _replace(staged: Path, target: Path) -> None:
    """Move to the target; an existing folder is moved away first, for it cannot be replaced.

    A file does not replace a folder, nor a folder a file.
    """
    if not (target.is_dir() and staged.is_dir()):
        staged.replace(target)
        return
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=target.parent) as backup:
        old = Path(backup) / target.name
        target.replace(old)
        try:
            staged.replace(target)
        except BaseException:  # also an interrupt restores the old folder
            old.replace(target)
            raise
