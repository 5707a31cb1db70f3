"""Orthogonal matching pursuit of many signals at once.

Pati, Rezaiifar and Krishnaprasad 1993; the atoms that a signal has are kept as a QR factorisation
that grows by a column each step, which selects the atoms that the progressive Cholesky
factorisation of batch OMP selects (Rubinstein, Zibulevsky and Elad 2008).
"""

import numpy as np

from radfuse.arrays import Float64Array

BLOCK = 64
"""Signals at once: their factors (4 MB at 64 samples) stay in the cache of a core."""

UNRELATED = 1e-12
"""Largest correlation, per length of the signal, at which no atom is related to its residual."""


def encode(signals: Float64Array, atoms: Float64Array, epsilon: float) -> Float64Array:
    """The codes (signals, atoms) with `codes @ atoms` within `epsilon` of the signals, in L2.

    Signals are (signals, samples) and atoms (atoms, samples) of unit length, in the same unit as
    epsilon. Each step adds the atom with the largest correlation with the residual and projects the
    signal on all its atoms. A signal that the atoms do not span keeps a larger residual, which is
    orthogonal to all of them.
    """
    codes = np.zeros((len(signals), len(atoms)))
    long = np.flatnonzero((signals**2).sum(axis=1) > epsilon**2)
    for start in range(0, len(long), BLOCK):
        part = long[start : start + BLOCK]
        codes[part] = _encode_block(signals[part], atoms, epsilon)
    return codes


def _encode_block(signals: Float64Array, atoms: Float64Array, epsilon: float) -> Float64Array:
    """The codes of signals longer than epsilon, whose factors are in memory together."""
    count, samples = signals.shape
    steps = min(samples, len(atoms))
    chosen = np.zeros((count, steps), np.intp)
    upper = np.zeros((count, steps, steps))  # R of each signal's atoms
    upper[:, range(steps), range(steps)] = 1
    projections = np.zeros((count, steps))
    least = UNRELATED * np.sqrt((signals**2).sum(axis=1))

    active, residuals = np.arange(count), signals.copy()
    basis = np.zeros((count, steps, samples))  # Q of the active ones, transposed
    for step in range(steps):
        correlations = np.abs(residuals @ atoms.T)
        best = correlations.argmax(axis=1)
        keep = correlations.max(axis=1) > least[active]
        if not keep.all():
            active, best, residuals, basis = (
                each[keep] for each in (active, best, residuals, basis)
            )
        if not active.size:
            break
        along, direction, length = _orthogonalized(atoms[best], basis[:, :step])
        basis[:, step] = direction
        projection = (direction * residuals).sum(axis=1)
        residuals -= projection[:, None] * direction
        chosen[active, step] = best
        upper[active, :step, step], upper[active, step, step] = along, length
        projections[active, step] = projection
        keep = (residuals**2).sum(axis=1) > epsilon**2
        if not keep.all():
            active, residuals, basis = active[keep], residuals[keep], basis[keep]
    codes = np.zeros((count, len(atoms)))
    np.add.at(codes, (np.arange(count)[:, None], chosen), _solved(upper, projections))
    return codes


def _orthogonalized(
    vectors: Float64Array, basis: Float64Array
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Parts of vectors along their bases, the unit vectors of their rests, the rests' lengths."""
    along = np.matmul(basis, vectors[:, :, None])
    rest = vectors - np.matmul(along.swapaxes(1, 2), basis)[:, 0]
    length = np.sqrt((rest**2).sum(axis=1))
    return along[..., 0], rest / length[:, None], length


def _solved(upper: Float64Array, right: Float64Array) -> Float64Array:
    """The solutions x of `upper @ x = right`, for upper triangles (N, n, n) and sides (N, n)."""
    found = np.zeros_like(right)
    for row in reversed(range(right.shape[1])):
        known = (upper[:, row, row + 1 :] * found[:, row + 1 :]).sum(axis=1)
        found[:, row] = (right[:, row] - known) / upper[:, row, row]
    return found
