"""Nonsubsampled contourlet and shearlet transforms: a pyramid, each level split by direction."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from radfuse.arrays import FloatArray
from radfuse.methods.transforms import fan_filters, nonsubsampled_pyramid
from radfuse.methods.transforms.nonsubsampled_pyramid import PyramidFilters, merge, split
from radfuse.methods.transforms.shear_filters import ShearFilters

REMEMBERED_RESPONSES = 8
"""Banks of one size (and type) that are kept: 17 MB for 16 bands, 512 x 512 pixels, float32."""

PIXELS_AT_ONCE = 2**17
"""Of the bands of a source that are fused together: they are in the cache of a processor core."""

Responses = NDArray[Any]
"""Of filters, or spectra: real or complex."""

BandRule = Callable[[int, FloatArray, FloatArray], FloatArray]
"""Fuses bands (some directions, N, H, W), each by itself, of a level; the coarsest level is 0."""

BaseRule = Callable[[FloatArray, FloatArray], FloatArray]
"""Fuses two bases (N, H, W)."""

DirectionalFilters = fan_filters.FanFilters | ShearFilters
"""Filters that split a detail image by direction, with periodic borders."""


@dataclass(frozen=True)
class Nonsubsampled:
    """A transform whose bands have the size of the image; it reconstructs images exactly.

    Images are (N, H, W), float32 or float64, of any size; bands have the same type.
    """

    pyramid: PyramidFilters
    filters: DirectionalFilters
    directions: tuple[int, ...]
    """Bands of each level, coarsest first."""

    def decompose(self, images: FloatArray) -> tuple[list[FloatArray], FloatArray]:
        """Bands (directions, N, H, W) of each level, coarsest first, and the base (N, H, W)."""
        details, base = split(images, self.pyramid, len(self.directions))
        return [self._split(level, detail) for level, detail in enumerate(details)], base

    def reconstruct(self, bands: list[FloatArray], base: FloatArray) -> FloatArray:
        """The images (N, H, W) of bands and a base by `decompose`."""
        return merge([self._merge(of_level) for of_level in bands], base, self.pyramid)

    def fuse(
        self, first: FloatArray, second: FloatArray, band_rule: BandRule, base_rule: BaseRule
    ) -> FloatArray:
        """Images fused in the transform, with a few bands in memory at a time."""
        count = len(self.directions)
        (details_1, base_1), (details_2, base_2) = (
            split(images, self.pyramid, count) for images in (first, second)
        )
        fused = [
            self._fused_detail(partial(band_rule, level), *details, self.directions[level])
            for level, details in enumerate(zip(details_1, details_2, strict=True))
        ]
        return merge(fused, base_rule(base_1, base_2), self.pyramid)

    def _fused_detail(
        self, rule: BaseRule, first: FloatArray, second: FloatArray, count: int
    ) -> FloatArray:
        shape = _plane(first)
        analysis, synthesis = _responses(self.filters, count, shape, first.dtype)
        spectra = fft.rfft2(first), fft.rfft2(second)
        total = np.zeros_like(spectra[0])
        step = max(1, PIXELS_AT_ONCE // first.size)
        for start in range(0, count, step):
            part = slice(start, start + step)
            bands = (_bands(spectrum, analysis[part], shape) for spectrum in spectra)
            total += _spectrum(rule(*bands), synthesis[part])
        return np.asarray(fft.irfft2(total, shape))

    def _split(self, level: int, detail: FloatArray) -> FloatArray:
        shape = _plane(detail)
        analysis = _responses(self.filters, self.directions[level], shape, detail.dtype)[0]
        return _bands(fft.rfft2(detail), analysis, shape)

    def _merge(self, bands: FloatArray) -> FloatArray:
        shape = _plane(bands)
        synthesis = _responses(self.filters, len(bands), shape, bands.dtype)[1]
        return np.asarray(fft.irfft2(_spectrum(bands, synthesis), shape))


def _plane(images: FloatArray) -> tuple[int, int]:
    height, width = images.shape[-2:]
    return height, width


def _bands(spectrum: Responses, analysis: Responses, shape: tuple[int, int]) -> FloatArray:
    """Bands (directions, N, H, W) of a spectrum (N, H, W // 2 + 1)."""
    return np.asarray(fft.irfft2(spectrum * analysis[:, None], shape, overwrite_x=True))


def _spectrum(bands: FloatArray, synthesis: Responses) -> Responses:
    """What bands (directions, N, H, W) contribute to a spectrum (N, H, W // 2 + 1)."""
    contributions = (
        fft.rfft2(band) * response for band, response in zip(bands, synthesis, strict=True)
    )
    return reduce(np.add, contributions)


@lru_cache(maxsize=REMEMBERED_RESPONSES)
def _responses(
    filters: DirectionalFilters, count: int, shape: tuple[int, int], dtype: np.dtype[Any]
) -> tuple[Responses, Responses]:
    """The responses in the precision of an image type."""
    single = dtype == np.float32
    analysis, synthesis = filters.responses(count, shape)
    if np.iscomplexobj(analysis):
        wanted: Any = np.complex64 if single else np.complex128
    else:
        wanted = np.float32 if single else np.float64
    return analysis.astype(wanted), synthesis.astype(wanted)


def contourlets(
    pyramid: PyramidFilters = nonsubsampled_pyramid.PYREXC,
    fans: fan_filters.FanFilters = fan_filters.VK,
    directions: tuple[int, ...] = (4, 8, 8, 16),
) -> Nonsubsampled:
    """Nonsubsampled contourlet transform.

    da Cunha, Zhou and Do 2006, "The nonsubsampled contourlet transform: theory, design, and
    applications", IEEE Transactions on Image Processing 15(10). The defaults are those of Li et al.
    2011, "Performance comparison of different multi-resolution transforms for image fusion".
    """
    return Nonsubsampled(pyramid, fans, directions)


def shearlets(directions: tuple[int, ...] = (8, 8, 16, 16)) -> Nonsubsampled:
    """Nonsubsampled shearlet transform, Easley, Labate and Lim 2008."""
    return Nonsubsampled(nonsubsampled_pyramid.MAXFLAT, ShearFilters(), directions)
