"""Settings of a benchmark: methods, cases, profiles; from TOML or the command line."""

from dataclasses import field, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from radfuse.benchmark.functional.measure import check_profile
from radfuse.io.image_pairs import DataSet
from radfuse.methods.catalogue import METHODS
from radfuse.metrics.profiles import DEFAULT_PROFILE
from radfuse.phantom.findings import FIRST_REPORTING_SEED
from radfuse.phantom.head import DEFAULT_SPACING_MM
from radfuse.recipe import DEFAULT_WINDOW, ColourMapName, ColourSpaceName
from radfuse.settings import checked_settings, read_settings_file

STRICT = ConfigDict(extra="forbid")
"""Unknown keys are refused."""


@dataclass(frozen=True, config=STRICT)
class Volume:
    """CT and MR of one patient, to be registered or with a transform."""

    name: str
    ct: Path
    mr: Path
    patient: str = ""
    """The name, if empty."""

    transform: Path | None = None
    """Maps CT points to MR points (LPS, mm); registered if left out."""

    accept_patients: bool = False
    """Whether CT and MR are of one person although their headers name different patients."""


@dataclass(frozen=True, config=STRICT)
class ExternalMethod:
    """A method with its description, from files or of the catalogue."""

    name: str
    use: str
    """A name of the catalogue, or the path of an ONNX file or of a folder of fused images,
    CASE.png or CASE.npy."""

    summary: str = ""
    development_patients: tuple[str, ...] = ()
    """Patients of this benchmark whose images were used to train or tune it."""

    note: str = ""
    options: dict[str, float | int | str] = field(default_factory=dict)
    """Options of this method; they override those of all methods."""


@dataclass(frozen=True, config=STRICT)
class Findings:
    """Findings to insert into every case, to measure what each method keeps of them."""

    kinds: tuple[str, ...] = ()
    """Names of `radfuse.phantom.findings.KINDS`; all if empty."""

    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] = (
        FIRST_REPORTING_SEED,
    )
    """Each draws a finding of every kind in every case."""


@dataclass(frozen=True, config=STRICT)
class FunctionalPairs:
    """How the pairs are PET-MR or SPECT-MR pairs, in colour."""

    images: Literal["PET", "SPECT"]
    """Name of the folder beside MRI/, instead of CT/."""

    colour_map: ColourMapName
    """The map that the functional images are printed in, to recover uptake."""

    colour_space: ColourSpaceName = "lab"
    """Whose luminance is fused for the images in colour."""

    persons: dict[str, str] = field(default_factory=dict)
    """The person of a patient's number, where several numbers, or several data sets, are of one:
    an ID of this data set, or `harvard:2` of another one."""

    note: str = ""
    """What a reader of the report must know of the pairs."""


@dataclass(frozen=True, config=STRICT)
class BenchmarkSettings:
    """One benchmark; relative paths start at the folder of the settings file.

    Raises `pydantic.ValidationError` for a wrong setting.

    Examples
    --------
    >>> import radfuse
    >>> settings = radfuse.BenchmarkSettings(methods=("average", "laplacian"), phantoms=(1, 2))
    >>> settings.profiles
    ('radfuse1',)
    """

    title: str = "Benchmark of CT-MR fusion"
    """Heading of the report."""

    profiles: tuple[str, ...] = (DEFAULT_PROFILE,)
    """Metric profiles, see docs/metrics.md."""

    methods: tuple[str, ...] = ()
    """Names of the catalogue, paths of ONNX files or of folders with fused images."""

    external: tuple[ExternalMethod, ...] = ()
    """Methods from elsewhere, with a description."""

    installed: tuple[str, ...] = ()
    """Installed weights to compare; skipped where not installed (`radfuse weights list`)."""

    reference: str = ""
    """The method that the others are compared with; if empty the default one, or the last."""

    pairs: tuple[Path, ...] = ()
    """Folders with CT/NAME.png and MRI/NAME.png; PET/ or SPECT/ where `functional` says so."""

    functional: FunctionalPairs | None = None
    """Whether the pairs are of PET or SPECT instead of CT; profiles are then those of
    `radfuse.benchmark.functional.measure`."""

    data_set: DataSet = ""
    """Name of the data set of the patients, as `harvard`. They are those of a model card only where
    it states the same name."""

    patients: tuple[str, ...] = ()
    """Only pairs of these patients; all if empty."""

    volumes: tuple[Volume, ...] = ()
    """CT and MR of patients, in 3-D."""

    window: str | tuple[float, float] = DEFAULT_WINDOW
    """CT window of volumes and phantoms."""

    slice_step: Annotated[int, Field(gt=0)] = 1
    """Measure every n-th slice of volumes and phantoms."""

    phantoms: tuple[Annotated[int, Field(ge=0)], ...] = ()
    """Seeds of synthetic phantoms, aligned by their true transform."""

    phantom_spacing_mm: Annotated[float, Field(gt=0)] = DEFAULT_SPACING_MM
    """Pixel spacing of their CT."""

    options: dict[str, float | int | str] = field(default_factory=dict)
    """Options of methods, for each method that declares them."""

    findings: Findings | None = None
    """What to insert into the cases, if anything."""

    repetitions: Annotated[int, Field(ge=0)] = 0
    """Number of times that each fusion is timed, after one run that is not timed."""

    shown_cases: tuple[str, ...] | None = None
    """Cases to show in the report; by default three of CT and MR: first, middle and last."""

    seed: Annotated[int, Field(ge=0)] = 1
    """Seed of the bootstrap."""


def read_benchmark_settings(path: Path) -> BenchmarkSettings:
    """Read settings from a TOML file; raises `InputError` for wrong ones."""
    settings = read_settings_file(path, BenchmarkSettings)
    for profile in settings.profiles:
        check_profile(profile, functional=settings.functional is not None)
    return _resolve_paths(settings, path.parent)


def changed(settings: BenchmarkSettings, **options: Any) -> BenchmarkSettings:
    """Settings with some replaced; `InputError` for a wrong value.

    Other pairs or phantoms replace all cases, and the settings that refer to cases.
    """
    if options.keys() & {"pairs", "phantoms"}:
        cases = ("pairs", "phantoms", "volumes", "patients")
        options = {"data_set": "", "shown_cases": None, **dict.fromkeys(cases, ()), **options}
    known = {field.name: getattr(settings, field.name) for field in fields(settings)}
    return checked_settings({**known, **options}, BenchmarkSettings, "options")


def _resolve_paths(settings: BenchmarkSettings, folder: Path) -> BenchmarkSettings:
    """Relative paths, relative to the folder of the settings file."""
    volumes = (
        replace(
            volume,
            ct=folder / volume.ct,
            mr=folder / volume.mr,
            transform=folder / volume.transform if volume.transform else None,
        )
        for volume in settings.volumes
    )
    return replace(
        settings,
        pairs=tuple(folder / pairs for pairs in settings.pairs),
        volumes=tuple(volumes),
        methods=tuple(_resolve_method(method, folder) for method in settings.methods),
        external=tuple(
            replace(one, use=_resolve_method(one.use, folder)) for one in settings.external
        ),
    )


def _resolve_method(method: str, folder: Path) -> str:
    """A path relative to the settings file; names stay as they are."""
    if method in METHODS:
        return method
    path = folder / method
    is_path = "/" in method or method.endswith(".onnx") or path.exists()
    return str(path) if is_path else method
