"""What to compare on what: read from TOML, or put together on the command line."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from radfuse.data.phantom import DEFAULT_SPACING_MM
from radfuse.metrics.profiles import DEFAULT_PROFILE, columns_of
from radfuse.recipe import DEFAULT_WINDOW, Precision
from radfuse.settings import read_settings_file


@dataclass(frozen=True)
class Volume:
    """A CT and an MR of one patient to be registered, or with the transform between them."""

    name: str
    ct: Path
    mr: Path
    patient: str = ""
    """The name, if empty."""

    transform: Path | None = None
    """Maps CT points to MR points; without one they are registered."""


@dataclass(frozen=True)
class Theirs:
    """A method from files, with what is known of it."""

    name: str
    use: str
    """Path of an ONNX file, or of a folder with already fused images, CASE.png or CASE.npy."""

    summary: str = ""
    patients_seen: tuple[str, ...] = ()
    """Patients whose images shaped it."""

    note: str = ""


@dataclass(frozen=True)
class Settings:
    """One benchmark; relative paths start at the file that they stand in."""

    title: str = "Benchmark of CT-MR fusion"
    profiles: tuple[str, ...] = (DEFAULT_PROFILE,)
    methods: tuple[str, ...] = ()
    """Names of the catalogue, paths of ONNX files or of folders with fused images."""

    theirs: tuple[Theirs, ...] = ()
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

    phantom_spacing_mm: float = DEFAULT_SPACING_MM
    precision: Precision = "f32"
    repetitions: Annotated[int, Field(ge=0)] = 0
    """How often each fusion is timed, after one that is not."""

    pictured: tuple[str, ...] = ()
    """Cases to show in the report."""

    seed: int = 1
    """Of the bootstrap."""


def read_settings(path: Path) -> Settings:
    """Settings from a TOML file; raises `InputError` for what is wrong with it."""
    settings = read_settings_file(path, Settings)
    for profile in settings.profiles:
        columns_of(profile)
    return _beside(settings, path.parent)


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
        theirs=tuple(replace(one, use=str(folder / one.use)) for one in settings.theirs),
    )


def _place(method: str, folder: Path) -> str:
    """A path beside the settings' file; a name of the catalogue stays."""
    return str(folder / method) if "/" in method or method.endswith(".onnx") else method
