"""Training settings: complete, known and in range, or refused in one line."""

import dataclasses
import tomllib
from pathlib import Path

import numpy as np
import pytest
from training_kit import AUTOENCODER, FUSION

from radfuse.errors import InputError
from radfuse.metrics.catalogue import METRICS
from radfuse.networks.catalogue import NETWORKS
from radfuse.training.losses.autoencoder import SSIM_WINDOW
from radfuse.training.objectives import OBJECTIVES
from radfuse.training.settings import (
    Augmentation,
    Phase,
    Schedule,
    TrainingSettings,
    learning_rate,
    read_training_settings,
    steps_of,
)

CONFIGS = Path(__file__).parents[2] / "configs"
TRAININGS = [
    path for path in sorted(CONFIGS.glob("*.toml")) if "phases" in tomllib.loads(path.read_text())
]

NOT_TRAINED = {"gesenet", "gifnet"}
"""Networks without own weights, whose docstrings say why; they run with the authors' parameters."""

TOP = {"network": '"res2fusion"', "validation_patients": '["16"]'}
PHASE = {
    "objective": '"autoencoder"', "steps": "10", "batch": "2", "crop": "16",
    "schedule": "{learning_rate = 1e-3}",
}  # fmt: skip
"""Required settings, and a crop."""


def write(folder: Path, top: dict[str, str | None], phase: dict[str, str | None]) -> Path:
    """A file with those lines and one phase; None leaves a line out."""
    path = folder / "mine.toml"
    parts = [
        "\n".join(f"{key} = {value}" for key, value in lines.items() if value is not None)
        for lines in (TOP | top, PHASE | phase)
    ]
    path.write_text("\n[[phases]]\n".join(parts))
    return path


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_training_settings(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("config", TRAININGS, ids=lambda path: path.name)
def test_every_training_file_of_the_repository_can_be_read(config: Path) -> None:
    settings = read_training_settings(config)
    assert settings.network in NETWORKS
    assert "Harvard" in settings.export.data
    assert settings.export.licence == "Apache-2.0"


def test_every_network_but_some_has_a_training_configuration() -> None:
    trained = {read_training_settings(path).network for path in TRAININGS}
    assert trained == NETWORKS.keys() - NOT_TRAINED


def test_training_of_the_mfinet_paper_is_as_published() -> None:
    (phase,) = read_training_settings(CONFIGS / "mfinet-paper.toml").phases
    assert phase.objective == "mfinet_paper"
    assert (phase.crop, phase.clip, phase.ema_decay) == (None, 0, 0)
    assert steps_of(phase, 160) == 100 * 160
    for epoch, factor in ((0, 1), (4, 1), (5, 0.95), (99, 0.95**19)):
        rate = learning_rate(phase, epoch * 160, 160)
        np.testing.assert_allclose(rate, 2e-4 * factor)


def test_split_by_patient_keeps_four_of_ten_for_validation() -> None:
    settings = read_training_settings(CONFIGS / "mfinet-patients.toml")
    assert set(settings.validation_patients) == {"2", "16", "34", "41"}
    best = read_training_settings(CONFIGS / "mfinet.toml")
    assert dataclasses.replace(settings, validation_patients=()) == dataclasses.replace(
        best, validation_patients=()
    )


@pytest.mark.parametrize("name", ["densefuse", "msdnet", "rfnnest"])
def test_autoencoder_weights_match_images_in_0_to_255(name: str) -> None:
    phase = read_training_settings(CONFIGS / f"{name}.toml").phases[0]
    assert phase.weights == {"structure": 100, "pixel": 255**2}


@pytest.mark.parametrize("name", ["pmgi", "sdnet", "stdfusionnet", "fusiongan"])
def test_networks_with_an_infrared_input_use_the_ct_for_it(name: str) -> None:
    settings = read_training_settings(CONFIGS / f"{name}.toml")
    assert settings.network_options["infrared"] == "ct"
    assert [phase.objective for phase in settings.phases] == [name]


def test_omitted_settings_have_their_defaults(tmp_path: Path) -> None:
    phase = Phase(
        objective="autoencoder", schedule=Schedule(learning_rate=1e-3), steps=10, batch=2, crop=16
    )
    expected = TrainingSettings(network="res2fusion", phases=(phase,), validation_patients=("16",))
    assert read_training_settings(write(tmp_path, {}, {})) == expected
    assert phase.augmentation == Augmentation(rotate=True)
    assert (phase.ema_decay, phase.clip, phase.outlier, phase.patience) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("top", "phase"),
    [
        ({"stepz": "3"}, {}), ({}, {"stepz": "3"}),
        ({}, {"schedule": "{learning_rate = 1, stepz = 3}"}),
        ({}, {"augmentation": "{stepz = 3}"}), ({"export": "{stepz = 3}"}, {}),
        ({"network_options": "{stepz = 3}"}, {}), ({}, {"weights": "{stepz = 3.0}"}),
    ],
)  # fmt: skip
def test_an_unknown_setting_is_refused_at_every_depth(
    tmp_path: Path, top: dict[str, str | None], phase: dict[str, str | None]
) -> None:
    assert "stepz" in refusal(write(tmp_path, top, phase))


