"""FusionGAN's generator, and the discriminator that trains it."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from radfuse.networks.fusiongan import Discriminator, FusionGAN


def draw(*shape: int, seed: int = 1) -> Tensor:
    return 2 * torch.rand(shape, generator=torch.Generator().manual_seed(seed)) - 1


@pytest.fixture(scope="module")
def network() -> FusionGAN:
    """In evaluation, after it has seen a batch."""
    network = FusionGAN()
    network.fuse(draw(2, 1, 24, 20), draw(2, 1, 24, 20, seed=2))
    return network.eval()


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_generator_has_paper_parameters_less_cancelled_biases() -> None:
    kernels = 25 * 2 * 256 + 25 * 256 * 128 + 9 * 128 * 64 + 9 * 64 * 32
    normalised = 256 + 128 + 64 + 32
    assert count(FusionGAN()) == kernels + 2 * normalised + 32 + 1 == 925_153


def test_discriminator_has_four_stride_2_convolutions() -> None:
    discriminator = Discriminator()
    convolutions = [m for m in discriminator.modules() if isinstance(m, nn.Conv2d)]
    widths = [(m.in_channels, m.out_channels) for m in convolutions]
    assert widths == [(1, 32), (32, 64), (64, 128), (128, 256)]
    assert {(m.kernel_size, m.stride) for m in convolutions} == {((3, 3), (2, 2))}
    kernels = 9 * (32 + 32 * 64 + 64 * 128 + 128 * 256)
    assert count(discriminator) == kernels + 32 + 2 * (64 + 128 + 256) + 36 * 256 + 1
    assert discriminator(draw(3, 1, 120, 120)).shape == (3, 1)


def test_the_generator_makes_patches_of_120_pixels_from_132(network: FusionGAN) -> None:
    with torch.no_grad():
        assert network.generator(draw(1, 2, 132, 132)).shape == (1, 1, 120, 120)


def test_at_the_edge_of_an_image_its_last_pixels_continue(network: FusionGAN) -> None:
    infrared, visible = draw(2, 1, 13, 18), draw(2, 1, 13, 18, seed=2)
    sources = np.concatenate([infrared.numpy(), visible.numpy()], axis=1)
    padded = np.pad(sources, ((0, 0), (0, 0), (6, 6), (6, 6)), mode="edge")
    with torch.no_grad():
        expected = network.generator(torch.from_numpy(padded))
        torch.testing.assert_close(network.fuse(infrared, visible), expected, rtol=0, atol=1e-6)


def test_image_is_fused_alone_in_evaluation_not_in_training() -> None:
    network, (infrared, visible) = FusionGAN(), (draw(3, 1, 9, 9), draw(3, 1, 9, 9, seed=2))
    for training in (True, False):
        network.train(training)
        with torch.no_grad():
            batch, alone = network.fuse(infrared, visible), network.fuse(infrared[:1], visible[:1])
        assert torch.allclose(batch[:1], alone, rtol=0, atol=1e-6) is not training


def test_pixels_beyond_the_receptive_field_do_not_change(network: FusionGAN) -> None:
    infrared, visible = draw(1, 1, 9, 20), draw(1, 1, 9, 20, seed=2)
    changed = infrared.clone()
    changed[..., 0] = 1
    with torch.no_grad():
        difference = (network.fuse(infrared, visible) - network.fuse(changed, visible)).abs()
    assert difference[..., :7].amax() > 1e-5
    assert difference[..., 7:].amax() <= 1e-6


def test_the_score_of_the_discriminator_teaches_the_generator() -> None:
    network, discriminator = FusionGAN(), Discriminator()
    fused = network.fuse(draw(2, 1, 120, 120), draw(2, 1, 120, 120, seed=2))
    (discriminator(fused) - 1).square().mean().backward()
    for module in (network, discriminator):
        for name, parameter in module.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.abs().max() > 0, name
