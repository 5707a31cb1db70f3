"""Delineation experiment: region growing of phantoms' tumours on CT, MR and fused images.

From the same seed points the same algorithm grows a region on the CT alone, on the MR alone and on
every fused image of phantoms; each is compared with the true tumour.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, distance_transform_edt

from radfuse.arrays import BoolArray, Float32Array
from radfuse.benchmark.results import ProfileMetric
from radfuse.intensity import Window, head_range
from radfuse.methods.head import ArrayHead
from radfuse.methods.loading import Method
from radfuse.metrics.segmentation_agreement import MM3_OF_CM3, Agreement, compare_masks
from radfuse.phantom.head import Label, Phantom, Tumour, make_phantom
from radfuse.pipeline.volume import fuse_head, scale_slice, whole
from radfuse.structures.growing import MAX_DISTANCE_MM, grow_region

SeedPoint = tuple[int, int, int]
"""Voxel indices: slice, row, column."""

PROFILE = "delineation"
"""Profile of the rows."""

TUMOURS: Mapping[str, Tumour] = {
    "typical": Tumour(is_solid=True),
    "small": Tumour(is_solid=True, radius_mm=7.0),
    "faint": Tumour(is_solid=True, contrast=0.4),
    "at-bone": Tumour(is_solid=True, is_at_bone=True),
    "calcified": Tumour(is_solid=True, contrast=0.4, hu=120.0),
}
"""Solid, enhancing tumours in oedema, of 9 to 16 mm radius except the small ones, of full contrast
except the faint and the calcified ones, inside the brain except those at the skull."""

CT_ALONE, MR_ALONE = "CT alone", "MR alone"
"""Names of the sources without fusion."""

SEED_POINTS = 3
"""Per tumour."""

JITTER_MM = 1.5
"""Standard deviation along each axis of the distance of a seed point from the tumour's centre."""

SEED_POINT_STREAM = 11
"""Stream of random numbers of seed points, independent of those of the phantom."""

SPACING_MM = 1.5
"""Pixel spacing of the phantoms' CT."""

TOLERANCE_MM = 2.0
"""Tolerance of the surface Dice, about a voxel."""

SOURCE = "surfaces as defined in radfuse.metrics.segmentation_agreement"
"""Source of every metric."""

METRICS = (
    ProfileMetric(PROFILE, "Dice", True, "", "overlap with the true tumour", SOURCE),
    ProfileMetric(PROFILE, "surface Dice", True, "",
            f"share of both surfaces within {TOLERANCE_MM:g} mm of the other", SOURCE),
    ProfileMetric(PROFILE, "HD95", False, "mm", "95 % Hausdorff distance", SOURCE),
    ProfileMetric(PROFILE, "MSD", False, "mm", "mean surface distance", SOURCE),
    ProfileMetric(PROFILE, "volume error", False, "%",
            "absolute difference of volumes over the true volume", SOURCE),
    ProfileMetric(PROFILE, "added path", False, "%",
            "contour to be redrawn, over the true contour (Vaassen et al. 2020)", SOURCE),
)  # fmt: skip
"""Columns of the tables."""

TUMOUR_COLUMNS = (
    "case", "kind", "volume_cm3", "ct_contrast_hu", "mr_contrast", "nearest_bone_mm",
    "at_bone_percent",
)  # fmt: skip
"""Properties of a tumour; contrasts are differences of means to the oedema around it."""

AT_BONE_MM = 3.0
"""Voxels of the border within this distance of the skull are at the bone."""


@dataclass(frozen=True)
class TumourImages:
    """Source images and ground truth: whole slices of the CT's grid, (D, H, W).

    All phantoms of one spacing have slices of the same size, so that a graph is compiled once.
    """

    hu: Float32Array
    ct: Float32Array
    """In the CT window, [0, 1]."""

    mr: Float32Array
    """In [0, 1], aligned by the true transform: without registration error."""

    fov_mask: BoolArray
    """True inside the MR field of view."""

    labels: NDArray[np.uint8]
    """Label map of the phantom."""

    spacing_mm: tuple[float, float, float]
    window: Window

    @property
    def truth(self) -> BoolArray:
        """Mask of the tumour."""
        return np.asarray(self.labels == int(Label.TUMOUR))


ImageFunction = Callable[[TumourImages], Float32Array]
"""Makes the image for region growing from the sources."""


