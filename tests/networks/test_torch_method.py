"""Networks that run in torch."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from radfuse.errors import InputError
from radfuse.networks.torch_method import TorchMethod


class Constant(nn.Module):
    """Returns one value everywhere but 0.5 in the first pixel."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, ct: Tensor, _: Tensor) -> Tensor:
        fused = torch.full_like(ct, self.value)
        fused[0, 0, 0] = 0.5
        return fused


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_output_that_is_not_finite_is_refused(value: float) -> None:
    method = TorchMethod(Path("theirs.onnx"), device="cpu")
    images = np.zeros((2, 3, 4), np.float32)
    vars(method)["_network"] = Constant(value)
    with pytest.raises(InputError, match=r"theirs\.onnx: the output has NaN or infinite values"):
        method(images, images)
    vars(method)["_network"] = Constant(0.25)
    assert method(images, images)[1].tolist() == [[0.25] * 4] * 3
