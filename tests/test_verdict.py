"""The words of a verdict: an error that is stated holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radfuse.verdict import Verdict, at_most


@given(st.floats(0, 100))
def test_a_stated_limit_is_not_below_the_value(length_mm: float) -> None:
    assert length_mm - 1e-6 <= float(at_most(length_mm)) < length_mm + 0.1 + 1e-6


@pytest.mark.parametrize(
    ("length_mm", "stated"),
    [(0.0, "0.0"), (1.9, "1.9"), (1.91, "2.0"), (2.999, "3.0"), (3.0, "3.0")],
)
def test_a_limit_that_is_met_is_stated_as_it_is(length_mm: float, stated: str) -> None:
    """What passes up to 1.9 mm says at most 1.9 mm, and what does not says more."""
    assert at_most(length_mm) == stated


def test_inspect_states_the_error_rounded_up() -> None:
    assert (
        Verdict("inspect", 1.93).sentence()
        == "registration QA INSPECT: registration error up to 2.0 mm"
    )
