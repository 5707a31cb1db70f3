"""The networks with their authors' parameters give their authors' images, and Table 1.

Parameters and images lie beside the repository and are not ours to publish: `../shared/weights` and
`../shared/golden/nets`, whose README says how the images were made.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from radfuse.intensity import grey_levels
from radfuse.io.image_pairs import ImagePair, ImagePairFiles, read_image_pair, read_image_pairs
from radfuse.io.images import read_grey
from radfuse.metrics.measure import measure
from radfuse.networks.catalogue import NETWORKS, make_network
from radfuse.networks.pair_network import PairNetwork
from radfuse.networks.published_files.read import read_published

FLOAT_CASES = ("16009", "2004", "28011", "20013")
"""Pairs with the authors' images before saving; some folders have the first only."""


@dataclass(frozen=True)
class Proof:
    """A folder of the authors' images, and what makes them."""

    network: str
    weights: tuple[str, ...]
    golden: str
    options: dict[str, Any] = field(default_factory=dict)
    stretch: bool = True
    """Whether the authors' program stretched each image."""

    table: tuple[float, float, float, float] | None = None
    """The row of Table 1 of Song et al. 2024 that these images are: MI, SF, VIF, Qabf."""

    wraps: bool = False
    """Whether the authors' program saves values below 0 as levels below 256."""

    slow: bool = False
    """Whether one image takes seconds."""


DENSEFUSE, CSF = "densefuse_tf_bs2_epoch4_all_weight_1e2", ("csf_encoder_decoder", "csf_classifier")
PROOFS = [
    Proof("csf", CSF, "csf_swap", table=(2.732, 18.314, 0.368, 0.345)),
    Proof("csf", CSF, "csf", {"infrared": "ct"}),
    Proof(
        "densefuse", (DENSEFUSE,), "densefuse_tf_1e2_addition_notranspose", {"rule": "addition"},
        table=(3.362, 18.526, 0.404, 0.329),
    ),
    Proof("densefuse", (DENSEFUSE,), "densefuse_tf_1e2_l1_notranspose", {"rule": "l1"}),
    Proof(
        "densefuse", ("densefuse_torch_gray",), "densefuse_torch",
        {"rule": "average", "last_relu": True}, stretch=False,
    ),
    Proof("msdnet", ("msdnet_tf_ssim1e3",), "msdnet_l1", stretch=False),
    Proof("pmgi", ("pmgi_irvis",), "pmgi_irvis_swap", table=(2.656, 17.577, 0.389, 0.304)),
    Proof("pmgi", ("pmgi_medical",), "pmgi_medical", {"infrared": "ct"}),
    Proof("sdnet", ("sdnet_irvis",), "sdnet_irvis_swap", table=(2.562, 26.746, 0.357, 0.480)),
    Proof("sdnet", ("sdnet_medical",), "sdnet_medical", {"infrared": "ct"}),
    Proof(
        "stdfusionnet", ("stdfusionnet_29_LT",), "stdfusionnet_LT_swap_ep29",
        table=(3.254, 25.969, 0.479, 0.458),
    ),
    Proof("stdfusionnet", ("stdfusionnet_29",), "stdfusionnet_ep29", {"infrared": "ct"}),
    Proof("u2fusion", ("u2fusion",), "u2fusion_swap", table=(2.585, 23.313, 0.337, 0.458)),
    Proof(
        "umfcmgr", ("umfcmgr_thirdparty_retrain",), "umfcmgr_thirdparty_swap", stretch=False
    ),
    Proof("ifcnn", ("ifcnn_max",), "ifcnn_max", stretch=False),
    Proof("ifcnn", ("ifcnn_mean",), "ifcnn_mean", {"rule": "mean"}, stretch=False),
    Proof("ifcnn", ("ifcnn_sum",), "ifcnn_sum", {"rule": "sum"}, stretch=False),
    Proof("emfusion", ("emfusion_ctmri",), "emfusion_ctmri"),
    Proof("deepfuse", ("deepfuse_iccv",), "deepfuse_iccv"),
    Proof("matr", ("matr",), "matr", stretch=False, wraps=True),
    Proof("gesenet", ("gesenet_medical",), "gesenet_nonoise"),
    Proof("drf", ("drf_mri_ct",), "drf_ct", stretch=False),
    Proof("mufusion", ("mufusion_medical",), "mufusion", {"tiles": True}),
    Proof("gifnet", ("gifnet",), "gifnet", stretch=False, slow=True),
]  # fmt: skip

