"""PET and SPECT series in the list of a folder: unit, SUV, and what is no volume."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from nuclear_kit import isotope, pet, spect
from radfuse.cli import main
from radfuse.pipeline.inspect import InspectedSeries, inspect

INJECTED = "20240115110000"


def only(path: Path) -> InspectedSeries:
    (found,), _ = inspect(path)
    return found


@pytest.mark.parametrize(
    ("values", "note"),
    [
        (
            {"RadiopharmaceuticalInformationSequence": isotope(
                RadiopharmaceuticalStartDateTime=INJECTED)},
            "values in Bq/ml; SUVbw by the patient's weight and the dose after 60 min of decay",
        ),
        ({"PatientWeight": None}, "values in Bq/ml; no SUV: PatientWeight (0010,1030) is missing"),
        ({"Units": "PCNT"}, "values in percent; no SUV: Units (0054,1001) is PCNT"),
        ({"Units": None}, "values in an unknown unit; no SUV"),
        ({"Units": "GML"}, "values in g/ml (an SUV); the values are SUVbw"),
    ],
)  # fmt: skip
def test_a_pet_has_its_unit_and_suv(tmp_path: Path, values: dict[str, object], note: str) -> None:
    one = only(pet(tmp_path / "pet", **values).parent)
    assert one.kind == "PT"
    assert one.size == (7, 9, 6)
    assert one.problems == ()
    assert one.notes[-1].startswith(note)


def test_a_spect_volume_is_listed_with_its_unit(tmp_path: Path) -> None:
    one = only(spect(tmp_path / "nm"))
    assert (one.kind, one.size, one.problems) == ("NM", (7, 9, 6), ())
    assert one.notes == ("values in counts",)


def test_projections_are_named(tmp_path: Path) -> None:
    one = only(spect(tmp_path / "nm", ImageType=["ORIGINAL", "PRIMARY", "TOMO", "EMISSION"]))
    assert one.left_out.startswith("raw projections of a SPECT")
    assert not one.is_volume


def test_the_option_to_choose_a_series_is_named(tmp_path: Path) -> None:
    pet(tmp_path / "a", name="first")
    pet(tmp_path / "b", name="second")
    inspected, _ = inspect(tmp_path)
    for one in inspected:
        assert "with --pet, choose one by --pet-series UID" in one.notes[-1]


def test_info_prints_the_note(tmp_path: Path) -> None:
    pet(tmp_path / "pet", PatientWeight=None)
    shown = CliRunner().invoke(main, ["info", str(tmp_path)])
    assert "note: values in Bq/ml; no SUV: PatientWeight (0010,1030) is missing" in shown.output
    assert shown.exit_code == 0
