"""Results appear whole or not at all: written aside, then renamed into place."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from radfuse.errors import OutputError

RECORD_SUFFIX = ".json"
"""Records move into place last: one that is there speaks of results that are there."""


@dataclass(frozen=True)
class Staging:
    """A folder beside the results in which they are written first, under their final names."""

    folder: Path

    def place(self, target: Path) -> Path:
        """Where to write what shall appear at the target."""
        return self.folder / target.name


def refuse_existing(
    targets: list[Path], *, overwrite: bool, instead: str = "another --output"
) -> None:
    """Raise `OutputError` for results that exist already, unless they may be replaced.

    `instead` is the option that chooses another place.
    """
    try:
        existing = [str(target) for target in targets if target.exists()]
    except PermissionError as error:
        raise OutputError(f"{error.filename}: no permission; choose {instead}") from error
    if existing and not overwrite:
        raise OutputError(f"{', '.join(existing)} exists; pass --overwrite or {instead}")


@contextmanager
def staging(parent: Path) -> Iterator[Staging]:
    """Stage results under a parent folder; on leaving without an error they move into place.

    After an error or an interrupt nothing has changed but that the parent folder may be new.
    Raises `OutputError` where the parent cannot be written to or has no space left.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".radfuse-", dir=parent))
    except OSError as error:
        raise OutputError(
            f"{parent}: cannot be written to ({error.strerror}); choose another --output"
        ) from error
    stage, changed = Staging(folder), []
    try:
        yield stage
        for staged in sorted(folder.iterdir(), key=_record_last):
            _replace(staged, parent / staged.name)
            changed.append(staged.name)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"{parent}: writing failed: {reason}; {', '.join(changed) or 'nothing'} was changed"
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _record_last(path: Path) -> tuple[bool, str]:
    return path.suffix == RECORD_SUFFIX, path.name


def _replace(staged: Path, target: Path) -> None:
    """Move into place; a folder cannot be replaced in one step, so the old one steps aside.

    A file never replaces a folder, nor a folder a file.
    """
    if not (target.is_dir() and staged.is_dir()):
        staged.replace(target)
        return
    with tempfile.TemporaryDirectory(prefix=".radfuse-", dir=target.parent) as aside:
        old = Path(aside) / target.name
        target.replace(old)
        try:
            staged.replace(target)
        except BaseException:  # an interrupt, too, brings the old one back
            old.replace(target)
            raise
