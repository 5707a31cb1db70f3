"""`radfuse demo --pet`."""

import json
from pathlib import Path

import numpy as np
import pydicom
from click.testing import CliRunner

from radfuse.cli import main
from radfuse.phantom.head import draw_layers, make_phantom
from radfuse.phantom.uptake import FDG, scan_uptake
from radfuse.registration.transforms import read_transform

SPACING_MM = 4.0
BRAIN = [(x, y, z) for x in (-50, 50) for y in (-60, 60) for z in (-10, 55)]
"""Points of the phantom's CT, mm."""


def test_a_pet_is_written_and_fused_with_the_mr(tmp_path: Path) -> None:
    demo = ["demo", "--pet", "--spacing", str(SPACING_MM), "-o", str(tmp_path / "demo"), "--quiet"]
    done = CliRunner().invoke(main, [*demo, "--json"])
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout)
    assert record["recipe"]["method"] == "uptake_over_mr"
    pet = pydicom.dcmread(next((tmp_path / "demo/PT").iterdir()))
    assert (pet.Modality, pet.Units) == ("PT", "BQML")
    names = {path.name for path in (tmp_path / "demo/fused").iterdir()}
    assert {"COLOUR_MR_PT", "PT_on_MR", "REG", "qa.html", "record.json"} <= names
    phantom = make_phantom(spacing_mm=SPACING_MM)
    truth = scan_uptake(draw_layers(7, spacing_mm=SPACING_MM), FDG, 7).functional_from_mr(phantom)
    found = read_transform(next((tmp_path / "demo/fused").glob("*.tfm")))
    for point in BRAIN:
        in_mr = phantom.mr_from_ct.TransformPoint(point)
        distance = np.subtract(found.TransformPoint(in_mr), truth.TransformPoint(in_mr))
        assert np.linalg.norm(distance) < 3.0
    again = CliRunner().invoke(main, demo)
    assert again.exit_code == 2
    assert "exists; pass --overwrite" in again.stderr
