"""Parameter-adaptive pulse-coupled neural network: how often each coefficient of a band fires.

Chen, Park, Ho and Jing 2011, "A new automatic parameter setting method of a simplified PCNN for
image segmentation" have the model and its parameters; Yin, Liu, Liu and Chen 2019, "Medical image
fusion with parameter-adaptive pulse coupled neural network in nonsubsampled shearlet transform
domain", doi:10.1109/TIM.2018.2838778, use it for fusion.
"""

from dataclasses import dataclass, fields

import numpy as np

from radfuse.arrays import FloatArray, UInt8Array

ITERATIONS = 110
"""Times that the network runs."""

LEVELS = 256
"""Bins of the histogram for the threshold of Otsu."""

PIXELS_AT_ONCE = 2**16
"""Of the bands that are iterated together: their state is in the cache of a processor core."""

WEIGHTS_SUM = 6
"""Of the eight neighbours: 1 for those in line, 1/2 for the diagonal ones."""


@dataclass(frozen=True)
class Parameters:
    """Parameters of the network for one band, with the paper's symbols."""

    decay: float
    """exp(-alpha_f), of the internal activity U."""

    linking: float
    """lambda, weight of the neighbours that fired."""

    amplitude: float
    """V_E, by how much the threshold E rises when a neuron fires."""

    threshold_decay: float
    """exp(-alpha_e), of the threshold."""


SYMBOLS = tuple(field.name for field in fields(Parameters))


def more_firing(first: FloatArray, second: FloatArray) -> FloatArray:
    """Of two sources' bands (..., H, W), the coefficient that fires more often; a tie: the first.

    Coefficients are those of images in [0, 1].
    """
    return np.where(firing_counts(first) >= firing_counts(second), first, second)


def firing_counts(bands: FloatArray) -> UInt8Array:
    """How often each coefficient of bands (..., H, W) fires, each band a network by itself."""
    stimuli = np.abs(bands).reshape(-1, *bands.shape[-2:])
    step = max(1, PIXELS_AT_ONCE // stimuli[0].size)
    parts = [_counts(stimuli[start : start + step]) for start in range(0, len(stimuli), step)]
    return np.concatenate(parts).reshape(bands.shape)


def parameters(stimulus: FloatArray, threshold: float) -> Parameters:
    """The parameters for magnitudes (H, W) and their threshold of Otsu, above 0.

    The logarithm is to the base 10, as in the authors' code.
    """
    decay = float(np.exp(-np.log10(1 / stimulus.std(ddof=1))))
    excess = float(stimulus.max()) / threshold - 1
    amplitude = decay + 1 + excess
    activity = 1 + decay + decay**2 + excess * decay  # after three steps, over the stimulus
    return Parameters(decay, excess / WEIGHTS_SUM, amplitude, threshold * activity / amplitude)


def otsu(stimulus: FloatArray) -> float:
    """Threshold of Otsu of values clipped to [0, 1], of 256 levels; 0 where there is one level."""
    indices = np.floor(np.clip(stimulus, 0, 1) * (LEVELS - 1) + 0.5).astype(np.uint8)
    share = np.bincount(indices.ravel(), minlength=LEVELS) / indices.size
    below, moment = np.cumsum(share), np.cumsum(share * np.arange(LEVELS))
    is_split = (below > 0) & (np.arange(LEVELS) < indices.max())
    separation = (moment[-1] * below - moment) ** 2
    variance = np.divide(separation, below * (1 - below), out=np.zeros(LEVELS), where=is_split)
    if not variance.any():
        return 0.0
    return float(np.flatnonzero(variance == variance.max()).mean() / (LEVELS - 1))


def _counts(stimuli: FloatArray) -> UInt8Array:
    """Of bands of magnitudes (B, H, W), iterated together.

    Where the threshold of Otsu is 0, the parameters are not numbers and nothing fires. A margin of
    one pixel, which cannot fire, keeps all operations on contiguous rows.
    """
    thresholds = [otsu(stimulus) for stimulus in stimuli]
    active = np.flatnonzero(thresholds)
    counts = np.zeros(stimuli.shape, np.uint8)
    if active.size:
        chosen = [parameters(stimuli[i], thresholds[i]) for i in active]
        padded = np.pad(stimuli[active], ((0, 0), (1, 1), (1, 1)))
        found = _iterated(padded.reshape(active.size, -1), padded.shape[2], chosen)
        counts[active] = found.reshape(padded.shape)[:, 1:-1, 1:-1]
    return counts


def _iterated(stimuli: FloatArray, row: int, chosen: list[Parameters]) -> UInt8Array:
    """Firing counts of flattened bands (B, pixels) whose rows have `row` pixels.

    The activity over the stimulus and the threshold over its amplitude are iterated, in units that
    need the fewest operations.
    """
    decay, linking, amplitude, threshold_decay = (
        np.array([getattr(each, name) for each in chosen])[:, None] for name in SYMBOLS
    )
    gain = (stimuli * (linking / 2 / amplitude)).astype(np.float32)
    fed = (2 / linking).astype(np.float32)
    decay, threshold_decay = decay.astype(np.float32), threshold_decay.astype(np.float32)
    activity, change = np.zeros_like(gain), np.empty_like(gain)
    threshold = np.broadcast_to((1 / amplitude).astype(np.float32), gain.shape).copy()
    is_firing, counts = np.zeros(gain.shape, np.bool_), np.zeros(gain.shape, np.uint8)
    fired = is_firing.view(np.int8)
    beside, of_row, linked = (np.zeros(gain.shape, np.int8) for _ in range(3))
    for _ in range(ITERATIONS):
        np.add(fired[:, :-2], fired[:, 2:], out=beside[:, 1:-1])
        np.add(fired, fired, out=of_row)
        np.add(of_row, beside, out=of_row)
        np.add(beside, beside, out=linked)
        linked[:, row:-row] += of_row[:, : -2 * row]
        linked[:, row:-row] += of_row[:, 2 * row :]  # twice the weighted neighbours
        np.copyto(change, linked)
        np.multiply(activity, decay, out=activity)
        np.add(activity, change, out=activity)
        np.add(activity, fed, out=activity)
        np.multiply(activity, gain, out=change)
        np.greater(change, threshold, out=is_firing)
        np.copyto(change, is_firing)
        np.multiply(threshold, threshold_decay, out=threshold)
        np.add(threshold, change, out=threshold)
        np.add(counts, fired.view(np.uint8), out=counts)
    return counts
