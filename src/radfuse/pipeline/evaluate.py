"""Evaluate fused images in files: 2-D images, folders of them, volumes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radfuse.arrays import UInt8Array
from radfuse.errors import InputError
from radfuse.intensity import grey_levels
from radfuse.io.images import IMAGE_SUFFIXES, read_grey
from radfuse.metrics.measure import Values, VolumeValues, measure
from radfuse.metrics.profiles import DEFAULT_PROFILE
from radfuse.parallel import in_order
from radfuse.pipeline.arrays import IN_MEMORY
from radfuse.pipeline.display.bars import Report, reporting
from radfuse.pipeline.display.fused_image import FusedImage
from radfuse.pipeline.evaluate_volume import VolumeOptions, evaluate_result, evaluate_volume
from radfuse.pipeline.read import is_image_file
from radfuse.pipeline.result import Result
from radfuse.progress import ProgressCallback

WHOLE = "volume"
"""Name of the row with the metrics that are measured in 3-D."""

FROM_RECORD = VolumeOptions()
"""Options of a volume with a record: the record has them all."""


@dataclass(frozen=True)
class ImageValues:
    """Values of the metrics of one image.

    Examples
    --------
    >>> import radfuse
    >>> radfuse.ImageValues("slice 12", {"MI": 3.2}).values["MI"]
    3.2
    """

    name: str
    """Stem of the file; `slice 12` of a volume, or `volume` for metrics in 3-D."""

    values: Values
    """Value by the name of the metric in its profile; ranges and units are in docs/metrics.md."""

    is_whole: bool = False
    """Whether they are of a whole volume, measured in 3-D."""


class Evaluation(list[ImageValues]):
    """The values of each image, in a notebook a table of their means.

    Examples
    --------
    >>> import numpy as np
    >>> import radfuse
    >>> ct, mr = np.random.default_rng(1).integers(0, 256, (2, 64, 64), np.uint8)
    >>> radfuse.evaluate(ct // 2 + mr // 2, ct, mr, metrics=["MI"])
    <Evaluation: 1 image, 1 metric>
    """

    @property
    def means(self) -> dict[str, float]:
        """Mean of each metric over the images that have it."""
        return {name: mean for name, (mean, _) in mean_and_deviation(self).items()}

    def __repr__(self) -> str:
        """One line: how many images and metrics."""
        counts = ((len(self), "image"), (len(self.means), "metric"))
        words = ", ".join(f"{count} {word}{'s' * (count != 1)}" for count, word in counts)
        return f"<Evaluation: {words}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th scope='row'>{escape(name)}</th><td>{mean:.4g}</td><td>{deviation:.2g}</td>"
            for name, (mean, deviation) in mean_and_deviation(self).items()
        )
        heads = "".join(f"<th>{one}</th>" for one in ("metric", "mean", "standard deviation"))
        return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def evaluate(
    fused: FusedImage | NDArray[Any] | Path | str,
    ct: NDArray[Any] | Path | str | None = None,
    mr: NDArray[Any] | Path | str | None = None,
    *,
    profile: str = DEFAULT_PROFILE,
    metrics: Sequence[str] = (),
    volume: VolumeOptions = FROM_RECORD,
    report: Report = None,
) -> Evaluation:
    """Evaluate fused images with their sources, by the metrics of a named profile.

    Parameters
    ----------
    fused
        A `Result` of a CT with an MR, which has its sources; a 2-D array (rows, columns) of uint8,
        or of real numbers in [0, 1]; or the path of a 2-D image, a folder of them, or a volume.
    ct, mr
        Arrays or paths of the same kind. Files of folders are matched by name, whatever the suffix.
    profile
        The conventions of the metrics, see docs/metrics.md.
    metrics
        Only these columns of the profile, or further metrics of docs/metrics.md.
    volume
        How a fused volume without a record was made, and which slices are measured.
    report
        As of `radfuse.fuse`.

    Returns
    -------
    A list of `ImageValues`: of a volume one for each slice and one for the whole.

    Raises
    ------
    InputError
        For input that cannot be evaluated.

    Examples
    --------
    >>> import radfuse
    >>> head = radfuse.datasets.phantom(spacing_mm=6.0)
    >>> result = radfuse.fuse(head.ct, head.mr, recipe=radfuse.Recipe(accept_registration=True))
    >>> found = radfuse.evaluate(result, metrics=["MI"], volume=radfuse.VolumeOptions(every=5))
    >>> found[0].name, sorted(found.means)
    ('slice 0', ['MI'])
    """
    with reporting(report) as progress:
        if isinstance(fused, Path | str) and ct is not None and mr is not None:
            if isinstance(ct, Path | str) and isinstance(mr, Path | str):
                return Evaluation(_of_files(fused, ct, mr, profile, metrics, volume, progress))
        elif isinstance(fused, Result) and ct is None and mr is None:
            progress("measuring", None)
            values = evaluate_result(fused, volume.every, profile, metrics)
            return Evaluation(_rows(values) if isinstance(values, VolumeValues)
                              else [ImageValues(IN_MEMORY.name, values)])  # fmt: skip
        elif isinstance(fused, np.ndarray):
            levels = [_levels(image) for image in (fused, ct, mr)]
            return Evaluation(
                [ImageValues(IN_MEMORY.name, measure(profile, *levels, metrics=metrics))]
            )
    if isinstance(fused, FusedImage) and not isinstance(fused, Result):
        raise InputError("a result in colour; results of a CT with an MR are evaluated")
    raise InputError("give a result alone; or three arrays; or the paths of fused image, CT and MR")


def _levels(image: object) -> UInt8Array:
    """The grey levels of an array, 8 bits; `InputError` for another thing."""
    if isinstance(image, np.ndarray) and image.dtype == np.uint8:
        return image
    if isinstance(image, np.ndarray) and image.dtype.kind == "f":
        if not (image.size and image.min() >= 0 and image.max() <= 1):
            raise InputError(
                "an array of real numbers outside [0, 1]; scale all three by one range"
            )
        return np.asarray(grey_levels(image), np.uint8)
    kind = image.dtype if isinstance(image, np.ndarray) else type(image).__name__
    raise InputError(f"an image of type {kind}; give three arrays of uint8, or of [0, 1]")


def _of_files(
    fused: Path | str,
    ct: Path | str,
    mr: Path | str,
    profile: str,
    metrics: Sequence[str],
    volume: VolumeOptions,
    report: ProgressCallback,
) -> list[ImageValues]:
    fused, ct, mr = Path(fused), Path(ct), Path(mr)
    for path in (fused, ct, mr):
        if not (path.is_file() or path.is_dir()):
            raise InputError(f"{path}: no such file or folder")
    if not _has_images(fused):
        return _volume_values(fused, ct, mr, profile, metrics, volume, report)
    evaluated: list[ImageValues] = []
    trios = list(_trios(fused, ct, mr))

    def values_of(trio: tuple[str, tuple[Path, Path, Path]]) -> ImageValues:
        name, paths = trio
        images = [read_grey(path) for path in paths]
        _check_sizes(paths, [image.shape for image in images])
        return ImageValues(name, measure(profile, *images, metrics=metrics))

    report("measuring", 0.0)
    for values in in_order(values_of, trios):
        evaluated.append(values)
        report("measuring", len(evaluated) / len(trios))
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
    return _rows(evaluate_volume(fused, ct, mr, options, profile, metrics, report))


def _rows(values: VolumeValues) -> list[ImageValues]:
    """Values of the slices, then those of the whole volume."""
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
