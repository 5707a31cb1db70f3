"""Profiles: named sets of metric conventions, so that a published table can be reproduced."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from radfuse.metrics.fidelity import vif
from radfuse.metrics.gradient import qabf, sf
from radfuse.metrics.information import mi

Grey = NDArray[np.uint8]
Metric = Callable[[Grey, Grey, Grey], float]

PROFILES: dict[str, Mapping[str, Metric]] = {
    "mfinet2024": {"MI": mi, "SF": sf, "VIF": vif, "Qabf": qabf},
}
"""`mfinet2024`: Table 1 of Song et al. 2024 (MFINet); 8-bit images, larger is better in all."""


def measure(profile: str, fused: Grey, ct: Grey, mr: Grey) -> dict[str, float]:
    """All metrics of a profile for one 8-bit image (H, W) and its sources."""
    return {name: metric(fused, ct, mr) for name, metric in PROFILES[profile].items()}
