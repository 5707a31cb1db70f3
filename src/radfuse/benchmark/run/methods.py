"""The compared methods: of the catalogue, ONNX files, folders of fused images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType

import numpy as np
from pydantic import TypeAdapter, ValidationError

from radfuse.arrays import UInt8Array
from radfuse.benchmark.case import Case, Sources
from radfuse.benchmark.findings.base import LoadMethod
from radfuse.benchmark.functional.fuse import fuse_functional_case, read_fused_by_others
from radfuse.benchmark.results import SOURCES, ComparedMethod
from radfuse.benchmark.run.work_items import VOLUME_SUFFIX, fused_path, read_fused
from radfuse.benchmark.settings import BenchmarkSettings, ExternalMethod
from radfuse.errors import InputError, NoImageError
from radfuse.intensity import Window, grey_levels
from radfuse.io.image_pairs import named_patient, names_data_set
from radfuse.methods.catalogue import METHODS
from radfuse.methods.head import ArrayHead
from radfuse.methods.installed import is_installed
from radfuse.methods.loading import Method, applicable_options, load_method, method_info, options_of
from radfuse.methods.options import Value, option_values
from radfuse.pipeline.volume import fuse_head, whole
from radfuse.record import digest

UNKNOWN_PATIENTS = "its development patients are not stated"
"""Note of a method without a model card, which is treated as if no patient had been used."""

UNKNOWN_DATA_SET = "the data set of its development patients is not stated"
"""Note of a method with an older model card."""

UNKNOWN_CASES = "developed on patients of {}; the settings do not state the data set here"
"""Note where a benchmark of patients has no `data_set`."""


@dataclass(frozen=True)
class BenchmarkMethod:
    """A compared method, and the function that fuses with it."""

    info: ComparedMethod
    digest: str
    """Changes when its images may change."""

    fuse: Callable[[Case, Sources], UInt8Array]
    """Fused images of a case in 8 bits, (N, H, W); of a functional pair (1, H, W, 4), see
    `functional.fuse`."""

    folder: Path | None = None
    """Folder of existing fused images, which are read and not timed."""

    load: LoadMethod | None = None
    """Loads the method, to fuse other images than those of cases; None for a folder."""

    @property
    def name(self) -> str:
        """The name in tables and folders."""
        return self.info.name


def find_methods(settings: BenchmarkSettings) -> list[BenchmarkMethod]:
    """All methods of a benchmark; raises `InputError` for unknown and duplicate ones."""
    methods = [_method(use, _name(use), settings) for use in settings.methods]
    methods += [_external_method(external, settings) for external in settings.external]
    installed = [name for name in settings.installed if is_installed(name)]
    methods += [_method(name, name, settings) for name in installed]
    names = [method.name for method in methods]
    if duplicates := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"two methods are called {', '.join(duplicates)}; rename one of each")
    if taken := sorted(set(SOURCES).intersection(names)):
        raise InputError(f"a method is called {', '.join(taken)} like a source; rename it")
    uses = (*settings.methods, *installed, *(external.use for external in settings.external))
    declared = {name for use in uses if not _is_folder(use) for name in options_of(use)}
    if unknown := sorted(settings.options.keys() - declared):
        raise InputError(f"no method here has an option {', '.join(unknown)}")
    if not methods:
        raise InputError("no method to compare; name some (see `radfuse methods`)")
    return methods


def _external_method(external: ExternalMethod, settings: BenchmarkSettings) -> BenchmarkMethod:
    """A method with the description of the settings, completed by that of its model card."""
    method = _method(external.use, external.name, settings, external.options)
    known = method.info
    patients = frozenset(
        named_patient(one, settings.data_set) for one in external.development_patients
    )
    info = ComparedMethod(
        external.name,
        external.summary or known.summary,
        known.source,
        patients or known.development_patients,
        external.note or ("" if patients and not known.patients_known else known.note),
        known.patients_known or bool(patients),
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
    settings: BenchmarkSettings,
    own: Mapping[str, Value] = MappingProxyType({}),
) -> BenchmarkMethod:
    if _is_folder(use):
        return _method_of_folder(Path(use), name)
    known = method_info(use)
    loader = _MethodLoader(use, {**applicable_options(use, settings.options), **own})
    loaded = loader.load(None)  # imports its libraries here, where Ctrl-C still stops everything
    patients: tuple[str, ...] | None = known.development_patients
    note, mark = known.note, f"radfuse {version('radfuse')}"
    if known.weights:
        model_card = _read_model_card(known.weights)
        patients, note = model_card.patients_trained, model_card.note
        mark = digest([known.weights])
    mark = " ".join([mark, *map(str, option_values(loaded).values())])
    unknown = _unknown_patients(patients, settings)
    info = ComparedMethod(
        name,
        known.summary,
        known.source,
        frozenset(filter(names_data_set, patients or ())),
        "; ".join(filter(None, (unknown, note))),
        not unknown,
    )
    return BenchmarkMethod(info, mark, loader.fuse, load=loader.load)


def _unknown_patients(patients: Sequence[str] | None, settings: BenchmarkSettings) -> str:
    """Why development patients cannot be compared with those of a benchmark; empty if they can."""
    if patients is None:
        return UNKNOWN_PATIENTS
    if not patients or not (settings.pairs or settings.volumes):
        return ""
    if not all(map(names_data_set, patients)):
        return UNKNOWN_DATA_SET
    data_sets = sorted({patient.partition(":")[0] for patient in patients})
    return "" if settings.data_set else UNKNOWN_CASES.format(", ".join(data_sets))


def _method_of_folder(folder: Path, name: str) -> BenchmarkMethod:
    if not any(path.is_file() for path in folder.iterdir()):
        raise NoImageError(f"{folder}: no fused images, CASE.png or CASE{VOLUME_SUFFIX}")
    summary = "fused images from a folder"
    info = ComparedMethod(name, summary, folder.name, frozenset(), UNKNOWN_PATIENTS, False)
    return BenchmarkMethod(info, "a folder", partial(_read_fused_case, folder), folder)


@dataclass(frozen=True)
class _ModelCard:
    """The patients of a model card."""

    patients_trained: tuple[str, ...] | None = None
    patients_validated: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """How the patients affect the network's numbers."""
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
        method = self.load(sources.window)
        if sources.functional:
            return fuse_functional_case(method, (sources.ct, sources.mr), sources.functional)
        if sources.hu is None or sources.window is None:
            fused = method(sources.ct, sources.mr)
        else:
            head = ArrayHead(sources.hu, sources.mr, sources.spacing_mm)
            fused = whole(fuse_head(method, head, sources.window))
        if sources.fov_mask is not None:
            fused = np.where(sources.fov_mask, fused, sources.ct)
        return np.asarray(grey_levels(fused), np.uint8)


def _read_fused_case(folder: Path, case: Case, sources: Sources) -> UInt8Array:
    """Fused images of a case from a folder; `InputError` for missing files and wrong shapes."""
    if sources.functional:
        return read_fused_by_others(folder, case.name, sources.ct.shape[1:])
    path = fused_path(folder, case.name)
    if path is None:
        raise NoImageError(f"{folder}: no {case.name}.png, nor {case.name}{VOLUME_SUFFIX}")
    fused = read_fused(path)
    if fused.shape != sources.ct.shape or fused.dtype != np.uint8:
        raise InputError(
            f"{path}: {fused.dtype} {fused.shape}, but the case is uint8 {sources.ct.shape}"
        )
    return fused
