"""Profiles: named sets of metric conventions, so that a published table can be reproduced."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from radfuse.errors import InputError
from radfuse.metrics.fidelity import vif
from radfuse.metrics.gradient import qabf, sf
from radfuse.metrics.information import mi

Grey = NDArray[np.uint8]
Metric = Callable[[Grey, Grey, Grey], float]

SMALLEST_SIDE = 41
"""Pixels a side that the coarsest scale of VIF needs to hold one window."""

PROFILES: dict[str, Mapping[str, Metric]] = {
    "mfinet2024": {"MI": mi, "SF": sf, "VIF": vif, "Qabf": qabf},
}
"""`mfinet2024`: Table 1 of Song et al. 2024 (MFINet); 8-bit images, larger is better in all."""


def measure(profile: str, fused: Grey, ct: Grey, mr: Grey) -> dict[str, float]:
    """All metrics of a profile for one 8-bit image (H, W) and its sources.

    Raises `InputError` for other types, sizes that differ or are below `SMALLEST_SIDE`.
    """
    images = (fused, ct, mr)
    if any(image.dtype != np.uint8 or image.ndim != 2 for image in images):
        found = ", ".join(f"{image.dtype} {image.shape}" for image in images)
        raise InputError(f"metrics need three images of 8 bits, (H, W); these are {found}")
    if len({image.shape for image in images}) > 1 or min(ct.shape) < SMALLEST_SIDE:
        found = ", ".join(f"{image.shape}" for image in images)
        raise InputError(
            f"metrics need images of one size, {SMALLEST_SIDE} pixels a side or more; these are "
            f"{found}"
        )
    return {name: metric(fused, ct, mr) for name, metric in PROFILES[profile].items()}
