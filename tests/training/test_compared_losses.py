"""Losses of the compared networks: zero at their target, and values computed by hand."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from radfuse.training.losses.end_to_end import (
    LAPLACIAN,
    FusionGANProportions,
    Proportions,
    SDNetWeights,
    STDFusionNetWeights,
    U2FusionWeights,
    UMFCMGRWeights,
    bone_mask,
    filtered,
    information,
    proportional_loss,
    saliency,
    sdnet_loss,
    stdfusionnet_loss,
    stronger_gradient,
    u2fusion_loss,
    umfcmgr_loss,
)

quick = settings(max_examples=15, deadline=None)

Rule = Callable[[Tensor, Tensor, Tensor], Tensor]


def draw(seed: int, side: int = 16) -> Tensor:
    """Images (2, 1, H, W) in [0, 1]."""
    return torch.rand(2, 1, side, side, generator=torch.Generator().manual_seed(seed))


def flat(value: float = 0.0, side: int = 5) -> Tensor:
    return torch.full((1, 1, side, side), value)


def point(value: float = 1.0, side: int = 5) -> Tensor:
    """Black but for the pixel in the middle."""
    image = flat(side=side)
    image[..., side // 2, side // 2] = value
    return image


def sdnet(fused: Tensor, infrared: Tensor, visible: Tensor) -> Tensor:
    return sdnet_loss(fused, infrared, visible, (infrared, visible), SDNetWeights())


def stdfusionnet(fused: Tensor, ct: Tensor, mr: Tensor) -> Tensor:
    bone = bone_mask(ct.squeeze(1), mr.squeeze(1))
    return stdfusionnet_loss(fused, ct, mr, bone, STDFusionNetWeights())


RULES: dict[str, Rule] = {
    "pmgi": lambda *images: proportional_loss(*images, Proportions(infrared_gradient=4.0)),
    "fusiongan": lambda *images: proportional_loss(*images, FusionGANProportions()),
    "sdnet": sdnet,
    "stdfusionnet": stdfusionnet,
    "u2fusion": lambda *images: u2fusion_loss(*images, U2FusionWeights()),
    "umfcmgr": lambda *images: umfcmgr_loss(*images, UMFCMGRWeights()),
}
each = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)


@each
@quick
@given(st.integers(0, 2**32))
def test_loss_is_zero_only_if_fused_equals_both_sources(rule: Rule, seed: int) -> None:
    image, other = draw(seed), draw(seed + 1)
    np.testing.assert_allclose(rule(image, image, image).item(), 0, atol=1e-5)
    assert rule(other, image, image) > 0.01


@each
@pytest.mark.parametrize("black", [0.0, -1.0])
def test_a_loss_of_black_or_flat_images_has_a_gradient(rule: Rule, black: float) -> None:
    for fused_grey in (black, 0.5):
        fused = flat(fused_grey, side=16).requires_grad_()
        rule(fused, flat(black, side=16), flat(black, side=16)).backward()
        assert fused.grad is not None
        assert fused.grad.isfinite().all()


@each
def test_following_the_gradient_leads_to_a_smaller_loss(rule: Rule) -> None:
    fused, infrared, visible = draw(1).requires_grad_(), draw(2), draw(3)
    optimizer = torch.optim.Adam([fused], lr=0.02)
    losses = []
    for _ in range(30):
        loss = rule(fused, infrared, visible)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.9 * losses[0]


@quick
@given(st.integers(0, 2**32))
def test_u2fusion_and_umfcmgr_are_symmetric_in_the_sources(seed: int) -> None:
    fused, first, second = (draw(seed + index) for index in range(3))
    for name in ("u2fusion", "umfcmgr"):
        rule = RULES[name]
        torch.testing.assert_close(rule(fused, first, second), rule(fused, second, first))


@quick
@given(st.integers(0, 2**32))
def test_batch_loss_is_the_mean_of_its_images(seed: int) -> None:
    images = [draw(seed + index) for index in range(3)]
    for name, rule in RULES.items():
        apart = [rule(*(image[i : i + 1] for image in images)).item() for i in range(2)]
        np.testing.assert_allclose(rule(*images).item(), np.mean(apart), rtol=1e-4, err_msg=name)


def test_the_laplacian_of_a_point_is_its_kernel() -> None:
    expected = torch.zeros(5, 5)
    expected[1:4, 1:4] = torch.tensor(LAPLACIAN)
    torch.testing.assert_close(filtered(point(), LAPLACIAN)[0, 0], expected)


def test_proportions_of_a_point_by_hand() -> None:
    # of 25 pixels one differs by 1; the Laplacian of it has -4 and four times 1, squares 20
    proportions = Proportions(visible_intensity=3, visible_gradient=5, infrared_gradient=7)
    loss = proportional_loss(point(), flat(), flat(), proportions)
    np.testing.assert_allclose(loss.item(), 100 * (1 + 3 + 20 * 5 + 20 * 7) / 25, rtol=1e-6)
    loss = proportional_loss(point(), flat(), flat(), FusionGANProportions())
    np.testing.assert_allclose(loss.item(), 100 * (1 + 20 * 5) / 25, rtol=1e-6)


def test_fusiongan_targets_infrared_grey_and_visible_edges() -> None:
    infrared, edge = flat(0.5, side=16), flat(side=16)
    edge[..., 8:] = 0.5
    for wanted in (infrared, edge):
        proportional = RULES["fusiongan"](infrared + edge / 10, wanted, edge)
        assert proportional > 0
    grey = RULES["fusiongan"](infrared, infrared, infrared)
    assert grey == 0


def test_sdnet_of_a_point_by_hand() -> None:
    decomposed = (flat(0.1), flat(-0.2))
    loss = sdnet_loss(point(), flat(), flat(), decomposed, SDNetWeights())
    expected = (1 + 0.5) / 25 + 10 * 20 / 25 + 0.1**2 + 0.2**2
    np.testing.assert_allclose(loss.item(), expected, rtol=1e-5)


def test_sdnet_takes_the_larger_gradient_of_both_sources() -> None:
    strong, weak = flat(side=9), flat(side=9)
    strong[..., 1, 1], weak[..., 7, 7] = 1, 1
    decision = stronger_gradient(strong, weak)  # the weaker is the visible one, but at its point
    assert decision[..., 6:9, 6:9].sum() >= 5
    assert decision[..., :4, :4].sum() == 0
    swapped = stronger_gradient(weak, strong)
    assert not (decision * swapped).any()
    fused = strong + weak
    only_gradient = SDNetWeights(visible_intensity=0, gradient=1, decomposition=0)
    black = flat(side=9)
    intensity = (fused - strong).square().mean()
    both = sdnet_loss(fused, strong, weak, (black, black), only_gradient) - intensity
    np.testing.assert_allclose(both.item(), 0, atol=1e-6)


@pytest.mark.parametrize(("bone", "weight"), [(1.0, 7), (0.0, 1)])
def test_stdfusionnet_of_a_point_by_hand(bone: float, weight: int) -> None:
    # Sobel magnitudes of a point: 2 in each of its eight neighbours
    loss = stdfusionnet_loss(point(), flat(), flat(), flat(bone), STDFusionNetWeights())
    np.testing.assert_allclose(loss.item(), weight * (1 + 16) / 25, rtol=1e-6)


def test_stdfusionnet_targets_ct_in_bone_and_mr_elsewhere() -> None:
    ct, mr = flat(0.2, side=16), flat(0.5, side=16)
    ct[..., :4] = 0.9
    bone = bone_mask(ct.squeeze(1), mr.squeeze(1))
    assert torch.equal(bone, (ct > 0.6).float())
    for mask, wanted in ((flat(1.0, side=16), ct), (flat(0.0, side=16), mr)):
        assert stdfusionnet_loss(wanted, ct, mr, mask, STDFusionNetWeights()) == 0


def test_information_of_a_point_by_hand() -> None:
    # scales of 5, 3, 2, 1 and 1 pixels; the point is 1, 1/4, 1/16 in a corner, then all there is
    scales = [1.125 / 25, 1.125 / 16 / 9, 34 / 64 / 256 / 4, 0, 0]
    np.testing.assert_allclose(information(point()).item(), np.mean(scales), rtol=1e-5)


def test_information_is_zero_if_flat_and_grows_with_contrast() -> None:
    np.testing.assert_allclose(information(flat(0.7, side=16)).item(), 0, atol=1e-12)
    image = draw(1)
    torch.testing.assert_close(information(2 * image), 4 * information(image))


def test_u2fusion_prefers_the_source_with_more_information() -> None:
    detail, grey = draw(1, side=32), torch.full((2, 1, 32, 32), 0.5)
    rule = RULES["u2fusion"]
    assert (rule(detail, detail, grey) < 0.7 * rule(grey, detail, grey)).all()


def test_u2fusion_weights_equal_information_equally() -> None:
    image, fused = draw(1), draw(2)
    expected = functional.mse_loss(fused, image)
    one = u2fusion_loss(fused, image, image, U2FusionWeights(pixel=1))
    two = u2fusion_loss(fused, image, image, U2FusionWeights(pixel=2))
    torch.testing.assert_close(two - one, expected)


def test_saliency_of_a_point_by_hand() -> None:
    # black is 255 away from one pixel, white from 24
    expected = torch.where(point() > 0, 1.0, 1 / 24)
    torch.testing.assert_close(saliency(point()), expected)
    assert saliency(flat(0.3)).abs().max() == 0


@quick
@given(st.integers(0, 2**32))
def test_saliency_is_the_distance_to_all_pixels(seed: int) -> None:
    image = draw(seed, side=7)
    levels = (image[0] * 255).round().flatten()
    expected = (levels[:, None] - levels).abs().sum(dim=1)
    torch.testing.assert_close(saliency(image)[0].flatten(), expected / expected.max())


def test_umfcmgr_of_a_point_by_hand() -> None:
    # magnitudes of its Laplacian add up to 1
    weights = UMFCMGRWeights(structure=0)
    loss = umfcmgr_loss(point(side=13), flat(side=13), flat(side=13), weights)
    np.testing.assert_allclose(loss.item(), (20 + 5) / 169, rtol=1e-5)


def test_umfcmgr_weights_the_sources_by_their_saliency() -> None:
    salient, black = point(side=13), flat(side=13)
    pixel = UMFCMGRWeights(structure=0, pixel=1, gradient=0)
    assert umfcmgr_loss(salient, salient, black, pixel) < umfcmgr_loss(black, salient, black, pixel)
