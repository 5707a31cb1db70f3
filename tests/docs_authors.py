"""Files as authors of networks published them, from the arrays beside the repository."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from checkpoint_kit import write_checkpoint

SHARED = Path(__file__).parents[2] / "shared"
"""Beside the repository."""

TENSORFLOW = {
    "densefuse_model_bs2_epoch4_all_weight_1e2.ckpt": "densefuse_tf_bs2_epoch4_all_weight_1e2",
    "models_ED/4/4.ckpt": "csf_encoder_decoder",
    "models_EC/4/4.ckpt": "csf_classifier",
    "Medical.model-29": "sdnet_medical",
}
"""Checkpoints by the names in docs/howto/authors-weights.md, and the arrays of each."""

PYTORCH = {"densefuse_gray.model": "densefuse_torch_gray"}

DRF = "models/MRI-CT/800_net_{}.pth"
"""A file for each part of the network."""


def write_authors_files(folder: Path) -> None:
    """Write all files that the how-to names."""
    if not (SHARED / "weights").is_dir():
        pytest.skip("parameters of authors are missing: no folder ../shared/weights")
    for name, arrays in TENSORFLOW.items():
        write_checkpoint(folder / name, _arrays(arrays))
    for name, arrays in PYTORCH.items():
        _write_state(folder / name, _arrays(arrays))
    drf = _arrays("drf_mri_ct")
    for part in {name.partition(".")[0] for name in drf}:
        mine = {
            name.partition(".")[2]: array
            for name, array in drf.items()
            if name.startswith(f"{part}.")
        }
        _write_state(folder / DRF.format(part), mine)


def _arrays(name: str) -> dict[str, NDArray[np.float32]]:
    with np.load(SHARED / "weights" / f"{name}.npz") as found:
        return {one: found[one] for one in found.files}


def _write_state(path: Path, arrays: dict[str, NDArray[np.float32]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({name: torch.from_numpy(array) for name, array in arrays.items()}, path)
