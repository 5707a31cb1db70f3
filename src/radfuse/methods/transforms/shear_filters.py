"""Directional filters of the nonsubsampled shearlet transform: windows on a pseudo-polar grid.

Easley, Labate and Lim 2008, "Sparse directional image representations using the discrete shearlet
transform", Applied and Computational Harmonic Analysis 25(1). The grid has a line for every
direction and every boundary between two; a Meyer window, sampled there, is 1 on the line of a
direction and 1/2 on the lines beside it. The sums of squares of the responses are made 1.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from radfuse.arrays import Float64Array

WINDOW = {0: 0.5, 1: 1.0, 2: 0.5}
"""Meyer window at the lines of a direction: its own, and the two that it shares."""

BAND_COUNTS = (4, 8, 16, 32)
"""Directions that there are filters for."""


@dataclass(frozen=True)
class ShearFilters:
    """Filters as large as their number, `count` x `count` taps; a tight frame, periodic."""

    def responses(
        self, count: int, shape: tuple[int, int]
    ) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
        """Of analysis and reconstruction, (count, H, W // 2 + 1), for images of a shape (H, W).

        As in the authors' code the taps start at the first pixel: the bands are shifted by half
        the filter's size, which the reconstruction undoes.
        """
        rows = np.exp(-2j * np.pi * np.outer(fft.fftfreq(shape[0]), np.arange(count)))
        columns = np.exp(-2j * np.pi * np.outer(np.arange(count), fft.rfftfreq(shape[1])))
        bands = rows @ _taps(count) @ columns
        bands /= np.sqrt((np.abs(bands) ** 2).sum(axis=0))
        return bands, bands.conj()


def _taps(count: int) -> Float64Array:
    """Taps (count, count, count) of each direction, centred."""
    centred = fft.ifft2(fft.ifftshift(windows(count), axes=(1, 2)))
    return np.asarray(fft.fftshift(centred.real, axes=(1, 2)))


def windows(count: int) -> Float64Array:
    """Windows (count, count, count) of the directions in a centred frequency plane; their sum is 1.

    A frequency that several points of the grid round to has the mean of their windows; those of
    opposite frequencies are averaged, for the taps are real.
    """
    rows, columns = pseudo_polar_grid(count)
    hits = np.zeros((count, count))
    np.add.at(hits, (rows, columns), 1)
    planes = np.zeros((count, count, count))
    for direction, plane in enumerate(planes):
        for line, weight in WINDOW.items():
            of_line = (2 * direction + line) % (2 * count)
            np.add.at(plane, (rows[of_line], columns[of_line]), weight)
    planes /= hits
    opposite = np.roll(planes[:, ::-1, ::-1], (1, 1), axis=(1, 2))
    return np.asarray((planes + opposite) / 2)


def pseudo_polar_grid(size: int) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """Rows and columns of the points on lines through the centre, (2 size, size).

    The first half are the steep lines, from the one next to a diagonal on to the other diagonal;
    the second half are the flat lines.
    """
    along = np.arange(size)
    steep, flat = np.arange(size - 1, -1, -1)[:, None], np.arange(1, size + 1)[:, None]
    across = [
        np.floor(start + (size - 2 * start) * along / size + 0.5).astype(int)
        for start in (steep, flat)
    ]
    straight = np.broadcast_to(along, (size, size))
    rows = np.vstack([straight, np.minimum(across[1], size - 1)])
    return rows, np.vstack([across[0], straight])
