"""How the compared networks are trained: in stages, and adversarially."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from training_kit import (
    ADVERSARIAL,
    NETWORK_OF,
    PAIRS,
    PATCHES,
    PLAIN,
    pairs_of,
    rows_of,
    run,
    settings_of,
    with_phase,
)

from radfuse.networks.infrared_visible import Slot
from radfuse.networks.pmgi import PMGI
from radfuse.networks.torch_method import TorchMethod
from radfuse.training.checkpoint import LAST_CHECKPOINT, read_checkpoint
from radfuse.training.distributed import SINGLE_PROCESS
from radfuse.training.export.checkpoint import export
from radfuse.training.objectives import OBJECTIVES, fused_of_ct_and_mr, fused_raw
from radfuse.training.settings import Schedule, TrainingSettings
from radfuse.training.state import initial_state
from radfuse.training.step import PhaseTrainer

STAGED = {"rfnnest": "fusion", "csf_classifier": "classifier"}
"""Objectives that train one child of a network, and which."""


COSTLY = {"cnn", "ddcgan", "drf", "fusiondn", "mfinet_paper", "rfnnest", "umfcmgr"}
"""Whole trainings of these are in `make study`; `test_training_step.py` takes steps of all."""


def quickly(names: Iterable[str]) -> list[Any]:
    """The names, the costly ones for `make study`."""
    return [pytest.param(name, marks=pytest.mark.slow if name in COSTLY else ()) for name in names]


@pytest.mark.parametrize("name", quickly(OBJECTIVES))
def test_every_objective_trains_and_validates(name: str, tmp_path: Path) -> None:
    settings = settings_of(name, steps=2, validate_every=2)
    run(settings, tmp_path, pairs=pairs_of(name))
    (row,) = rows_of(tmp_path)
    values = [*row["train"].values(), *row["validation"].values()]
    assert np.isfinite(values).all()


@pytest.mark.parametrize("name", quickly(STAGED))
def test_stage_trains_its_module_and_freezes_the_rest(name: str, tmp_path: Path) -> None:
    settings = settings_of(name, steps=2)
    before = initial_state(settings, PAIRS).network.state_dict()
    state = run(settings, tmp_path)
    for trained in (state.network, state.average):
        after = trained.state_dict()
        kept = [key for key in after if not key.startswith(STAGED[name])]
        assert all(torch.equal(after[key], before[key]) for key in kept)
        assert any(not torch.equal(after[key], before[key]) for key in after.keys() - kept)


@pytest.mark.parametrize("name", quickly(STAGED))
def test_frozen_modules_are_trained_again_in_the_next_phase(name: str, tmp_path: Path) -> None:
    (stage,) = settings_of(name, steps=1).phases
    rebuilding = dataclasses.replace(PLAIN, steps=1)
    settings = TrainingSettings(network=NETWORK_OF.get(name, name), phases=(stage, rebuilding))
    before = initial_state(settings, PAIRS).network.state_dict()
    after = run(settings, tmp_path).network.state_dict()
    changed = {key.split(".")[0] for key in after if not torch.equal(after[key], before[key])}
    assert changed == {"encoder", "decoder", STAGED[name]}


def test_classifier_learns_to_distinguish_ct_from_mr(tmp_path: Path) -> None:
    rate = Schedule(learning_rate=0.005)
    settings = settings_of("csf_classifier", steps=20, validate_every=10, crop=32, schedule=rate)
    images = PAIRS.training.copy()
    images[:, 1] = np.random.default_rng(1).integers(0, 256, images[:, 1].shape)
    run(settings, tmp_path, pairs=dataclasses.replace(PAIRS, training=images))
    first, last = rows_of(tmp_path)
    assert last["train"]["loss"] < first["train"]["loss"]
    assert last["train"]["accuracy"] > 0.9


@pytest.mark.parametrize("infrared", ["ct", "mr"])
def test_objective_gets_the_network_output_before_clipping(infrared: Slot) -> None:
    network, images = PMGI(infrared=infrared), torch.rand(2, 2, 12, 13)
    ct, mr = 2 * images[:, :1] - 1, 2 * images[:, 1:] - 1
    fused, *sources = fused_raw(network, images)
    for slot, expected in zip(sources, (ct, mr) if infrared == "ct" else (mr, ct), strict=True):
        torch.testing.assert_close(slot, expected)
    whole = network(images[:, 0], images[:, 1])
    torch.testing.assert_close((fused.squeeze(1) + 1) / 2, whole)
    again, *by_modality = fused_of_ct_and_mr(network, images)
    torch.testing.assert_close(again, fused)
    torch.testing.assert_close(torch.stack(by_modality), torch.stack([ct, mr]))


def trainer(**changes: Any) -> PhaseTrainer:
    settings = with_phase(ADVERSARIAL, **changes)
    state = initial_state(settings, PATCHES)
    return PhaseTrainer(state, settings.phases[0], PATCHES.training, SINGLE_PROCESS, seed=1)


def test_discriminator_takes_two_steps_per_network_step() -> None:
    trained = trainer()
    for _ in range(3):
        trained.step()
    state = trained.state
    assert state.discriminator
    for optimizer, steps in ((state.optimizer, 3), (state.discriminator.optimizer, 6)):
        taken = {int(memory["step"]) for memory in optimizer.state.values()}
        assert taken == {steps}
        assert optimizer.param_groups[0]["lr"] == trained.learning_rate


def test_adversarial_term_is_added_to_the_loss() -> None:
    settings = with_phase(ADVERSARIAL, objective="pmgi", weights={"visible_intensity": 0.0})
    alone = initial_state(settings, PATCHES)
    weights = {"visible_intensity": 0.0, "visible_gradient": 300.0}
    phase = dataclasses.replace(ADVERSARIAL.phases[0], weights=weights)
    against = initial_state(ADVERSARIAL, PATCHES)
    losses = [
        PhaseTrainer(state, phase, PATCHES.training, SINGLE_PROCESS, seed=1).step()
        for state, phase in ((alone, settings.phases[0]), (against, phase))
    ]
    adversarial = against.counts.sums["adversarial"]
    assert adversarial > 0
    np.testing.assert_allclose(losses[1] - losses[0], adversarial, rtol=0.05)


def test_discriminator_learns_to_detect_fused_images() -> None:
    losses = []
    for steps in (1, 20):
        trained = trainer(batch=4, schedule=Schedule(learning_rate=1e-4))
        assert trained.adversarial
        trained.adversarial = dataclasses.replace(trained.adversarial, steps=steps)
        trained.step()
        losses.append(trained.state.counts.sums["discriminator"])
    assert losses[1] < 0.5 * losses[0]


def test_ddcgan_trains_against_a_discriminator_of_each_source() -> None:
    settings = settings_of("ddcgan", steps=1, batch=1)
    state = initial_state(settings, PATCHES)
    trained = PhaseTrainer(state, settings.phases[0], PATCHES.training, SINGLE_PROCESS, seed=1)
    trained.step()
    assert state.discriminator
    for each in state.discriminator.network.each.children():  # type: ignore[union-attr]
        assert all(parameter.grad is not None for parameter in each.parameters())


def test_mufusion_remembers_what_its_average_fused() -> None:
    settings = settings_of("mufusion", steps=2, ema_decay=0.9)
    losses = []
    for remembers in (False, True):
        state = initial_state(settings, PAIRS)
        trained = PhaseTrainer(state, settings.phases[0], PAIRS.training, SINGLE_PROCESS, seed=1)
        assert trained.remembers
        trained.remembers = remembers
        losses.append([trained.step() for _ in range(2)])
    (alone, later_alone), (first, later) = losses
    np.testing.assert_allclose(first, alone, rtol=1e-4)
    assert later != later_alone


def test_discriminator_depends_on_seed_and_lasts_one_phase() -> None:
    state = initial_state(ADVERSARIAL, PATCHES)
    adversarial = OBJECTIVES["fusiongan"].adversarial
    assert adversarial
    one = state.ensure_discriminator(adversarial.make_discriminator)
    assert state.ensure_discriminator(adversarial.make_discriminator) is one
    other = initial_state(ADVERSARIAL, PATCHES).ensure_discriminator(adversarial.make_discriminator)
    pairs = zip(one.network.parameters(), other.network.parameters(), strict=True)
    assert all(torch.equal(*pair) for pair in pairs)
    state.begin_phase()
    assert state.discriminator is None


def test_checkpoint_has_a_discriminator_only_if_adversarial(tmp_path: Path) -> None:
    run(with_phase(ADVERSARIAL, steps=1), tmp_path / "adversarial", pairs=PATCHES)
    assert {"discriminator", "discriminator_adam"} <= read_checkpoint(
        tmp_path / "adversarial" / LAST_CHECKPOINT
    ).parts.keys()
    run(settings_of("pmgi", steps=1), tmp_path / "alone")
    parts = read_checkpoint(tmp_path / "alone" / LAST_CHECKPOINT).parts
    assert parts.keys() == {"network", "average", "adam"}


@pytest.mark.slow
def test_network_with_batch_norm_is_exported_as_trained(tmp_path: Path) -> None:
    settings = TrainingSettings(
        network="fusiongan", phases=(settings_of("umfcmgr", steps=1).phases)
    )
    run(settings, tmp_path / "run")
    export(tmp_path / "run" / LAST_CHECKPOINT, tmp_path / "mine.onnx")
    rng = np.random.default_rng(1)
    ct, mr = rng.random((1, 20, 22), np.float32), rng.random((1, 20, 22), np.float32)
    fused = TorchMethod(tmp_path / "mine.onnx", "cpu")(ct, mr)
    average = read_checkpoint(tmp_path / "run" / LAST_CHECKPOINT).parts["average"]
    network = initial_state(settings, PAIRS).network.eval()
    network.load_state_dict(average)
    with torch.no_grad():
        expected = network(torch.from_numpy(ct), torch.from_numpy(mr))
    np.testing.assert_allclose(fused, expected, atol=1e-5)
