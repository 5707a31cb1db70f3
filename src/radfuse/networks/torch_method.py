"""A network as a method: runs the torch module, for CUDA devices and for comparisons."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from torch import nn

from radfuse.arrays import Float32Array
from radfuse.errors import InputError
from radfuse.networks.catalogue import make_network
from radfuse.networks.onnx_export import read_parameters

BATCH_SLICES = 8
"""Slices of one forward pass: enough to occupy a GPU, few enough for its memory."""

COUNTER = "num_batches_tracked"
"""Counter of training steps in batch normalisation; not used in evaluation, so in no graph."""


def load_network(weights: Path) -> nn.Module:
    """The torch module of an ONNX file, built by its model card, in evaluation mode.

    Raises `InputError` without a model card, and where graph and model card disagree.
    """
    model_card = weights.with_suffix(".json")
    if not model_card.is_file():
        raise InputError(f"{weights}: no model card {model_card.name}; use --device cpu")
    try:
        facts = json.loads(model_card.read_text())
        network = make_network(facts["network"], facts["options"])
        parameters = read_parameters(weights)
        network.load_state_dict(
            {
                name: value if _is_spare(name, network) else parameters[name]
                for name, value in network.state_dict().items()
            }
        )
    except (DecodeError, InputError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{weights}: not the network of its model card") from error
    return network.eval()


def _is_spare(name: str, network: nn.Module) -> bool:
    """Whether only training uses this tensor, so that no graph has it."""
    unused: tuple[str, ...] = getattr(network, "TRAINING_ONLY", ())
    return name.endswith(COUNTER) or name.split(".", maxsplit=1)[0] in unused


@dataclass(frozen=True)
class TorchMethod:
    """A fusion method that runs a torch module on a device."""

    path: Path
    device: str = "cuda"

    def __call__(self, ct: Float32Array, mr: Float32Array) -> Float32Array:
        """Fuse images of shape (N, H, W) in [0, 1]."""
        fused = np.empty_like(ct)
        for start in range(0, len(ct), BATCH_SLICES):
            batch = slice(start, start + BATCH_SLICES)
            fused[batch] = self._infer(ct[batch], mr[batch])
        return fused

    @torch.inference_mode()
    def _infer(self, ct: Float32Array, mr: Float32Array) -> Float32Array:
        on_device = (torch.from_numpy(np.ascontiguousarray(x)).to(self.device) for x in (ct, mr))
        fused: Float32Array = self._network(*on_device).cpu().numpy()
        if not np.isfinite(fused).all():
            raise InputError(f"{self.path}: the output has NaN or infinite values")
        return fused

    @cached_property
    def _network(self) -> nn.Module:
        if self.device == "cuda" and not torch.cuda.is_available():
            raise InputError("no CUDA device here; use --device cpu")
        return load_network(self.path).to(self.device)
