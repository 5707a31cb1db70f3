"""Who is compared: a method of the catalogue, somebody's graph, a folder of fused images."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType

import numpy as np
from pydantic import TypeAdapter, ValidationError

from radfuse.arrays import UInt8Array
from radfuse.benchmark.image_pairs import Case, Sources
from radfuse.benchmark.results import Contestant
from radfuse.benchmark.run.work_items import STACK, fused_path, read_fused
from radfuse.benchmark.settings import Settings, Theirs
from radfuse.errors import InputError, NoImageError
from radfuse.intensity import Window, grey_levels
from radfuse.methods.catalogue import (
    METHODS,
    Method,
    applicable_options,
    load_method,
    method_info,
    options_of,
)
from radfuse.methods.installed import is_installed
from radfuse.methods.options import Value, option_values
from radfuse.record import digest

UNTOLD = "which patients it has seen is not said"
"""Note of a method without a card: that it counts as having seen nobody may flatter it."""


@dataclass(frozen=True)
class Entrant:
    """A contestant and how to have its fused images."""

    contestant: Contestant
    digest: str
    """Changes when its images may."""

    fuse: Callable[[Case, Sources], UInt8Array]
    """Fused images of a case in 8 bits, (N, H, W)."""

    folder: Path | None = None
    """Where its images lie already; fusing is reading then, and is not timed."""


def entrants(settings: Settings) -> list[Entrant]:
    """All contestants of a benchmark; raises `InputError` for an unknown or a double one."""
    given = settings.options
    found = [_entrant(use, _name(use), given) for use in settings.methods]
    found += [_described(theirs, given) for theirs in settings.theirs]
    there = [name for name in settings.installed if is_installed(name)]
    found += [_entrant(name, name, given) for name in there]
    names = [entrant.contestant.name for entrant in found]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"two methods are called {', '.join(doubled)}; name them apart")
    uses = (*settings.methods, *there, *(theirs.use for theirs in settings.theirs))
    declared = {name for use in uses if not _is_folder(use) for name in options_of(use)}
    if unknown := sorted(given.keys() - declared):
        raise InputError(f"no method here has an option {', '.join(unknown)}")
    if not found:
        raise InputError("no method to compare; name some (see `radfuse methods`)")
    return found


def _described(theirs: Theirs, options: Mapping[str, Value]) -> Entrant:
    """Somebody's method with what they say of it; what a card says stands where they are silent."""
    entrant = _entrant(theirs.use, theirs.name, options, theirs.options)
    known = entrant.contestant
    seen = frozenset(theirs.patients_seen)
    contestant = Contestant(
        theirs.name,
        theirs.summary or known.summary,
        known.source,
        seen or known.patients_seen,
        theirs.note or ("" if seen and known.note == UNTOLD else known.note),
    )
    return replace(entrant, contestant=contestant)


def _is_folder(use: str) -> bool:
    """A name of the catalogue stays one beside whatever folder is called the same."""
    return use not in METHODS and Path(use).is_dir()


def _name(use: str) -> str:
    return Path(use).name if _is_folder(use) else Path(use).stem


def _entrant(
    use: str,
    name: str,
    shared: Mapping[str, Value],
    own: Mapping[str, Value] = MappingProxyType({}),
) -> Entrant:
    if _is_folder(use):
        return _from_folder(Path(use), name)
    info, running = method_info(use), _Running(use, {**applicable_options(use, shared), **own})
    method = running.method(
        None
    )  # its libraries are imported here, where an interrupt still ends all
    seen, note, mark = frozenset(info.patients_seen), info.note, f"radfuse {version('radfuse')}"
    if info.weights:
        card = _card(info.weights)
        seen, note = frozenset(card.patients_trained or ()), card.note
        mark = digest([info.weights])
    contestant = Contestant(name, info.summary, info.source, seen, note)
    return Entrant(
        contestant, " ".join([mark, *map(str, option_values(method).values())]), running.fuse
    )


def _from_folder(folder: Path, name: str) -> Entrant:
    if not any(path.is_file() for path in folder.iterdir()):
        raise NoImageError(f"{folder}: no fused images, CASE.png or CASE{STACK}")
    contestant = Contestant(name, "fused images from a folder", folder.name, frozenset(), UNTOLD)
    read = partial(_read, folder)
    return Entrant(contestant, "a folder", read, folder)


@dataclass(frozen=True)
class _Card:
    """What a card says of patients."""

    patients_trained: tuple[str, ...] | None = None
    patients_validated: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """What to know of the numbers of a network."""
        if self.patients_trained is None:
            return UNTOLD
        validated = ", ".join(self.patients_validated)
        return f"validated on patient {validated}" if validated else ""


def _card(weights: Path) -> _Card:
    """The card beside a graph; an empty one where there is none."""
    path = weights.with_suffix(".json")
    if not path.is_file():
        return _Card()
    try:
        return TypeAdapter(_Card).validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise InputError(f"{path}: not a card: patients are to be lists of texts") from error


@dataclass(frozen=True)
class _Running:
    """A method that is loaded when it first fuses, once for each CT window."""

    use: str
    options: Mapping[str, Value]
    loaded: dict[Window | None, Method] = field(default_factory=dict)

    def method(self, window: Window | None) -> Method:
        """The method for CTs in a window."""
        if window not in self.loaded:
            self.loaded[window] = load_method(self.use, self.options, window=window)
        return self.loaded[window]

    def fuse(self, case: Case, sources: Sources) -> UInt8Array:  # noqa: ARG002
        """Fuse where both scanners looked; elsewhere the CT alone."""
        fused = self.method(sources.window)(sources.ct, sources.mr)
        if sources.seen is not None:
            fused = np.where(sources.seen, fused, sources.ct)
        return np.asarray(grey_levels(fused), np.uint8)


def _read(folder: Path, case: Case, sources: Sources) -> UInt8Array:
    """Fused images of a case from a folder; `InputError` where they are missing or do not fit."""
    path = fused_path(folder, case.name)
    if path is None:
        raise NoImageError(f"{folder}: no {case.name}.png, nor {case.name}{STACK}")
    fused = read_fused(path)
    if fused.shape != sources.ct.shape or fused.dtype != np.uint8:
        raise InputError(
            f"{path}: {fused.dtype} {fused.shape}, but the case is uint8 {sources.ct.shape}"
        )
    return fused
