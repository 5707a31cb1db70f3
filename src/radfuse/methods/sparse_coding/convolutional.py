"""Convolutional sparse coding: an image as a sum of filters, each convolved with a sparse map.

Convolutional basis pursuit denoising by the alternating direction method of multipliers (ADMM) in
the Fourier domain: Wohlberg 2016, "Efficient algorithms for convolutional sparse representations",
IEEE Transactions on Image Processing 25(1), with the relative residuals and the penalty that
follows them of Wohlberg 2017, "ADMM penalty parameter selection by residual balancing".
Convolutions are periodic.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, rfft2

from radfuse.arrays import Float32Array

RESIDUAL_RATIO = 1.2
"""The penalty changes when a residual is as many times the other one."""

MAX_CHANGE = 100.0
"""Largest factor by which the penalty changes in a step."""

ADAPTED_STEPS = 250
"""Steps after which the penalty remains as it is: one that changed for ever could go in circles,
as with a few images of 8x9 pixels, while others need about 200 steps in all."""

Spectra = NDArray[np.complex64]


@dataclass(frozen=True)
class Solver:
    """How a code is computed: `|filters * code - image|^2 / 2 + weight |code|_1` is minimised."""

    weight: float
    """Of the L1 norm."""

    penalty: float
    """Of ADMM at the first step, rho."""

    steps: int
    """Most steps."""

    adaptive: bool = True
    """Whether the penalty follows the ratio of the residuals."""

    tolerance: float = 1e-3
    """Relative primal and dual residual at which the code is complete."""

    relaxation: float = 1.8
    """Over-relaxation of ADMM, 1 is none."""


def encode(image: Float32Array, filters: Float32Array, solver: Solver) -> Float32Array:
    """The code (filters, H, W) of an image (H, W) in filters (filters, rows, columns).

    The image is in the unit that the weight was chosen for. A code without coefficients, where the
    weight is the larger, is returned as such without a step.
    """
    frame = _Frame.of(filters, image)
    code = np.zeros((len(filters), *image.shape), np.float32)
    if frame.largest_correlation() <= solver.weight:
        return code
    dual, penalty, change = np.zeros_like(code), float(solver.penalty), 1.0
    for number in range(solver.steps):
        squares = frame.step(code, dual, penalty, change, solver)
        primal, moved = _residuals(*(math.sqrt(each) for each in squares))
        if primal < solver.tolerance and moved < solver.tolerance:
            break
        # The first step has no dual residual yet.
        adapts = solver.adaptive and 0 < number < ADAPTED_STEPS
        change = _change(primal, moved, solver) if adapts else 1.0
        penalty *= change
    return code


def synthesized(code: Float32Array, filters: Float32Array) -> Float32Array:
    """The image (H, W) of a code (filters, H, W)."""
    shape = code.shape[1:]
    total = np.zeros((shape[0], shape[1] // 2 + 1), np.complex64)
    for of_filter, plane in zip(_spectra(filters, shape), code, strict=True):
        total += of_filter * rfft2(plane)
    return np.asarray(irfft2(total, shape), np.float32)


@dataclass(frozen=True)
class _Frame:
    """The spectra of filters and of an image, and the steps of ADMM in them.

    Filter by filter, so that the planes of one stay in the cache.
    """

    shape: tuple[int, int]
    filters: Spectra
    image: Spectra
    energy: Float32Array
    """Of all filters by frequency."""

    @classmethod
    def of(cls, filters: Float32Array, image: Float32Array) -> "_Frame":
        height, width = image.shape
        spectra = _spectra(filters, image.shape)
        energy = (spectra.real**2 + spectra.imag**2).sum(axis=0)
        of_image = np.asarray(rfft2(image.astype(np.float32)), np.complex64)
        return cls((height, width), spectra, of_image, energy)

    def largest_correlation(self) -> float:
        """Of the image with a filter at a position."""
        return max(float(np.abs(self._back(self.image, k)).max()) for k in range(len(self.filters)))

    def step(
        self, code: Float32Array, dual: Float32Array, penalty: float, change: float, solver: Solver
    ) -> Iterator[float]:
        """Change code and scaled dual variable by a step.

        The dual variable is divided by the change of the penalty first. Returns the sums of squares
        of the primal variable, its difference to the code, the change of the code, the code, and
        the dual variable.
        """
        if change != 1:
            dual /= np.float32(change)
        start = code - dual
        rest = self.image.copy()
        for of_filter, plane in zip(self.filters, start, strict=True):
            rest -= of_filter * rfft2(plane)
        rest /= self.energy + np.float32(penalty)
        threshold = np.float32(solver.weight / penalty)
        relaxation = np.float32(solver.relaxation)
        sums = np.zeros(5)
        for k, (plane, of_dual) in enumerate(zip(code, dual, strict=True)):
            primal = start[k] + self._back(rest, k)
            relaxed = (primal - plane) * relaxation + plane + of_dual
            np.clip(relaxed, -threshold, threshold, out=of_dual)
            relaxed -= of_dual  # the soft threshold
            sums += [
                _square(each)
                for each in (primal, primal - relaxed, plane - relaxed, relaxed, of_dual)
            ]
            code[k] = relaxed
        return map(float, sums)

    def _back(self, spectrum: Spectra, k: int) -> Float32Array:
        """Correlation with a filter."""
        found: Float32Array = irfft2(np.conj(self.filters[k]) * spectrum, self.shape)
        return found


def _spectra(filters: Float32Array, shape: tuple[int, ...]) -> Spectra:
    """Of filters whose first sample is at the origin."""
    return np.asarray(rfft2(filters.astype(np.float32), shape), np.complex64)


def _residuals(
    primal: float, difference: float, moved: float, code: float, dual: float
) -> tuple[float, float]:
    """Relative primal and dual residual, of the lengths."""
    return difference / max(primal, code), moved / dual if dual else 0.0


def _change(primal: float, dual: float, solver: Solver) -> float:
    """The factor that balances the residuals."""
    target = 1 + 18.3 ** (math.log10(solver.weight) + 1)  # chosen by Wohlberg on images
    ratio = primal / (target * dual) if dual else math.inf
    if 1 / RESIDUAL_RATIO <= ratio <= RESIDUAL_RATIO:
        return 1.0
    return float(np.clip(math.sqrt(ratio), 1 / MAX_CHANGE, MAX_CHANGE))


def _square(values: Any) -> float:
    flat = values.ravel()
    return float(np.dot(flat, flat))
