"""Evaluate fused images in files: 2-D images, folders of them, volumes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radfuse.errors import InputError
from radfuse.io.images import IMAGE_SUFFIXES, read_grey
from radfuse.metrics.measure import Values, measure
from radfuse.metrics.profiles import DEFAULT_PROFILE
from radfuse.pipeline.evaluate_volume import VolumeOptions, evaluate_volume
from radfuse.pipeline.read import is_image_file
from radfuse.progress import ProgressCallback, no_progress

WHOLE = "volume"
"""Name of the row with the metrics that are measured in 3-D."""

FROM_RECORD = VolumeOptions()
"""Options of a volume with a record: the record has them all."""


@dataclass(frozen=True)
class ImageValues:
    """Values of the metrics of one image."""

    name: str
    """Stem of the file; `slice 12` of a volume, or `volume` for metrics in 3-D."""

    values: Values
    is_whole: bool = False
    """Whether they are of a whole volume, measured in 3-D."""


def evaluate(
    fused: Path | str,
    ct: Path | str,
    mr: Path | str,
    *,
    profile: str = DEFAULT_PROFILE,
    metrics: Sequence[str] = (),
    volume: VolumeOptions = FROM_RECORD,
    report: ProgressCallback = no_progress,
) -> list[ImageValues]:
    """Evaluate a fused 2-D image, a folder of them, or a fused volume, with its sources.

    Files of folders are matched by name, whatever the suffix. A volume is measured slice by slice
    and as a whole. Raises `InputError` for input that cannot be evaluated.
    """
    fused, ct, mr = Path(fused), Path(ct), Path(mr)
    for path in (fused, ct, mr):
        if not (path.is_file() or path.is_dir()):
            raise InputError(f"{path}: no such file or folder")
    if not _has_images(fused):
        return _volume_values(fused, ct, mr, profile, metrics, volume, report)
    evaluated = []
    trios = list(_trios(fused, ct, mr))
    for index, (name, paths) in enumerate(trios):
        report("measuring", index / len(trios))
        images = [read_grey(path) for path in paths]
        _check_sizes(paths, [image.shape for image in images])
        evaluated.append(ImageValues(name, measure(profile, *images, metrics=metrics)))
    return evaluated


def _volume_values(
    fused: Path,
    ct: Path,
    mr: Path,
    profile: str,
    metrics: Sequence[str],
    options: VolumeOptions,
    report: ProgressCallback,
) -> list[ImageValues]:
    values = evaluate_volume(fused, ct, mr, options, profile, metrics, report)
    slices = [ImageValues(f"slice {index}", row) for index, row in values.slices.items()]
    return slices + ([ImageValues(WHOLE, values.whole, is_whole=True)] if values.whole else [])


def _has_images(path: Path) -> bool:
    return is_image_file(path) if path.is_file() else bool(images_by_name(path))


def images_by_name(folder: Path) -> dict[str, Path]:
    """The 2-D images of a folder, without subfolders, by name without suffix.

    Raises `InputError` for two with one name.
    """
    by_name: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in IMAGE_SUFFIXES or path.name.startswith("."):
            continue
        if path.stem in by_name:
            other = by_name[path.stem].name
            raise InputError(f"{path} and {other} have the same name; keep one of them")
        by_name[path.stem] = path
    return by_name


def _trios(fused: Path, ct: Path, mr: Path) -> Iterator[tuple[str, tuple[Path, Path, Path]]]:
    """Name and paths of fused image, CT and MR."""
    if all(path.is_file() for path in (fused, ct, mr)):
        yield fused.stem, (fused, ct, mr)
        return
    for path in (fused, ct, mr):
        if path.is_file():
            raise InputError(f"{path} is a file, not a folder; give three files or three folders")
    fused_files, ct_files, mr_files = (images_by_name(folder) for folder in (fused, ct, mr))
    for folder, files in ((ct, ct_files), (mr, mr_files)):
        if missing := sorted(fused_files.keys() - files.keys()):
            some = ", ".join(missing[:5])
            raise InputError(f"{folder}: {len(missing)} images of {fused} are missing: {some}")
    for name, path in fused_files.items():
        yield name, (path, ct_files[name], mr_files[name])


def unmatched_images(fused: Path, ct: Path, mr: Path) -> dict[str, list[str]]:
    """Names of the images in folders of CT and MR without a fused image; by `ct` and `mr`."""
    if not all(path.is_dir() for path in (fused, ct, mr)):
        return {}
    names = images_by_name(fused).keys()
    found = {key: sorted(images_by_name(path).keys() - names) for key, path in
             (("ct", ct), ("mr", mr))}  # fmt: skip
    return {key: missing for key, missing in found.items() if missing and names}


def _check_sizes(paths: Sequence[Path], shapes: Sequence[tuple[int, ...]]) -> None:
    if len(set(shapes)) > 1:
        sizes = [
            f"{path} is {shape[1]}x{shape[0]}" for path, shape in zip(paths, shapes, strict=True)
        ]
        raise InputError(f"{', '.join(sizes)} pixels; give images of one size")


def mean_and_deviation(rows: Sequence[ImageValues]) -> dict[str, tuple[float, float]]:
    """Mean and sample standard deviation of each metric over the images that have it.

    The row of a whole volume counts only for metrics that no slice has. The deviation of a single
    value is 0.
    """
    whole = {name: value for row in rows if row.is_whole for name, value in row.values.items()}
    slices = [row.values for row in rows if not row.is_whole]
    names = dict.fromkeys(name for values in (*slices, whole) for name in values)
    columns = {name: [values[name] for values in slices if name in values] for name in names}
    columns = {name: column or [whole[name]] for name, column in columns.items()}
    return {
        name: (float(np.mean(column)), float(np.std(column, ddof=1)) if len(column) > 1 else 0.0)
        for name, column in columns.items()
    }
