"""Made-up images that the tests of detail and of edge transfer share."""

import numpy as np
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from radfuse.arrays import UInt8Array


def noise(seed: int, high: int = 256, shape: tuple[int, ...] = (24, 31)) -> UInt8Array:
    return np.random.default_rng(seed).integers(0, high, shape, dtype=np.uint8)


def flat(level: int = 90) -> UInt8Array:
    return np.full((24, 31), level, np.uint8)


def smooth(seed: int, shape: tuple[int, int] = (40, 44)) -> UInt8Array:
    blurred = gaussian_filter(noise(seed, shape=shape).astype(float), 2)
    return np.rint((blurred - blurred.min()) / np.ptp(blurred) * 255).astype(np.uint8)


@st.composite
def triples(draw: st.DrawFn) -> tuple[UInt8Array, UInt8Array, UInt8Array]:
    """Three images of one size, of few or many levels, so that flat patches occur, too."""
    shape = draw(st.integers(2, 12)), draw(st.integers(2, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    highs = draw(st.tuples(*[st.sampled_from([1, 2, 5, 256])] * 3))
    first, second, third = (rng.integers(0, high, shape, dtype=np.uint8) for high in highs)
    return first, second, third
