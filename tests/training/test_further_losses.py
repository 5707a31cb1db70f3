"""Losses of the further networks: zero at their target, values by hand, the metric they equal."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from radfuse.metrics import mef_ssim as metric
from radfuse.training.losses.adversarial import DDcGANWeights, ddcgan_loss
from radfuse.training.losses.autoencoder import ssim
from radfuse.training.losses.disentangled import (
    MIN_LENGTH,
    Both,
    DRFWeights,
    complementary_lasso,
    drf_loss,
)
from radfuse.training.losses.exposure import DeepFuseWeights, deepfuse_loss, mef_ssim
from radfuse.training.losses.information import (
    EMFusionWeights,
    FusionDNWeights,
    emfusion_loss,
    entropy,
    fusiondn_loss,
    surface_information,
)
from radfuse.training.losses.memory import MUFusionWeights, activity, mufusion_loss
from radfuse.training.losses.multi_focus import blurred, ifcnn_loss, multi_focus_pairs
from radfuse.training.losses.regions import MIN_REST, MATRWeights, matr_loss, rest_information

quick = settings(max_examples=15, deadline=None)

Rule = Callable[[Tensor, Tensor, Tensor], Tensor]


def draw(seed: int, side: int = 16) -> Tensor:
    """Images (2, 1, H, W) in [0, 1]."""
    return torch.rand(2, 1, side, side, generator=torch.Generator().manual_seed(seed))


def flat(value: float = 0.0, side: int = 16) -> Tensor:
    return torch.full((1, 1, side, side), value)


def point(side: int = 16) -> Tensor:
    """Black but for a white pixel in the middle."""
    image = flat(side=side)
    image[..., side // 2, side // 2] = 1
    return image


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
    torch.testing.assert_close(first[:2] + second[:2], truth[:2] + blurred(truth)[:2])
    torch.testing.assert_close(first[2:] + second[2:], truth[2:])
    torch.testing.assert_close(torch.where(near, first, second), truth)


def test_blurring_keeps_a_flat_image_and_the_mean_of_a_point() -> None:
    torch.testing.assert_close(blurred(flat(0.3)), flat(0.3))
    spread = blurred(point())
    torch.testing.assert_close(spread.sum(), torch.tensor(1.0))
    assert spread.amax() == spread[..., 8, 8]


def test_ifcnn_loss_is_the_squared_error_of_each_colour() -> None:
    colours, truth = torch.zeros(1, 3, 2, 2), torch.ones(1, 1, 2, 2)
    colours[:, 1] = 1
    torch.testing.assert_close(ifcnn_loss(colours, truth), torch.tensor(2 / 3))


@quick
@given(st.integers(0, 2**32), st.floats(-2, 2).filter(lambda slope: abs(slope) > 0.5))
def test_a_linear_function_of_a_source_tells_all_of_it(seed: int, slope: float) -> None:
    source, other = draw(seed, 32), draw(seed + 1, 32)
    told = rest_information(source, slope * source + 0.3)
    np.testing.assert_allclose(told, 0, atol=0.05)
    assert (rest_information(source, other) > 1).all()
    nothing = rest_information(source, torch.zeros_like(source))
    assert (nothing >= rest_information(source, other)).all()


def test_a_flat_image_leaves_the_variance_of_a_source() -> None:
    noise = 0.5 + 0.1 * torch.randn(1, 1, 200, 200, generator=torch.Generator().manual_seed(1))
    expected = math.log(1 + 0.01 / MIN_REST) / 2
    rest = rest_information(noise, torch.zeros_like(noise)).item()
    np.testing.assert_allclose(rest, expected, atol=0.02)


def test_matr_weights_the_information_of_the_mr_more() -> None:
    ct, mr = draw(1, 32), draw(2, 32)
    weights = MATRWeights(functional=0.0, anatomical=3.0)
    rest = rest_information(mr, ct).mean().float()
    torch.testing.assert_close(matr_loss(ct, ct, mr, weights), 1 - ssim(ct, mr) + 3 * rest)


def test_entropy_of_equally_frequent_levels_is_their_logarithm() -> None:
    levels = torch.arange(256).repeat(1, 1, 2, 1).view(1, 1, 16, 32) / 255
    np.testing.assert_allclose(entropy(levels), [8.0], atol=1e-5)
    halves = torch.cat([flat(), flat(0.9)], dim=3)
    np.testing.assert_allclose(entropy(halves), [1.0], atol=1e-6)
    np.testing.assert_allclose(surface_information(halves), [1 + 3 * 0.45], atol=1e-6)
    assert entropy(flat(0.3)) == 0


def test_emfusion_weights_sources_by_their_information() -> None:
    bright, black = torch.cat([flat(), flat(0.9)], dim=3), torch.cat([flat(), flat()], dim=3)
    share = 1 / (1 + math.exp(-2.35 / 0.5))
    apart = 1 - ssim(bright, black).item()
    loss = emfusion_loss(bright, bright, black, EMFusionWeights(pixel=2.0))
    np.testing.assert_allclose(loss, (1 - share) * (apart + 2 * 0.405), rtol=1e-5)


def test_fusiondn_weights_the_gradients_by_entropies() -> None:
    black = flat(side=17)
    spot = point(17)
    bits = entropy(spot).item()
    share = 1 / (1 + math.exp(-bits * 12 / 15))
    edges = (1 + 8 / 64) / 17**2
    structure = 1 - ssim(spot, black).item()
    loss = fusiondn_loss(spot, spot, black, FusionDNWeights(gradient=7.0))
    np.testing.assert_allclose(loss, (1 - share) * (structure + 7 * edges), rtol=1e-5)


@quick
@given(st.integers(0, 2**32))
def test_activity_is_that_of_detail_not_of_brightness(seed: int) -> None:
    image = draw(seed)
    assert activity(image).shape == image.shape
    torch.testing.assert_close(activity(image + 0.2), activity(image), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(activity(image / 2), activity(image) / 2)
    assert (activity(flat(0.7)).abs() < 1e-6).all()


def test_mufusion_follows_the_source_with_more_activity() -> None:
    sharp, smooth = draw(1), torch.full((2, 1, 16, 16), 0.5)
    loss = mufusion_loss(sharp, sharp, smooth, None, MUFusionWeights())
    np.testing.assert_allclose(loss, 0, atol=1e-5)
    assert mufusion_loss(smooth, sharp, smooth, None, MUFusionWeights()) > 1


def test_mufusion_mixes_content_and_memory_by_similarity() -> None:
    first, memory, weights = draw(1), draw(2), MUFusionWeights(structure=0.0, gradient=0.0)
    share = 1 / (1 + math.exp(-2 * (1 - ssim(memory, first).item())))
    loss = mufusion_loss(first, first, first, memory, weights)
    error = (first - memory).square().mean().item()
    np.testing.assert_allclose(loss, (1 - share) * error, rtol=1e-5)


def test_group_lasso_penalises_the_weaker_features() -> None:
    strong, weak = torch.zeros(1, 4, 6, 6), torch.zeros(1, 4, 6, 6)
    strong[:, 0], weak[:, 1] = 3.0, 0.4
    inner = complementary_lasso(strong, weak)
    np.testing.assert_allclose(inner, 0.4 / 4, rtol=1e-3)
    # of equal vectors each half counts
    np.testing.assert_allclose(complementary_lasso(weak, weak), 0.4 / 4, rtol=1e-5)
    zero = torch.zeros(1, 4, 6, 6, requires_grad=True)
    complementary_lasso(zero, zero).backward()
    assert zero.grad is not None
    assert zero.grad.isfinite().all()


def disentangled(wrong: str = "") -> float:
    """DRF's loss of perfect parts, but for one that is wrong."""
    sources: Both = draw(1), draw(2)
    parts: dict[str, Both] = {
        "own": sources, "crossed": sources, "shared": (sources[0], sources[0]),
        "alone": (torch.zeros(2, 4, 16, 16), torch.zeros(2, 4, 16, 16)), "sources": sources,
    }  # fmt: skip
    if wrong:
        other = draw(3).repeat(1, parts[wrong][0].shape[1], 1, 1)
        parts[wrong] = other, other if wrong == "alone" else parts[wrong][1]
    return drf_loss(**parts, weights=DRFWeights()).item()


def test_drf_is_smallest_for_perfect_parts() -> None:
    rounding = DRFWeights().sparsity * MIN_LENGTH / 2 / 4
    np.testing.assert_allclose(disentangled(), rounding, rtol=1e-3)
    for part in ("own", "crossed", "shared", "alone"):
        assert disentangled(part) > rounding + 0.1, part


def test_ddcgan_content_of_a_point_by_hand() -> None:
    weights = DDcGANWeights(content=0.5, gradient=3.0)
    loss = ddcgan_loss(point(5), flat(side=5), flat(side=5), weights)
    np.testing.assert_allclose(loss, 0.5 * (1 + 3 * 2) / 25, rtol=1e-6)
    assert ddcgan_loss(point(5), point(5), flat(side=5), weights) > 0
