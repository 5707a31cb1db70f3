"""Dependencies of the routes: stores, job queue, and the paths that may be opened."""

from asyncio import Semaphore
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import BoundedSemaphore
from typing import Annotated, Any

from fastapi import Depends, Request

from radfuse.dicom.network.address import Address
from radfuse.errors import InputError
from radfuse.intensity import window_named
from radfuse.methods.catalogue import METHODS
from radfuse.methods.loading import check_options, method_info
from radfuse.node.audit import Audit
from radfuse.recipe import FILE_FIELDS, Recipe, make_recipe
from radfuse.service.delivery.transfers import Transfers
from radfuse.service.jobs.job_queue import JobQueue
from radfuse.service.opening.folders import is_below
from radfuse.service.security import Access
from radfuse.service.slice_preview import SlicePreviews
from radfuse.service.stores.structure_store import StructureStore
from radfuse.service.stores.studies import Studies

UPLOAD_PREFIX = "upload:"
"""Begins the path of an upload: clients know no other."""

UPLOADS_ONLY = "paths can only be opened from the server's machine; upload the files"
"""Message of a server for other machines without `--root`."""

NOT_ALLOWED = (
    "not in a folder that may be opened (--root); choose one of these, or upload the files"
)
"""Message of a server with `--root`."""

MAX_METHOD_LENGTH = 1000
"""Characters of a method's name or path."""

MAX_UPLOADS = 2
"""Uploads that are received at once; others are refused."""

MAX_COMPARISONS = 1
"""Comparisons of structures at once, each of some volumes in memory; others wait."""

PATH_FIELDS: dict[str, Any] = {
    "ct": True, "mr": True, "further": True, "recipe": set(FILE_FIELDS),
    "accepted_patients": {"patients"},
}  # fmt: skip
"""Fields of a study that are not sent: a path, or a hash, may identify the patient."""


MAX_PHANTOMS = 1
"""Synthetic phantoms that are made at once; others wait."""

MAX_PDFS = 1
"""QA sheets that are printed at once, each by a browser; others wait."""


@dataclass(frozen=True)
class Dependencies:
    """What the routes work with."""

    studies: Studies
    structures: StructureStore
    jobs: JobQueue
    access: Access
    previews: SlicePreviews = field(default_factory=SlicePreviews)
    uploads_at_once: Semaphore = field(default_factory=lambda: Semaphore(MAX_UPLOADS))
    comparisons_at_once: BoundedSemaphore = field(
        default_factory=lambda: BoundedSemaphore(MAX_COMPARISONS)
    )
    destinations: Mapping[str, Address] = field(default_factory=dict)
    """Addresses of the configured PACS by name."""

    transfers: Transfers = field(default_factory=Transfers)
    audit: Audit | None = None
    """Who did what, where users are known."""

    phantoms_at_once: BoundedSemaphore = field(
        default_factory=lambda: BoundedSemaphore(MAX_PHANTOMS)
    )
    pdfs_at_once: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(MAX_PDFS))

    def allowed_paths(self, *paths: str | Path) -> list[Path]:
        """Resolved paths: uploads, and what is in the folders that may be opened.

        Without `--root` these are all for clients on this machine, and none for others.

        Raises `InputError` for other paths and for missing files.
        """
        return [self._allowed(str(path)) for path in paths]

    def _allowed(self, text: str) -> Path:
        name = text.removeprefix(UPLOAD_PREFIX)
        path = Path(text) if name == text else self.studies.uploads / name
        root = self.studies.uploads.resolve()
        try:
            resolved = path.expanduser().resolve()
            exists = resolved.exists()
        except (OSError, RuntimeError, ValueError) as error:
            raise InputError(f"{text}: no such file or folder") from error
        is_stored = root in resolved.parents or self.structures.is_mask(resolved)
        if not (name == text and self._is_allowed(resolved)) and not is_stored:
            raise InputError(NOT_ALLOWED if self.access.allowed_roots else UPLOADS_ONLY)
        if not exists:
            raise InputError(f"{text}: no such file or folder")
        return resolved

    def _is_allowed(self, resolved: Path) -> bool:
        access = self.access
        is_any = access.is_local and access.roots is None  # also another drive
        return is_any or is_below(resolved, access.allowed_roots)

    def checked(self, recipe: Recipe) -> Recipe:
        """A recipe with the resolved paths of its files.

        Raises `InputError` for an invalid name, option, window or file, and for values that
        exclude each other: what is stored can be read again.
        """
        named = {key: path for key in FILE_FIELDS if isinstance(path := getattr(recipe, key), Path)}
        files = dict(zip(named, self.allowed_paths(*named.values()), strict=True))
        self.check_method(recipe.method)
        check_options(recipe.method, recipe.options, recipe.device)
        window_named(recipe.window)
        return make_recipe(**recipe.model_copy(update=files).model_dump())

    def check_method(self, method: str) -> None:
        """Raise `InputError` for a method that does not exist or may not be opened."""
        if method not in METHODS:
            if len(method) > MAX_METHOD_LENGTH or not method.isprintable():
                raise InputError("no such method; see the list of methods")
            if method.endswith(".onnx"):
                self.allowed_paths(method)
        method_info(method)


def _dependencies(request: Request) -> Dependencies:
    deps: Dependencies = request.app.state.deps
    return deps


ServiceDeps = Annotated[Dependencies, Depends(_dependencies)]
