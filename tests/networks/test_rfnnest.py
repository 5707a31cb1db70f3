"""RFN-Nest: the autoencoder, the nest, the residual fusion networks."""

import pytest
import torch
from torch import Tensor, nn

from radfuse.networks.rfnnest import Encoder, NestDecoder, ResidualFusion, RFNNest


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def network_of(seed: int = 7) -> RFNNest:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return RFNNest()


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def convolution(width_in: int, width_out: int, size: int) -> int:
    return width_in * width_out * size**2 + width_out


def block(width_in: int, width_out: int) -> int:
    half = width_in // 2
    return convolution(width_in, half, 3) + convolution(half, width_out, 1)


def rfn(width: int) -> int:
    twice = convolution(2 * width, width, 3) + convolution(2 * width, width, 1)
    return twice + 4 * convolution(width, width, 3)


def test_parameter_count_by_hand_is_7_5_million_as_published() -> None:
    encoder = convolution(1, 16, 1)
    encoder += block(16, 64) + block(64, 112) + block(112, 160) + block(160, 208)
    decoder = block(64 + 112, 64) + block(112 + 160, 112) + block(160 + 208, 160)
    decoder += block(2 * 64 + 112, 64) + block(2 * 112 + 160, 112) + block(3 * 64 + 112, 64)
    decoder += convolution(64, 1, 1)
    fusion = rfn(64) + rfn(112) + rfn(160) + rfn(208)
    network = network_of()
    parts = [count(part) for part in (network.encoder, network.decoder, network.fusion)]
    assert parts == [encoder, decoder, fusion]
    assert count(network) == 7_524_249


@pytest.mark.parametrize(
    ("size", "sizes"),
    [
        ((32, 48), [(32, 48), (16, 24), (8, 12), (4, 6)]),
        ((33, 50), [(33, 50), (17, 25), (9, 13), (5, 7)]),
        ((9, 10), [(9, 10), (5, 5), (3, 3), (2, 2)]),
    ],
)
def test_each_scale_halves_the_one_before_rounded_up(
    size: tuple[int, int], sizes: list[tuple[int, int]]
) -> None:
    with torch.no_grad():
        features = Encoder()(255 * draw(1, 1, *size))
    assert [tuple(each.shape) for each in features] == [
        (1, width, *each) for width, each in zip((64, 112, 160, 208), sizes, strict=True)
    ]


def test_bottom_row_of_odd_height_is_seen_at_every_scale() -> None:
    encoder, image = network_of().encoder, 255 * draw(1, 1, 33, 16)
    changed = image.clone()
    changed[..., -1, :] = 255 - changed[..., -1, :]
    with torch.no_grad():
        for before, after in zip(encoder(image), encoder(changed), strict=True):
            assert not torch.equal(before[..., -1, :], after[..., -1, :])


def test_features_of_a_scale_meet_the_pixels_they_cover() -> None:
    met: list[Tensor] = []
    decoder = NestDecoder()
    decoder.db1_1.register_forward_hook(lambda _, inputs, __: met.append(inputs[0]))
    sizes = [(13, 18), (7, 9), (4, 5), (2, 3)]
    widths = (64, 112, 160, 208)
    features = [draw(1, width, *size) for width, size in zip(widths, sizes, strict=True)]
    with torch.no_grad():
        decoder(features)
    rows, columns = torch.arange(13) // 2, torch.arange(18) // 2
    covering = features[1][:, :, rows][..., columns]
    assert torch.equal(met[0], torch.cat([features[0], covering], dim=1))


def test_images_are_rebuilt_without_the_fusion_networks() -> None:
    network, image = network_of(), draw(1, 1, 16, 16)
    rebuilt = network.reconstruct(image)
    rebuilt.mean().backward()
    assert all(parameter.grad is None for parameter in network.fusion.parameters())
    assert all(parameter.grad is not None for parameter in network.encoder.parameters())
    expected = network.decoder(network.encoder(255 * image)) / 255
    torch.testing.assert_close(rebuilt, expected)


def test_rfn_with_zero_deep_path_is_its_first_convolution() -> None:
    fusion, infrared, visible = ResidualFusion(4), draw(1, 4, 6, 5), draw(1, 4, 6, 5, seed=2)
    for parameter in fusion.residual[-1].parameters():
        nn.init.zeros_(parameter)
    expected = fusion.both(torch.cat([infrared, visible], dim=1))
    assert torch.equal(fusion(infrared, visible), expected)


@pytest.mark.parametrize("seed", range(6))
def test_last_relu_passes_gradient_before_training(seed: int) -> None:
    network, image = network_of(seed), draw(1, 1, 24, 20)
    with torch.no_grad():
        assert network.reconstruct(image).min() > 0
        assert network.fuse(255 * image, 255 * draw(1, 1, 24, 20, seed=2)).min() > 0
