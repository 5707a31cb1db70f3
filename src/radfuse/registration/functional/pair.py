"""An anatomical and a functional image, prepared for mutual information."""

from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk

from radfuse.arrays import Float64Array, positions_mm
from radfuse.errors import InputError
from radfuse.intensity import WINDOWS, shrunk
from radfuse.modality import CT, NM, PT
from radfuse.registration.functional.brain import GRID_MM, brain_mask
from radfuse.registration.optimizer import DEFAULT_SEED, MutualInformationOptimizer, ResolutionLevel
from radfuse.registration.preprocessing import coarse_head_mask, dilated
from radfuse.series import Series

FWHM_MM = {PT.code: 5.0, NM.code: 9.0}
"""Full width at half maximum of the blur of each modality; the anatomical image gets it, too."""

FWHM_PER_SD = float(np.sqrt(8 * np.log(2)))
"""Full width at half maximum of a Gaussian of standard deviation 1."""

MARGIN_MM = 16.0
"""Of the surroundings of brain and uptake that are compared, too: their outlines have weight."""

MIN_VOXELS = 4
"""Along each axis: ITK's recursive Gaussian needs as many."""

MAX_POINTS = 600
"""Number of points of the brain at which displacements are measured."""


@dataclass(frozen=True)
class FunctionalPair:
    """Both images, with what shows the brain in each."""

    anatomical: sitk.Image
    """The brain of the MR or CT, blurred as the functional image is; background around it."""
    functional: sitk.Image
    brain: sitk.Image
    """Mask (uint8) of the brain in the anatomical image; of the head where no brain was found."""
    uptake: sitk.Image
    """Mask (uint8) of what has uptake in the functional image."""
    has_brain: bool
    """Whether the brain was found."""

    @classmethod
    def of(cls, anatomical: Series, functional: Series) -> "FunctionalPair":
        """Prepare two series.

        Raises `InputError` where one is no volume, is constant, shows no head or is too thin.
        """
        uptake = coarse_head_mask(functional)
        for series in (anatomical, functional):
            _check_size(series)
        found = brain_mask(anatomical)
        image = shrunk(anatomical.image, GRID_MM)
        background = 0.0
        if anatomical.modality is CT:
            window = WINDOWS["brain"]
            image = sitk.Clamp(image, sitk.sitkFloat32, window.lowest, window.lowest + window.width)
            background = window.lowest
        if found is not None:
            image = sitk.Mask(image, found, background)
        fwhm = FWHM_MM[functional.modality.code]
        blurred = sitk.SmoothingRecursiveGaussian(image, fwhm / FWHM_PER_SD)
        brain = coarse_head_mask(anatomical) if found is None else found
        return cls(blurred, functional.image, brain, uptake, found is not None)

    def optimizer(
        self, level: ResolutionLevel, max_samples: float = np.inf
    ) -> MutualInformationOptimizer:
        """Samples the functional image: its poses map functional points to anatomical ones."""
        images = shrunk(self.anatomical, level.ct_mm), shrunk(self.functional, level.mr_mm)
        return _optimizer(*images, self.uptake, level, max_samples)

    def swapped(
        self, level: ResolutionLevel, max_samples: float = np.inf
    ) -> MutualInformationOptimizer:
        """Samples the anatomical image: its poses map anatomical points to functional ones."""
        images = shrunk(self.functional, level.ct_mm), shrunk(self.anatomical, level.mr_mm)
        return _optimizer(*images, _coarse_mask(self.brain), level, max_samples)

    def brain_points_mm(self) -> Float64Array:
        """Points (n, 3) of the brain, LPS mm of the anatomical image."""
        points = positions_mm(self.brain, np.argwhere(sitk.GetArrayViewFromImage(self.brain)))
        return np.asarray(points[:: -(-len(points) // MAX_POINTS)])


def _optimizer(
    other: sitk.Image,
    sampled: sitk.Image,
    mask: sitk.Image,
    level: ResolutionLevel,
    max_samples: float,
) -> MutualInformationOptimizer:
    """Samples an image within a mask and its surroundings, at most so many voxels."""
    around = dilated(mask, MARGIN_MM)
    voxel_ratio = float(np.prod(around.GetSpacing()) / np.prod(sampled.GetSpacing()))
    voxels = np.count_nonzero(sitk.GetArrayViewFromImage(around)) * voxel_ratio
    fraction = min(level.sampling_fraction, max_samples / voxels)
    level = replace(level, sampling_fraction=fraction)
    return MutualInformationOptimizer(other, sampled, around, level, DEFAULT_SEED)


def _check_size(series: Series) -> None:
    """Raise `InputError` for a slab that cannot be blurred."""
    size = shrunk(series.image, GRID_MM).GetSize()
    if min(size) < MIN_VOXELS:
        raise InputError(
            f"{series.modality} {series.source}: {' x '.join(map(str, size))} voxels; registration "
            f"needs a volume of the head with at least {MIN_VOXELS} along each axis"
        )


def _coarse_mask(mask: sitk.Image) -> sitk.Image:
    """A mask (uint8) on a grid of twice its spacing."""
    factors = [min(2, size) for size in mask.GetSize()]
    halved = sitk.BinShrink(sitk.Cast(mask, sitk.sitkFloat32), factors)
    return sitk.Cast(halved > 0.5, sitk.sitkUInt8)
