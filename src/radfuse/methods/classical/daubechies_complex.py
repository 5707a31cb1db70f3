"""Daubechies complex wavelets: the coefficient with the larger modulus, in all bands.

Singh and Khare 2014, Information Fusion 19, of whose related papers the abstracts are known: a
Daubechies complex wavelet transform of several levels, whose coefficients are fused by maximum
selection. Decided here: the symmetric filter of six taps of Lina, four levels, sides mirrored with
their edge, ties to the second image, and the real part of the inverse. No reference code was
compared.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radfuse.arrays import Float64Array
from radfuse.methods.classical.multiscale import Band, Multiscale
from radfuse.methods.classical.rules import larger
from radfuse.methods.options import option

LOW = np.array([-3, 5, 30, 30, 5, -3]) / np.sqrt(2048) + 1j * (
    np.array([-1, -1, 2, 2, -1, -1]) * np.sqrt(15 / 2048)
)
"""Low-pass of Lina's symmetric wavelet with three vanishing moments; orthonormal."""

HIGH = LOW.conj() * (-1) ** np.arange(6)

BANDS = 3
"""Of a level."""


@dataclass(frozen=True)
class DaubechiesComplex(Multiscale):
    """Fusion of Daubechies complex wavelet transforms."""

    levels: int = option(4, "decomposition levels", limits=(1, 10))

    def decompose(self, images: Float64Array) -> tuple[list[Band], Band]:
        """Three complex bands of each level, finest first, and the complex base."""
        bands: list[Band] = []
        low: Band = images
        for _ in range(self.levels):
            low = np.pad(low, ((0, 0), *((0, side % 2) for side in low.shape[1:])), "edge")
            rows = [_halved(low, taps) for taps in (LOW, HIGH)]
            low, *details = (
                _halved(part.swapaxes(1, 2), taps).swapaxes(1, 2)
                for taps in (LOW, HIGH)
                for part in rows
            )
            bands += details
        return bands, low

    def reconstruct(self, bands: list[Band], base: Band, shape: tuple[int, int]) -> Float64Array:
        """The images (N, *shape) that have these bands and base: the real part."""
        images = base
        for level in range(len(bands) // BANDS - 1, -1, -1):
            high_low, low_high, both = (
                band.swapaxes(1, 2) for band in bands[BANDS * level : BANDS * (level + 1)]
            )
            low = _doubled(images.swapaxes(1, 2), low_high).swapaxes(1, 2)
            high = _doubled(high_low, both).swapaxes(1, 2)
            rows, columns = (-(-side // 2**level) for side in shape)
            images = _doubled(low, high)[:, :rows, :columns]
        return np.asarray(images.real)

    def fuse_band(self, first: Band, second: Band) -> Band:
        """The coefficient with the larger modulus."""
        return larger(first, second)

    def fuse_base(self, first: Band, second: Band) -> Band:
        """As in the bands: the paper's rule makes no difference."""
        return larger(first, second)


def _halved(images: NDArray[Any], taps: NDArray[Any]) -> Band:
    """Every second filtered sample along axis 1, whose length is even."""
    count = images.shape[1]
    padded = _mirrored(images, 2, 1)
    band: Band = sum(tap.conj() * padded[:, k : k + count : 2] for k, tap in enumerate(taps))
    return band


def _doubled(low: Band, high: Band) -> Band:
    """The samples of which `_halved` makes these bands: its adjoint for endless mirrored bands."""
    count = low.shape[1]
    doubled = np.empty((len(low), 2 * count, low.shape[2]), np.complex128)
    sides = (_mirrored(low, 1, 1), LOW), (_mirrored(high, 1, -1), HIGH)
    for phase in (0, 1):
        doubled[:, phase::2] = sum(
            taps[2 * k + phase] * band[:, 2 - k : 2 - k + count]
            for band, taps in sides
            for k in range(3)
        )
    return doubled


def _mirrored(images: NDArray[Any], width: int, sign: int) -> NDArray[Any]:
    """Mirrored with their edge along axis 1, each time with a sign."""
    count = images.shape[1]
    indices = np.arange(-width, count + width)
    flips = indices // count % 2 == 1
    inside = np.where(flips, count - 1 - indices % count, indices % count)
    return np.asarray(images[:, inside] * np.where(flips, sign, 1)[:, None])
