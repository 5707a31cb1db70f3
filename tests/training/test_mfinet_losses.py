"""Losses of MFINet: Eq. 1-4 of its paper, and the loss made of metrics."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from radfuse.methods.bone_blend import BoneBlend
from radfuse.metrics.measure import measure
from radfuse.training.losses.autoencoder import ssim
from radfuse.training.losses.mfinet import (
    MetricWeights,
    bone_level,
    bone_target,
    mfinet_metric_loss,
    mfinet_paper_loss,
)

quick = settings(max_examples=15, deadline=None)

WEIGHTS = MetricWeights()

NOTHING = MetricWeights(**dict.fromkeys(MetricWeights.__annotations__, 0.0))


def draw(*shape: int, seed: int = 1) -> Tensor:
    """Images of whole grey levels."""
    levels = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(seed))
    return levels.float() / 255


@quick
@given(st.integers(0, 2**32))
def test_paper_loss_equals_its_equations_in_loops(seed: int) -> None:
    fused, ct, mr = (draw(1, 12, 13, seed=seed + index).double() for index in range(3))
    f, a, b = (x[0].numpy() for x in (fused, ct, mr))
    gradient = 0.0
    for i in range(12):
        for j in range(13):
            for down, across in ((1, 0), (0, 1)):
                if i + down < 12 and j + across < 13:
                    of_f, of_a, of_b = (x[i + down, j + across] - x[i, j] for x in (f, a, b))
                    gradient += abs(of_f - (of_a if abs(of_a) > abs(of_b) else of_b))
    intensity = np.abs(f - np.maximum(a, b)).mean()
    structure = 1 - ssim(fused.unsqueeze(1), torch.maximum(ct, mr).unsqueeze(1)).item()
    expected = 10 * intensity + 100 * structure + gradient / (2 * 12 * 13)
    np.testing.assert_allclose(mfinet_paper_loss(fused, ct, mr).item(), expected, rtol=1e-9)


def test_paper_loss_is_zero_for_a_copy_beside_a_black_source() -> None:
    ct, nothing = draw(2, 20, 20), torch.zeros(2, 20, 20)
    np.testing.assert_allclose(mfinet_paper_loss(ct, ct, nothing).item(), 0, atol=1e-4)
    np.testing.assert_allclose(mfinet_paper_loss(ct, nothing, ct).item(), 0, atol=1e-4)


@quick
@given(st.integers(0, 2**32))
def test_paper_loss_is_symmetric_in_the_sources(seed: int) -> None:
    fused, ct, mr = (draw(2, 14, 12, seed=seed + index) for index in range(3))
    apart = (ct.diff(dim=1).abs() != mr.diff(dim=1).abs()).all()
    if apart and (ct.diff(dim=2).abs() != mr.diff(dim=2).abs()).all():
        torch.testing.assert_close(
            mfinet_paper_loss(fused, ct, mr), mfinet_paper_loss(fused, mr, ct)
        )


def test_paper_loss_targets_the_larger_gradient_with_sign() -> None:
    ct, mr = torch.full((1, 16, 16), 0.5), torch.full((1, 16, 16), 0.5)
    ct[..., 8:] = 0.2  # falls; the maximum of both is flat
    falling, rising = ct.clone(), torch.full((1, 16, 16), 0.2)
    rising[..., 8:] = 0.5

    def gradient_part(fused: Tensor) -> float:
        brighter = torch.maximum(ct, mr)
        structure = 1 - ssim(fused.unsqueeze(1), brighter.unsqueeze(1))
        rest = 10 * (fused - brighter).abs().mean() + 100 * structure
        return (mfinet_paper_loss(fused, ct, mr) - rest).item()

    np.testing.assert_allclose(gradient_part(falling), 0, atol=1e-5)
    assert gradient_part(rising) > gradient_part(mr) > 1e-3


@quick
@given(st.integers(0, 2**32), st.floats(0.1, 0.9))
def test_target_is_bone_blend_with_a_bone_level_per_image(seed: int, tissue: float) -> None:
    ct, mr = draw(2, 30, 31, seed=seed), draw(2, 30, 31, seed=seed + 1)
    ct = torch.where(ct > 0.8, ct, tissue * ct)
    target = bone_target(ct, mr)
    for index, level in enumerate(bone_level(ct, mr).ravel().tolist()):
        one = slice(index, index + 1)
        expected = BoneBlend(bone_level=level)(ct[one].numpy(), mr[one].numpy())
        np.testing.assert_allclose(target[one], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("tissue", [0.2, 0.5, 0.9])
def test_bone_level_is_halfway_from_ct_tissue_to_white(tissue: float) -> None:
    ct, mr = torch.zeros(1, 20, 20), torch.zeros(1, 20, 20)
    ct[:, 4:16, 4:16], mr[:, 6:14, 6:14] = 1, 0.5
    ct[:, 6:14, 6:14] = tissue
    np.testing.assert_allclose(bone_level(ct, mr).item(), (1 + tissue) / 2, rtol=1e-6)
    target = bone_target(ct, mr)
    torch.testing.assert_close(target[:, 7:13, 7:13], (mr + 0.05 * ct)[:, 7:13, 7:13])
    torch.testing.assert_close(target[:, 6, 4:16], torch.maximum(ct, mr)[:, 6, 4:16])
    assert (target[:, 4:6, 4:16] == 1).all()


def test_without_tissue_bone_level_is_halfway_to_white() -> None:
    nothing = torch.zeros(2, 20, 20)
    np.testing.assert_allclose(bone_level(nothing, nothing).ravel(), 0.5)
    assert (bone_target(nothing, nothing) == 0).all()


@quick
@given(st.integers(0, 2**32))
def test_the_parts_of_the_metric_loss_are_the_metrics(seed: int) -> None:
    images = [draw(1, 48, 44, seed=seed + index) for index in range(3)]
    _, parts = mfinet_metric_loss(*images, WEIGHTS)
    greys = [np.rint(255 * image[0].numpy()).astype(np.uint8) for image in images]
    expected = measure("mfinet2024", *greys)
    assert parts.keys() == expected.keys() | {"L1"}
    for name, value in expected.items():
        np.testing.assert_allclose(parts[name], value, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "part", "sign"),
    [("information", "MI", -1), ("edges", "Qabf", -1), ("intensity", "L1", 1)],
)
def test_a_weight_increased_by_one_adds_the_term_itself(name: str, part: str, sign: int) -> None:
    images = [draw(2, 48, 44, seed=index) for index in range(3)]
    before, parts = mfinet_metric_loss(*images, WEIGHTS)
    more = replace(WEIGHTS, **{name: getattr(WEIGHTS, name) + 1})
    after, _ = mfinet_metric_loss(*images, more)
    np.testing.assert_allclose((after - before).item(), sign * parts[part], rtol=1e-3, atol=1e-5)


def test_fidelity_term_prefers_a_blend_to_a_copy() -> None:
    ct, mr = draw(1, 48, 44), draw(1, 48, 44, seed=2)
    weights = replace(NOTHING, fidelity=1)
    copy, copied = mfinet_metric_loss(mr, ct, mr, weights)
    blend, blended = mfinet_metric_loss(((ct + mr) / 2), ct, mr, weights)
    assert copied["VIF"] > blended["VIF"]
    assert blend < copy


def test_spatial_frequency_is_penalised_outside_its_range() -> None:
    ct, mr = torch.zeros(1, 48, 44), draw(1, 48, 44, seed=2)  # the target is the MR itself
    weights = replace(NOTHING, frequency=1, min_frequency=0.5, max_frequency=1.1)
    times = (0.2, 0.4, 0.6, 1, 1.05, 1.3)
    losses = [mfinet_metric_loss(t * mr, ct, mr, weights)[0].item() for t in times]
    np.testing.assert_allclose(losses, [0.3, 0.1, 0, 0, 0, 0.2], rtol=0, atol=1e-4)
