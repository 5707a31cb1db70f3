"""The compared methods: of the catalogue, ONNX files, folders of fused images."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType

import numpy as np
from pydantic import TypeAdapter, ValidationError

from radfuse.arrays import UInt8Array
from radfuse.benchmark.case import Case, Sources
from radfuse.benchmark.results import ComparedMethod
from radfuse.benchmark.run.work_items import VOLUME_SUFFIX, fused_path, read_fused
from radfuse.benchmark.settings import BenchmarkSettings, ExternalMethod
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

UNKNOWN_PATIENTS = "its development patients are not stated"
"""Note of a method without a model card, which is treated as if no patient had been used."""


@dataclass(frozen=True)
class BenchmarkMethod:
    """A compared method, and the function that fuses with it."""

    info: ComparedMethod
    digest: str
    """Changes when its images may change."""

    fuse: Callable[[Case, Sources], UInt8Array]
    """Fused images of a case in 8 bits, (N, H, W)."""

    folder: Path | None = None
    """Folder of existing fused images, which are read and not timed."""

    @property
    def name(self) -> str:
        """The name in tables and folders."""
        return self.info.name


def find_methods(settings: BenchmarkSettings) -> list[BenchmarkMethod]:
    """All methods of a benchmark; raises `InputError` for unknown and duplicate ones."""
    shared = settings.options
    methods = [_method(use, _name(use), shared) for use in settings.methods]
    methods += [_external_method(external, shared) for external in settings.external]
    installed = [name for name in settings.installed if is_installed(name)]
    methods += [_method(name, name, shared) for name in installed]
    names = [method.name for method in methods]
    if duplicates := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"two methods are called {', '.join(duplicates)}; rename one of each")
    uses = (*settings.methods, *installed, *(external.use for external in settings.external))
    declared = {name for use in uses if not _is_folder(use) for name in options_of(use)}
    if unknown := sorted(shared.keys() - declared):
        raise InputError(f"no method here has an option {', '.join(unknown)}")
    if not methods:
        raise InputError("no method to compare; name some (see `radfuse methods`)")
    return methods


def _external_method(external: ExternalMethod, shared: Mapping[str, Value]) -> BenchmarkMethod:
    """A method with the description of the settings, completed by that of its model card."""
    method = _method(external.use, external.name, shared, external.options)
    known = method.info
    patients = frozenset(external.development_patients)
    info = ComparedMethod(
        external.name,
        external.summary or known.summary,
        known.source,
        patients or known.development_patients,
        external.note or ("" if patients and known.note == UNKNOWN_PATIENTS else known.note),
    )
    return replace(method, info=info)


def _is_folder(use: str) -> bool:
    """Names of the catalogue take precedence over folders of the same name."""
    return use not in METHODS and Path(use).is_dir()


def _name(use: str) -> str:
    return Path(use).name if _is_folder(use) else Path(use).stem


def _method(
    use: str,
    name: str,
    shared: Mapping[str, Value],
    own: Mapping[str, Value] = MappingProxyType({}),
) -> BenchmarkMethod:
    if _is_folder(use):
        return _method_of_folder(Path(use), name)
    known, loader = method_info(use), _MethodLoader(use, {**applicable_options(use, shared), **own})
    loaded = loader.load(None)  # imports its libraries here, where Ctrl-C still stops everything
    patients, note = frozenset(known.development_patients), known.note
    mark = f"radfuse {version('radfuse')}"
    if known.weights:
        model_card = _read_model_card(known.weights)
        patients, note = frozenset(model_card.patients_trained or ()), model_card.note
        mark = digest([known.weights])
    mark = " ".join([mark, *map(str, option_values(loaded).values())])
    info = ComparedMethod(name, known.summary, known.source, patients, note)
    return BenchmarkMethod(info, mark, loader.fuse)


def _method_of_folder(folder: Path, name: str) -> BenchmarkMethod:
    if not any(path.is_file() for path in folder.iterdir()):
        raise NoImageError(f"{folder}: no fused images, CASE.png or CASE{VOLUME_SUFFIX}")
    summary = "fused images from a folder"
    info = ComparedMethod(name, summary, folder.name, frozenset(), UNKNOWN_PATIENTS)
    return BenchmarkMethod(info, "a folder", partial(_read_fused_case, folder), folder)


@dataclass(frozen=True)
class _ModelCard:
    """The patients of a model card."""

    patients_trained: tuple[str, ...] | None = None
    patients_validated: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """How the patients affect the network's numbers."""
        if self.patients_trained is None:
            return UNKNOWN_PATIENTS
        validated = ", ".join(self.patients_validated)
        return f"validated on patient {validated}" if validated else ""


def _read_model_card(weights: Path) -> _ModelCard:
    """The model card beside a graph; an empty one where there is none."""
    path = weights.with_suffix(".json")
    if not path.is_file():
        return _ModelCard()
    try:
        return TypeAdapter(_ModelCard).validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise InputError(f"{path}: not a model card: patients must be lists of texts") from error


@dataclass(frozen=True)
class _MethodLoader:
    """Loads a method once for each CT window."""

    use: str
    options: Mapping[str, Value]
    loaded: dict[Window | None, Method] = field(default_factory=dict)

    def load(self, window: Window | None) -> Method:
        """The method for CTs in a window."""
        if window not in self.loaded:
            self.loaded[window] = load_method(self.use, self.options, window=window)
        return self.loaded[window]

    def fuse(self, case: Case, sources: Sources) -> UInt8Array:  # noqa: ARG002
        """Fuse inside the field of view of both scanners; elsewhere the CT alone."""
        fused = self.load(sources.window)(sources.ct, sources.mr)
        if sources.fov_mask is not None:
            fused = np.where(sources.fov_mask, fused, sources.ct)
        return np.asarray(grey_levels(fused), np.uint8)


def _read_fused_case(folder: Path, case: Case, sources: Sources) -> UInt8Array:
    """Fused images of a case from a folder; `InputError` for missing files and wrong shapes."""
    path = fused_path(folder, case.name)
    if path is None:
        raise NoImageError(f"{folder}: no {case.name}.png, nor {case.name}{VOLUME_SUFFIX}")
    fused = read_fused(path)
    if fused.shape != sources.ct.shape or fused.dtype != np.uint8:
        raise InputError(
            f"{path}: {fused.dtype} {fused.shape}, but the case is uint8 {sources.ct.shape}"
        )
    return fused
