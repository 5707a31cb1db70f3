"""Fusion in colour of an aligned PET or SPECT volume on the grid of an MR or CT."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from radfuse.arrays import BoolArray, Float32Array
from radfuse.colour.maps import COLOUR_MAPS, ColourMap
from radfuse.colour.spaces import SPACES, ColourSpace
from radfuse.errors import InputError
from radfuse.intensity import both_windows, grey_levels, head_mask, head_range
from radfuse.methods.loading import Method
from radfuse.methods.uptake import fuse_luminance
from radfuse.modality import CT
from radfuse.parallel import in_order
from radfuse.pipeline.volume import SLICES_AT_ONCE, Region, common_box
from radfuse.recipe import Recipe
from radfuse.series import Series


@dataclass(frozen=True)
class ColourScale:
    """How the values of both images become grey levels and colours."""

    anatomical: Series
    grey_range: tuple[float, float]
    """MR values that become black and white; of a CT both windows are shown."""

    uptake_range: tuple[float, float]
    """Values that get the first and the last colour: 0, and the highest value in the head."""

    colour_map: ColourMap
    space: ColourSpace

    def grey(self, grid: sitk.Image) -> Float32Array:
        """Slices of the anatomical image in [0, 1]."""
        values = sitk.GetArrayViewFromImage(grid)
        if self.anatomical.modality is CT:
            return both_windows(values)
        return _scaled(values, self.grey_range)

    def uptake(
        self, functional: sitk.Image, grid: sitk.Image, functional_from_anatomical: sitk.Transform
    ) -> tuple[Float32Array, NDArray[np.bool_]]:
        """The uptake in [0, 1] on the grid of some slices, and the mask of its field of view."""
        resampled = sitk.Resample(
            functional, grid, functional_from_anatomical, sitk.sitkLinear, np.nan, sitk.sitkFloat32
        )
        values = sitk.GetArrayFromImage(resampled)
        in_fov = ~np.isnan(values)
        return _scaled(np.where(in_fov, values, 0), self.uptake_range), in_fov


def _scaled(values: Float32Array, limits: tuple[float, float]) -> Float32Array:
    low, high = limits
    scaled = np.clip((values - np.float32(low)) / np.float32(high - low), 0, 1)
    return np.asarray(scaled, np.float32)


def colour_scale(
    anatomical: Series,
    functional: Series,
    functional_from_anatomical: sitk.Transform,
    recipe: Recipe,
) -> ColourScale:
    """The scale of two aligned volumes; `InputError` where there is no uptake in the head."""
    head = head_mask(anatomical.image, anatomical.modality)
    in_functional = sitk.Resample(
        head, functional.image, functional_from_anatomical.GetInverse(),
        sitk.sitkNearestNeighbor, 0,
    )  # fmt: skip
    inside = sitk.GetArrayFromImage(functional.image)[sitk.GetArrayViewFromImage(in_functional) > 0]
    highest = float(inside.max()) if inside.size else 0.0
    if not highest > 0:
        raise InputError(
            f"no value of the {functional.modality} above 0 in the head of the "
            f"{anatomical.modality}; check that both show the same region"
        )
    is_ct = anatomical.modality is CT
    levels = (0.0, 1.0) if is_ct else head_range(anatomical.image, anatomical.modality)
    return ColourScale(
        anatomical, levels, (0.0, highest), COLOUR_MAPS[recipe.colour_map],
        SPACES[recipe.colour_space],
    )  # fmt: skip


def fuse_in_colour(
    functional: Series,
    functional_from_anatomical: sitk.Transform,
    scale: ColourScale,
    method: Method,
    report: Callable[[int, int], None] = lambda _done, _count: None,
) -> tuple[sitk.Image, Region]:
    """Fuse inside the head, some slices at a time; elsewhere the anatomical image alone, in grey.

    Returns
    -------
    RGB, three components of uint8, on the whole grid of the anatomical image, and where it is
    fused.

    Raises
    ------
    InputError
        The two have no part of the head in common.
    """
    anatomical = scale.anatomical.image
    box = common_box(scale.anatomical, functional, functional_from_anatomical)
    slices, rows, columns = box
    stored = np.empty((*anatomical.GetSize()[::-1], 3), np.uint8)
    for index in range(len(stored)):
        stored[index] = grey_levels(scale.grey(anatomical[:, :, index : index + 1])[0])[..., None]
    in_fov = np.empty([part.stop - part.start for part in box], np.bool_)

    def read(first: int) -> _Slices:
        part = slice(first, min(first + SLICES_AT_ONCE, slices.stop))
        grid = anatomical[columns, rows, part]
        uptake, inside = scale.uptake(functional.image, grid, functional_from_anatomical)
        in_fov[part.start - slices.start : part.stop - slices.start] = inside
        colours = scale.colour_map.colours(uptake)
        return _Slices(
            part, scale.grey(grid), uptake, inside, colours, scale.space.luminance(colours)
        )

    def write(one: _Slices) -> int:
        colours = grey_levels(scale.space.with_luminance(one.colours, one.luminance))
        np.copyto(stored[one.part, rows, columns], colours, where=one.in_fov[..., None])
        return int(one.part.stop - slices.start)

    read_slices = in_order(read, range(slices.start, slices.stop, SLICES_AT_ONCE))
    for done in in_order(write, (one.fused(method) for one in read_slices)):
        report(done, len(in_fov))
    image = sitk.GetImageFromArray(stored, isVector=True)
    image.CopyInformation(anatomical)
    return image, Region(box, in_fov, scale.uptake_range)


@dataclass(frozen=True)
class _Slices:
    """Some slices (N, H, W) of both images, in [0, 1]."""

    part: slice
    """Indices along the third axis."""
    grey: Float32Array
    uptake: Float32Array
    in_fov: BoolArray
    colours: Float32Array
    """RGB of the uptake, (N, H, W, 3)."""
    luminance: Float32Array
    """Of the colours; once fused, of the fused image."""

    def fused(self, method: Method) -> "_Slices":
        """With the fused luminance; not to be called in two threads, as not every method may."""
        fused = fuse_luminance(method, self.luminance, self.grey, self.uptake)
        return replace(self, luminance=fused)