def make_tumour_images(seed: int, kind: str, *, spacing_mm: float, window: Window) -> TumourImages:
    """The slices of a synthetic phantom that a region can reach, aligned by the true transform.

    Raises `InputError` for a spacing out of the range of phantoms.
    """
    phantom = make_phantom(seed, spacing_mm=spacing_mm, tumour=TUMOURS[kind])
    labels = sitk.GetArrayFromImage(phantom.labels)
    x, y, z = phantom.labels.GetSpacing()
    heights = np.flatnonzero((labels == int(Label.TUMOUR)).any(axis=(1, 2)))
    more = int(MAX_DISTANCE_MM / z) + 1
    part = range(max(heights[0] - more, 0), min(heights[-1] + more + 1, len(labels)))
    ct, mr, fov_mask = _scaled(phantom, part, window)
    hu = sitk.GetArrayFromImage(phantom.ct.image)[part.start : part.stop]
    return TumourImages(hu, ct, mr, fov_mask, labels[part.start : part.stop], (z, y, x), window)


def _scaled(
    phantom: Phantom, part: range, window: Window
) -> tuple[Float32Array, Float32Array, BoolArray]:
    """Slices of CT and MR in [0, 1], and the mask of the MR field of view."""
    ct, mr = phantom.ct.image, phantom.mr.image
    levels = head_range(mr, phantom.mr.modality)
    slices = [scale_slice(ct, mr, phantom.mr_from_ct, window, levels, index) for index in part]
    of_ct, of_mr, fov_mask = map(np.stack, zip(*slices, strict=True))
    return of_ct, of_mr, fov_mask


def tumour_properties(images: TumourImages) -> tuple[float, ...]:
    """The properties of the true tumour, in the order of `TUMOUR_COLUMNS`."""
    truth, oedema = images.truth, images.labels == int(Label.OEDEMA)
    to_bone = distance_transform_edt(images.labels != int(Label.SKULL), images.spacing_mm)
    border = truth & ~binary_erosion(truth)
    return (
        float(truth.sum() * np.prod(images.spacing_mm) / MM3_OF_CM3),
        float(images.hu[truth].mean() - images.hu[oedema].mean()),
        float(images.mr[truth].mean() - images.mr[oedema].mean()),
        float(to_bone[truth].min()),
        float(100 * (to_bone[border] <= AT_BONE_MM).mean()),
    )


def image_functions(methods: Mapping[str, Method]) -> dict[str, ImageFunction]:
    """By name: the CT in HU, the MR, and every method's fused image."""
    sources: dict[str, ImageFunction] = {
        CT_ALONE: lambda images: images.hu,
        MR_ALONE: lambda images: images.mr,
    }
    return sources | {name: partial(_fused, method) for name, method in methods.items()}


def _fused(method: Method, images: TumourImages) -> Float32Array:
    """Fused, the CT alone outside the MR field of view."""
    head = ArrayHead(images.hu, images.mr, images.spacing_mm)
    fused = whole(fuse_head(method, head, images.window))
    return np.asarray(np.where(images.fov_mask, fused, images.ct), np.float32)


def seed_points_of(seed: int, images: TumourImages) -> list[SeedPoint]:
    """Random voxels of the tumour near its centre."""
    rng = np.random.default_rng([seed, SEED_POINT_STREAM])
    voxels = np.argwhere(images.truth)
    return [_seed_point(voxels, images.spacing_mm, rng) for _ in range(SEED_POINTS)]


def _seed_point(
    voxels: NDArray[np.int64], spacing_mm: tuple[float, float, float], rng: np.random.Generator
) -> SeedPoint:
    target_mm = voxels.mean(axis=0) * spacing_mm + rng.normal(0.0, JITTER_MM, 3)
    nearest = ((voxels * spacing_mm - target_mm) ** 2).sum(axis=1).argmin()
    z, y, x = map(int, voxels[nearest])
    return z, y, x


def measure_regions(
    image: Float32Array, images: TumourImages, seed_points: list[SeedPoint]
) -> Iterator[dict[str, float]]:
    """Agreement with the truth of the region grown from each seed point, by names of `METRICS`."""
    for seed_point in seed_points:
        region = grow_region(image, seed_point, images.spacing_mm)
        yield _values(
            compare_masks(region, images.truth, images.spacing_mm, tolerance_mm=TOLERANCE_MM)
        )


def _values(agreement: Agreement) -> dict[str, float]:
    """By the names of `METRICS`."""
    error = abs(agreement.volume_difference_cm3) / agreement.reference_volume_cm3
    values = (
        agreement.dice,
        agreement.surface_dice,
        agreement.hausdorff_95_mm,
        agreement.mean_distance_mm,
        100 * error,
        100 * agreement.added_path_mm / agreement.reference_path_mm,
    )
    return {metric.name: value for metric, value in zip(METRICS, values, strict=True)}
