"""From a checkpoint to a graph with a card that says the truth."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from training_kit import (
    FUSING,
    REBUILDING,
    settings_of,
    silent,
    some_pairs,
    with_phase,
    write_pairs,
)

from radfuse.errors import InputError, RadfuseError
from radfuse.intensity import grey_levels
from radfuse.io.image_pairs import read_pairs
from radfuse.methods.onnx import OnnxMethod
from radfuse.metrics.measure import measure
from radfuse.networks.onnx_export import export_onnx
from radfuse.networks.torch_method import load_network
from radfuse.training.checkpoint import BEST, LAST, read_checkpoint
from radfuse.training.export import model_card as card_module
from radfuse.training.export.checkpoint import METRIC_DECIMALS, export
from radfuse.training.export.model_card import MOST_APART
from radfuse.training.loop import train
from radfuse.training.settings import Export, Settings
from radfuse.training.state import first_state
from radfuse.training.validation import mean_metrics

PAIRS = some_pairs()
ROUNDED = dataclasses.replace(
    REBUILDING, export=Export(round_weights=True, data="waves", licence="MIT")
)


def trained(settings: Settings, folder: Path) -> Path:
    train(first_state(settings, PAIRS), PAIRS, settings, folder, silent)
    return folder / BEST


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two finished runs, test pairs, and an exported graph of each run."""
    folder = tmp_path_factory.mktemp("workshop")
    write_pairs(folder / "test", ["2002", "3002"])
    export(trained(FUSING, folder / "fusing"), folder / "fusing.onnx", test=folder / "test")
    export(trained(ROUNDED, folder / "rebuilding"), folder / "rebuilding.onnx")
    return folder


def card_of(graph: Path) -> dict[str, Any]:
    card: dict[str, Any] = json.loads(
        graph.with_suffix(".json").read_text(), parse_constant=pytest.fail
    )
    return card


def test_a_card_says_what_who_and_how(workshop: Path) -> None:
    graph, card = workshop / "fusing.onnx", card_of(workshop / "fusing.onnx")
    assert (card["name"], card["network"]) == ("fusing", "res2fusion")
    assert card["options"] == FUSING.network_options
    assert card["sha256"] == hashlib.sha256(graph.read_bytes()).hexdigest()
    assert card["parameters"] == sum(p.numel() for p in load_network(graph).parameters())
    assert (card["patients_trained"], card["patients_validated"]) == (["2", "20"], ["16"])
    assert "Chen et al. 2024" in card["source"]
    assert card["intended_use"] == "Research use only. Not a medical device."
    assert set(card["validation"]) >= {"profile", "loss", "MI", "SF", "VIF", "Qabf"}
    (training,) = card["trainings"]
    assert training["settings"] == json.loads(json.dumps(dataclasses.asdict(FUSING)))
    assert training["pairs_trained"] == len(PAIRS.training)


def test_a_card_has_the_words_of_the_settings(workshop: Path) -> None:
    assert (card_of(workshop / "fusing.onnx")["licence"]) == "not stated"
    card = card_of(workshop / "rebuilding.onnx")
    assert (card["data"], card["licence"]) == ("waves", "MIT")
    assert "test" not in card
    assert set(card["validation"]) >= {"ssim_rebuilt"}


def test_the_graph_is_the_running_mean_of_the_best_state(workshop: Path) -> None:
    best = read_checkpoint(workshop / "fusing" / BEST)
    for name, value in load_network(workshop / "fusing.onnx").state_dict().items():
        assert torch.equal(value, best.parts["average"][name]), name
    reached = card_of(workshop / "fusing.onnx")["reached"]
    assert reached["step"] == best.facts["counts"]["step"]


def test_a_graph_was_compared_with_its_network_on_three_sizes(workshop: Path) -> None:
    graph = card_of(workshop / "fusing.onnx")["graph"]
    assert len(graph["checked_shapes"]) == 3
    assert {shape[0] for shape in graph["checked_shapes"]} >= {1, 4}
    assert graph["most_apart_grey_levels"] <= MOST_APART


def test_a_cards_figures_are_those_of_its_graph(workshop: Path) -> None:
    method, rows = OnnxMethod(workshop / "fusing.onnx"), []
    for pair in read_pairs(workshop / "test"):
        ct, mr = (image[None] / np.float32(255) for image in (pair.ct, pair.mr))
        rows.append(measure("mfinet2024", grey_levels(method(ct, mr)[0]), pair.ct, pair.mr))
    test = card_of(workshop / "fusing.onnx")["test"]
    assert (test["profile"], test["pairs"]) == ("mfinet2024", 2)
    for metric in rows[0]:
        expected = np.mean([row[metric] for row in rows])
        np.testing.assert_allclose(test[metric], expected, rtol=0, atol=0.02)


