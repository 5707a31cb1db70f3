"""Parameters as other frameworks lay them out."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def tensor(array: NDArray[Any]) -> Tensor:
    """An array as a tensor of its own, float32."""
    return torch.from_numpy(np.array(array, np.float32))


def tensorflow_kernel(array: NDArray[Any]) -> Tensor:
    """The kernel of a convolution, (rows, columns, in, out), as torch has it."""
    return tensor(np.transpose(array, (3, 2, 0, 1)))
