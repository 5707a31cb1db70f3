"""Measure fused images that lie in files: pictures, folders of pictures, volumes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radfuse.errors import InputError
from radfuse.io.images import PICTURE_SUFFIXES, read_grey
from radfuse.metrics.measure import Values, measure
from radfuse.metrics.profiles import DEFAULT_PROFILE
from radfuse.pipeline.evaluate_volume import VolumeChoices, evaluate_volume
from radfuse.pipeline.read import is_picture
from radfuse.progress import ProgressCallback, no_progress

WHOLE = "volume"
"""Name of the row with the metrics that are measured in 3-D."""

ALL_FROM_RECORD = VolumeChoices()
"""A record beside a fused volume says how it was made."""


@dataclass(frozen=True)
class Evaluated:
    """What was measured of one image."""

    name: str
    """Stem of the picture; `slice 12` of a volume, or `volume` for what is measured in 3-D."""

    values: Values


def evaluate(
    fused: Path | str,
    ct: Path | str,
    mr: Path | str,
    *,
    profile: str = DEFAULT_PROFILE,
    metrics: Sequence[str] = (),
    volume: VolumeChoices = ALL_FROM_RECORD,
    report: ProgressCallback = no_progress,
) -> list[Evaluated]:
    """Measure a fused picture, a folder of them, or a fused volume, with its sources.

    Folders are matched by the names of their pictures, whatever the suffix. A volume is measured
    slice by slice and as a whole. Raises `InputError` for what cannot be measured.
    """
    fused, ct, mr = Path(fused), Path(ct), Path(mr)
    for path in (fused, ct, mr):
        if not (path.is_file() or path.is_dir()):
            raise InputError(f"{path}: no such file or folder")
    if not _has_pictures(fused):
        return _of_volume(fused, ct, mr, profile, metrics, volume, report)
    found = []
    trios = list(_trios(fused, ct, mr))
    for index, (name, paths) in enumerate(trios):
        report("measuring", index / len(trios))
        images = [read_grey(path) for path in paths]
        _check_sizes(paths, [image.shape for image in images])
        found.append(Evaluated(name, measure(profile, *images, metrics=metrics)))
    return found


def _of_volume(
    fused: Path,
    ct: Path,
    mr: Path,
    profile: str,
    metrics: Sequence[str],
    choices: VolumeChoices,
    report: ProgressCallback,
) -> list[Evaluated]:
    values = evaluate_volume(fused, ct, mr, choices, profile, metrics, report)
    slices = [Evaluated(f"slice {index}", row) for index, row in values.slices.items()]
    return slices + ([Evaluated(WHOLE, values.whole)] if values.whole else [])


def _has_pictures(path: Path) -> bool:
    return is_picture(path) if path.is_file() else bool(pictures_by_name(path))


def pictures_by_name(folder: Path) -> dict[str, Path]:
    """The pictures right in a folder, by their names without suffix.

    Raises `InputError` for two of one name.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in PICTURE_SUFFIXES or path.name.startswith("."):
            continue
        if path.stem in found:
            raise InputError(f"{path} and {found[path.stem].name} have one name; keep one of them")
        found[path.stem] = path
    return found


def _trios(fused: Path, ct: Path, mr: Path) -> Iterator[tuple[str, tuple[Path, Path, Path]]]:
    """Name and paths of fused image, CT and MR."""
    if all(path.is_file() for path in (fused, ct, mr)):
        yield fused.stem, (fused, ct, mr)
        return
    for path in (fused, ct, mr):
        if path.is_file():
            raise InputError(f"{path} is a file among folders; give three files or three folders")
    of_fused, of_ct, of_mr = (pictures_by_name(folder) for folder in (fused, ct, mr))
    for folder, names in ((ct, of_ct), (mr, of_mr)):
        if lonely := sorted(of_fused.keys() - names.keys()):
            some = ", ".join(lonely[:5])
            raise InputError(f"{folder}: has no {some} ({len(lonely)} missing), which {fused} has")
    for name, path in of_fused.items():
        yield name, (path, of_ct[name], of_mr[name])


def _check_sizes(paths: Sequence[Path], shapes: Sequence[tuple[int, ...]]) -> None:
    if len(set(shapes)) > 1:
        sizes = [
            f"{path} is {shape[1]}x{shape[0]}" for path, shape in zip(paths, shapes, strict=True)
        ]
        raise InputError(f"{', '.join(sizes)} pixels; give images of one size")


def mean_and_deviation(rows: Sequence[Evaluated]) -> dict[str, tuple[float, float]]:
    """Mean and sample standard deviation of each metric over the images that have it.

    A whole volume is no further slice: it counts for what no slice has. The deviation of a single
    value is 0.
    """
    whole = {row.name: row.values for row in rows if row.name == WHOLE}.get(WHOLE, {})
    slices = [row.values for row in rows if row.name != WHOLE]
    names = dict.fromkeys(name for values in (*slices, whole) for name in values)
    columns = {name: [values[name] for values in slices if name in values] for name in names}
    columns = {name: found or [whole[name]] for name, found in columns.items()}
    return {
        name: (float(np.mean(found)), float(np.std(found, ddof=1)) if len(found) > 1 else 0.0)
        for name, found in columns.items()
    }
