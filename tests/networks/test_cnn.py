"""CNN: its pyramids, its rule, its map, and the authors' images."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from radfuse.intensity import grey_levels
from radfuse.io.images import read_grey
from radfuse.networks.cnn import (
    CNN,
    LEVELS,
    PATCH,
    SHARP_FIRST,
    gaussian_pyramid,
    laplacian_pyramid,
    published_parameters,
    rebuilt,
    select,
)
from radfuse.networks.published_files.read import read_published

SIZES = [(1, 1), (2, 5), (3, 20), (17, 17), (17, 30), (33, 64), (71, 40)]
PAIRS = ("2004", "16009", "20013", "28011", "37011", "41012")
FLOAT_PAIRS = PAIRS[:4]

MAX_MEAN_DIFFERENCE = 0.05
"""Of the fused image, in grey levels."""

FLOAT_TOLERANCE = 0.01
"""In grey levels of images up to 380; the authors' are rounded to 2**-8."""

first_and_slow_others = pytest.mark.parametrize(
    "case", [PAIRS[0], *(pytest.param(case, marks=pytest.mark.slow) for case in PAIRS[1:])]
)


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def network() -> CNN:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return CNN().eval()


@pytest.mark.parametrize("size", SIZES)
def test_a_laplacian_pyramid_rebuilds_its_image(size: tuple[int, int]) -> None:
    image = draw(2, 3, *size)
    torch.testing.assert_close(rebuilt(laplacian_pyramid(gaussian_pyramid(image))), image)


@pytest.mark.parametrize("size", SIZES)
def test_a_constant_image_has_no_details_at_any_level(size: tuple[int, int]) -> None:
    *details, base = laplacian_pyramid(gaussian_pyramid(torch.full((1, 1, *size), 0.7)))
    torch.testing.assert_close(base, torch.full_like(base, 0.7))
    for level in details:
        torch.testing.assert_close(level, torch.zeros_like(level), rtol=0, atol=1e-6)


def test_256_pixels_become_2_in_as_many_levels_as_the_authors() -> None:
    levels = gaussian_pyramid(draw(1, 1, 256, 200))
    assert [level.shape[2] for level in levels] == [256 // 2**level for level in range(LEVELS)]
    assert [level.shape[3] for level in levels] == [200, 100, 50, 25, 13, 7, 4, 2]


@pytest.mark.parametrize("size", SIZES)
def test_an_image_fused_with_itself_is_itself(network: CNN, size: tuple[int, int]) -> None:
    image = draw(2, *size)
    torch.testing.assert_close(network(image, image), image, rtol=0, atol=1e-5)


def test_coefficients_that_match_are_averaged_by_the_map() -> None:
    level, weight = draw(1, 1, 8, 8), draw(1, 1, 8, 8, seed=2)
    fused = select(torch.cat([level, 2 * level], dim=1), weight)
    torch.testing.assert_close(fused, (2 - weight) * level)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_of_opposite_coefficients_the_larger_is_taken(factor: float) -> None:
    level, weight = draw(1, 1, 8, 8), draw(1, 1, 8, 8, seed=2)
    fused = select(torch.cat([level, -factor * level], dim=1), weight)
    torch.testing.assert_close(fused, level if factor < 1 else -factor * level)


@pytest.mark.parametrize("size", SIZES[-4:])
def test_each_pixel_has_the_mean_score_of_its_patches(network: CNN, size: tuple[int, int]) -> None:
    first, second = draw(1, 1, *size), draw(1, 1, *size, seed=2)
    scores = network.classifier(first, second).softmax(dim=1)[0, SHARP_FIRST].detach().numpy()
    expected = np.zeros(size)
    for row in range(size[0]):
        for column in range(size[1]):
            covering = [
                scores[i, j]
                for i in range(scores.shape[0])
                for j in range(scores.shape[1])
                if 2 * i <= row < 2 * i + PATCH and 2 * j <= column < 2 * j + PATCH
            ]
            expected[row, column] = np.mean(covering)
    found = network.weights(first, second)[0, 0].detach().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_one_branch_extracts_the_features_of_both(network: CNN) -> None:
    first, second = draw(1, 1, 20, 24), draw(1, 1, 20, 24, seed=2)
    kernel = network.classifier.compare.weight.data
    kernel[:] = torch.cat([kernel[:, 256:], kernel[:, :256]], dim=1)
    swapped = network.classifier(second, first)
    kernel[:] = torch.cat([kernel[:, 256:], kernel[:, :256]], dim=1)
    torch.testing.assert_close(network.classifier(first, second), swapped)


def authors_network(shared: Path) -> CNN:
    path = shared / "golden" / "classical" / "params" / "cnn_liu.npz"
    if not path.is_file():
        pytest.skip(f"the authors' parameters are missing: {path.name}")
    network = CNN()
    network.load_state_dict(published_parameters(read_published([path]).arrays))
    return network.eval()


def source(folder: Path, case: str) -> Tensor:
    return torch.from_numpy(read_grey(folder / f"{case}.png").astype(np.float32) / 255)[None]


def fused_by_authors_parameters(case: str, shared: Path) -> NDArray[np.float32]:
    """Unclipped, (rows, columns)."""
    network, folder = authors_network(shared), shared / "data" / "harvard" / "test"
    slots = network.slots(*(source(folder / name, case) for name in ("CT", "MRI")))
    with torch.no_grad():
        found: NDArray[np.float32] = network.fuse(*slots)[0, 0].numpy()
    return found


@first_and_slow_others
def test_fused_images_are_those_of_the_authors(case: str, shared: Path) -> None:
    folder = shared / "golden" / "classical" / "cnn_liu2017"
    found = fused_by_authors_parameters(case, shared)
    levels = grey_levels(np.clip(found, 0, 1)).astype(int)
    difference = np.abs(levels - read_grey(folder / "png" / f"{case}.png"))
    assert difference.max() <= 1
    assert difference.mean() <= MAX_MEAN_DIFFERENCE
    if case in FLOAT_PAIRS:
        expected = np.load(folder / "float" / f"{case}.npz")["f"]
        np.testing.assert_allclose(255 * found, expected, rtol=0, atol=FLOAT_TOLERANCE)


def test_kernels_of_matlab_are_read_column_by_column() -> None:
    arrays = {
        "weights_b1_1": np.arange(9 * 64.0).reshape(9, 64),
        "weights_b1_2": np.zeros((64, 9, 128)),
        "weights_b1_3": np.zeros((128, 9, 256)),
        "weights_output": np.zeros((512, 64, 2)),
        "biases_b1_1": np.zeros((64, 1)),
        "biases_b1_2": np.zeros((128, 1)),
        "biases_b1_3": np.zeros((256, 1)),
    }
    parameters = published_parameters(arrays)
    CNN().load_state_dict(parameters)
    kernel = parameters["classifier.fine.0.weight"][5, 0]
    assert (kernel.T.flatten() == 5 + 64 * torch.arange(9)).all()
