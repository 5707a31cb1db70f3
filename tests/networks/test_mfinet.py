"""MFINet as its paper fixes it and `Choices` fill it in."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from radfuse.methods.onnx import OnnxMethod
from radfuse.networks.blocks.gated_channels import GatedChannels
from radfuse.networks.blocks.restormer import RestormerBlock
from radfuse.networks.mfinet import (
    Choices,
    DenseModule,
    FeatureUnit,
    GatedBranch,
    InteractingPair,
    MFINet,
)
from radfuse.networks.onnx_export import export_onnx

SMALL = Choices(width=8, hidden=4, reconstructor_width=4)
NARROW = Choices(width=8, hidden=2)

HALF_A_LEVEL = 0.5 / 255


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def network_of(choices: Choices = SMALL, seed: int = 7) -> MFINet:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return MFINet(choices)


def far_from_the_start(seed: int = 7) -> MFINet:
    """A network as training might leave it: gates at work, maps that differ from pixel to pixel."""
    network, rng = network_of(seed=seed), torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, GatedChannels):
            for parameter in module.parameters():
                parameter.data += 0.3 * torch.randn(parameter.shape, generator=rng)
    nn.init.normal_(network.reconstruct.draw.weight, std=1.0, generator=rng)
    network.reconstruct.draw.bias.data = torch.zeros(2)
    return network


@pytest.fixture(scope="module")
def network() -> MFINet:
    return far_from_the_start()


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (7, 12), (33, 20), (41, 41)])
def test_fused_images_have_source_size_odd_or_even_and_range(
    network: MFINet, size: tuple[int, int]
) -> None:
    fused = network(draw(3, *size), draw(3, *size, seed=2))
    assert fused.shape == (3, *size)
    assert 0 <= fused.min() <= fused.max() <= 1


def test_mfinet_has_three_pairs_of_modules_as_published() -> None:
    network = network_of()
    pairs = [module for module in network.modules() if isinstance(module, InteractingPair)]
    assert len(pairs) == 3
    for pair in pairs:
        modules = [module for module in pair.modules() if isinstance(module, DenseModule)]
        assert len(modules) == 2
        for module in modules:
            assert len(module.units) == len(module.joins) == 3
            assert all(isinstance(unit, FeatureUnit) for unit in module.units)
            for join in module.joins:
                assert isinstance(join, nn.Conv2d)
                assert join.kernel_size == (1, 1)
    branches = [module for module in network.modules() if isinstance(module, GatedBranch)]
    gates = [sum(isinstance(layer, GatedChannels) for layer in branch) for branch in branches]
    assert gates == [1, 2, 3] * 18


def test_each_modality_has_restormer_blocks_of_its_own() -> None:
    network = network_of(Choices(width=8, hidden=2, reconstructor_width=4, restormer_blocks=2))
    for extract in (network.extract_ct, network.extract_mr):
        assert sum(isinstance(layer, RestormerBlock) for layer in extract) == 2


def parameters_by_hand(c: Choices) -> int:
    def convolution(a: int, b: int, side: int) -> int:
        return a * b * side**2 + b

    w, h, f = c.width, c.hidden, int(2.66 * c.width)
    channel_attention = convolution(w, h, 1) + convolution(h, w, 1)
    unit = 6 * (convolution(w, w, 3) + 3 * w) + convolution(3 * w, w, 1)
    unit += channel_attention + convolution(2, 1, 7)
    module = 3 * unit + sum(convolution(n * w, w, 1) for n in (2, 3, 4))
    attention = 2 * w + c.heads + convolution(w, 3 * w, 1) + 3 * w * 10 + convolution(w, w, 1)
    feed_forward = 2 * w + convolution(w, 2 * f, 1) + 2 * f * 10 + convolution(f, w, 1)
    stream = convolution(1, w, 3) + c.restormer_blocks * (attention + feed_forward)
    stream += 3 * (module + channel_attention)
    r = c.reconstructor_width
    last = convolution(2 * w, 4 * r, 3) + convolution(r + 2, r, 3) + convolution(r, 2, 3)
    return 2 * stream + last


@pytest.mark.parametrize("choices", [Choices(), SMALL, Choices(width=12, restormer_blocks=3)])
def test_the_parameters_are_as_many_as_one_counts_by_hand(choices: Choices) -> None:
    found = sum(tensor.numel() for tensor in network_of(choices).parameters())
    assert found == parameters_by_hand(choices)


def test_by_default_there_are_a_third_of_a_million_parameters() -> None:
    assert parameters_by_hand(Choices()) == 320_196


@pytest.mark.parametrize(
    ("without", "gone"),
    [
        ({"gated": False}, 108 * 3 * 8),
        ({"enhanced": False}, 18 * (8 * 4 + 4 + 4 * 8 + 8 + 2 * 49 + 1)),
        ({"interacting": False}, 6 * (8 * 4 + 4 + 4 * 8 + 8)),
        ({"branches": (3,)}, 18 * (3 * (8 * 8 * 9 + 8 + 3 * 8) + 2 * 8 * 8)),
    ],
)
def test_an_ablation_leaves_out_its_part_and_nothing_else(
    without: dict[str, Any], gone: int
) -> None:
    network = network_of(replace(SMALL, **without))
    found = sum(tensor.numel() for tensor in network.parameters())
    assert found == parameters_by_hand(SMALL) - gone
    assert network(draw(1, 9, 12), draw(1, 9, 12, seed=2)).shape == (1, 9, 12)


def test_a_gradient_reaches_every_parameter(network: MFINet) -> None:
    network.zero_grad()
    (network(draw(2, 24, 20), draw(2, 24, 20, seed=2)) - 1).square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_untrained_network_shows_mr_with_ct_shining_through() -> None:
    ct, mr = draw(1, 24, 20) / 2, draw(1, 24, 20, seed=2) / 2
    fused = network_of()(ct, mr)
    torch.testing.assert_close(fused, (0.05 + 0.95 * 0.1) * ct + 0.95 * mr, rtol=0, atol=0.02)


def test_black_sources_stay_black_and_sum_is_never_exceeded(network: MFINet) -> None:
    ct, mr = draw(1, 24, 20), draw(1, 24, 20, seed=2)
    ct[:, 6:, 5:], mr[:, 9:, 3:] = 0, 0
    fused = network(ct, mr)
    assert (fused[:, 9:, 5:] == 0).all()
    assert (fused <= ct + mr + 1e-6).all()


@pytest.mark.parametrize(
    ("logits", "gains"),
    [((9.0, -9.0), (1, 0)), ((-9.0, 9.0), (0.05, 1)), ((-9.0, -9.0), (0.05, 0))],
)
def test_blend_weights_end_at_exactly_zero_and_one(
    logits: tuple[float, float], gains: tuple[float, float]
) -> None:
    network, (ct, mr) = network_of(), (draw(1, 24, 20), draw(1, 24, 20, seed=2))
    network.reconstruct.draw.bias.data = torch.tensor(logits)
    expected = (gains[0] * ct + gains[1] * mr).clamp(0, 1)
    torch.testing.assert_close(network(ct, mr), expected, rtol=0, atol=1e-6)


def test_each_image_is_fused_by_itself(network: MFINet) -> None:
    ct, mr = draw(3, 14, 11), draw(3, 14, 11, seed=2)
    alone = torch.cat([network(ct[i : i + 1], mr[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(network(ct, mr), alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("changed", [0, 1])
def test_each_stream_hears_of_the_other(changed: int) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(8)
        pair = InteractingPair(NARROW)
    features = [draw(1, 8, 6, 5), draw(1, 8, 6, 5, seed=2)]
    before = pair(*features)
    features[changed] = features[changed] + draw(1, 8, 6, 5, seed=3)
    after = pair(*features)
    for stream in range(2):
        assert not torch.equal(before[stream], after[stream])


def test_a_stream_adds_what_channel_attention_picks_of_the_other() -> None:
    pair = InteractingPair(NARROW)
    ct, mr = draw(1, 8, 6, 5), draw(1, 8, 6, 5, seed=2)
    of_ct, of_mr = pair.of_ct(ct), pair.of_mr(mr)
    expected = of_ct + pair.pick_mr(of_mr) * of_mr, of_mr + pair.pick_ct(of_ct) * of_ct
    torch.testing.assert_close(pair(ct, mr), expected)


def test_a_module_with_a_silent_last_join_is_the_identity() -> None:
    module, features = DenseModule(NARROW), draw(1, 8, 6, 5)
    nn.init.zeros_(module.joins[2].weight)
    nn.init.zeros_(module.joins[2].bias)
    assert torch.equal(module(features), features)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> OnnxMethod:
    path = tmp_path_factory.mktemp("mfinet") / "mfinet.onnx"
    export_onnx(far_from_the_start(), path)
    return OnnxMethod(path)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(1, 32, 32), (1, 33, 50), (2, 33, 50), (4, 61, 40)])
def test_openvino_matches_torch_within_half_a_grey_level(
    exported: OnnxMethod, network: MFINet, shape: tuple[int, int, int]
) -> None:
    ct, mr = draw(*shape), draw(*shape, seed=2)
    expected = network(ct, mr).detach().numpy()
    assert expected.std() > 0.05
    found = exported(ct.numpy(), mr.numpy())
    np.testing.assert_allclose(found, expected, rtol=0, atol=HALF_A_LEVEL)
