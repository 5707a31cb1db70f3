"""The networks that ship: each graph has its card, and the card says the truth."""

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from radfuse.cli import main
from radfuse.errors import InputError, install_command
from radfuse.io.image_pairs import named_patient
from radfuse.methods.catalogue import (
    HARVARD_PATIENTS,
    METHODS,
    WEIGHTS,
    fast_graph,
    packaged_folders,
)
from radfuse.methods.loading import load_method
from radfuse.methods.onnx import OnnxMethod
from radfuse.networks.catalogue import NETWORKS
from radfuse.networks.res2fusion import READERS, STRATEGIES, WIDTHS
from radfuse.networks.torch_method import load_network
from radfuse.record import digest
from radfuse.settings import checked_settings
from radfuse.training.export.narrow import TOGETHER
from radfuse.training.settings import TrainingSettings, read_training_settings

FAST = ["res2fusion-fast"]
"""Graphs with narrower layers, beside those of their networks."""

CONFIGS = Path(__file__).parents[1] / "configs"
SHIPPED = {name: entry.weights for name, entry in METHODS.items() if entry.weights}
BARS = {
    "res2fusion": {"MI": 3.55, "SF": 26.5, "VIF": 0.53, "Qabf": 0.52},
    "mfinet": {"MI": 4.65, "SF": 29.54, "VIF": 0.69, "Qabf": 0.62},
}
BONE_BLEND = {"MI": 4.630, "SF": 31.65, "VIF": 0.667, "Qabf": 0.596}
"""Measured on the same pairs, `docs/benchmarks/harvard-test/report.md`."""

each = pytest.mark.parametrize("name", SHIPPED)
each_res2fusion = pytest.mark.parametrize("name", [n for n in SHIPPED if "res2fusion" in n])
STUDY = {"mfinet-patients", "cnn", "csf", "ddcgan", "fusiondn", "rfnnest", "umfcmgr"}
"""Slow, and exported as the others: their graphs are compared in `make study` only."""

each_later = pytest.mark.parametrize("name", [n for n in SHIPPED if "res2fusion" not in n])
"""Trained when cards already held every setting."""

LARGEST_FULL_BYTES = 8_000_000
"""Larger graphs ship in half precision or in 8 bits."""


def card_of(name: str) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(SHIPPED[name].with_suffix(".json").read_text())
    return facts


def test_every_learned_method_ships_a_graph_and_model_card() -> None:
    names = [*SHIPPED, *FAST, "learned_detail"]
    expected = {f"{name}{suffix}" for name in names for suffix in (".onnx", ".json")}
    files = [path for folder in packaged_folders() for path in folder.rglob("*.*")]
    assert {path.name for path in files if path.suffix in (".onnx", ".json")} == expected


def test_radfuse_itself_ships_the_networks_of_both_papers() -> None:
    graphs = {path.stem for path in WEIGHTS.rglob("*.onnx")}
    assert graphs == {"mfinet", "res2fusion", "res2fusion-fast", "learned_detail"}


