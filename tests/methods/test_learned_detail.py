"""Learned detail: signed_detail with the weights of a network."""

import json

import numpy as np
import onnx
import pytest
import torch

from radfuse.arrays import Float32Array
from radfuse.intensity import WINDOWS
from radfuse.methods.detail.significance import Evidence, by_thresholds
from radfuse.methods.head import ArrayHead
from radfuse.methods.learned_detail import GRAPH, LearnedDetail, features
from radfuse.methods.signed_detail import SignedDetail
from radfuse.networks.detail_gate import CHANNELS, PRIOR, DetailGate
from radfuse.phantom.findings import FIRST_REPORTING_SEED, TUNING_SEEDS
from radfuse.record import digest

RNG = np.random.default_rng(5)
SPACING_MM = (1.2, 1.0, 1.0)


def evidence(*shape: int) -> Evidence:
    contrast = RNG.normal(0, 40, shape).astype(np.float32)
    return Evidence(contrast, contrast, RNG.random(shape, np.float32), 8.0, 0.6, SPACING_MM)


def seen_of(found: Evidence) -> Float32Array:
    return features(found.own_hu, by_thresholds(found), found.noise_hu)


def test_features_of_the_first_slice_repeat_it() -> None:
    found = evidence(4, 6, 8)
    inputs = seen_of(found)
    assert inputs.shape == (4, CHANNELS, 6, 8)
    unit = np.clip(found.own_hu, -150, 160) / 80
    np.testing.assert_allclose(inputs[0, :5], unit[[0, 0, 0, 1, 2]], rtol=1e-6)
    np.testing.assert_allclose(inputs[3, :5], unit[[1, 2, 3, 3, 3]], rtol=1e-6)
    np.testing.assert_allclose(inputs[:, PRIOR], by_thresholds(found))
    np.testing.assert_allclose(inputs[:, 6], 0.4)


def test_untrained_network_keeps_the_thresholds() -> None:
    found = evidence(2, 8, 8)
    with torch.no_grad():
        weight = DetailGate()(torch.from_numpy(seen_of(found))).numpy()
    prior = by_thresholds(found)
    assert (weight[prior == 1] > 0.98).all()
    assert (weight[prior == 0] < 0.02).all()


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 17, 22), (2, 5, 3)])
def test_the_graph_is_its_network(shape: tuple[int, int, int]) -> None:
    """Its convolutions, read from the file, give the same weights in torch, of any size."""
    stored = {
        one.name: onnx.numpy_helper.to_array(one) for one in onnx.load(GRAPH).graph.initializer
    }
    gate = DetailGate()
    parameters = {name: torch.from_numpy(stored[name].copy()) for name in gate.state_dict()}
    gate.load_state_dict(parameters)
    found = evidence(*shape)
    with torch.no_grad():
        expected = gate(torch.from_numpy(seen_of(found))).numpy()
    np.testing.assert_allclose(LearnedDetail().significance(found), expected, atol=1e-5)
    assert sum(p.numel() for p in gate.parameters()) <= 100_000


def test_the_model_card_is_of_its_graph() -> None:
    facts = json.loads(GRAPH.with_suffix(".json").read_text())
    assert facts["sha256"] == digest([GRAPH])
    assert facts["parameters"] <= 100_000
    seeds = [int(name[7:]) for name in facts["heads_trained"] if name.startswith("phantom")]
    assert max(seeds) < min(TUNING_SEEDS) < FIRST_REPORTING_SEED


def test_where_the_ct_has_no_contrast_nothing_is_added() -> None:
    hu = np.full((6, 40, 40), 35.0, np.float32)
    head = ArrayHead(hu, RNG.random(hu.shape, np.float32), SPACING_MM)
    images = [
        np.concatenate([part for _, part in method.fuse_head(head, WINDOWS["fusion"])])
        for method in (LearnedDetail(), SignedDetail(detail=0.0))
    ]
    np.testing.assert_allclose(*images, atol=1e-4)
