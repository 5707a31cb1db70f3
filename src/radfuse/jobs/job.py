"""One fusion to be done: what it reads, how, and where its result belongs."""

import hashlib
import json
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from radfuse.errors import InputError
from radfuse.methods.loading import method_info
from radfuse.recipe import FILE_FIELDS, Recipe
from radfuse.record import JobReference, SeriesReference

IDENTITY_EPOCH = 1
"""Part of all identities; to be raised where a default of a recipe changes, or what it means."""

IDENTITY_LENGTH = 32
"""Hexadecimal digits of an identity: 128 bits."""


class JobState(StrEnum):
    """What has become of a job."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    REFUSED = "refused"
    """The images or the registration cannot be used; the reason says what to do."""
    FAILED = "failed"
    """A fault of the program or the machine; the log has the details."""
    CANCELLED = "cancelled"


class JobImages(BaseModel):
    """Files or folders of one head."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ct: Path
    mrs: tuple[Path, ...]
    pet: Path | None = None
    pet_ct: Path | None = None
    spect: Path | None = None

    @property
    def paths(self) -> dict[str, Path]:
        """All paths, by what they are."""
        mrs = {f"mr {number}": path for number, path in enumerate(self.mrs, 1)}
        found = {"ct": self.ct, **mrs, "pet": self.pet, "pet ct": self.pet_ct, "spect": self.spect}
        return {role: path for role, path in found.items() if path is not None}


class Derivative(BaseModel):
    """A BIDS derivative that results are parts of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    root: Path
    raw: Path | None = None
    """Root of the BIDS data set that the images are from; None where they are from elsewhere."""


class ListedJob(BaseModel):
    """What a list of jobs needs to know of one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    identity: str
    case: str
    """What the job is of; a list has one job of a case, the newest."""
    priority: int = 0
    """Jobs of higher priority are taken first."""


class Job(ListedJob):
    """A fusion of files: its `identity` does not change where they are moved.

    The case is the patient and session in a batch, such as `sub-01_ses-1`.
    """

    images: JobImages
    recipe: Recipe
    output: Path
    """File or folder of the result."""
    replaces: tuple[SeriesReference, ...] = ()
    """DICOM series of an earlier result of the patient that this one replaces."""
    derivative: Derivative | None = None
    """What a result in NIfTI is a part of, with its names and sidecars; None without those."""

    @property
    def reference(self) -> JobReference:
        """What the result says of its job."""
        return JobReference(identity=self.identity, replaces=self.replaces)


def identity_of(images: JobImages, recipe: Recipe) -> str:
    """The identity of a fusion: the same for the same contents and recipe, wherever files are.

    Contents are those of the images, of the files that the recipe names, and of the weights of its
    method. Raises `InputError` for a path that cannot be read, and for one without a file.
    """
    facts = recipe.chosen | _recipe_contents(recipe)
    text = json.dumps([IDENTITY_EPOCH, facts], sort_keys=True)
    total = hashlib.sha256(text.encode())
    digests = {path: content_digest(path) for path in set(images.paths.values())}
    for role, path in images.paths.items():
        total.update(role.encode() + digests[path])
    return total.hexdigest()[:IDENTITY_LENGTH]


def _recipe_contents(recipe: Recipe) -> dict[str, str]:
    """Digests of the files of a recipe instead of their paths, and that of its method's weights.

    A file that does not exist keeps its path: the job is refused for it.
    """
    paths = {name: getattr(recipe, name) for name in FILE_FIELDS}
    with suppress(InputError):  # an unknown method
        weights = method_info(recipe.method).weights
        paths["method" if recipe.method.endswith(".onnx") else "weights"] = weights
    return {
        name: content_digest(path).hex()
        for name, path in paths.items()
        if isinstance(path, Path) and path.exists()
    }


def content_digest(path: Path) -> bytes:
    """SHA-256 of a file; of a folder, of those of all its files, whatever their names and order."""
    files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
    if not files:
        raise InputError(f"{path}: a folder without files; give another one")
    try:
        digests = sorted(_file_digest(one) for one in files)
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror})") from error
    return digests[0] if len(digests) == 1 else hashlib.sha256(b"".join(digests)).digest()


def _file_digest(path: Path) -> bytes:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()
