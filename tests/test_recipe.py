"""A recipe is plain data: it goes through JSON unharmed, and nonsense is refused."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from radfuse.errors import InputError
from radfuse.methods.catalogue import METHODS
from radfuse.recipe import DEFAULT_METHOD, Recipe, make_recipe

numbers = st.floats(-2000, 4000)
texts = st.text(min_size=1, max_size=20)
some = st.fixed_dictionaries(
    {},
    optional={
        "method": texts,
        "options": st.dictionaries(texts, numbers | texts | st.integers(-9, 9), max_size=2),
        "window": texts | st.tuples(numbers, numbers),
        "deterministic": st.booleans(),
        "accept_registration": st.booleans(),
        "ct_series": texts | st.none(),
        "mr_series": texts | st.none(),
        "device": st.sampled_from(["cpu", "cuda"]),
        "bits": st.sampled_from([8, 16]),
        "transform": st.just(Path("a/b.tfm")),
        "accept_patients": st.booleans(),
        "outputs": st.none() | st.just(("mr",)) | st.just(("colour", "registration")),
        "opacity": st.floats(0, 1),
        "deidentify": st.booleans(),
    },
)


@given(some)
def test_a_recipe_through_json_is_the_same_recipe(settings: dict[str, object]) -> None:
    recipe = make_recipe(**settings)
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
    assert make_recipe(**json.loads(recipe.model_dump_json())) == recipe


@given(some)
def test_a_recipe_has_what_it_was_given_and_defaults_elsewhere(settings: dict[str, object]) -> None:
    recipe, plain = make_recipe(**settings), Recipe()
    for name in Recipe.model_fields:
        assert getattr(recipe, name) == settings.get(name, getattr(plain, name))


def test_the_default_method_exists() -> None:
    assert DEFAULT_METHOD in METHODS
    assert make_recipe() == Recipe()


def test_a_recipe_does_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        make_recipe().method = "maximum"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"methid": "maximum"}, "recipe: methid: Extra inputs are not permitted (got 'maximum')"),
        ({"bits": 12}, "recipe: bits: Input should be 8 or 16 (got 12)"),
        ({"options": 3}, "recipe: options: Input should be a valid dictionary (got 3)"),
        ({"device": "tpu"}, "recipe: device: Input should be 'cpu' or 'cuda' (got 'tpu')"),
        ({"window": (80,)}, "recipe: window."),
        ({"window": 80}, "recipe: window."),
        (
            {"outputs": ("mr", "all")},
            "recipe: outputs.1: Input should be 'fused', 'mr', 'colour' or",
        ),
        ({"outputs": ()}, "recipe: outputs: Tuple should have at least 1 item"),
        ({"opacity": 1.5}, "recipe: opacity: Input should be less than or equal to 1 (got 1.5)"),
        ({"opacity": float("nan")}, "recipe: opacity: Input should be "),
        ({"method": None}, "recipe: method: Input should be a valid string (got None)"),
        ({"deterministic": "perhaps"}, "recipe: deterministic: "),
    ],
)
def test_a_wrong_setting_is_refused_in_one_line_with_its_name(
    settings: dict[str, object], words: str
) -> None:
    with pytest.raises(InputError) as caught:
        make_recipe(**settings)
    assert str(caught.value).startswith(words)
    assert "\n" not in str(caught.value)


def test_of_several_wrong_settings_the_first_is_named() -> None:
    with pytest.raises(InputError, match=r"^recipe: device: [^\n]*$"):
        make_recipe(bits=12, device="tpu")  # in the order of the fields


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"transform": "a.tfm", "initial_transform": "b.tfm"}, "transform or initial_transform"),
        (
            {"deidentify": True, "show_identifiers": True},
            "deidentify or show_identifiers, not both",
        ),
        ({"register_rigidly": False, "transform": "a.tfm"}, "a transform file needs"),
        ({"register_rigidly": False, "initial_transform": "b.tfm"}, "a transform file needs"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    settings: dict[str, object], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        make_recipe(**settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"transform": "a.tfm"}, {"initial_transform": "b.tfm"}, {"register_rigidly": False},
    ],
)  # fmt: skip
def test_each_of_them_alone_is_taken(settings: dict[str, object]) -> None:
    recipe = make_recipe(**settings)
    name, value = next(iter(settings.items()))
    assert str(getattr(recipe, name)) == str(value)


def test_an_older_recipe_has_precision_as_a_field() -> None:
    assert make_recipe(precision="f32") == Recipe()
    assert make_recipe(precision="bf16").options == {"precision": "bf16"}
