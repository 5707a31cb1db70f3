"""Files from a browser, put under names of our own into a folder of their own."""

import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from radfuse.errors import InputError, OutputError

SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha", ".zip", ".dcm", ".json")
"""What is kept of a file's name: readers go by it. DICOM slices need none."""

LEAST_AGE_S = 24 * 3600.0
"""An upload of no study is swept when it is at least this old: a younger one may become one."""

ROOM_BYTES = 2**30
"""Left free on the disk: an upload must not fill it."""


def keep_files(folder: Path, files: Sequence[tuple[str, BinaryIO]]) -> Path:
    """Copy named streams into a new folder; returns it, or the only file in it.

    Raises `InputError` for nothing or an empty file alone, `OutputError` without room on the disk.
    """
    if not files:
        raise InputError("no files came; choose a folder, a zip archive or volume files")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        place = folder / secrets.token_hex(6)
        with tempfile.TemporaryDirectory(prefix=".radfuse-", dir=folder) as aside:
            for number, (name, stream) in enumerate(files):
                _copy(stream, Path(aside) / f"{number:05}{_suffix(name)}")
            place.mkdir()
            for path in sorted(Path(aside).iterdir()):
                path.replace(place / path.name)
    except OSError as error:
        raise OutputError(f"the upload could not be kept: {error.strerror}") from error
    kept = list(place.iterdir())
    return kept[0] if len(kept) == 1 else place


def uploads_of(folder: Path, paths: Sequence[Path]) -> Iterator[Path]:
    """The uploads below a folder in which some paths lie, or which they are."""
    home = folder.resolve()
    for path in paths:
        place = path.resolve()
        if home in place.parents:
            yield home / place.relative_to(home).parts[0]


def sweep_uploads(folder: Path, used: Sequence[Path]) -> None:
    """Remove old uploads that none of the used paths lies in, as far as the disk lets them go."""
    kept = set(uploads_of(folder, used))
    for place in folder.resolve().glob("*"):
        if place not in kept and time.time() - place.stat().st_mtime > LEAST_AGE_S:
            shutil.rmtree(place, ignore_errors=True)


def remove(folder: Path) -> None:
    """Remove a folder with all that is in it; raises `OutputError` where that fails."""
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise OutputError(f"{folder.name} could not be removed: {error.strerror}") from error


def _copy(stream: BinaryIO, path: Path) -> None:
    if shutil.disk_usage(path.parent).free < ROOM_BYTES:
        raise OutputError("the disk of the studies is nearly full; the upload was not kept")
    with path.open("wb") as target:
        shutil.copyfileobj(stream, target)


def _suffix(name: str) -> str:
    return next((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), "")
