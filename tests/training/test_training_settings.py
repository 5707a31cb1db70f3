"""Settings of a training run: complete, known, in range, or refused in one line."""

import tomllib
from pathlib import Path

import pytest

from radfuse.errors import InputError
from radfuse.networks.catalogue import NETWORKS
from radfuse.training.losses import SSIM_WINDOW
from radfuse.training.settings import Settings, read_settings

CONFIGS = Path(__file__).parents[2] / "configs"
TRAININGS = [
    path for path in sorted(CONFIGS.glob("*.toml")) if "network" in tomllib.loads(path.read_text())
]

LINES = {
    "network": '"res2fusion"', "steps": "10", "batch": "2", "crop": "16",
    "learning_rate": "1e-3", "seed": "1",
}  # fmt: skip
"""The least that a file must say."""


def write(folder: Path, **changes: str | None) -> Path:
    """A file with those lines; None leaves one out."""
    lines = LINES | changes
    path = folder / "mine.toml"
    path.write_text("\n".join(f"{k} = {v}" for k, v in lines.items() if v is not None))
    return path


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_settings(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    return message


@pytest.mark.parametrize("config", TRAININGS, ids=lambda path: path.name)
def test_every_training_file_of_the_repository_can_be_read(config: Path) -> None:
    settings = read_settings(config)
    assert settings.network in NETWORKS
    assert settings.validation_patients


def test_what_a_file_leaves_out_has_its_default(tmp_path: Path) -> None:
    expected = Settings("res2fusion", 10, 2, 16, 1e-3, 1)
    assert read_settings(write(tmp_path)) == expected
    assert expected.validation_patients == ()
    assert expected.rounding_noise == 0


def test_what_a_file_says_is_what_counts(tmp_path: Path) -> None:
    path = write(
        tmp_path, validation_patients='["16", "2"]', report_every="5", rounding_noise="0.25",
        bfloat16="false",
    )  # fmt: skip
    expected = Settings("res2fusion", 10, 2, 16, 1e-3, 1, ("16", "2"), 5, 0.25, False)
    assert read_settings(path) == expected


def test_an_unknown_setting_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    message = refusal(write(tmp_path, stepz="3"))
    assert "unknown settings ['stepz']; known are" in message
    assert "'steps'" in message


@pytest.mark.parametrize("name", LINES)
def test_a_missing_setting_is_refused_by_name(tmp_path: Path, name: str) -> None:
    message = refusal(write(tmp_path, **{name: None}))
    assert f": {name}: " in message
    assert "required" in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", "0"), ("steps", '"ten"'), ("batch", "0"), ("crop", str(SSIM_WINDOW - 1)),
        ("learning_rate", "0"), ("learning_rate", "-1e-3"), ("seed", "-1"), ("report_every", "0"),
        ("rounding_noise", "-0.1"), ("rounding_noise", "1.0"), ("bfloat16", '"perhaps"'),
        ("validation_patients", "16"), ("validation_patients", '"16"'),
        ("validation_patients", "[16]"), ("network", "3"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_by_name(tmp_path: Path, name: str, value: str) -> None:
    message = refusal(write(tmp_path, **{name: value}))
    assert f": {name}" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "value"),
    [("steps", "1"), ("crop", str(SSIM_WINDOW)), ("seed", "0"), ("rounding_noise", "0.99")],
)
def test_a_value_at_the_edge_is_taken(tmp_path: Path, name: str, value: str) -> None:
    assert getattr(read_settings(write(tmp_path, **{name: value})), name) == float(value)


def test_an_unknown_network_is_refused_with_those_there_are(tmp_path: Path) -> None:
    message = refusal(write(tmp_path, network='"densenet"'))
    assert "no network 'densenet'; there are ['res2fusion'" in message


@pytest.mark.parametrize("content", [b"steps = = 3", b"\xff\xfe\x00"])
def test_a_file_that_is_no_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    assert "cannot be read as TOML settings" in refusal(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path / "none.toml")
    assert "cannot be read" in refusal(tmp_path)
