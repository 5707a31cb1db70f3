"""The verdict on a functional image: an error with an interval, three grades, one sentence."""

import json
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radfuse.registration.functional.measurement import FAR_MM, HALVES, Measured
from radfuse.registration.functional.quality import (
    CONFIRMED_MM,
    INSPECT_MM,
    MAX_HALVES_MM,
    MIN_BRAIN_SHOWN,
    MIRRORED,
    PASS_MM,
    SIDES_DIFFER,
    judged,
)


def halves(mm: float) -> dict[str, float]:
    return {name: mm for name, _, _ in HALVES}


GOOD = Measured(
    anatomical="MR",
    functional="PT",
    has_brain=True,
    reregistration_mm=0.2,
    swapped_mm=0.3,
    starts_mm=0.0,
    halves_mm=halves(0.4),
    mirror_fit=0.3,
    fit=0.9,
    inner_fit=0.5,
    brain_in_view=1.0,
    brain_with_uptake=0.97,
    uptake_in_brain=0.95,
)
"""As of a PET of the same person."""


def test_a_good_pose_passes():
    quality = judged(GOOD)
    assert quality.passed
    assert quality.grade == "pass"
    assert quality.warnings == ()
    assert quality.sentence().startswith("registration QA passed: estimated error of the PT")


@given(st.floats(0, 30), st.floats(0, 10), st.floats(0, 1.2))
def test_the_interval_holds_the_estimate(moved_mm: float, swapped_mm: float, half_mm: float):
    measured = replace(
        GOOD, reregistration_mm=moved_mm, swapped_mm=swapped_mm, halves_mm=halves(half_mm)
    )
    quality = judged(measured)
    assert 0 <= quality.low_mm <= quality.error_mm <= quality.high_mm
    assert quality.passed == (quality.grade == "pass")
    assert (quality.grade == "refuse") == (quality.high_mm > INSPECT_MM)


@pytest.mark.parametrize("name", ["reregistration_mm", "starts_mm"])
def test_a_farther_optimum_is_a_larger_error(name: str):
    qualities = [judged(replace(GOOD, **{name: mm})) for mm in (0.0, 1.0, 3.0, 9.0)]
    assert all(one.error_mm < other.error_mm for one, other in pairwise(qualities))
    assert all(one.high_mm < other.high_mm for one, other in pairwise(qualities))
    assert qualities[-1].grade == "refuse"
    assert not qualities[-1].not_judged


def test_an_error_between_the_limits_is_to_be_inspected():
    quality = judged(replace(GOOD, reregistration_mm=3.0))
    assert PASS_MM < quality.high_mm <= INSPECT_MM
    assert quality.grade == "inspect"
    assert f"INSPECT: registration error up to {quality.high_mm:.1f} mm" in quality.sentence()
    assert quality.warnings == (quality.sentence(),)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"has_brain": False}, "no brain was found in the MR"),
        ({"brain_in_view": MIN_BRAIN_SHOWN - 0.01}, "the PT shows 59% of the brain"),
        ({"brain_with_uptake": 0.2}, "the PT shows 20% of the brain"),
        ({"mirror_fit": MIRRORED + 0.01}, "check its orientation and whether both are of one"),
        ({"halves_mm": halves(MAX_HALVES_MM["MR"] + 0.1)}, "halves of the brain fit"),
        ({"halves_mm": {}}, f"halves of the brain fit {FAR_MM:.1f} mm apart"),
        (
            {
                "anatomical": "CT",
                "mirror_fit": 0.8,
                "inner_fit": 0.1,
                "halves_mm": halves(CONFIRMED_MM + 0.1),
            },
            "nothing shows that both are of one person",
        ),
    ],
)
def test_what_cannot_be_judged_is_refused(changes: dict[str, object], reason: str):
    quality = judged(replace(GOOD, **changes))
    assert quality.grade == "refuse"
    assert not quality.is_estimated
    assert reason in quality.sentence()
    assert "; " in quality.not_judged
    assert "\n" not in quality.sentence()


def test_at_each_limit_the_pose_is_still_judged():
    at_limit = replace(
        GOOD, brain_in_view=MIN_BRAIN_SHOWN, brain_with_uptake=MIN_BRAIN_SHOWN, mirror_fit=MIRRORED
    )
    assert judged(at_limit).is_estimated


def test_sides_that_cannot_be_distinguished_are_named():
    quality = judged(replace(GOOD, mirror_fit=0.95))
    assert quality.grade == "inspect"
    assert "left and right cannot be distinguished" in quality.sentence()
    assert judged(replace(GOOD, mirror_fit=SIDES_DIFFER)).caution == ""


def test_the_values_are_json():
    values = json.loads(json.dumps(judged(GOOD).as_dict()))
    assert values["grade"] == "pass"
    assert values["is_estimated"]
    assert values["halves_mm"]["left"] == 0.4
    assert values["verdict"] == "registration QA passed"
