"""What the routes work with: studies, tasks, and which paths may be opened."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request

from radfuse.dicom.deidentify.identifiers import identifiers_below
from radfuse.errors import InputError, RadfuseError
from radfuse.intensity import window_named
from radfuse.methods.catalogue import METHODS, check_options, method_info
from radfuse.recipe import Recipe
from radfuse.service.jobs.job_queue import Work
from radfuse.service.security import Access
from radfuse.service.slice_preview import Previews
from radfuse.service.stores.studies import Studies

LONGEST_METHOD = 1000
"""Characters of a method's name or path."""

WITHOUT_PATHS = {"ct", "mr"}
"""Fields of a study that stay on the server: a path may name the patient."""


@dataclass(frozen=True)
class Desk:
    """What the routes work with."""

    studies: Studies
    work: Work
    access: Access
    previews: Previews = field(default_factory=Previews)

    def usable(self, *given: str | Path) -> list[Path]:
        """Paths that may be opened: any on this machine, only studies and uploads from elsewhere.

        Raises `InputError` for others and for what does not exist.
        """
        return [self._usable(Path(one)) for one in given]

    def _usable(self, path: Path) -> Path:
        home = self.studies.uploads.parent.resolve()
        try:
            found = path.expanduser().resolve()
            exists = found.exists()
        except (OSError, RuntimeError, ValueError) as error:
            raise InputError(f"{path}: no such file or folder") from error
        if not self.access.is_local and home not in found.parents:
            raise InputError(
                "paths are opened from the server's own machine only; upload the files"
            )
        if not exists:
            raise InputError(f"{path}: no such file or folder")
        return found

    def check(self, recipe: Recipe) -> None:
        """Raise `InputError` for a recipe with a wrong name, option, window or file."""
        self.usable(*(path for path in (recipe.transform, recipe.initial_transform) if path))
        self.check_method(recipe.method)
        check_options(recipe.method, recipe.options, recipe.device)
        window_named(recipe.window)

    def check_method(self, method: str) -> None:
        """Raise `InputError` for a method that is not there or may not be opened."""
        if method not in METHODS:
            if len(method) > LONGEST_METHOD or not method.isprintable():
                raise InputError("no such method; see the list of methods")
            if method.endswith(".onnx"):
                self.usable(method)
        method_info(method)


@contextmanager
def hiding(*paths: Path) -> Iterator[None]:
    """Within it our errors name no patient of the files at these paths."""
    try:
        yield
    except RadfuseError as error:
        raise type(error)(identifiers_below(*paths).hide(str(error), paths)) from error


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


AtDesk = Annotated[Desk, Depends(_desk)]
