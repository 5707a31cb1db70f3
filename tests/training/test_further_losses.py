"""Losses of the further networks: zero at their target, values by hand, the metric they equal."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from radfuse.metrics import mef_ssim as metric
from radfuse.training.losses.exposure import DeepFuseWeights, deepfuse_loss, mef_ssim
from radfuse.training.losses.multi_focus import blurred, ifcnn_loss, multi_focus_pairs

quick = settings(max_examples=15, deadline=None)

Rule = Callable[[Tensor, Tensor, Tensor], Tensor]


def draw(seed: int, side: int = 16) -> Tensor:
    """Images (2, 1, H, W) in [0, 1]."""
    return torch.rand(2, 1, side, side, generator=torch.Generator().manual_seed(seed))


def flat(value: float = 0.0, side: int = 16) -> Tensor:
    return torch.full((1, 1, side, side), value)


def luma(*images: Tensor) -> tuple[Tensor, ...]:
    """Images in [0, 1] as luma in [16, 235]."""
    return tuple(16 + 219 * image for image in images)


RULES: dict[str, Rule] = {
    "deepfuse": lambda *images: deepfuse_loss(*luma(*images), DeepFuseWeights())
}
each = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)


@each
@quick
@given(st.integers(0, 2**32))
def test_loss_is_zero_only_if_fused_equals_both_sources(rule: Rule, seed: int) -> None:
    image, other = draw(seed), draw(seed + 1)
    np.testing.assert_allclose(rule(image, image, image).item(), 0, atol=0.02)
    assert rule(other, image, image) > 0.1


@each
@pytest.mark.parametrize("black", [0.0, 0.1])
def test_a_loss_of_black_or_flat_images_has_a_gradient(rule: Rule, black: float) -> None:
    for grey in (black, 0.5):
        fused = flat(grey).requires_grad_()
        rule(fused, flat(black), flat(black)).backward()
        assert fused.grad is not None
        assert fused.grad.isfinite().all()


@each
def test_following_the_gradient_leads_to_a_smaller_loss(rule: Rule) -> None:
    fused, first, second = draw(1).requires_grad_(), draw(2), draw(3)
    optimizer = torch.optim.Adam([fused], lr=0.02)
    losses = []
    for _ in range(30):
        loss = rule(fused, first, second)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.9 * losses[0]


@each
@quick
@given(st.integers(0, 2**32))
def test_batch_loss_is_the_mean_of_its_images(rule: Rule, seed: int) -> None:
    images = [draw(seed + index) for index in range(3)]
    apart = [rule(*(image[i : i + 1] for image in images)).item() for i in range(2)]
    np.testing.assert_allclose(rule(*images).item(), np.mean(apart), rtol=1e-4)


@quick
@given(st.integers(0, 2**32), st.booleans())
def test_mef_ssim_loss_equals_the_metric(seed: int, has_air: bool) -> None:
    rng = np.random.default_rng(seed)
    fused, ct, mr = rng.integers(0, 256, (3, 24, 27)).astype(np.uint8)
    if has_air:
        ct[:, :14], mr[:15] = 0, 0
    tensors = (torch.from_numpy(image.astype(np.float32))[None, None] for image in (fused, ct, mr))
    expected = metric.mef_ssim(fused, ct, mr)
    np.testing.assert_allclose(mef_ssim(*tensors).item(), expected, atol=1e-9)


def test_mef_ssim_loss_compares_structure_not_brightness() -> None:
    image = draw(1) / 2
    brighter = RULES["deepfuse"](image + 0.3, image, image)
    np.testing.assert_allclose(brighter.item(), 0, atol=1e-3)
    assert RULES["deepfuse"](image / 2, image, image) > 10


def test_each_half_of_a_multi_focus_pair_is_sharp_elsewhere() -> None:
    pairs = torch.cat([draw(1), draw(2)], dim=1)
    first, second, truth = multi_focus_pairs(pairs)
    torch.testing.assert_close(truth, pairs.flatten(0, 1).unsqueeze(1))
    near = first == truth
    assert 0.1 < near.float().mean() < 0.9
    torch.testing.assert_close(first + second, truth + blurred(truth))
    torch.testing.assert_close(torch.where(near, first, second), truth)


def test_blurring_keeps_a_flat_image_and_the_mean_of_a_point() -> None:
    torch.testing.assert_close(blurred(flat(0.3)), flat(0.3))
    point = flat()
    point[..., 8, 8] = 1
    torch.testing.assert_close(blurred(point).sum(), torch.tensor(1.0))
    assert blurred(point).amax() == blurred(point)[..., 8, 8]


def test_ifcnn_loss_is_the_squared_error_of_each_colour() -> None:
    colours, truth = torch.zeros(1, 3, 2, 2), torch.ones(1, 1, 2, 2)
    colours[:, 1] = 1
    torch.testing.assert_close(ifcnn_loss(colours, truth), torch.tensor(2 / 3))
