"""Who is compared: a method of the catalogue, somebody's graph, a folder of fused images."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from radfuse.benchmark.results import Contestant
from radfuse.benchmark.settings import Settings, Theirs
from radfuse.benchmark.units import STACK, Grey, fused_path, read_fused
from radfuse.data.cases import Case, Sources
from radfuse.errors import InputError, NothingHereError
from radfuse.intensity import grey_levels
from radfuse.methods.catalogue import Method, entry_of, load_method
from radfuse.recipe import Precision
from radfuse.record import digest


@dataclass(frozen=True)
class Entrant:
    """A contestant and how to have its fused images."""

    contestant: Contestant
    digest: str
    """Changes when its images may."""

    fuse: Callable[[Case, Sources], Grey]
    """Fused images of a case in 8 bits, (N, H, W)."""

    timed: bool = True
    """Whether fusing is more than reading a file."""


def entrants(settings: Settings) -> list[Entrant]:
    """All contestants of a benchmark; raises `InputError` for an unknown or a double one."""
    found = [_entrant(use, Path(use).stem, settings.precision) for use in settings.methods]
    found += [_described(theirs, settings.precision) for theirs in settings.theirs]
    names = [entrant.contestant.name for entrant in found]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"two methods are called {', '.join(doubled)}; name them apart")
    if not found:
        raise InputError("no method to compare; name some (see `radfuse methods`)")
    return found


def _described(theirs: Theirs, precision: Precision) -> Entrant:
    """Somebody's method with what they say of it; what a card says stands where they are silent."""
    entrant = _entrant(theirs.use, theirs.name, precision)
    known = entrant.contestant
    contestant = Contestant(
        theirs.name,
        theirs.summary or known.summary,
        known.source,
        frozenset(theirs.patients_seen) or known.patients_seen,
        theirs.note or known.note,
    )
    return replace(entrant, contestant=contestant)


def _entrant(use: str, name: str, precision: Precision) -> Entrant:
    if Path(use).is_dir():
        return _from_folder(Path(use), name)
    entry = entry_of(use)
    card = _card(entry.weights)
    contestant = Contestant(
        name,
        entry.summary,
        entry.source,
        frozenset(card.get("patients_trained", entry.patients_seen)),
        entry.note or _card_note(card),
    )
    mark = digest([entry.weights]) if entry.weights else f"radfuse {version('radfuse')}"
    return Entrant(contestant, f"{mark} {precision}", _Running(use, precision).fuse)


def _from_folder(folder: Path, name: str) -> Entrant:
    files = sorted(path for path in folder.iterdir() if path.is_file())
    if not files:
        raise NothingHereError(f"{folder}: no fused images, CASE.png or CASE{STACK}")
    contestant = Contestant(name, "fused images from a folder", folder.name, frozenset())
    return Entrant(
        contestant, digest(files), lambda case, sources: _read(folder, case, sources), timed=False
    )


def _card(weights: Path | None) -> dict[str, Any]:
    """The card beside a graph; nothing where there is none."""
    path = weights.with_suffix(".json") if weights else None
    if path is None or not path.is_file():
        return {}
    try:
        card: dict[str, Any] = json.loads(path.read_text())
    except ValueError as error:
        raise InputError(f"{path}: not a card in JSON") from error
    return card


def _card_note(card: dict[str, Any]) -> str:
    validated = ", ".join(card.get("patients_validated", ()))
    return f"validated on patient {validated}" if validated else ""


@dataclass(frozen=True)
class _Running:
    """A method that is loaded when it first fuses, once for each level of bone."""

    use: str
    precision: Precision
    loaded: dict[float | None, Method] = field(default_factory=dict)

    def fuse(self, case: Case, sources: Sources) -> Grey:  # noqa: ARG002
        level = sources.bone_level
        if level not in self.loaded:
            known = {} if level is None else {"bone_level": level}
            self.loaded[level] = load_method(self.use, precision=self.precision, **known)
        fused = self.loaded[level](sources.ct, sources.mr)
        if sources.seen is not None:
            fused = np.where(sources.seen, fused, sources.ct)
        return np.asarray(grey_levels(fused), np.uint8)


def _read(folder: Path, case: Case, sources: Sources) -> Grey:
    """Fused images of a case from a folder; `InputError` where they are missing or do not fit."""
    path = fused_path(folder, case.name)
    if path is None:
        raise NothingHereError(f"{folder}: no {case.name}.png, nor {case.name}{STACK}")
    fused = read_fused(path)
    if fused.shape != sources.ct.shape or fused.dtype != np.uint8:
        raise InputError(
            f"{path}: {fused.dtype} {fused.shape}, but the case is uint8 {sources.ct.shape}"
        )
    return fused
