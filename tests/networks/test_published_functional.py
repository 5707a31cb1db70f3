"""Networks with their authors' parameters give their authors' images of PET-MR and SPECT-MR.

Before colour: the luminance of the functional image is fused, each in its authors' formula. The
images are in `../shared/golden/nets`, whose README2 says how they were made.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from radfuse.networks.catalogue import NETWORKS, make_network
from radfuse.networks.published_files.read import read_published

WEIGHTS = np.array([0.299, 0.587, 0.114])


def pillow_grey(path: Path) -> NDArray[np.float64]:
    return np.asarray(Image.open(path).convert("RGB").convert("L"), np.float64) / 255


def pillow_ycbcr(path: Path) -> NDArray[np.float64]:
    return np.asarray(Image.open(path).convert("RGB").convert("YCbCr"), np.float64)[..., 0] / 255


def weighted(path: Path) -> NDArray[np.float64]:
    return np.asarray(Image.open(path).convert("RGB"), np.float64) @ WEIGHTS / 255


def weighted_levels(path: Path) -> NDArray[np.float64]:
    """Rounded down to grey levels."""
    return np.floor(weighted(path) * 255 + 1e-9) / 255


@dataclass(frozen=True)
class Proof:
    """The authors' image of one pair before it is saved."""

    golden: str
    case: str
    network: str
    weights: str
    luminance: Callable[[Path], NDArray[np.float64]]
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        return "spect" if self.golden.endswith("spect") else "pet"


TILES = {"tiles": True}
PROOFS = [
    Proof("matr_pet", "25063", "matr", "matr", pillow_grey),
    Proof("matr_spect", "21014", "matr", "matr", pillow_grey),
    Proof("gesenet_nonoise_pet", "25063", "gesenet", "gesenet_medical", weighted),
    Proof("gesenet_nonoise_spect", "21014", "gesenet", "gesenet_medical", weighted),
    Proof("mufusion_pet", "25063", "mufusion", "mufusion_medical", weighted, TILES),
    Proof("mufusion_spect", "21014", "mufusion", "mufusion_medical", weighted, TILES),
    Proof("drf_pet", "25063", "drf", "drf_mri_pet", pillow_ycbcr),
    Proof("gifnet_pet", "25063", "gifnet", "gifnet", weighted_levels),
]


FAST = ("matr_pet", "mufusion_spect", "drf_pet")
each = pytest.mark.parametrize(
    "proof",
    [
        pytest.param(one, id=one.golden, marks=[] if one.golden in FAST else [pytest.mark.slow])
        for one in PROOFS
    ],
)


@each
def test_functional_output_matches_authors_code(proof: Proof, shared: Path) -> None:
    folder = shared / "data" / f"harvard_{proof.kind}" / "test"
    functional = proof.luminance(folder / proof.kind.upper() / f"{proof.case}.png")
    mr = pillow_grey(folder / "MRI" / f"{proof.case}.png")
    published_parameters = NETWORKS[proof.network].published_parameters
    assert published_parameters is not None
    network = make_network(proof.network, proof.options)
    arrays = read_published([shared / "weights" / f"{proof.weights}.npz"]).arrays
    network.load_state_dict(published_parameters(arrays))
    images = (torch.from_numpy(one.astype(np.float32))[None] for one in (functional, mr))
    with torch.no_grad():
        found = network.eval().fuse(*network.slots(*images))
    expected = np.load(shared / "golden" / "nets" / proof.golden / "float" / f"{proof.case}.npy")
    low, high = network.RANGE
    contrast = max(high - low, float(np.ptp(expected)))
    difference = np.abs(found[0, 0].numpy() - expected.squeeze()).max()
    assert difference <= 1e-3 * contrast, difference
