"""CSF as its paper and its authors' program have it; its saliency is the gradient."""

import numpy as np
import pytest
import torch
from torch import Tensor

from radfuse.networks.csf import CSF, INFRARED, STEPS, TEMPERATURE, VISIBLE, published_parameters

AUTOENCODER, CLASSIFIER = 61_738 - 1, 162_739 - 38_888 - 1
"""Numbers in the published checkpoints less a counter each, and less the encoder, which both have;
those of the classifier include the running statistics of 130 maps."""


def draw(*shape: int, seed: int = 1) -> Tensor:
    return 2 * torch.rand(shape, generator=torch.Generator().manual_seed(seed)) - 1


def network_of() -> CSF:
    """A network as training might leave it: statistics far from 0 and 1, both signs of scale."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = CSF().eval()
        for name, values in network.classifier.state_dict().items():
            if name.endswith("running_var"):
                values.uniform_(0.01, 3)
            elif "conv" not in name:
                values.normal_()
    return network


def gradient_of_the_logit(network: CSF, features: Tensor, label: int) -> Tensor:
    with torch.enable_grad():
        features = features.detach().requires_grad_()
        network.classifier(features)[:, label].sum().backward()
    assert features.grad is not None
    return features.grad


def test_there_are_as_many_parameters_as_the_authors_published() -> None:
    network = network_of()
    coder = (network.encoder, network.decoder)
    assert sum(p.numel() for part in coder for p in part.parameters()) == AUTOENCODER
    assert sum(value.numel() for value in network.classifier.state_dict().values()) == CLASSIFIER


@pytest.mark.parametrize("label", [VISIBLE, INFRARED])
@pytest.mark.parametrize("size", [(48, 32), (33, 50), (17, 19), (12, 13), (5, 8), (3, 4)])
def test_the_saliency_is_the_gradient_of_the_logit_exactly(
    size: tuple[int, int], label: int
) -> None:
    network, features = network_of().double(), draw(2, 24, *size).double()
    with torch.no_grad():
        found = network.classifier.gradient(features, label)
    expected = gradient_of_the_logit(network, features, label)
    assert expected.abs().max() > 0
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-15)


def test_equal_pixels_pass_gradient_to_the_first_source() -> None:
    network = network_of().double()
    features = draw(1, 24, 1, 1).double().expand(1, 24, 33, 36)
    expected = gradient_of_the_logit(network, features, INFRARED)
    torch.testing.assert_close(network.classifier.gradient(features, INFRARED), expected)


def test_fusion_is_the_authors_rule_with_the_gradient_by_torch() -> None:
    network, (infrared, visible) = network_of().double(), draw(2, 1, 1, 34, 41).double()
    shifted = visible - visible.mean() + infrared.mean()
    saliency = [
        gradient_of_the_logit(network, network.encoder(start + (end - start) / 10), label).abs()
        / 10
        for start, end, label in ((infrared, shifted, 0), (shifted, infrared, 1))
    ]
    saliency[1] = saliency[1] + saliency[0].mean() - saliency[1].mean()
    weights = (torch.stack(saliency) / 0.00015).softmax(dim=0)
    features = weights[0] * network.encoder(visible) + weights[1] * network.encoder(infrared)
    torch.testing.assert_close(network.fuse(infrared, visible), network.decoder(features))
    assert (STEPS, TEMPERATURE) == (10, 0.00015)


def test_fusion_uses_running_statistics_while_training_batches() -> None:
    network, (infrared, visible) = network_of(), draw(2, 3, 1, 20, 24)
    expected = network.fuse(infrared, visible)
    before = network.state_dict()["classifier.stages.0.running_mean"].clone()
    assert torch.equal(network.train().fuse(infrared, visible), expected)
    assert torch.equal(network.classifier.stages[0].running_mean, before)
    network.classify(infrared)
    assert not torch.equal(network.classifier.stages[0].running_mean, before)


def test_csf_classifier_trains_every_parameter() -> None:
    network = network_of().train()
    logits = network.classify(draw(4, 1, 40, 36))
    assert logits.shape == (4, 2)
    logits.square().sum().backward()
    for part in (network.encoder, network.classifier):
        for name, parameter in part.named_parameters():
            assert parameter.grad is not None, name


def test_identical_images_are_rebuilt_as_by_the_autoencoder() -> None:
    network, image = network_of(), draw(1, 1, 20, 24)
    rebuilt = network.reconstruct((image + 1) / 2)
    torch.testing.assert_close((network.fuse(image, image) + 1) / 2, rebuilt)


def test_a_missing_array_is_named() -> None:
    with pytest.raises(KeyError, match=r"Encoder\.encoder\.conv1_1\.kernel"):
        published_parameters({"Encoder.encoder.conv1_1.bias": np.zeros(16)})
