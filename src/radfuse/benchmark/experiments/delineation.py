"""Does fusion help to find a tumour's border? Regions grown on phantoms, against the truth.

From the same clicks the same rule grows a region on the CT alone, on the MR alone and on every
method's fused image; how each agrees with the true tumour is measured.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, distance_transform_edt

from radfuse.arrays import BoolArray, Float32Array
from radfuse.benchmark.results import Measure
from radfuse.intensity import Window, head_range
from radfuse.methods.catalogue import Method
from radfuse.metrics.segmentation_agreement import MM3_OF_CM3, Agreement, compare_masks
from radfuse.phantom.head import Label, Phantom, Tumour, make_phantom
from radfuse.pipeline.volume import scaled_slice
from radfuse.structures.growing import MAX_DISTANCE_MM, grow_region

Click = tuple[int, int, int]

PROFILE = "delineation"
"""Of the rows."""

TUMOURS: Mapping[str, Tumour] = {
    "typical": Tumour(is_solid=True),
    "small": Tumour(is_solid=True, radius_mm=7.0),
    "faint": Tumour(is_solid=True, contrast=0.4),
    "at-bone": Tumour(is_solid=True, is_at_bone=True),
}
"""What is drawn: solid, enhancing tumours in oedema, of 9 to 16 mm radius but for the small ones,
of full contrast but for the faint ones, in the brain but for those that lie flat at the skull."""

CT_ALONE, MR_ALONE = "CT alone", "MR alone"
"""Names of the sources among the contestants."""

CLICKS = 3
"""Of each tumour."""

JITTER_MM = 1.5
"""Standard deviation along each axis by which a click misses the tumour's centre."""

CLICK_STREAM = 11
"""Of the random numbers for clicks, so that they are not those of the phantom."""

SPACING_MM = 1.5
"""Pixel of the phantoms' CT."""

TOLERANCE_MM = 2.0
"""Of the surface Dice: about a voxel."""

SOURCE = "surfaces as radfuse.metrics.segmentation_agreement defines them"
"""Of every metric."""

MEASURES = (
    Measure(PROFILE, "Dice", True, "", "overlap with the true tumour", SOURCE),
    Measure(PROFILE, "surface Dice", True, "",
            f"share of both surfaces within {TOLERANCE_MM:g} mm of the other", SOURCE),
    Measure(PROFILE, "HD95", False, "mm", "95 % Hausdorff distance", SOURCE),
    Measure(PROFILE, "MSD", False, "mm", "mean surface distance", SOURCE),
    Measure(PROFILE, "volume error", False, "%",
            "absolute difference of volumes over the true volume", SOURCE),
    Measure(PROFILE, "added path", False, "%",
            "contour to draw anew, over the true contour (Vaassen et al. 2020)", SOURCE),
)  # fmt: skip
"""Columns of the tables."""


TRUTH_COLUMNS = (
    "case", "kind", "volume_cm3", "ct_contrast_hu", "mr_contrast", "nearest_bone_mm",
    "at_bone_percent",
)  # fmt: skip
"""What is known of a tumour; contrasts are with the oedema around it, of means."""

AT_BONE_MM = 3.0
"""Voxels of a tumour's border that are at the bone have a voxel of the skull within this."""


@dataclass(frozen=True)
class Sources:
    """What is fused, and the truth: whole slices of the CT's grid, (D, H, W).

    Every phantom of one spacing has slices of one size, so that a graph is compiled once.
    """

    hu: Float32Array
    ct: Float32Array
    """In its window, [0, 1]."""

    mr: Float32Array
    """In [0, 1], where the truth puts it: there is no error of registration."""

    seen: BoolArray
    """Where the MR looked."""

    labels: NDArray[np.uint8]
    """What is where."""

    spacing_mm: tuple[float, float, float]

    @property
    def truth(self) -> BoolArray:
        """The tumour."""
        return np.asarray(self.labels == int(Label.TUMOUR))


Image = Callable[[Sources], Float32Array]
"""Makes of the sources the image that is clicked on."""


