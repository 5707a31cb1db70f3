"""Volume files for the tests, and checks of them."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from radfuse.errors import InputError
from radfuse.io.volumes import read_volume

RNG = np.random.default_rng(3)
VALUES = RNG.integers(0, 1000, (6, 7, 8)).astype(np.int16)
"""Along the file's axes i, j, k."""


def refusal(path: Path, kind: type[InputError]) -> str:
    """The one line that refuses a file."""
    with pytest.raises(kind) as caught:
        read_volume(path)
    assert type(caught.value) is kind
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


def grid(
    angles: tuple[float, float, float], spacing: tuple[float, ...], origin: tuple[float, ...]
) -> sitk.Image:
    image = sitk.GetImageFromArray(VALUES.T)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    image.SetDirection(Rotation.from_euler("xyz", angles).as_matrix().ravel().tolist())
    return image


def assert_in_place(
    image: sitk.Image, affine_ras: np.ndarray, values: np.ndarray, atol_mm: float = 1e-3
) -> None:
    """Every voxel of the file's array is at the position of the affine, and there is no other."""
    assert image.GetNumberOfPixels() == values.size
    for index in [*np.ndindex(*values.shape)][::7]:
        x, y, z = (affine_ras @ (*index, 1))[:3]
        index_lps = image.TransformPhysicalPointToIndex((float(-x), float(-y), float(z)))
        found = image.TransformIndexToPhysicalPoint(index_lps)
        np.testing.assert_allclose(found, (-x, -y, z), rtol=0, atol=atol_mm)
        assert image[index_lps] == values[index]
