"""Folders of the server from which images may be opened: what is in them, and where one may go."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from radfuse.dicom.read.safe_read import is_dicom
from radfuse.errors import InputError
from radfuse.io.archives import TAR_SUFFIXES
from radfuse.io.volumes import SUFFIXES
from radfuse.service.models import FrozenModel

MAX_ENTRIES = 2000
"""Files and folders of one folder that are listed."""

MAX_OPENED = 5000
"""Files that are opened in one request to recognise DICOM."""

ARCHIVES = (".zip", *TAR_SUFFIXES)
"""Suffixes of archives that can be opened."""


class ImageCounts(FrozenModel):
    """Files in a folder, without its subfolders."""

    dicom: int = 0
    volumes: int = 0
    """NIfTI, NRRD and MetaImage."""

    archives: int = 0


class ListedFolder(FrozenModel):
    """A folder to go to."""

    name: str
    path: str
    counts: ImageCounts
    is_counted: bool = True
    """Whether all its files were counted; else there may be more."""


class ListedFile(FrozenModel):
    """A volume or an archive, which can be opened itself."""

    name: str
    path: str


class FolderListing(FrozenModel):
    """A folder, or the list of the folders that may be opened."""

    path: str = ""
    """Empty for the list of the allowed folders."""

    parent: str | None = None
    """Of the folder above, empty for the list; None where there is none."""

    folders: tuple[ListedFolder, ...] = ()
    files: tuple[ListedFile, ...] = ()
    counts: ImageCounts = ImageCounts()
    is_complete: bool = True
    """Whether all entries are listed."""


class _Counter:
    """Counts images in folders, and opens at most `MAX_OPENED` files."""

    def __init__(self) -> None:
        self.left = MAX_OPENED

    def count(self, folder: Path) -> tuple[ImageCounts, bool]:
        """The images of a folder, and whether all of its files were counted."""
        kinds: Counter[str] = Counter()
        for path in _entries(folder):
            if not self.left:
                return ImageCounts(**kinds), False
            if path.is_file() and (kind := self._kind(path)):
                kinds[kind] += 1
        return ImageCounts(**kinds), True

    def _kind(self, path: Path) -> str:
        name = path.name.lower()
        if name.endswith(SUFFIXES):
            return "volumes"
        if name.endswith(ARCHIVES):
            return "archives"
        self.left -= 1
        with suppress(OSError, InputError):
            return "dicom" if is_dicom(path) else ""
        return ""


def list_roots(roots: Sequence[Path]) -> FolderListing:
    """The folders that may be opened; their files are counted when they are listed."""
    folders = (
        ListedFolder(name=str(one), path=str(one), counts=ImageCounts(), is_counted=False)
        for one in roots
        if one.is_dir()
    )
    return FolderListing(folders=tuple(folders))


def list_folder(folder: Path, roots: Sequence[Path]) -> FolderListing:
    """The subfolders and images of a folder below one of some roots.

    Hidden entries are left out, and links out of the roots. Raises `InputError` for a folder that
    cannot be read.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: not a folder; choose a folder")
    counter, folders, files = _Counter(), [], []
    try:
        entries = list(islice(_entries(folder), MAX_ENTRIES + 1))
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror})") from error
    for path in sorted(entries[:MAX_ENTRIES], key=lambda path: path.name.casefold()):
        if path.is_dir() and is_below(path, roots):
            folders.append(_listed(path, counter))
        elif path.name.lower().endswith((*SUFFIXES, *ARCHIVES)) and path.is_file():
            files.append(ListedFile(name=path.name, path=str(path)))
    above = str(folder.parent) if is_below(folder.parent, roots) else ""
    counts, _ = counter.count(folder)
    return FolderListing(
        path=str(folder),
        parent=None if folder.parent == folder else above,
        folders=tuple(folders),
        files=tuple(files),
        counts=counts,
        is_complete=len(entries) <= MAX_ENTRIES,
    )


def is_below(path: Path, roots: Sequence[Path]) -> bool:
    """Whether a path, with its links followed, is one of the roots or inside of one."""
    try:
        resolved = path.resolve()
    except (OSError, RuntimeError):
        return False
    return any(root == resolved or root in resolved.parents for root in roots)


def _listed(path: Path, counter: _Counter) -> ListedFolder:
    try:
        counts, is_counted = counter.count(path)
    except OSError:
        counts, is_counted = ImageCounts(), False
    return ListedFolder(name=path.name, path=str(path), counts=counts, is_counted=is_counted)


def _entries(folder: Path) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith("."):
                yield Path(entry.path)
