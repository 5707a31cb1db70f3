"""The rules, each against its formula."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radfuse.arrays import Float32Array
from radfuse.methods.average import Average
from radfuse.methods.bone_blend import BONE_LEVEL, BoneBlend
from radfuse.methods.bone_over_mr import BoneOverMR
from radfuse.methods.copy_ct import CopyCT
from radfuse.methods.copy_mr import CopyMR
from radfuse.methods.dwt import DWT
from radfuse.methods.laplacian import Laplacian
from radfuse.methods.maximum import Maximum

quick = settings(max_examples=30, deadline=None)


def pair(seed: int, shape: tuple[int, ...] = (2, 20, 24)) -> tuple[Float32Array, Float32Array]:
    rng = np.random.default_rng(seed)
    return rng.random(shape, np.float32), rng.random(shape, np.float32)


def test_trivial_rules_do_what_their_names_say() -> None:
    ct, mr = pair(1)
    np.testing.assert_allclose(Average()(ct, mr), (ct + mr) / 2)
    np.testing.assert_array_equal(Maximum()(ct, mr), np.where(ct > mr, ct, mr))
    np.testing.assert_array_equal(CopyCT()(ct, mr), ct)
    np.testing.assert_array_equal(CopyMR()(ct, mr), mr)


@pytest.mark.parametrize("method", [Average(), Maximum(), Laplacian(), DWT()], ids=str)
def test_symmetric_methods_do_not_care_which_image_is_the_ct(method: Average) -> None:
    ct, mr = pair(2)
    np.testing.assert_allclose(method(ct, mr), method(mr, ct), rtol=0, atol=1e-6)


@quick
@given(st.integers(0, 2**32), st.floats(0, 1, width=32))
def test_bone_over_mr_takes_ct_above_level_and_mr(seed: int, level: float) -> None:
    ct, mr = pair(seed)
    taken = (ct > level) & (ct > mr)
    fused = BoneOverMR(level)(ct, mr)
    np.testing.assert_array_equal(fused[taken], ct[taken])
    np.testing.assert_array_equal(fused[~taken], mr[~taken])


def test_pixel_at_bone_level_is_not_bone_one_above_is() -> None:
    levels = np.array([[[200, 201], [128, 129]]], np.uint8) / np.float32(255)
    mr = np.zeros_like(levels)
    np.testing.assert_array_equal(BoneOverMR()(levels, mr) > 0, [[[False, True], [False, False]]])
    alone = np.zeros((1, 5, 5), np.float32)
    for grey, bone in ((128, False), (129, True)):
        alone[0, 2, 2] = grey / np.float32(255)
        fused = BoneBlend()(alone, np.zeros_like(alone))
        assert (fused[0, 2, 2] == alone[0, 2, 2]) == bone


def test_bone_blend_is_maximum_within_one_pixel_of_bone() -> None:
    ct = np.full((3, 7, 7), 0.4, np.float32)
    mr = np.full_like(ct, 0.2)
    ct[1, 3, 3] = BONE_LEVEL + 0.1
    expected = np.full_like(ct, 0.2 + 0.05 * 0.4)
    expected[1, 2:5, 2:5] = 0.4
    expected[1, 3, 3] = ct[1, 3, 3]
    np.testing.assert_allclose(BoneBlend()(ct, mr), expected, rtol=1e-6)


def test_bone_blend_does_not_exceed_white() -> None:
    ct, mr = np.full((1, 4, 4), 0.4, np.float32), np.ones((1, 4, 4), np.float32)
    np.testing.assert_array_equal(BoneBlend()(ct, mr), mr)


@pytest.mark.parametrize("method", [Laplacian(), DWT()], ids=str)
@pytest.mark.parametrize("side", [1, 2, 3, 8, 31, 64])
def test_pyramids_give_two_flat_images_their_mean(method: Laplacian | DWT, side: int) -> None:
    ct, mr = (np.full((1, side, side), level, np.float32) for level in (0.2, 0.6))
    np.testing.assert_allclose(method(ct, mr), 0.4, rtol=0, atol=1e-5)


@pytest.mark.parametrize("method", [Laplacian(), DWT()], ids=str)
def test_pyramids_keep_the_fine_detail_of_whichever_image_has_it(method: Laplacian | DWT) -> None:
    checks = (np.indices((32, 32)).sum(0) % 2 * 0.4 + 0.3).astype(np.float32)
    ct, mr = np.full((1, 32, 32), 0.5, np.float32), np.full((1, 32, 32), 0.5, np.float32)
    ct[0, :, :16], mr[0, :, 16:] = checks[:, :16], checks[:, 16:]
    fused = method(ct, mr)
    for part in (np.s_[:, 8:-8, 4:12], np.s_[:, 8:-8, 20:-4]):
        np.testing.assert_allclose(fused[part], checks[None][part], rtol=0, atol=0.06)


@pytest.mark.parametrize("method", [Laplacian(), DWT()], ids=str)
def test_pyramids_do_not_move_an_edge(method: Laplacian | DWT) -> None:
    edge = np.repeat([0.2, 0.8], 16).astype(np.float32)
    ct = np.broadcast_to(edge, (1, 32, 32)).copy()
    fused = method(ct, np.full_like(ct, 0.5))
    steps = np.abs(np.diff(fused, axis=2))
    np.testing.assert_array_equal(steps.argmax(axis=2), 15)
