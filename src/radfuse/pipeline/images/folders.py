"""Folders of 2-D images: pairs of one name are fused, and what is done is not done again."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from radfuse.errors import InputError, OutputError
from radfuse.io.archives import DICOM_MAGIC, DICOM_MAGIC_OFFSET
from radfuse.io.images import IMAGE_SUFFIXES, is_own_image
from radfuse.io.lock import locked_output
from radfuse.io.staging import refuse_overlap, remove_staging
from radfuse.pipeline.fuse import recorded_recipe
from radfuse.pipeline.outputs import VOLUME_SUFFIXES
from radfuse.progress import ProgressCallback
from radfuse.recipe import Recipe
from radfuse.record import digest, read_record

NAMED = 3
"""Names in a message; the others are counted."""

FuseOne = Callable[[Path, Path, Path], None]
"""Called with the first and the second image of a pair, and the file to write."""


@dataclass(frozen=True)
class FolderPairs:
    """The images of two folders, by name without suffix."""

    pairs: dict[str, tuple[Path, Path]]
    unmatched: tuple[Path, ...]


@dataclass(frozen=True)
class FolderOutcome:
    """What was done in a folder of pairs."""

    fused: tuple[str, ...]
    finished_before: tuple[str, ...]
    unmatched: tuple[str, ...]
    failures: dict[str, str]
    """Reasons by name."""


def is_image_folder(path: Path) -> bool:
    """Whether a folder has 2-D images at its top, and neither DICOM nor volumes in it.

    A DICOM folder may have an image for its preview.
    """
    return path.is_dir() and bool(_images(path)) and not any(map(_is_of_a_volume, path.rglob("*")))


def matched(first: Path, second: Path) -> FolderPairs:
    """Match the images of two folders; `InputError` for two of one name, and without a pair."""
    one, other = _by_name(first), _by_name(second)
    pairs = {name: (one[name], other[name]) for name in one if name in other}
    if not pairs:
        raise InputError(
            f"{first} and {second} have no images of one name; rename the images of a pair alike"
        )
    alone = [path for images in (one, other) for name, path in images.items() if name not in pairs]
    return FolderPairs(pairs, tuple(alone))


def fuse_folders(
    folders: tuple[Path, Path],
    output: Path,
    fuse_one: FuseOne,
    recipe: Recipe,
    *,
    skip_unmatched: bool,
    report: ProgressCallback,
) -> FolderOutcome:
    """Fuse every pair into `output/NAME.png`; the same call resumes after an interruption.

    What a killed run left unfinished is fused again, and its staging folders are removed. A pair
    that cannot be fused does not affect the others. Raises `InputError` for images without
    a partner, unless they are to be skipped, and `OutputError` for an output that is a file, in
    an input folder, or in use by another run.
    """
    found = matched(*folders)
    if found.unmatched and not skip_unmatched:
        raise InputError(
            f"images without a partner: {len(found.unmatched)} ({_named(found.unmatched)}); add "
            "theirs, or pass --skip-unmatched"
        )
    if output.is_file() or output.suffix.lower() in IMAGE_SUFFIXES:
        raise OutputError(f"{output}: two folders are fused into a folder")
    refuse_overlap([output], folders)
    fused, finished, failures = [], [], {}
    with locked_output(output):
        remove_staging(output)
        for index, (name, pair) in enumerate(found.pairs.items()):
            report("fusing", index / len(found.pairs))
            target = output / f"{name}.png"
            if _is_finished(target, pair, recipe):
                finished.append(name)
                continue
            try:
                _remove_unfinished(target)
                fuse_one(*pair, target)
                fused.append(name)
            except (InputError, OutputError) as error:
                failures[name] = str(error)
    unmatched = tuple(path.name for path in found.unmatched)
    return FolderOutcome(tuple(fused), tuple(finished), unmatched, failures)


def _remove_unfinished(target: Path) -> None:
    """Remove the image of a run that was killed before it wrote the record, the last of a pair."""
    if target.is_file() and not target.with_suffix(".json").exists() and is_own_image(target):
        target.with_name(f"{target.stem}_qa.html").unlink(missing_ok=True)
        target.unlink()


def _is_finished(target: Path, pair: tuple[Path, Path], recipe: Recipe) -> bool:
    """Whether the file is the result of these images, by this recipe."""
    record_file = target.with_suffix(".json")
    if not (target.is_file() and record_file.is_file()):
        return False
    try:
        record = read_record(record_file)
    except InputError:
        return False
    inputs = [digest([path]) for path in pair]
    written = {output.path: output.sha256 for output in record.outputs}
    return (
        [one.sha256 for one in record.inputs] == inputs
        and record.recipe == recorded_recipe(recipe)
        and written.get(target.name) == digest([target])
    )


def _is_of_a_volume(path: Path) -> bool:
    """Whether a file is DICOM, or a volume by its name."""
    if path.suffix.lower() in IMAGE_SUFFIXES or not path.is_file():
        return False
    if path.name.lower().endswith(VOLUME_SUFFIXES):
        return True
    with path.open("rb") as stream:
        stream.seek(DICOM_MAGIC_OFFSET)
        return stream.read(len(DICOM_MAGIC)) == DICOM_MAGIC


def _by_name(folder: Path) -> dict[str, Path]:
    names: dict[str, Path] = {}
    for path in _images(folder):
        if path.stem in names:
            raise InputError(f"{folder} has {names[path.stem].name} and {path.name}; keep one")
        names[path.stem] = path
    return names


def _images(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.suffix.lower() in IMAGE_SUFFIXES]


def _named(paths: tuple[Path, ...]) -> str:
    names = ", ".join(path.name for path in paths[:NAMED])
    return f"{names}, and {len(paths) - NAMED} more" if len(paths) > NAMED else names
