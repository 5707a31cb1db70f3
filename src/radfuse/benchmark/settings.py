"""What to compare on what: read from TOML, or put together on the command line."""

from dataclasses import field, fields, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from radfuse.methods.catalogue import METHODS
from radfuse.metrics.profiles import DEFAULT_PROFILE, columns_of
from radfuse.phantom.head import DEFAULT_SPACING_MM
from radfuse.recipe import DEFAULT_WINDOW
from radfuse.settings import checked_settings, read_settings_file

STRICT = ConfigDict(extra="forbid")
"""An unknown key is a slip of the pen."""


@dataclass(frozen=True, config=STRICT)
class Volume:
    """A CT and an MR of one patient to be registered, or with the transform between them."""

    name: str
    ct: Path
    mr: Path
    patient: str = ""
    """The name, if empty."""

    transform: Path | None = None
    """Maps CT points to MR points; without one they are registered."""


@dataclass(frozen=True, config=STRICT)
class Theirs:
    """A method from files, with what is known of it."""

    name: str
    use: str
    """A name of the catalogue, or the path of an ONNX file or of a folder with already fused
    images, CASE.png or CASE.npy."""

    summary: str = ""
    patients_seen: tuple[str, ...] = ()
    """Patients whose images shaped it."""

    note: str = ""
    options: dict[str, float | int | str] = field(default_factory=dict)
    """Options of this method; they go before those of all."""


@dataclass(frozen=True, config=STRICT)
class Settings:
    """One benchmark; relative paths start at the file that they stand in."""

    title: str = "Benchmark of CT-MR fusion"
    profiles: tuple[str, ...] = (DEFAULT_PROFILE,)
    methods: tuple[str, ...] = ()
    """Names of the catalogue, paths of ONNX files or of folders with fused images."""

    theirs: tuple[Theirs, ...] = ()
    installed: tuple[str, ...] = ()
    """Installed weights that take part where the user has them (`radfuse weights list`)."""

    reference: str = ""
    """The method that the others are compared with; the last, if empty."""

    pairs: tuple[Path, ...] = ()
    """Folders with CT/NAME.png and MRI/NAME.png."""

    patients: tuple[str, ...] = ()
    """Only pairs of these patients; all, if empty."""

    volumes: tuple[Volume, ...] = ()
    window: str | tuple[float, float] = DEFAULT_WINDOW
    """CT window of volumes and phantoms."""

    every: Annotated[int, Field(gt=0)] = 1
    """Measure each n-th slice of volumes and phantoms."""

    phantoms: tuple[Annotated[int, Field(ge=0)], ...] = ()
    """Seeds of made-up patients, aligned by their true transform."""

    phantom_spacing_mm: Annotated[float, Field(gt=0)] = DEFAULT_SPACING_MM
    options: dict[str, float | int | str] = field(default_factory=dict)
    """Options of methods, for each method that declares them."""

    repetitions: Annotated[int, Field(ge=0)] = 0
    """How often each fusion is timed, after one that is not."""

    pictured: tuple[str, ...] = ()
    """Cases to show in the report."""

    seed: Annotated[int, Field(ge=0)] = 1
    """Of the bootstrap."""


def read_settings(path: Path) -> Settings:
    """Settings from a TOML file; raises `InputError` for what is wrong with it."""
    settings = read_settings_file(path, Settings)
    for profile in settings.profiles:
        columns_of(profile)
    return _beside(settings, path.parent)


def changed(settings: Settings, **options: Any) -> Settings:
    """Settings with some replaced; `InputError` for a wrong value.

    Other pairs or phantoms are other cases: what was said of the former ones goes with them.
    """
    if options.keys() & {"pairs", "phantoms"}:
        none = ("pairs", "phantoms", "volumes", "patients", "pictured")
        options = {**dict.fromkeys(none, ()), **options}
    known = {field.name: getattr(settings, field.name) for field in fields(settings)}
    return checked_settings({**known, **options}, Settings, "options")


def _beside(settings: Settings, folder: Path) -> Settings:
    """Relative paths seen from the settings' own folder."""
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
        methods=tuple(_place(method, folder) for method in settings.methods),
        theirs=tuple(replace(one, use=_place(one.use, folder)) for one in settings.theirs),
    )


def _place(method: str, folder: Path) -> str:
    """A path beside the settings' file; a name of the catalogue stays, and one of nothing."""
    if method in METHODS:
        return method
    path = folder / method
    is_path = "/" in method or method.endswith(".onnx") or path.exists()
    return str(path) if is_path else method
