"""What is left of a PET or SPECT image in a fused image in colour: its uptake and its hue.

The metrics of fusion papers, on grey, reward the MR: a copy of it beats every network in VIF and
Qabf. So the value of each pixel is recovered from its printed colour, and compared.
"""

from dataclasses import dataclass

import numpy as np

from radfuse.arrays import Float32Array
from radfuse.colour.difference import ciede2000
from radfuse.colour.maps import ColourMap
from radfuse.colour.spaces import lab
from radfuse.errors import InputError

SIGNAL = 0.15
"""Value, of the largest in the colour map, from which there is uptake."""


@dataclass(frozen=True)
class FunctionalKept:
    """What a fused image keeps of a functional image; NaN where that has no uptake."""

    correlation: float
    """Pearson correlation of the recovered values with the true ones, all pixels; best 1."""

    error: float
    """Mean absolute error of the values where there is uptake, relative to their mean; best 0."""

    colour_difference: float
    """Mean CIEDE2000 where there is uptake; best 0, about 1 is just visible."""


def functional_kept(
    fused: Float32Array, functional: Float32Array, colour_map: ColourMap
) -> FunctionalKept:
    """Compare two images in colour, RGB (H, W, 3) in [0, 1], printed in a colour map.

    Raises `InputError` for images of two sizes, or not in colour.
    """
    if fused.shape != functional.shape or fused.shape[-1:] != (3,):
        raise InputError(f"shapes {fused.shape} and {functional.shape}: two images (H, W, 3)")
    true, recovered = colour_map.values(functional), colour_map.values(fused)
    signal = true > SIGNAL
    if not signal.any():
        return FunctionalKept(*[float("nan")] * 3)
    spread = float(true.std() * recovered.std())
    covariance = float(np.mean((true - true.mean()) * (recovered - recovered.mean())))
    return FunctionalKept(
        covariance / spread if spread else 0.0,
        float(np.abs(recovered - true)[signal].mean() / true[signal].mean()),
        float(ciede2000(lab(fused[signal]), lab(functional[signal])).mean()),
    )
