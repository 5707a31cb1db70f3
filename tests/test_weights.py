"""The networks that ship: each graph has its card, and the card says the truth."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from radfuse.methods.catalogue import METHODS, WEIGHTS
from radfuse.networks.res2fusion import STRATEGIES
from radfuse.networks.torch_method import load_network

SHIPPED = {name: entry.weights for name, entry in METHODS.items() if entry.weights}
HARVARD_PATIENTS = {"2", "16", "20", "21", "28", "32", "33", "34", "37", "41"}
BARS = {"MI": 3.55, "SF": 26.5, "VIF": 0.53, "Qabf": 0.52}

each = pytest.mark.parametrize("name", SHIPPED)


def card_of(name: str) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(SHIPPED[name].with_suffix(".json").read_text())
    return facts


def test_the_folder_holds_a_graph_and_a_card_for_each_learned_method_and_nothing_else() -> None:
    expected = {f"{name}{suffix}" for name in SHIPPED for suffix in (".onnx", ".json")}
    assert {path.name for path in WEIGHTS.iterdir()} == expected


@each
def test_a_card_has_the_digest_of_its_graph(name: str) -> None:
    assert card_of(name)["sha256"] == hashlib.sha256(SHIPPED[name].read_bytes()).hexdigest()


@each
def test_a_card_names_its_method_network_and_strategy(name: str) -> None:
    card = card_of(name)
    assert card["name"] == name == SHIPPED[name].stem
    assert card["network"] == "res2fusion"
    suffix = name.removeprefix("res2fusion").lstrip("-").replace("-", "_")
    assert card["options"] == {"strategy": suffix or "spatial_mean"}


def test_every_strategy_ships() -> None:
    assert {card_of(name)["options"]["strategy"] for name in SHIPPED} == set(STRATEGIES)


@each
def test_a_card_counts_the_parameters_of_its_network(name: str) -> None:
    network = load_network(SHIPPED[name])
    assert card_of(name)["parameters"] == sum(p.numel() for p in network.parameters())


@each
def test_a_card_lists_whose_images_it_was_trained_on_and_keeps_the_others_apart(name: str) -> None:
    card = card_of(name)
    trained, validated = set(card["patients_trained"]), set(card["patients_validated"])
    assert trained
    assert validated
    assert not trained & validated
    assert trained | validated == HARVARD_PATIENTS
    assert set(card["settings"]["validation_patients"]) == validated
    assert card["validation"]["step"] == card["settings"]["steps"]
    assert 0.99 < card["validation"]["ssim_rebuilt"] <= 1


@each
def test_a_card_says_licence_source_data_and_intended_use(name: str) -> None:
    card = card_of(name)
    assert card["licence"] == "Apache-2.0"
    assert card["intended_use"] == "Research use only. Not a medical device."
    assert "Chen et al. 2024" in card["source"]
    assert "Harvard" in card["data"]


def test_the_default_strategys_card_shows_figures_above_every_bar() -> None:
    test = card_of("res2fusion")["test"]
    assert (test["profile"], test["pairs"]) == ("mfinet2024", 24)
    assert all(test[metric] >= bar for metric, bar in BARS.items())


@each
def test_a_card_has_no_word_of_the_machine_it_was_made_on(name: str) -> None:
    text = SHIPPED[name].with_suffix(".json").read_text()
    assert not re.search(r'"(/|[A-Z]:|~)', text)
    assert str(Path.home()) not in text
