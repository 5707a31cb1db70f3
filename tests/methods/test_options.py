"""Methods declare their options; values are checked, and grey levels follow the CT window."""

import json
from dataclasses import FrozenInstanceError

import pytest
from click.testing import CliRunner, Result

from radfuse.cli import main
from radfuse.errors import InputError
from radfuse.intensity import BONE_HU, WINDOWS
from radfuse.methods.catalogue import METHODS
from radfuse.methods.loading import applicable_options, check_options, load_method, options_of
from radfuse.methods.options import option_values

WITH_BONE = sorted(name for name in METHODS if "bone_level" in options_of(name))


NO_FAST = "no fast graph; methods with one, on --device cpu: res2fusion; leave out --fast"


def command(*words: str) -> Result:
    return CliRunner().invoke(main, words)


def test_a_bone_threshold_lies_inside_each_window() -> None:
    assert WINDOWS["fusion"].threshold(BONE_HU) == pytest.approx(0.3)
    assert all(0 < window.threshold(BONE_HU) < 1 for window in WINDOWS.values())


@pytest.mark.parametrize("name", WITH_BONE)
@pytest.mark.parametrize("window", WINDOWS)
def test_the_bone_level_follows_the_window(name: str, window: str) -> None:
    level = WINDOWS[window].threshold(BONE_HU)
    assert option_values(load_method(name, window=WINDOWS[window])) == {"bone_level": level}


@pytest.mark.parametrize("name", METHODS)
def test_defaults_are_allowed_and_do_not_change_a_method(name: str) -> None:
    options = options_of(name)
    defaults = {key: one.default for key, one in options.items()}
    method = load_method(name, defaults)
    assert method == load_method(name)
    assert option_values(method) == defaults
    assert all(one.help for one in options.values())
    with pytest.raises(FrozenInstanceError):
        method.any = 1  # type: ignore[attr-defined]


def test_a_given_value_goes_before_the_window() -> None:
    method = load_method("bone_blend", {"bone_level": 0.7}, window=WINDOWS["fusion"])
    assert option_values(method) == {"bone_level": 0.7}


@pytest.mark.parametrize(
    ("method", "options", "words"),
    [
        ("average", {"bone_level": 0.2}, "no option bone_level; it has no options"),
        ("dwt", {"level": 2}, "no option level; the options are wavelet, levels"),
        ("dwt", {"levels": 2.5}, "option levels: 2.5 is not allowed; give 1 to 10, whole"),
        ("dwt", {"levels": True}, "option levels: True is not allowed"),
        ("dwt", {"wavelet": "db"}, "option wavelet: 'db' is not allowed; give haar | db2"),
        ("bone_blend", {"bone_level": 1.5}, "option bone_level: 1.5 is not allowed; give 0 to 1"),
        ("bone_blend", {"bone_level": float("nan")}, "option bone_level: nan is not allowed"),
        ("bone_blend", {"bone_level": "high"}, "option bone_level: 'high' is not allowed"),
        ("mfinet", {"precision": "f16"}, "option precision: 'f16' is not allowed; give f32 | bf16"),
        (
            "res2fusion",
            {"graph": "small"},
            "option graph: 'small' is not allowed; give full | fast",
        ),
        ("mfinet", {"graph": "fast"}, NO_FAST),
        ("dwt", {"graph": "fast"}, NO_FAST),
    ],
)
def test_a_wrong_option_is_refused_with_what_is_allowed(
    method: str, options: dict[str, object], words: str
) -> None:
    with pytest.raises(InputError) as caught:
        check_options(method, options)
    assert str(caught.value).startswith(f"method '{method}' on cpu: {words}")


def test_bf16_is_refused_on_a_gpu() -> None:
    pytest.importorskip("torch")
    with pytest.raises(InputError, match="'mfinet' on cuda: no option precision"):
        check_options("mfinet", {"precision": "bf16"}, "cuda")


def test_fast_graph_is_refused_on_a_gpu() -> None:
    pytest.importorskip("torch")
    with pytest.raises(InputError, match=f"'res2fusion' on cuda: {NO_FAST}"):
        check_options("res2fusion", {"graph": "fast"}, "cuda")


def test_only_methods_with_a_fast_graph_have_its_option() -> None:
    assert options_of("res2fusion")["graph"].default == "full"
    assert "graph" not in options_of("mfinet")


def test_options_of_another_method_do_not_apply() -> None:
    options = {"precision": "bf16", "bone_level": 0.2}
    assert applicable_options("average", options) == {}
    assert applicable_options("bone_blend", options) == {"bone_level": 0.2}


def test_the_command_lists_inputs_and_options_of_a_method() -> None:
    text = command("methods", "bone_blend").stdout
    assert "CT in its window and MR" in text
    assert "--option bone_level=  CT grey level above which a pixel is bone; 0 to 1" in text
    assert "[default: 0.502; of volumes, the grey level of 300 HU in the CT window]" in text
    assert "no options" in command("methods", "average").stdout
    facts = json.loads(command("methods", "dwt", "--json").stdout)
    assert facts["options"]["levels"] | {"help": ""} == {
        "default": 3, "allowed": "1 to 10, whole", "unit": "", "hu": None, "help": "",
    }  # fmt: skip


def test_the_command_refuses_an_unknown_method_in_one_line() -> None:
    result = command("methods", "bone-blend")
    assert result.exit_code == 2
    assert result.stderr.startswith("radfuse: no method 'bone-blend'; nearest: bone_blend")