each = pytest.mark.parametrize(
    "proof",
    [
        pytest.param(proof, id=proof.golden, marks=[pytest.mark.slow] if proof.slow else [])
        for proof in PROOFS
    ],
)
first_and_slow_others = pytest.mark.parametrize(
    "case",
    [FLOAT_CASES[0], *(pytest.param(case, marks=pytest.mark.slow) for case in FLOAT_CASES[1:])],
)


def network_of(proof: Proof, shared: Path) -> PairNetwork:
    """The network with the authors' parameters; every parameter must come from them."""
    files = [shared / "weights" / f"{name}.npz" for name in proof.weights]
    network = make_network(proof.network, proof.options | {"stretch": proof.stretch})
    published_parameters = NETWORKS[proof.network].published_parameters
    assert published_parameters is not None
    network.load_state_dict(published_parameters(read_published(files).arrays))
    assert isinstance(network, PairNetwork)
    return network.eval()


def unit(image: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(image.astype(np.float32) / 255)[None]


def pair_of(case: str, shared: Path) -> ImagePair:
    folder = shared / "data" / "harvard" / "test"
    return read_image_pair(
        ImagePairFiles(folder / "CT" / f"{case}.png", folder / "MRI" / f"{case}.png")
    )


@each
@first_and_slow_others
def test_output_matches_authors_code_before_saving(proof: Proof, case: str, shared: Path) -> None:
    path = shared / "golden" / "nets" / proof.golden / "float" / f"{case}.npy"
    if not path.is_file() and case != FLOAT_CASES[0]:
        pytest.skip(f"{proof.golden} has no image {case} before saving")
    network, pair = network_of(proof, shared), pair_of(case, shared)
    low, high = network.RANGE
    with torch.no_grad():
        found = network.fuse(*network.slots(unit(pair.ct), unit(pair.mr)))
    expected = np.load(path).squeeze()
    contrast = max(high - low, float(np.ptp(expected)))
    assert np.abs(found[0, 0].numpy() - expected).max() <= 1e-3 * contrast


@pytest.mark.slow
@each
def test_first_image_is_that_the_authors_code_saved(proof: Proof, shared: Path) -> None:
    pair = pair_of(FLOAT_CASES[0], shared)
    _check_image(_fused(network_of(proof, shared), pair), proof, pair, shared)


@pytest.mark.slow
@each
def test_all_images_are_theirs_and_so_is_the_row_of_the_table(proof: Proof, shared: Path) -> None:
    network, pairs = (
        network_of(proof, shared),
        read_image_pairs(shared / "data" / "harvard" / "test"),
    )
    fused = [_fused(network, pair) for pair in pairs]
    for image, pair in zip(fused, pairs, strict=True):
        _check_image(image, proof, pair, shared)
    if proof.table:
        rows = [measure("mfinet2024", f, p.ct, p.mr) for f, p in zip(fused, pairs, strict=True)]
        means = [np.mean([row[name] for row in rows]) for name in ("MI", "SF", "VIF", "Qabf")]
        assert [f"{mean:.3f}" for mean in means] == [f"{printed:.3f}" for printed in proof.table]


def _check_image(image: NDArray[np.uint8], proof: Proof, pair: ImagePair, shared: Path) -> None:
    path = shared / "golden" / "nets" / proof.golden / "png" / f"{pair.name}.png"
    expected = read_grey(path)
    if proof.wraps:
        expected = np.where((image == 0) & (expected > 128), 0, expected)
    assert np.abs(image.astype(int) - expected).max() <= 1, pair.name


def _fused(network: PairNetwork, pair: ImagePair) -> NDArray[np.uint8]:
    with torch.no_grad():
        return grey_levels(network(unit(pair.ct), unit(pair.mr))[0].numpy())