def test_weights_are_rounded_to_bf16_where_settings_say(workshop: Path) -> None:
    for kind, rounded in (("rebuilding", True), ("fusing", False)):
        values = load_network(workshop / f"{kind}.onnx").state_dict().items()
        same = [torch.equal(v, v.bfloat16().float()) for k, v in values if k.endswith("weight")]
        assert all(same) == rounded


def test_strategies_share_parameters_and_fuse_differently(workshop: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    ct, mr = rng.random((1, 16, 16), np.float32), rng.random((1, 16, 16), np.float32)
    path = tmp_path / "l1.onnx"
    export(workshop / "rebuilding" / BEST, path, options={"strategy": "l1"})
    assert card_of(path)["options"] == {"strategy": "l1"}
    trained_with = OnnxMethod(workshop / "rebuilding.onnx")
    assert not np.array_equal(OnnxMethod(path)(ct, mr), trained_with(ct, mr))


def test_patients_of_earlier_trainings_count_as_seen(workshop: Path, tmp_path: Path) -> None:
    pairs = dataclasses.replace(PAIRS, patients_trained=("16", "41"), patients_validated=("2", "5"))
    state = first_state(REBUILDING, pairs)
    state.start_from(workshop / "rebuilding" / LAST)
    train(state, pairs, REBUILDING, tmp_path / "later", silent)
    card = export(tmp_path / "later" / LAST, tmp_path / "later.onnx").card
    assert card["patients_trained"] == ["2", "16", "20", "41"]
    assert card["patients_validated"] == ["5"]
    assert len(card["trainings"]) == 2


def test_invalid_options_are_refused_and_nothing_is_written(workshop: Path, tmp_path: Path) -> None:
    for options, words in (
        ({"luck": 3}, "do not fit"), ({"strategy": "luck"}, "do not fit"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=words):
            export(workshop / "fusing" / BEST, tmp_path / "x.onnx", options=options)
    assert list(tmp_path.iterdir()) == []


def test_half_precision_graph_is_compared_with_full_network(
    workshop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    best = trained(settings_of("sdnet", steps=1), tmp_path / "run")
    full = export(best, tmp_path / "full.onnx")
    half = export(best, tmp_path / "half.onnx", test=workshop / "test", half=True)
    graphs = [exported.card["graph"] for exported in (full, half)]
    assert [graph["stored_as"] for graph in graphs] == ["float32", "float16"]
    apart = [graph["most_apart_grey_levels"] for graph in graphs]
    assert 10 * apart[0] < apart[1] <= MOST_APART
    assert half.path.stat().st_size < 0.6 * full.path.stat().st_size
    stored = mean_metrics(load_network(half.path), read_pairs(workshop / "test"), "mfinet2024")
    for metric, value in stored.items():
        assert half.card["test"][metric] == round(value, METRIC_DECIMALS)
    monkeypatch.setattr(card_module, "MOST_APART", apart[1] / 2)
    with pytest.raises(RadfuseError, match=r"seen\.onnx: differs from its network by"):
        export(best, tmp_path / "seen.onnx", half=True)
    assert not (tmp_path / "seen.onnx").exists()


def test_a_graph_that_differs_from_its_network_is_not_written(
    workshop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(network: torch.nn.Module, path: Path, *, half: bool) -> None:
        before = network.state_dict()["reconstructor.6.bias"].clone()
        network.state_dict()["reconstructor.6.bias"] += 1
        export_onnx(network, path, half=half)
        network.state_dict()["reconstructor.6.bias"][:] = before

    monkeypatch.setattr(card_module, "export_onnx", spoil)
    with pytest.raises(RadfuseError, match=r"x\.onnx: differs from its network by \d+"):
        export(workshop / "rebuilding" / BEST, tmp_path / "x.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_card_names_no_place_on_this_machine(workshop: Path) -> None:
    for path in workshop.glob("*.json"):
        assert str(workshop) not in path.read_text()
        assert str(Path.home()) not in path.read_text()


def test_training_in_bf16_is_exported_in_full_precision(tmp_path: Path) -> None:
    settings = with_phase(FUSING, objective="mfinet_paper", bfloat16=True, steps=1)
    card = export(trained(settings, tmp_path), tmp_path / "x.onnx").card
    assert card["graph"]["most_apart_grey_levels"] < 0.1
