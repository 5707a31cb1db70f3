"""Orthogonal matching pursuit of many signals at once.

Pati, Rezaiifar and Krishnaprasad 1993; the atoms that a signal has are kept as a QR factorisation
that grows by a column each step, which selects the atoms that the progressive Cholesky
factorisation of batch OMP selects (Rubinstein, Zibulevsky and Elad 2008).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radfuse.arrays import BoolArray, Float32Array, Float64Array
from radfuse.parallel import in_order

BLOCK = 256
"""Signals at once: with fewer, threads would wait for each other; 16 MB at 64 samples."""

SIGNALS_AT_ONCE = 4 * BLOCK
"""Of a thread."""

UNRELATED = 1e-12
"""Largest correlation, per length of the signal, at which no atom is related to its residual."""

SINGLE_ERROR = 2.0**-23
"""Most that a product or a sum of single precision is away, per its value, with its factors."""


def encode(signals: Float64Array, atoms: Float64Array, epsilon: float) -> Float64Array:
    """The codes (signals, atoms) with `codes @ atoms` within `epsilon` of the signals, in L2.

    Signals are (signals, samples) and atoms (atoms, samples) of unit length, in the same unit as
    epsilon. Each step adds the atom with the largest correlation with the residual and projects the
    signal on all its atoms. A signal that the atoms do not span keeps a larger residual, which is
    orthogonal to all of them.
    """
    codes = np.zeros((len(signals), len(atoms)))

    def write(numbers: NDArray[np.intp], block: "_Block") -> None:
        at = numbers[:, None], block.chosen[: len(numbers)]
        np.add.at(codes, at, block.coefficients(len(numbers)))

    _encode_all(signals, atoms, epsilon, write)
    return codes


def norms_and_residuals(
    signals: Float64Array, atoms: Float64Array, epsilon: float
) -> tuple[Float64Array, Float64Array]:
    """L1 norms of the codes of `encode`, (signals,), and what they leave of the signals."""
    norms, residuals = np.zeros(len(signals)), signals.copy()

    def write(numbers: NDArray[np.intp], block: "_Block") -> None:
        norms[numbers] = np.abs(block.coefficients(len(numbers))).sum(axis=1)
        residuals[numbers] = block.residuals[: len(numbers)]

    _encode_all(signals, atoms, epsilon, write)
    return norms, residuals


def _encode_all(
    signals: Float64Array,
    atoms: Float64Array,
    epsilon: float,
    write: Callable[[NDArray[np.intp], "_Block"], None],
) -> None:
    """Code the signals longer than epsilon; `write` has their numbers and a block with them."""
    long = np.flatnonzero(np.vecdot(signals, signals) > epsilon**2)

    def coded(start: int) -> None:
        block = _Block.empty(min(signals.shape[1], len(atoms)), signals.shape[1])
        for first in range(start, min(start + SIGNALS_AT_ONCE, len(long)), BLOCK):
            part = long[first : first + BLOCK]
            block.encode(signals[part], atoms, epsilon)
            write(part[block.order[: len(part)]], block)

    for _ in in_order(coded, range(0, len(long), SIGNALS_AT_ONCE)):
        pass


@dataclass(frozen=True)
class _Block:
    """Signals that are coded together, in memory that the next ones use again.

    Those that are not complete are the first ones, so that a step need not copy them.
    """

    order: NDArray[np.intp]
    """Numbers of the signals."""

    residuals: Float64Array
    """(signals, samples)."""

    lengths: Float64Array
    """Of the residuals."""

    basis: Float64Array
    """Q of the atoms of each signal, transposed: (signals, steps, samples)."""

    factors: Float64Array
    """R, transposed: (signals, steps, steps)."""

    projections: Float64Array
    """Of a signal on its basis, (signals, steps)."""

    chosen: NDArray[np.intp]
    """Numbers of atoms, (signals, steps)."""

    @classmethod
    def empty(cls, steps: int, samples: int) -> "_Block":
        """Memory for a block."""
        return cls(
            order=np.empty(BLOCK, np.intp),
            residuals=np.empty((BLOCK, samples)),
            lengths=np.empty(BLOCK),
            basis=np.empty((BLOCK, steps, samples)),
            factors=np.empty((BLOCK, steps, steps)),
            projections=np.empty((BLOCK, steps)),
            chosen=np.empty((BLOCK, steps), np.intp),
        )

    def encode(self, signals: Float64Array, atoms: Float64Array, epsilon: float) -> None:
        """Code signals that are longer than epsilon."""
        live, single = len(signals), atoms.astype(np.float32)
        self.order[:live] = range(live)
        self.residuals[:live] = signals
        self.lengths[:live] = np.sqrt(np.vecdot(signals, signals))
        self.projections[:live] = self.chosen[:live] = 0
        self.factors[:live] = np.eye(self.factors.shape[1])
        least = UNRELATED * self.lengths[:live]
        for step in range(self.chosen.shape[1]):
            best, largest = most_correlated(
                self.residuals[:live], self.lengths[:live], atoms, single
            )
            self.chosen[:live, step] = best
            live = self._kept(largest > least[self.order[:live]])
            self._extend(step, live, atoms)
            live = self._kept(self.lengths[:live] > epsilon)
            if not live:
                break

    def coefficients(self, count: int) -> Float64Array:
        """Of the atoms of the first signals, (count, steps); 0 in steps that they did not need."""
        found = self.projections[:count].copy()
        for step in reversed(range(found.shape[1])):
            found[:, step] /= self.factors[:count, step, step]
            found[:, :step] -= found[:, step, None] * self.factors[:count, step, :step]
        return found

    def _kept(self, is_live: BoolArray) -> int:
        """Move the signals that are complete behind the other ones, and count these."""
        live = int(np.count_nonzero(is_live))
        if live < len(is_live):
            to = np.flatnonzero(~is_live[:live])
            source = live + np.flatnonzero(is_live[live:])
            for each in vars(self).values():
                each[to], each[source] = each[source], each[to]
        return live

    def _extend(self, step: int, live: int, atoms: Float64Array) -> None:
        """Orthogonalise the atoms that were chosen in a step, and project the residuals on them."""
        vectors, basis = atoms[self.chosen[:live, step]], self.basis[:live, :step]
        along = np.matmul(basis, vectors[:, :, None])[..., 0]
        rest = vectors - np.matmul(along[:, None], basis)[:, 0]
        length = np.sqrt(np.vecdot(rest, rest))
        rest /= length[:, None]
        residuals = self.residuals[:live]
        projections = np.vecdot(rest, residuals)
        self.basis[:live, step] = rest
        self.factors[:live, step, :step], self.factors[:live, step, step] = along, length
        self.projections[:live, step] = projections
        rest *= projections[:, None]
        residuals -= rest
        np.sqrt(np.vecdot(residuals, residuals), out=self.lengths[:live])


def most_correlated(
    residuals: Float64Array, lengths: Float64Array, atoms: Float64Array, single: Float32Array
) -> tuple[NDArray[np.intp], Float64Array]:
    """The atom (atoms, samples) that is most correlated with each residual, and how much.

    `single` are the atoms in single precision, which decides but where two are equal within it.
    """
    correlations = residuals.astype(np.float32) @ single.T
    np.abs(correlations, out=correlations)
    rows = np.arange(len(residuals))
    best = correlations.argmax(axis=1)
    largest = correlations[rows, best]
    correlations[rows, best] = -1
    second = correlations[rows, correlations.argmax(axis=1)]
    error = (residuals.shape[1] + 2) * SINGLE_ERROR * lengths
    close = np.flatnonzero(largest - second <= error)
    largest = largest.astype(np.float64)
    if close.size:
        exact = np.abs(residuals[close] @ atoms.T)
        best[close], largest[close] = exact.argmax(axis=1), exact.max(axis=1)
    return best, largest
