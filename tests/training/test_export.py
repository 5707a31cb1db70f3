"""Export of a checkpoint: the graph equals the network, the model card is correct."""

import dataclasses
import hashlib
import json
import shutil
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
from radfuse.io.image_pairs import read_image_pairs
from radfuse.methods.onnx import OnnxMethod
from radfuse.metrics.measure import measure
from radfuse.networks.catalogue import make_network
from radfuse.networks.torch_method import load_network
from radfuse.training.checkpoint import BEST_CHECKPOINT, LAST_CHECKPOINT, read_checkpoint
from radfuse.training.export import model_card as card_module
from radfuse.training.export.again import export_again
from radfuse.training.export.checkpoint import METRIC_DECIMALS, export, training_summary
from radfuse.training.export.model_card import MAX_DIFFERENCE, write_weights
from radfuse.training.loop import train
from radfuse.training.resume import start_from
from radfuse.training.settings import Export, TrainingSettings
from radfuse.training.state import initial_state
from radfuse.training.validation import mean_metrics

PAIRS = some_pairs()
ROUNDED = dataclasses.replace(
    REBUILDING, export=Export(round_weights=True, data="waves", licence="MIT")
)


def trained(settings: TrainingSettings, folder: Path) -> Path:
    train(initial_state(settings, PAIRS), PAIRS, settings, folder, silent)
    return folder / BEST_CHECKPOINT


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two finished runs, test pairs, and an exported graph of each run."""
    folder = tmp_path_factory.mktemp("workshop")
    write_pairs(folder / "test", ["2002", "3002"])
    export(trained(FUSING, folder / "fusing"), folder / "fusing.onnx", test=folder / "test")
    export(trained(ROUNDED, folder / "rebuilding"), folder / "rebuilding.onnx")
    return folder


@pytest.mark.parametrize("name", ["rebuilding", pytest.param("fusing", marks=pytest.mark.slow)])
def test_a_graph_exported_again_is_the_same_file_and_card(
    workshop: Path, tmp_path: Path, name: str
) -> None:
    graph, again = workshop / f"{name}.onnx", tmp_path / f"{name}.onnx"
    assert export_again(graph, again).model_card == card_of(graph)
    assert again.read_bytes() == graph.read_bytes()
    assert again.with_suffix(".json").read_text() == graph.with_suffix(".json").read_text()


def card_of(graph: Path) -> dict[str, Any]:
    card: dict[str, Any] = json.loads(
        graph.with_suffix(".json").read_text(), parse_constant=pytest.fail
    )
    return card


def test_model_card_names_network_patients_and_settings(workshop: Path) -> None:
    graph, card = workshop / "fusing.onnx", card_of(workshop / "fusing.onnx")
    assert (card["name"], card["network"]) == ("fusing", "densefuse")
    assert card["options"] == FUSING.network_options
    assert card["sha256"] == hashlib.sha256(graph.read_bytes()).hexdigest()
    assert card["parameters"] == sum(p.numel() for p in load_network(graph).parameters())
    assert (card["patients_trained"], card["patients_validated"]) == (["2", "20"], ["16"])
    assert "Li and Wu 2019" in card["source"]
    assert card["intended_use"] == "Research use only. Not a medical device."
    assert set(card["validation"]) >= {"profile", "loss", "MI", "SF", "VIF", "Qabf"}
    (training,) = card["trainings"]
    assert training["settings"] == json.loads(json.dumps(dataclasses.asdict(FUSING)))
    assert training["pairs_trained"] == len(PAIRS.training)


def test_model_card_has_data_and_licence_of_the_settings(workshop: Path) -> None:
    assert (card_of(workshop / "fusing.onnx")["licence"]) == "not stated"
    card = card_of(workshop / "rebuilding.onnx")
    assert (card["data"], card["licence"]) == ("waves", "MIT")
    assert "test" not in card
    assert set(card["validation"]) >= {"ssim_rebuilt"}


def test_graph_is_the_average_of_the_best_checkpoint(workshop: Path) -> None:
    best = read_checkpoint(workshop / "fusing" / BEST_CHECKPOINT)
    for name, value in load_network(workshop / "fusing.onnx").state_dict().items():
        assert torch.equal(value, best.parts["average"][name]), name
    reached = card_of(workshop / "fusing.onnx")["reached"]
    assert reached["step"] == best.metadata["counts"]["step"]


def test_a_graph_was_compared_with_its_network_on_three_sizes(workshop: Path) -> None:
    graph = card_of(workshop / "fusing.onnx")["graph"]
    assert len(graph["checked_shapes"]) == 3
    assert {shape[0] for shape in graph["checked_shapes"]} >= {1, 4}
    assert graph["max_difference_grey_levels"] <= MAX_DIFFERENCE


def test_metrics_of_a_model_card_are_those_of_its_graph(workshop: Path) -> None:
    method, rows = OnnxMethod(workshop / "fusing.onnx"), []
    for pair in read_image_pairs(workshop / "test"):
        ct, mr = (image[None] / np.float32(255) for image in (pair.ct, pair.mr))
        rows.append(measure("mfinet2024", grey_levels(method(ct, mr)[0]), pair.ct, pair.mr))
    test = card_of(workshop / "fusing.onnx")["test"]
    assert (test["profile"], test["pairs"]) == ("mfinet2024", 2)
    for metric in rows[0]:
        expected = np.mean([row[metric] for row in rows])
        np.testing.assert_allclose(test[metric], expected, rtol=0, atol=0.02)


def test_export_rounds_weights_to_bf16_only_if_set(workshop: Path) -> None:
    for kind, rounded in (("rebuilding", True), ("fusing", False)):
        values = load_network(workshop / f"{kind}.onnx").state_dict().items()
        same = [torch.equal(v, v.bfloat16().float()) for k, v in values if k.endswith("weight")]
        assert all(same) == rounded


def test_patients_of_earlier_trainings_count_as_seen(workshop: Path, tmp_path: Path) -> None:
    pairs = dataclasses.replace(PAIRS, patients_trained=("16", "41"), patients_validated=("2", "5"))
    state = initial_state(REBUILDING, pairs)
    start_from(state, workshop / "rebuilding" / LAST_CHECKPOINT)
    train(state, pairs, REBUILDING, tmp_path / "later", silent)
    summary = training_summary(read_checkpoint(tmp_path / "later" / LAST_CHECKPOINT))
    assert summary["patients_trained"] == ["2", "16", "20", "41"]
    assert summary["patients_validated"] == ["5"]
    assert len(summary["trainings"]) == 2


def test_patients_of_two_data_sets_are_not_the_same(workshop: Path, tmp_path: Path) -> None:
    pairs = dataclasses.replace(
        PAIRS, patients_trained=("ours:2",), patients_validated=("ours:20",)
    )
    state = initial_state(REBUILDING, pairs)
    start_from(state, workshop / "rebuilding" / LAST_CHECKPOINT)
    train(state, pairs, REBUILDING, tmp_path / "later", silent)
    summary = training_summary(read_checkpoint(tmp_path / "later" / LAST_CHECKPOINT))
    assert summary["patients_trained"] == ["2", "20", "ours:2"]
    assert summary["patients_validated"] == ["ours:20"]


def test_export_refuses_options_that_do_not_fit(workshop: Path, tmp_path: Path) -> None:
    for options, words in (
        ({"luck": 3}, "do not fit"), ({"rule": "luck"}, "do not fit"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=words):
            export(workshop / "fusing" / BEST_CHECKPOINT, tmp_path / "x.onnx", options=options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_half_precision_graph_is_compared_in_full_precision(
    workshop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    best = trained(settings_of("sdnet", steps=1), tmp_path / "run")
    full = export(best, tmp_path / "full.onnx")
    half = export(best, tmp_path / "half.onnx", test=workshop / "test", half=True)
    graphs = [exported.model_card["graph"] for exported in (full, half)]
    assert [graph["stored_as"] for graph in graphs] == ["float32", "float16"]
    apart = [graph["max_difference_grey_levels"] for graph in graphs]
    assert 10 * apart[0] < apart[1] <= MAX_DIFFERENCE
    assert half.path.stat().st_size < 0.6 * full.path.stat().st_size
    stored = mean_metrics(
        load_network(half.path), read_image_pairs(workshop / "test"), "mfinet2024"
    )
    for metric, value in stored.items():
        assert half.model_card["test"][metric] == round(value, METRIC_DECIMALS)
    monkeypatch.setattr(card_module, "MAX_DIFFERENCE", apart[1] / 2)
    with pytest.raises(RadfuseError, match=r"seen\.onnx: differs from its network by"):
        export(best, tmp_path / "seen.onnx", half=True)
    assert not (tmp_path / "seen.onnx").exists()


def test_a_graph_that_differs_from_its_network_is_not_written(
    workshop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_another(_: torch.nn.Module, path: Path, *, half: bool, **_others: object) -> None:
        assert not half
        shutil.copy(workshop / "fusing.onnx", path)

    monkeypatch.setattr(card_module, "export_onnx", write_another)
    with pytest.raises(RadfuseError, match=r"x\.onnx: differs from its network by \d+"):
        export(workshop / "rebuilding" / BEST_CHECKPOINT, tmp_path / "x.onnx")
    network = make_network("densefuse", {}).eval()
    network.state_dict()["decoder.6.bias"][:] = torch.nan
    with pytest.raises(RadfuseError, match=r"x\.onnx: differs from its network by nan"):
        write_weights(network, tmp_path / "x.onnx", name="densefuse", options={}, facts={})
    assert list(tmp_path.iterdir()) == []


def test_model_card_contains_no_local_path(workshop: Path) -> None:
    for path in workshop.glob("*.json"):
        assert str(workshop) not in path.read_text()
        assert str(Path.home()) not in path.read_text()


@pytest.mark.slow
def test_training_in_bf16_is_exported_in_full_precision(tmp_path: Path) -> None:
    settings = with_phase(FUSING, objective="mfinet_paper", bfloat16=True, steps=1)
    card = export(trained(settings, tmp_path), tmp_path / "x.onnx").model_card
    assert card["graph"]["max_difference_grey_levels"] < 0.1


@pytest.mark.slow
@pytest.mark.parametrize(("half", "stored_as"), [(False, "int8"), (True, "float16")])
def test_settings_store_large_weights_in_eight_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half: bool, stored_as: str
) -> None:
    monkeypatch.setattr("radfuse.networks.eight_bits.MIN_VALUES", 300)
    settings = dataclasses.replace(REBUILDING, export=Export(eight_bits=True))
    best = trained(settings, tmp_path / "run")
    graph = export(best, tmp_path / "x.onnx", half=half).model_card["graph"]
    assert graph["stored_as"] == stored_as
    assert graph["max_difference_grey_levels"] <= MAX_DIFFERENCE
    average = read_checkpoint(best).parts["average"]
    stored = load_network(tmp_path / "x.onnx").state_dict()
    assert any(not torch.equal(value, stored[name]) for name, value in average.items())