def without_weights(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    absent = replace(METHODS[name], weights=WEIGHTS / name / f"{name}.onnx")
    monkeypatch.setitem(METHODS, name, absent)


def test_a_method_without_its_weights_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    without_weights(monkeypatch, "csf")
    output = CliRunner().invoke(main, ["methods", "csf"]).output
    assert "autoencoder, classification saliency" in output
    assert install_command("weights") in output


def test_a_missing_package_of_weights_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    without_weights(monkeypatch, "csf")
    with pytest.raises(InputError, match=r"csf.*radfuse-weights; pip install "):
        load_method("csf")


@each
def test_a_card_has_the_digest_of_its_graph(name: str) -> None:
    assert card_of(name)["sha256"] == hashlib.sha256(SHIPPED[name].read_bytes()).hexdigest()


@each
def test_a_card_names_its_method_and_network(name: str) -> None:
    card = card_of(name)
    assert card["name"] == name == SHIPPED[name].stem
    assert card["network"] == name.split("-", maxsplit=1)[0]


@each_res2fusion
def test_a_card_of_res2fusion_names_its_strategy(name: str) -> None:
    card = card_of(name)
    suffix = name.removeprefix("res2fusion").lstrip("-").replace("-", "_")
    assert card["options"]["strategy"] == (suffix or "spatial_mean")


@each_res2fusion
def test_a_card_of_res2fusion_names_the_maps_that_are_left_out(name: str) -> None:
    """In multiples of eight: the others are 0 on all training pairs."""
    card, layers = card_of(name), dict(load_network(SHIPPED[name]).named_modules())
    widths = [layers[layer].out_channels for layer in READERS]
    assert card["options"]["widths"] == widths
    assert card["without_unused_maps_of"]["widths"] == list(WIDTHS)
    assert [width % TOGETHER for width in widths] == [0] * len(widths)
    assert all(np.less_equal(widths, WIDTHS))


def test_every_strategy_ships() -> None:
    shipped = {card_of(name)["options"].get("strategy") for name in SHIPPED} - {None}
    assert shipped == set(STRATEGIES)


def test_card_of_a_fast_graph_names_the_network_it_is_made_from() -> None:
    fast = fast_graph(SHIPPED["res2fusion"])
    assert fast.stem in FAST
    facts = json.loads(fast.with_suffix(".json").read_text())
    assert facts["name"] == fast.stem
    assert facts["sha256"] == digest([fast])
    made_from = card_of("res2fusion")["without_unused_maps_of"]["sha256"]
    assert facts["narrowed_from"]["sha256"] == made_from
    assert facts["options"]["strategy"] == card_of("res2fusion")["options"]["strategy"]
    assert not re.search(r'"(/|[A-Z]:|~)', fast.with_suffix(".json").read_text())


@torch.no_grad()
def test_a_fast_graph_is_its_network_with_fewer_parameters() -> None:
    fast = fast_graph(SHIPPED["res2fusion"])
    network = load_network(fast)
    count = sum(p.numel() for p in network.parameters())
    facts = json.loads(fast.with_suffix(".json").read_text())
    assert count == facts["parameters"] < card_of("res2fusion")["parameters"]
    ct, mr = np.random.default_rng(1).random((2, 3, 37, 51), np.float32)
    expected = network(torch.from_numpy(ct), torch.from_numpy(mr)).numpy()
    np.testing.assert_allclose(OnnxMethod(fast)(ct, mr), expected, rtol=0, atol=0.1 / 255)


@each
def test_a_card_counts_the_parameters_of_its_network(name: str) -> None:
    network = load_network(SHIPPED[name])
    assert card_of(name)["parameters"] == sum(p.numel() for p in network.parameters())


@each
def test_model_card_separates_trained_from_validated_patients(name: str) -> None:
    card = card_of(name)
    trained, validated = set(card["patients_trained"]), set(card["patients_validated"])
    assert trained
    assert not trained & validated
    assert trained | validated == set(HARVARD_PATIENTS)


@each_res2fusion
def test_a_card_of_res2fusion_says_how_it_was_trained(name: str) -> None:
    card = card_of(name)
    assert card["patients_validated"] == ["harvard:16"]
    assert card["settings"]["validation_patients"] == ["16"]
    assert card["validation"]["step"] == card["settings"]["steps"]
    assert 0.99 < card["validation"]["ssim_rebuilt"] <= 1


@each_later
def test_a_card_is_of_the_training_that_the_repository_has(name: str) -> None:
    card = card_of(name)
    [training] = card["trainings"]
    settings = read_training_settings(CONFIGS / f"{name}.toml")
    assert checked_settings(training["settings"], TrainingSettings, name) == settings
    assert card.get("differs_from_paper", "") == settings.export.differs
    validated = {named_patient(one, "harvard") for one in settings.validation_patients}
    assert set(card["patients_validated"]) == validated


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in STUDY else ())
        for name in SHIPPED
        if "res2fusion" not in name
    ],
)
@pytest.mark.parametrize("shape", [(3, 37, 51), pytest.param((1, 64, 64), marks=pytest.mark.slow)])
@torch.no_grad()
def test_a_graph_is_its_network_within_a_grey_level(name: str, shape: tuple[int, ...]) -> None:
    network, method = load_network(SHIPPED[name]).double(), OnnxMethod(SHIPPED[name])
    rng = np.random.default_rng(1)
    ct, mr = (rng.random(shape, np.float32) for _ in ("ct", "mr"))
    expected = network(*(torch.from_numpy(x).double() for x in (ct, mr))).numpy()
    assert np.abs(method(ct, mr) - expected).max() * 255 <= 1


@each
def test_a_large_graph_is_stored_in_fewer_bits(name: str) -> None:
    if SHIPPED[name].stat().st_size > LARGEST_FULL_BYTES:
        assert card_of(name)["graph"]["stored_as"] in ("float16", "int8")


@each
def test_a_card_says_licence_source_data_and_intended_use(name: str) -> None:
    card = card_of(name)
    assert card["licence"] == "Apache-2.0"
    assert card["intended_use"] == "Research use only. Not a medical device."
    assert card["source"] == NETWORKS[card["network"]].source
    assert "Harvard" in card["data"]


@pytest.mark.parametrize("name", BARS)
def test_a_card_shows_figures_above_every_bar(name: str) -> None:
    test = card_of(name)["test"]
    assert (test["profile"], test["pairs"]) == ("mfinet2024", 24)
    assert all(test[metric] >= bar for metric, bar in BARS[name].items())


def test_mfinet_beats_the_best_rule_in_every_metric_of_its_paper() -> None:
    test = card_of("mfinet")["test"]
    assert all(test[metric] > value for metric, value in BONE_BLEND.items())


@each
def test_a_card_has_no_word_of_the_machine_it_was_made_on(name: str) -> None:
    text = SHIPPED[name].with_suffix(".json").read_text()
    assert not re.search(r'"(/|[A-Z]:|~)', text)
    assert str(Path.home()) not in text
