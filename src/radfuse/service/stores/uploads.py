"""Uploaded files, stored under generated names in a new folder."""

import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from starlette.types import Message, Receive

from radfuse.errors import DiskFullError, InputError, OutputError
from radfuse.io.archives import generated_name
from radfuse.io.staging import make_durable, output_error

MIN_AGE_S = 24 * 3600.0
"""Uploads without a study are removed at this age: a younger one may still become a study."""

MIN_FREE_BYTES = 2**30
"""Space that an upload leaves free on the disk."""

CHECKED_BYTES = 2**24
"""The free space is checked again after so many bytes."""


def store_upload(folder: Path, files: Sequence[tuple[str, BinaryIO]]) -> Path:
    """Copy named streams into a new folder; returns the folder, or the file if there is only one.

    They survive a power cut from then on. Raises `InputError` if there are no files, `OutputError`
    if the disk is full.
    """
    if not files:
        raise InputError("no files were uploaded; choose a folder, a zip archive or volume files")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / secrets.token_hex(6)
        with tempfile.TemporaryDirectory(prefix=".radfuse-", dir=folder) as staging:
            for number, (name, stream) in enumerate(files):
                _copy(stream, Path(staging) / generated_name(number, name))
            target.mkdir()
            for path in sorted(Path(staging).iterdir()):
                path.replace(target / path.name)
        make_durable(target)
    except OSError as error:
        raise output_error(error)(f"the upload could not be stored: {error.strerror}") from error
    stored = list(target.iterdir())
    return stored[0] if len(stored) == 1 else target


def uploads_of(folder: Path, paths: Sequence[Path]) -> Iterator[Path]:
    """The uploads in a folder that contain, or are, some paths."""
    root = folder.resolve()
    for path in paths:
        resolved = path.resolve()
        if root in resolved.parents:
            yield root / resolved.relative_to(root).parts[0]


def remove_unused_uploads(folder: Path, used: Sequence[Path]) -> None:
    """Remove old uploads without any of the used paths; ignores errors of the disk."""
    kept = set(uploads_of(folder, used))
    for upload in folder.resolve().glob("*"):
        if upload not in kept and time.time() - upload.stat().st_mtime > MIN_AGE_S:
            shutil.rmtree(upload, ignore_errors=True)


def remove_folder(folder: Path) -> None:
    """Remove a folder and its contents; raises `OutputError` on failure."""
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise OutputError(f"{folder.name} could not be removed: {error.strerror}") from error


def check_space(folder: Path, needed_bytes: int = 0) -> None:
    """Raise `DiskFullError` unless a file leaves `MIN_FREE_BYTES` free on the disk of a folder."""
    if shutil.disk_usage(folder).free < MIN_FREE_BYTES + needed_bytes:
        raise DiskFullError(
            "the disk of the studies is nearly full and the upload was not stored; delete studies "
            "or make space"
        )


def checking_space(receive: Receive, folder: Path) -> Receive:
    """Receive a body, and raise `DiskFullError` before it fills the disk of a folder.

    Its length may be unknown, and others may write meanwhile.
    """
    unchecked = 0

    async def checked() -> Message:
        nonlocal unchecked
        message = await receive()
        unchecked += len(message.get("body", b""))
        if unchecked >= CHECKED_BYTES:
            check_space(folder)
            unchecked = 0
        return message

    return checked


def _copy(stream: BinaryIO, path: Path) -> None:
    with path.open("wb") as target:
        while True:
            check_space(path.parent)
            block = stream.read(CHECKED_BYTES)
            if not block:
                return
            target.write(block)
