"""A graph and its model card are written only where graph and network agree."""

from pathlib import Path

import pytest
import torch

from radfuse.errors import RadfuseError
from radfuse.networks.catalogue import make_network
from radfuse.training.export.model_card import write_weights


def test_network_with_nan_output_is_not_exported(tmp_path: Path) -> None:
    network = make_network("res2fusion", {"strategy": "addition"}).eval()
    with torch.no_grad():
        network.state_dict()["extractor.0.bias"][:] = torch.nan  # a ReLU of an engine may hide it
    with pytest.raises(RadfuseError, match=r"differs from its network by nan|NaN or infinite"):
        write_weights(network, tmp_path / "x.onnx", name="res2fusion", options={}, facts={})
    assert list(tmp_path.iterdir()) == []