def phantom_sources(seed: int, kind: str, *, spacing_mm: float, window: Window) -> Sources:
    """The slices of a made-up patient that a region can reach, aligned by the truth.

    Raises `InputError` for a spacing that no phantom has.
    """
    phantom = make_phantom(seed, spacing_mm=spacing_mm, tumour=TUMOURS[kind])
    labels = sitk.GetArrayFromImage(phantom.labels)
    x, y, z = phantom.labels.GetSpacing()
    heights = np.flatnonzero((labels == int(Label.TUMOUR)).any(axis=(1, 2)))
    more = int(MAX_DISTANCE_MM / z) + 1
    part = range(max(heights[0] - more, 0), min(heights[-1] + more + 1, len(labels)))
    ct, mr, seen = _scaled(phantom, part, window)
    hu = sitk.GetArrayFromImage(phantom.ct.image)[part.start : part.stop]
    return Sources(hu, ct, mr, seen, labels[part.start : part.stop], (z, y, x))


def _scaled(
    phantom: Phantom, part: range, window: Window
) -> tuple[Float32Array, Float32Array, BoolArray]:
    """Slices of CT and MR in [0, 1], and where the MR looked."""
    ct, mr = phantom.ct.image, phantom.mr.image
    levels = head_range(mr, phantom.mr.modality)
    slices = [scaled_slice(ct, mr, phantom.mr_from_ct, window, levels, index) for index in part]
    of_ct, of_mr, seen = map(np.stack, zip(*slices, strict=True))
    return of_ct, of_mr, seen


def truth_of(sources: Sources) -> tuple[float, ...]:
    """Size, contrasts and bone of the true tumour, in the order of `TRUTH_COLUMNS`."""
    truth, oedema = sources.truth, sources.labels == int(Label.OEDEMA)
    to_bone = distance_transform_edt(sources.labels != int(Label.SKULL), sources.spacing_mm)
    border = truth & ~binary_erosion(truth)
    return (
        float(truth.sum() * np.prod(sources.spacing_mm) / MM3_OF_CM3),
        float(sources.hu[truth].mean() - sources.hu[oedema].mean()),
        float(sources.mr[truth].mean() - sources.mr[oedema].mean()),
        float(to_bone[truth].min()),
        float(100 * (to_bone[border] <= AT_BONE_MM).mean()),
    )


def images(methods: Mapping[str, Method]) -> dict[str, Image]:
    """By name: the CT in HU, the MR, and every method's fused image."""
    sources: dict[str, Image] = {CT_ALONE: lambda it: it.hu, MR_ALONE: lambda it: it.mr}
    return sources | {name: partial(_fused, method) for name, method in methods.items()}


def _fused(method: Method, sources: Sources) -> Float32Array:
    """Fused slice by slice; the CT alone where the MR did not look."""
    pairs = zip(sources.ct, sources.mr, strict=True)
    fused = np.concatenate([method(ct[None], mr[None]) for ct, mr in pairs])
    return np.asarray(np.where(sources.seen, fused, sources.ct), np.float32)


def clicks_of(seed: int, sources: Sources) -> list[Click]:
    """The voxels of the tumour that are nearest to its centre, each time missed a little."""
    rng = np.random.default_rng([seed, CLICK_STREAM])
    places = np.argwhere(sources.truth)
    return [_click(places, sources.spacing_mm, rng) for _ in range(CLICKS)]


def _click(
    places: NDArray[np.int64], spacing_mm: tuple[float, float, float], rng: np.random.Generator
) -> Click:
    aim = places.mean(axis=0) * spacing_mm + rng.normal(0.0, JITTER_MM, 3)
    nearest = ((places * spacing_mm - aim) ** 2).sum(axis=1).argmin()
    z, y, x = map(int, places[nearest])
    return z, y, x


def measured(
    image: Float32Array, sources: Sources, clicks: list[Click]
) -> Iterator[dict[str, float]]:
    """How the region grown from each click agrees with the truth, by the names of `MEASURES`."""
    truth = sources.truth
    for click in clicks:
        found = grow_region(image, click, sources.spacing_mm)
        yield _values(compare_masks(found, truth, sources.spacing_mm, tolerance_mm=TOLERANCE_MM))


def _values(found: Agreement) -> dict[str, float]:
    """By the names of `MEASURES`."""
    error = abs(found.volume_difference_cm3) / found.reference_volume_cm3
    values = (
        found.dice,
        found.surface_dice,
        found.hausdorff_95_mm,
        found.mean_distance_mm,
        100 * error,
        100 * found.added_path_mm / found.reference_path_mm,
    )
    return {measure.name: value for measure, value in zip(MEASURES, values, strict=True)}
