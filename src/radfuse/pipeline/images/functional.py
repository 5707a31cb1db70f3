"""Fusion in colour: a PET or SPECT slice with the MR or CT slice of the same size."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from radfuse.arrays import Float32Array
from radfuse.colour.bar import find_colour_bar, without_colour_bar
from radfuse.colour.maps import COLOUR_MAPS, recognised_map
from radfuse.colour.spaces import SPACES
from radfuse.errors import InputError
from radfuse.intensity import FULL_SCALE
from radfuse.io.images import write_image
from radfuse.io.staging import refuse_existing, refuse_overlap, staging
from radfuse.methods.uptake import fuse_luminance
from radfuse.pipeline.display.fused_image import FusedImage
from radfuse.pipeline.functional.result import NOT_MEASURED
from radfuse.pipeline.fuse import (
    StageTimer,
    method_facts,
    method_for_images,
    recorded_input,
    recorded_recipe,
    refuse_options_of_volumes,
)
from radfuse.pipeline.read import check_pair
from radfuse.progress import ProgressCallback, no_progress
from radfuse.recipe import Recipe
from radfuse.record import Output, Record, digest, library_versions, now, platform_name
from radfuse.series import Series

UNKNOWN_COLOURS = "no known colour map: luminance is taken for uptake, which may differ"
"""What a record says of an image in other colours."""

BITS = 8
"""Of each channel."""


@dataclass(frozen=True, repr=False)
class ColourResult(FusedImage):
    """A fused 2-D image in colour, with its sources and record.

    Examples
    --------
    >>> import numpy as np
    >>> import radfuse
    >>> levels = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    >>> mr, pet = (radfuse.series_of(levels, code, value_range=(0, 255)) for code in ("MR", "PT"))
    >>> radfuse.fuse(mr, pet)
    <ColourResult: MR and PT fused by uptake_over_mr, 64 x 64>
    """

    image: Float32Array
    """RGB (H, W, 3) in [0, 1]."""

    anatomical: Series
    """The MR or CT, in [0, 1]."""

    functional: Series
    """The PET or SPECT, in [0, 1], in grey or RGB."""

    record: Record
    """What was done: inputs, recipe, versions, warnings."""

    written: Path | None = None
    """The file of the fused image; None where nothing was written."""

    @property
    def fused(self) -> Float32Array:
        """A copy of the fused image, RGB in [0, 1]: (rows, columns, 3)."""
        return self.image.copy()

    @property
    def findings(self) -> str:
        """That what a fusion in colour keeps of findings was not measured."""
        return NOT_MEASURED

    def save(self, output: Path | str, *, overwrite: bool = False) -> "ColourResult":
        """Write a PNG file and its record, and return the result with its path.

        Raises `InputError` for another suffix, `OutputError` where the file exists, unless
        `overwrite`, or cannot be written; nothing is changed then.
        """
        files = [path for one in (self.anatomical, self.functional) for path in one.files]
        target = _checked_target(output, files, overwrite=overwrite)
        return _written(self, target) if target else self

    @property
    def _volume(self) -> None:
        return None

    @property
    def _assessment(self) -> None:
        return None

    @property
    def _centre(self) -> tuple[int, ...]:
        return ()


def fuse_functional(
    anatomical: Series,
    functional: Series,
    output: Path | str | None = None,
    *,
    recipe: Recipe,
    overwrite: bool = False,
    report: ProgressCallback = no_progress,
) -> ColourResult:
    """Fuse the luminance of a PET or SPECT slice with an MR or CT slice; its colour is kept.

    Parameters
    ----------
    anatomical, functional
        2-D images: a grey one, and one in grey or in the colours of a colour map.
    output
        A `.png` file; its record is beside it. Nothing is written without it.
    recipe
        The method, which is called with luminance and anatomical image; the colour space, and the
        colour map of a functional image in grey.

    Raises
    ------
    InputError
        For images that cannot be fused, and unknown methods, colour spaces and colour maps.
    OutputError
        Where the result cannot be written; nothing is changed.
    """
    timer = StageTimer(report)
    refuse_options_of_volumes(recipe)
    if recipe.bits != BITS:
        raise InputError(f"a fused image in colour has {BITS} bits a channel; leave out --bits")
    method = method_for_images(recipe)
    check_pair(anatomical, functional)
    files = [path for one in (anatomical, functional) for path in one.files]
    target = _checked_target(output, files, overwrite=overwrite)
    with timer.stage("fusing"):
        grey = sitk.GetArrayFromImage(anatomical.image)
        levels, warnings = _levels(functional)
        rgb, colour_map = _in_colour(levels, recipe.colour_map)
        if colour_map is None:
            warnings = (*warnings, f"the {functional.modality} is in {UNKNOWN_COLOURS}")
        space = SPACES[recipe.colour_space]
        luminance = space.luminance(rgb)
        uptake = COLOUR_MAPS[colour_map].values(rgb) if colour_map else luminance
        fused = fuse_luminance(method, luminance[None], grey[None], uptake[None])[0]
        fused_rgb = space.with_luminance(rgb, fused)
    record = Record(
        created=now(),
        recipe=recorded_recipe(recipe),
        inputs=tuple(
            recorded_input(one, shown=recipe.show_identifiers) for one in (anatomical, functional)
        ),
        method=method_facts(recipe, method),
        scaling={
            "Colour space": f"{recipe.colour_space}: {space.summary}",
            f"Colours of the {functional.modality}": _described(colour_map),
            "Fused 1.0 is stored as": FULL_SCALE[BITS],
        },
        registration=None,
        seconds=timer.seconds,
        warnings=warnings,
        versions=library_versions(),
        platform=platform_name(),
    )
    result = ColourResult(fused_rgb, anatomical, functional, record)
    return _written(result, target) if target else result


def _checked_target(path: Path | str | None, inputs: list[Path], *, overwrite: bool) -> Path | None:
    if path is None:
        return None
    output = Path(path)
    if output.suffix.lower() != ".png" or output.is_dir():
        raise InputError(f"{output}: a fused image in colour is written to a .png file")
    refuse_overlap([output, output.with_suffix(".json")], inputs)
    refuse_existing([output, output.with_suffix(".json")], overwrite=overwrite)
    return output


def _levels(functional: Series) -> tuple[Float32Array, tuple[str, ...]]:
    """A functional image, (H, W) or (H, W, 3), without its colour bars, and a warning of each."""
    levels = sitk.GetArrayFromImage(functional.image)
    rgb = np.repeat(levels[..., None], 3, axis=-1) if levels.ndim == 2 else levels
    warnings: list[str] = []
    while bar := find_colour_bar(rgb):
        try:
            rgb = without_colour_bar(rgb, bar)
        except InputError as error:
            raise InputError(f"{functional.source}: {error}") from error
        warnings.append(
            f"the {functional.modality} has a colour bar ({bar}), which is taken as background"
        )
    return rgb[..., 0] if levels.ndim == 2 else rgb, tuple(warnings)


def _in_colour(levels: Float32Array, colour_map: str) -> tuple[Float32Array, str | None]:
    """RGB (H, W, 3) of a functional image, and the colour map in which it is printed, if known."""
    if levels.ndim == 2:
        return COLOUR_MAPS[colour_map].colours(levels), colour_map
    return levels, recognised_map(levels)


def _described(colour_map: str | None) -> str:
    """Name and colours of a map."""
    return f"{colour_map}: {COLOUR_MAPS[colour_map].summary}" if colour_map else UNKNOWN_COLOURS


def _written(result: ColourResult, target: Path) -> ColourResult:
    with staging(target.parent) as stage:
        image, record_file = stage.path_of(target), stage.path_of(target.with_suffix(".json"))
        write_image(image, result.image)
        output = Output(role="fused", path=target.name, sha256=digest([image]))
        record = result.record.model_copy(update={"outputs": (output,)})
        record_file.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return dataclasses.replace(result, record=record, written=target)
