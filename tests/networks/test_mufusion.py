"""MUFusion in tiles, as its authors' program runs it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from radfuse.methods.onnx import OnnxMethod
from radfuse.networks.mufusion import TILE, MUFusion
from radfuse.networks.onnx_export import export_onnx


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def networks() -> tuple[MUFusion, MUFusion]:
    """In tiles and whole, with the same parameters."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        tiled, whole = MUFusion(tiles=True), MUFusion()
    whole.load_state_dict(tiled.state_dict())
    return tiled.eval(), whole.eval()


@torch.no_grad()
def test_one_tile_is_the_whole_image() -> None:
    tiled, whole = networks()
    images = draw(2, 1, TILE, TILE), draw(2, 1, TILE, TILE, seed=2)
    torch.testing.assert_close(tiled.fuse(*images), whole.fuse(*images))


@torch.no_grad()
def test_small_image_is_continued_by_its_last_pixels() -> None:
    tiled, whole = networks()
    images = draw(1, 1, 9, 50), draw(1, 1, 9, 50, seed=2)
    rows, columns = (torch.arange(TILE).clamp(max=last) for last in (8, 49))
    continued = [image[:, :, rows][..., columns] for image in images]
    expected = whole.fuse(*continued)[..., :9, :50]
    torch.testing.assert_close(tiled.fuse(*images), expected)


@torch.no_grad()
@pytest.mark.parametrize("size", [(129, 128), pytest.param((140, 253), marks=pytest.mark.slow)])
def test_tiles_differ_from_whole_only_near_their_borders(size: tuple[int, int]) -> None:
    tiled, whole = networks()
    images = draw(1, 1, *size), draw(1, 1, *size, seed=2)
    one, other = tiled.fuse(*images), whole.fuse(*images)
    assert one.shape == other.shape
    # tiles end at 128 and begin at the size minus 128 and at 124
    torch.testing.assert_close(one[..., 60:70, 60:64], other[..., 60:70, 60:64], rtol=0, atol=0.02)


@pytest.mark.slow
def test_exported_tiles_fuse_any_size(tmp_path: Path) -> None:
    tiled, _ = networks()
    path = tmp_path / "tiles.onnx"
    export_onnx(tiled, path)
    for shape in ((2, 33, 50), (1, 128, 128), (3, 129, 260)):
        ct, mr = draw(*shape), draw(*shape, seed=2)
        with torch.no_grad():
            expected = tiled(ct, mr).numpy()
        fused = OnnxMethod(path)(ct.numpy(), mr.numpy())
        np.testing.assert_allclose(fused, expected, rtol=0, atol=1e-5)