@pytest.mark.parametrize("name", ["objective", "batch", "schedule"])
def test_a_missing_setting_is_refused_by_name(tmp_path: Path, name: str) -> None:
    message = refusal(write(tmp_path, {}, {name: None}))
    assert f": phases.0.{name}: " in message
    assert "required" in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", "0"), ("steps", '"ten"'), ("batch", "0"), ("epochs", "0"), ("crop", "0"),
        ("schedule", "{learning_rate = 0}"), ("schedule", "{learning_rate = 1, warmup_steps = -1}"),
        ("schedule", '{learning_rate = 1, decay = "ever"}'), ("validate_every", "0"),
        ("schedule", "{learning_rate = 1, decay_factor = 1.1}"), ("ema_decay", "1.0"),
        ("rounding_noise", "-0.1"), ("rounding_noise", "1.0"), ("bfloat16", '"perhaps"'),
        ("clip", "-1"), ("outlier", "-1"), ("patience", "-1"), ("weights", '{a = "much"}'),
        ("augmentation", "{gain = 1.0}"), ("augmentation", "{min_tissue = -0.1}"),
    ],
)  # fmt: skip
def test_a_wrong_value_of_a_phase_is_refused_by_name(tmp_path: Path, name: str, value: str) -> None:
    assert f": phases.0.{name}" in refusal(write(tmp_path, {}, {name: value}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", "-1"), ("validation_patients", "16"), ("validation_patients", "[16]"),
        ("network", "3"), ("goals", "{MI = 0}"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_by_name(tmp_path: Path, name: str, value: str) -> None:
    assert f": {name}" in refusal(write(tmp_path, {name: value}, {}))


@pytest.mark.parametrize(
    ("top", "phase", "words"),
    [
        ({"network": '"densenet"'}, {}, "no network 'densenet'; there are ['cnn', 'csf', 'ddcgan"),
        ({"network_options": '{strategy = "luck"}'}, {}, "do not fit network 'res2fusion'"),
        ({"network_options": "{width = 3}"}, {}, "do not fit network 'res2fusion'"),
        ({}, {"objective": '"luck"'}, "phases.0: no objective 'luck'; there are ['autoencoder"),
        ({"network": '"mfinet"'}, {}, "'autoencoder' is for autoencoders, which network 'mfinet'"),
        ({}, {"objective": '"sdnet"'}, "'sdnet' is for SDNet, which network 'res2fusion' is not"),
        (
            {"network": '"densefuse"'}, {"objective": '"rfnnest"'},
            "'rfnnest' is for RFNNest, which network 'densefuse' is not",
        ),
        (
            {"network": '"fusiongan"'}, {"objective": '"fusiongan"'},
            "'fusiongan' takes crops of 120 pixels; give crop = 120",
        ),
        ({}, {"crop": str(SSIM_WINDOW - 1)}, "crop 10 is too small for objective 'autoencoder'"),
        ({}, {"epochs": "3"}, "phases.0: give steps or epochs, one of them"),
        ({}, {"steps": None}, "phases.0: give steps or epochs, one of them"),
        ({"profile": '"luck"'}, {}, "luck"),
        ({"goals": "{luck = 1.0}"}, {}, "luck"),
        ({"validation_patients": None, "goals": "{MI = 1.0}"}, {}, "need validation_patients"),
        ({"validation_patients": None}, {"patience": "1"}, "need validation_patients"),
    ],
)  # fmt: skip
def test_contradictory_settings_are_refused(
    tmp_path: Path, top: dict[str, str | None], phase: dict[str, str | None], words: str
) -> None:
    assert words in refusal(write(tmp_path, top, phase))


def test_a_file_without_phases_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('network = "res2fusion"\nphases = []\n')
    assert ": phases: " in refusal(path)


def test_wrong_options_of_mfinet_are_refused(tmp_path: Path) -> None:
    top = {"network": '"mfinet"', "network_options": '{width = "wide"}'}
    message = refusal(write(tmp_path, top, {"objective": '"mfinet_paper"'}))
    assert "options of mfinet: width" in message


@pytest.mark.parametrize("content", [b"steps = = 3", b"\xff\xfe\x00"])
def test_a_file_that_is_no_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    assert "cannot be read as TOML settings" in refusal(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path / "none.toml")
    assert "cannot be read" in refusal(tmp_path)


def test_smallest_crop_fits_the_windows_of_the_objective() -> None:
    assert OBJECTIVES["autoencoder"].min_side == SSIM_WINDOW
    assert OBJECTIVES["mfinet_metrics"].min_side == METRICS["vif"].min_side


def test_an_epoch_has_as_many_crops_as_there_are_images() -> None:
    phase = dataclasses.replace(FUSION, steps=None, epochs=3, batch=4)
    assert [steps_of(phase, images) for images in (4, 5, 8)] == [3, 4, 6]
    assert steps_of(FUSION, 1000) == FUSION.steps


def test_learning_rate_decays_along_half_a_cosine_to_zero() -> None:
    phase = dataclasses.replace(AUTOENCODER, steps=100, schedule=Schedule(learning_rate=0.5))
    rates = [learning_rate(phase, step, 9) for step in range(101)]
    np.testing.assert_allclose([rates[0], rates[50], rates[100]], [0.5, 0.25, 0], atol=1e-15)
    assert rates == sorted(rates, reverse=True)
    np.testing.assert_allclose(np.add(rates, rates[::-1]), 0.5)


def test_a_cosine_may_be_longer_or_shorter_than_its_phase() -> None:
    for length, expected in ((200, [0.5, 0.25, 0.0732]), (50, [0.5, 0.0, 0.0])):
        schedule = Schedule(learning_rate=0.5, decay_steps=length)
        phase = dataclasses.replace(AUTOENCODER, steps=150, schedule=schedule)
        rates = [learning_rate(phase, step, 9) for step in (0, 100, 150)]
        np.testing.assert_allclose(rates, expected, atol=1e-4)


def test_warmup_raises_the_learning_rate_linearly() -> None:
    schedule = Schedule(learning_rate=1, warmup_steps=4, decay="step", decay_factor=1)
    phase = dataclasses.replace(AUTOENCODER, schedule=schedule)
    rates = [learning_rate(phase, step, 9) for step in range(6)]
    np.testing.assert_allclose(rates, [0.25, 0.5, 0.75, 1, 1, 1])


def test_learning_rate_decays_in_steps_of_epochs() -> None:
    schedule = Schedule(learning_rate=1, decay="step", decay_epochs=2, decay_factor=0.5)
    phase = dataclasses.replace(AUTOENCODER, schedule=schedule, batch=2)
    rates = [learning_rate(phase, step, 4) for step in range(9)]
    np.testing.assert_allclose(rates, [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25])
