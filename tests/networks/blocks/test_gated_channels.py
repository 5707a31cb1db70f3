"""Gated channel transformation against its laws and its equations."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from radfuse.networks.blocks.gated_channels import GatedChannels

quick = settings(max_examples=15, deadline=None)


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def gate_of(seed: int) -> GatedChannels:
    gate = GatedChannels(5)
    for index, parameter in enumerate((gate.alpha, gate.gamma, gate.beta)):
        parameter.data = draw(5, seed=seed + index)
    return gate


def test_a_new_gate_is_the_identity() -> None:
    features = draw(2, 5, 7, 6)
    assert torch.equal(GatedChannels(5)(features), features)


@quick
@given(st.integers(0, 2**32))
def test_zero_gamma_and_beta_is_identity_for_any_alpha(seed: int) -> None:
    gate = gate_of(seed)
    gate.gamma.data.zero_()
    gate.beta.data.zero_()
    features = draw(2, 5, 7, 6, seed=seed)
    assert torch.equal(gate(features), features)


@quick
@given(st.integers(0, 2**32))
def test_gate_follows_paper_equations_channel_by_channel(seed: int) -> None:
    gate, features = gate_of(seed), draw(1, 5, 7, 6, seed=seed)
    alpha, gamma, beta = (
        parameter.detach().numpy().astype(float)
        for parameter in (gate.alpha, gate.gamma, gate.beta)
    )
    x = features[0].numpy().astype(float)
    embedding = [alpha[c] * (np.sum(x[c] ** 2) + 1e-5) ** 0.5 for c in range(5)]
    norm = (np.sum(np.square(embedding)) / 5 + 1e-5) ** 0.5
    expected = [x[c] * (1 + np.tanh(gamma[c] * embedding[c] / norm + beta[c])) for c in range(5)]
    np.testing.assert_allclose(gate(features)[0].detach(), expected, rtol=1e-4, atol=1e-5)


@quick
@given(st.integers(0, 2**32), st.floats(1, 50))
def test_gates_are_the_same_for_features_of_any_brightness(seed: int, times: float) -> None:
    gate, features = gate_of(seed), draw(1, 5, 9, 8, seed=seed)
    torch.testing.assert_close(gate(times * features), times * gate(features), rtol=1e-3, atol=1e-4)


@quick
@given(st.integers(0, 2**32))
def test_gates_never_flip_a_sign_nor_more_than_double(seed: int) -> None:
    gate, features = gate_of(seed), draw(1, 5, 9, 8, seed=seed)
    gain = gate(features) / features
    assert gain.min() >= -1e-6
    assert gain.max() <= 2 + 1e-6


def test_a_positive_gamma_lets_the_strongest_channel_win() -> None:
    gate = GatedChannels(2)
    gate.gamma.data.fill_(1)
    features = torch.stack([torch.ones(4, 4), torch.full((4, 4), 3.0)]).unsqueeze(0)
    gains = (gate(features) / features)[0, :, 0, 0]
    assert gains[1] > gains[0] > 1


def test_silent_features_stay_silent() -> None:
    assert (gate_of(1)(torch.zeros(1, 5, 4, 4)) == 0).all()
